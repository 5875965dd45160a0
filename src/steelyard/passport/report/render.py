"""The page: what `report.html.j2` prints, and the one function that prints it.

Decides which parts the page has and what it names as not tested. Same input,
same bytes: no clock, no random order. Jinja2 escapes everything that comes
from evidence; only charts, escaped by `charts`, enter as markup.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from steelyard.passport.report.charts import INK, LEVEL_TINTS, MUTED, pattern_definitions
from steelyard.passport.report.flaws import flaws_view
from steelyard.passport.report.view import DomainView, domain_view
from steelyard.passport.report.wording import (
    ELICITATION_LABELS,
    Level,
    capitalized,
    day,
    plain,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from steelyard.kernel import JsonObject


@dataclass(frozen=True, slots=True)
class ReportInput:
    """What a report shows, as plain JSON parts.

    Attributes:
        classification: A `Classification` as JSON.
        identity: Predicate of the model-identity statement.
        intent: Predicate of the run-intent statement, None if there is none.
        evidence: Predicate of the evaluation-evidence statement.
        crosswalk: Rows with domain, level, document, version, clause, relation,
            confirmed and note.
        signer_key_id: SHA-256 of the signer's public key, hex.
        framework: The framework of the release; names levels and the domains that
            were not assessed. Without it they appear by number and identifier.
        paths: Title and SVG of the path of each sequential decision.
        curves: The same of what designs could decide, tasks showed and banks tell.
        regressions: Predicate of the statement on published flaws, None if there is none.
        known: Predicate of the statement on advisories known at issue, None if there is none.
        later: What a verification found in a feed, with its date; None in the signed report.
    """

    classification: JsonObject
    identity: JsonObject
    intent: JsonObject | None
    evidence: JsonObject
    crosswalk: Sequence[JsonObject]
    signer_key_id: str
    framework: JsonObject = field(default_factory=dict[str, Any])
    paths: Sequence[tuple[str, str]] = ()
    curves: Sequence[tuple[str, str]] = ()
    regressions: JsonObject | None = None
    known: JsonObject | None = None
    later: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole page, ready to print."""

    model: str
    overall: Level
    status: str
    levels: tuple[Level, ...]
    decided_by: tuple[DomainView, ...]
    domains: tuple[DomainView, ...]
    as_of: str
    next_review: str
    release: str
    standard_status: str
    standard_digest: str
    signer_key_id: str
    subject: tuple[tuple[str, str], ...]
    run: tuple[tuple[str, str], ...]
    planned: tuple[dict[str, str], ...]
    imported: tuple[str, ...]
    not_tested: tuple[str, ...]
    crosswalk: tuple[dict[str, Any], ...]
    triggers: tuple[str, ...]


def report_view(report: ReportInput) -> ReportView:
    """Arrange the parts of a report for printing; highest levels come first."""
    claim = cast("dict[str, Any]", report.classification)
    levels = _levels(report)
    domains = [domain_view(d, index, levels) for index, d in enumerate(claim["determinations"])]
    domains.sort(key=lambda domain: -domain.level.number)
    standard, overall = claim["standard"], claim["overall"]
    level: Level = levels[int(overall["level"])]
    return ReportView(
        model=claim["model"],
        overall=level,
        status=overall["status"],
        levels=levels,
        decided_by=tuple(d for d in domains if d.id in overall["decided_by"]),
        domains=tuple(domains),
        as_of=day(claim["as_of"]),
        next_review=day(min(d["next_review"] for d in claim["determinations"])),
        release=standard["release"],
        standard_status=standard["status"],
        standard_digest=standard["digest"],
        signer_key_id=report.signer_key_id,
        subject=_subject(cast("dict[str, Any]", report.identity)),
        run=_run(report),
        planned=_planned(report),
        imported=tuple(plain(entry) for entry in _evidence(report).get("imported") or ()),
        not_tested=tuple(_not_tested(report, domains)),
        crosswalk=tuple(_crosswalk(report, domains)),
        triggers=tuple(
            dict.fromkeys(t["title"] for d in claim["determinations"] for t in d["re_evaluate_on"])
        ),
    )


def _evidence(report: ReportInput) -> dict[str, Any]:
    return cast("dict[str, Any]", report.evidence)


def _levels(report: ReportInput) -> tuple[Level, ...]:
    claim = cast("dict[str, Any]", report.classification)
    named = {d["level"]: (d["level_name"], "") for d in claim["determinations"]}
    rows = cast("list[dict[str, Any]]", report.framework.get("levels") or [])
    named |= {row["level"]: (row["name"], row["meaning"]) for row in rows}
    return tuple(Level(number, *named.get(number, ("", ""))) for number in range(4))


def _subject(identity: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    kinds = {
        "hosted": "hosted service",
        "weights": "model weights",
        "reference": "reference target that ships with Steelyard",
    }
    return (
        ("Model", plain(identity["model"])),
        ("Kind", kinds.get(identity["kind"], plain(identity["kind"]))),
        ("Endpoint", plain(identity.get("endpoint"))),
        ("Safeguards during the test", plain(identity["safeguards"])),
        ("Generation settings", plain(identity.get("generation"))),
    )


def _run(report: ReportInput) -> tuple[tuple[str, str], ...]:
    evidence, intent = _evidence(report), cast("dict[str, Any] | None", report.intent)
    days = dict.fromkeys((day(evidence.get("started")), day(evidence.get("finished"))))
    rows = [
        ("Run", " to ".join(days)),
        ("Records", plain(evidence["records"])),
        ("Access", words(plain(evidence["access"]))),
        ("Tokens and time used", plain(evidence.get("usage"))),
        ("Test system", plain(evidence.get("harness"))),
        ("Merkle root of the records", plain(evidence["merkle_root"])),
    ]
    if intent is None:
        return (*rows, ("Plan signed before the run", "none"))
    effort = str(intent["elicitation"])
    return (
        *rows,
        ("Plan signed before the run", f"{day(intent['created'])}, attempt {intent['attempt']}"),
        ("Elicitation", ELICITATION_LABELS.get(effort, effort)),
        ("Stopping rule", plain(intent["stopping_rule"])),
        ("Items", f"{plain(intent['split'])} split"),
    )


def _planned(report: ReportInput) -> tuple[dict[str, str], ...]:
    intent = cast("dict[str, Any]", report.intent or {})
    keys = ("protocol", "protocol_version", "arm", "items", "epochs")
    return tuple({key: plain(row[key]) for key in keys} for row in intent.get("planned", ()))


def _not_tested(report: ReportInput, domains: Sequence[DomainView]) -> Iterable[str]:
    """What a reader could wrongly take as covered, one sentence each."""
    claim, identity = cast("tuple[dict[str, Any], ...]", (report.classification, report.identity))
    known = cast("dict[str, Any]", report.framework.get("domains") or {})
    for name in claim["not_assessed"]:
        title = known[name]["title"] if name in known else capitalized(words(name))
        yield f"{title}: outside the scope of this test, no statement is made."
    for domain in domains:
        if not domain.measured:
            yield f"{domain.title}: in scope, but there is no usable evidence."
    efforts = {i["elicitation"] for d in claim["determinations"] for i in d["indicators"]}
    if efforts & {"E0", "E1", "unknown"}:
        yield "Hints, further tools and the best of several tries (elicitation E2)."
    if efforts != {"E3"}:
        yield "Stronger elicitation: a fine-tuned model, or one without trained refusals (E3)."
        yield "Adaptive attacks that change with the model's answers."
    yield from _safeguards_not_tested(identity["safeguards"])
    if _evidence(report)["access"] == "black_box":
        yield "Weights, activations and training data: only inputs and outputs were seen."
    yield from _run_not_tested(report)


def _safeguards_not_tested(safeguards: str) -> Iterable[str]:
    if safeguards == "off":
        yield "The deployed service with its safeguards: they were off during the test."
    elif safeguards == "on":
        yield "The model without its safeguards: they were on during the test."
    else:
        yield "Which safeguards were active: this was not declared."


def _run_not_tested(report: ReportInput) -> Iterable[str]:
    intent = cast("dict[str, Any] | None", report.intent)
    if intent is None:
        yield "Earlier attempts: no plan was signed before the run, so they cannot be excluded."
    elif intent["split"] == "public":
        yield "Memorised items: the items are public, so the model may have met them in training."
    if report.regressions is None:
        yield "Published flaws: no reproducer of any was run."
    if _evidence(report).get("imported"):
        yield "Imported results: read as supplied, not run again by the signer."


def _crosswalk(report: ReportInput, domains: Sequence[DomainView]) -> Iterable[dict[str, Any]]:
    found = {domain.id: domain for domain in domains}
    for row in cast("Sequence[dict[str, Any]]", report.crosswalk):
        domain = found.get(row["domain"])
        title = domain.title if domain else capitalized(words(row["domain"]))
        reached = domain is not None and domain.level.number == row["level"]
        yield {**row, "title": title, "reached": reached, "note": row.get("note") or ""}


def render_report(report: ReportInput) -> str:
    """One self-contained HTML page: no script, nothing loaded, all evidence escaped."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - costs start-up time

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = files("steelyard.passport.report")
    source = (folder / "report.html.j2").read_text("utf-8")
    section = environment.from_string((folder / "flaws.html.j2").read_text("utf-8"))
    return environment.from_string(source).render(
        page=report_view(report),
        definitions=pattern_definitions(),
        tints=LEVEL_TINTS,
        ink=INK,
        muted=MUTED,
        paths=report.paths,
        curves=report.curves,
        flaws=section.render(flaws=flaws_view(report.regressions, report.known, report.later)),
    )
