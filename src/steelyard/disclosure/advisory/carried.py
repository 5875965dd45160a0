"""What of an advisory a format's files do not hold, found in the files themselves.

Decides the last sentence of what is left out (spec/disclosure-advisory.md, section 4). No table
says what a format carries: each part of the advisory is looked for in what was written, so that
a format that begins to carry one, or ceases to, is told apart from what it was.
"""

from __future__ import annotations

import csv
import html
import io
import json
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory import wording
from steelyard.disclosure.advisory.payloads import texts_in
from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from steelyard.disclosure.advisory.export import ExportedFile
    from steelyard.disclosure.advisory.model import Advisory, Finding, Target

_TLP: Final = "tlp"


def not_carried(advisory: Advisory, files: Iterable[ExportedFile]) -> str:
    """A sentence with the fields that have no place in a format's files; empty for none.

    Findings and targets that the files do not name are not asked about: the format says why.
    """
    texts = [text for file in files for text in _texts(file)]
    whole = "\n".join(texts)
    findings = [f for f in advisory.findings if f.title in whole or f.id in texts]
    missing = [
        name
        for name, values in _parts(advisory, findings, whole)
        if any(value and value not in whole for value in values)
    ]
    if not _is_labelled(advisory, texts):
        missing.insert(0, _TLP)
    return f"no place for {', '.join(dict.fromkeys(missing))}" if missing else ""


def _is_labelled(advisory: Advisory, texts: list[str]) -> bool:
    """Whether a label stands alone in a field, CLEAR also by its older name, or in a text."""
    label = advisory.tlp.value
    alone = {label, "WHITE"} if label == "CLEAR" else {label}
    return any(text in alone or f"TLP:{label}" in text for text in texts)


def _parts(
    advisory: Advisory, findings: list[Finding], whole: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Fields of an advisory by name, each with what shows that it is there."""
    publisher = advisory.publisher
    yield "publisher.contact", (publisher.contact,)
    yield "publisher.authority", (publisher.authority,)
    yield "revisions", tuple(entry.summary for entry in advisory.revisions)
    yield "timeline", tuple(entry.text for entry in advisory.timeline)
    yield "summary", (advisory.summary,)
    yield "details", (advisory.details,)
    yield "impact", (advisory.impact,)
    yield "legal", (advisory.legal,)
    yield "references", tuple(entry.url for entry in advisory.references)
    yield "credits", tuple(n for entry in advisory.credits for n in (*entry.names, entry.summary))
    # A target that a format does not name is left out with a reason of its own.
    named = {target.id for target in advisory.targets if target.name in whole}
    for target in advisory.targets:
        if target.id in named:
            yield from _target_parts(target)
    for finding in findings:
        rows = [row for row in finding.rows if row.target in named]
        yield "sentences of affectedness", tuple(wording.row_text(row) for row in rows)
        yield "justification", tuple(row.justification for row in rows)
        yield from _finding_parts(finding)


def _target_parts(target: Target) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "uris", tuple(entry.uri for entry in target.uris)
    yield "purl", (target.purl.partition("@")[0],)
    yield "weights", tuple(entry.sha256 for entry in target.weights)
    if (package := target.package) is not None:
        bounds = (package.introduced, package.fixed, package.last_affected)
        yield "package", (*bounds, *package.versions)


def _finding_parts(finding: Finding) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "description", (finding.description,)
    yield "flaw_class", (finding.flaw_class,)
    yield "cwe", tuple(entry.id for entry in finding.weaknesses)
    yield "cve", (finding.cve,)
    yield "osv_id", (finding.osv_id,)
    found = finding.discovered_at
    yield "discovered", (format_instant(found) if found else "",)
    yield "reproducer", (finding.reproducer,)
    yield "unnamed", tuple(f"{n} {name}" for name, n in finding.unnamed.shown().items())
    yield "mitigations", tuple(entry.details for entry in finding.mitigations)
    for entry in finding.mitigations:
        yield "mitigations.at", (format_instant(entry.at) if entry.at else "",)
        yield "mitigations.url", (entry.url,)
        yield "mitigations.verification", (entry.verification,)
    yield "references", tuple(entry.url for entry in finding.references)
    if finding.avid is not None:
        yield "avid", (*finding.avid.sep_view, *finding.avid.lifecycle_view)


def _texts(file: ExportedFile) -> list[str]:
    """What a file says to its reader, escapes undone."""
    text = file.data.decode()
    if file.path.endswith(".json"):
        return list(texts_in(json.loads(text)))
    if file.path.endswith(".csv"):
        return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    return [html.unescape(text)]
