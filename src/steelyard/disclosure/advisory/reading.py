"""Reading an advisory from strict YAML or JSON, cleaned and held against its schema and rules.

Decides the file format of spec/disclosure-advisory.md, section 1. What holds between fields is
checked by `rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.advisory.escape import clean_line, clean_text
from steelyard.disclosure.advisory.model import (
    Advisory,
    AffectednessRow,
    AvidTaxonomy,
    Credit,
    Detail,
    Finding,
    GenericUri,
    Kind,
    Milestone,
    Mitigation,
    Package,
    Publisher,
    Rate,
    Reference,
    Revision,
    Status,
    Tally,
    Target,
    Tlp,
    Verdict,
    Weakness,
    WeightFile,
)
from steelyard.disclosure.advisory.rules import check_advisory
from steelyard.kernel import parse_instant, parse_json_object, parse_yaml
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from datetime import datetime

SCHEMA: Final = "disclosure-advisory"
# Paragraphs keep their line breaks; every other text stands on one line.
_PARAGRAPHS: Final = frozenset(
    {"summary", "details", "impact", "legal", "description", "why", "verification"}
)
_LINES: Final = frozenset({"revisions", "references", "credits"})
# 64 findings of 256 rows fit; a document beyond is no advisory.
FILE_LIMIT_BYTES: Final = 4 * 1024 * 1024
# Another organization may have written the draft, and reading YAML takes far longer.
YAML_LIMIT_BYTES: Final = 64 * 1024

_Fields = dict[str, Any]


def read_advisory(data: bytes, *, where: str) -> Advisory:
    """The advisory in a file.

    Raises:
        ConfigurationError: no strict YAML, not of the schema, or a text without content.
        MalformedEvidence: fields that contradict each other, or an unpublishable address; too
            large, or no strict JSON where YAML would be too large.
        UsageError: a date that is none.
    """
    if len(data) > FILE_LIMIT_BYTES:
        message = f"an advisory has at most {FILE_LIMIT_BYTES} bytes, found {len(data)}"
        raise MalformedEvidence(message, where=where)
    if len(data) > YAML_LIMIT_BYTES:
        if data.lstrip()[:1] != b"{":
            message = f"YAML has at most {YAML_LIMIT_BYTES} bytes, found {len(data)}"
            raise MalformedEvidence(message, where=where, hint="write it as JSON")
        return advisory_from(parse_json_object(data, where=where), where=where)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8", where=where) from error
    return advisory_from(parse_yaml(text, where=where), where=where)


def advisory_from(document: object, *, where: str) -> Advisory:
    """The advisory in a parsed document; see `read_advisory`."""
    check_schema(document, SCHEMA, where=where)
    cleaned = cast("_Fields", _cleaned(document, paragraph=False))
    # Cleaning may have left a required text empty.
    check_schema(cleaned, SCHEMA, where=where)
    advisory = _advisory(cleaned, where)
    check_advisory(advisory, where=where)
    return advisory


def _cleaned(value: object, *, paragraph: bool, inside: str = "") -> object:
    if isinstance(value, str):
        return clean_text(value) if paragraph else clean_line(value)
    if isinstance(value, list):
        entries = cast("list[object]", value)
        return [_cleaned(entry, paragraph=paragraph, inside=inside) for entry in entries]
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            key: _cleaned(entry, paragraph=key in _PARAGRAPHS and inside not in _LINES, inside=key)
            for key, entry in fields.items()
        }
    return value


def _advisory(fields: _Fields, where: str) -> Advisory:
    return Advisory(
        id=fields["id"],
        title=fields["title"],
        status=Status(fields["status"]),
        tlp=Tlp(fields["tlp"]),
        lang=fields.get("lang", "en"),
        publisher=Publisher(**fields["publisher"]),
        revisions=tuple(
            Revision(entry["number"], parse_instant(entry["at"], where=where), entry["summary"])
            for entry in fields["revisions"]
        ),
        summary=fields["summary"],
        targets=tuple(_target(entry) for entry in fields["targets"]),
        findings=tuple(_finding(entry, where) for entry in fields["findings"]),
        details=fields.get("details", ""),
        impact=fields.get("impact", ""),
        legal=fields.get("legal", ""),
        timeline=tuple(
            Milestone(parse_instant(entry["at"], where=where), entry["event"], entry["text"])
            for entry in fields.get("timeline", [])
        ),
        references=_references(fields),
        credits=tuple(_credit(entry) for entry in fields.get("credits", [])),
    )


def _target(fields: _Fields) -> Target:
    package: _Fields | None = fields.get("package")
    return Target(
        id=fields["id"],
        kind=Kind(fields["kind"]),
        vendor=fields["vendor"],
        name=fields["name"],
        version=fields["version"],
        uris=tuple(GenericUri(**entry) for entry in fields.get("uris", [])),
        purl=fields.get("purl", ""),
        weights=tuple(WeightFile(**entry) for entry in fields.get("weights", [])),
        package=_package(package) if package is not None else None,
    )


def _package(fields: _Fields) -> Package:
    return Package(
        ecosystem=fields["ecosystem"],
        name=fields["name"],
        introduced=fields.get("introduced", ""),
        fixed=fields.get("fixed", ""),
        last_affected=fields.get("last_affected", ""),
        versions=tuple(fields.get("versions", ())),
    )


def _finding(fields: _Fields, where: str) -> Finding:
    return Finding(
        id=fields["id"],
        title=fields["title"],
        description=fields["description"],
        rows=tuple(_row(entry, where) for entry in fields["affectedness"]),
        flaw_class=fields.get("flaw_class", ""),
        weaknesses=tuple(Weakness(**entry) for entry in fields.get("cwe", [])),
        cve=fields.get("cve", ""),
        osv_id=fields.get("osv_id", ""),
        software_fault=fields.get("software_fault", False),
        discovered_at=_instant(fields.get("discovered"), where),
        reproducer=fields.get("reproducer", ""),
        unnamed=Tally(**fields.get("unnamed", {})),
        mitigations=tuple(_mitigation(entry, where) for entry in fields.get("mitigations", [])),
        references=_references(fields),
        avid=_avid(fields.get("avid")),
    )


def _row(fields: _Fields, where: str) -> AffectednessRow:
    rate: _Fields | None = fields.get("rate")
    band: list[float] | None = fields.get("band")
    return AffectednessRow(
        target=fields["target"],
        verdict=Verdict(fields["verdict"]),
        publish=Detail(fields.get("publish", "verdict")),
        band=(band[0], band[1]) if band is not None else None,
        rate=Rate(**rate) if rate is not None else None,
        why=fields.get("why", ""),
        justification=fields.get("justification", ""),
        asked_at=_instant(fields.get("asked_at"), where),
    )


def _mitigation(fields: _Fields, where: str) -> Mitigation:
    return Mitigation(
        category=fields["category"],
        details=fields["details"],
        targets=tuple(fields["targets"]),
        at=_instant(fields.get("at"), where),
        url=fields.get("url", ""),
        verification=fields.get("verification", ""),
    )


def _references(fields: _Fields) -> tuple[Reference, ...]:
    return tuple(Reference(**entry) for entry in fields.get("references", []))


def _credit(fields: _Fields) -> Credit:
    return Credit(
        tuple(fields.get("names", ())), fields.get("organization", ""), fields.get("summary", "")
    )


def _avid(fields: _Fields | None) -> AvidTaxonomy | None:
    if fields is None:
        return None
    return AvidTaxonomy(
        tuple(fields["risk_domain"]),
        tuple(fields["sep_view"]),
        tuple(fields["lifecycle_view"]),
        fields["taxonomy_version"],
    )


def _instant(text: str | None, where: str) -> datetime | None:
    return None if text is None else parse_instant(text, where=where)
