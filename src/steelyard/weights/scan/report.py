"""The scan of a whole model: every file, every reference, one report.

The order of findings is that of their places, so that two scans of one model agree byte for
byte. Whether a report is clean is three-valued: clean, blocked, unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.model_folder import Entry, entries
from steelyard.weights.scan.closure import closure_findings, load_closure
from steelyard.weights.scan.files import limited, scan_source
from steelyard.weights.scan.finding import Finding, printable
from steelyard.weights.scan.model import as_model, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from steelyard.weights.scan.references import Reference
    from steelyard.weights.scan.second_opinion import Opinion

Verdict = Literal["clean", "blocked", "unknown"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a scan found.

    Attributes:
        files: Names of the files that were looked at.
        findings: In the order of file, member and offset.
        references: The load closure.
        opinions: What another scanner said.
    """

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    references: tuple[Reference, ...]
    opinions: tuple[Opinion, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Blocked by an error; unknown where something could not be scanned; else clean."""
        if any(finding.blocks for finding in self.findings):
            return "blocked"
        unknown = any(finding.rule.unscanned for finding in self.findings)
        return "unknown" if unknown else "clean"

    def to_json(self) -> dict[str, Any]:
        """As `spec/weights-scan.schema.json` writes it."""
        return {
            "schema": "steelyard/weights-scan/1",
            "verdict": self.verdict,
            "files": list(self.files),
            "findings": [finding.to_json() for finding in self.findings],
            "references": [reference.to_json() for reference in self.references],
            "opinions": [opinion.to_json() for opinion in self.opinions],
        }


def scan_model(
    root: Path,
    covered: frozenset[str] | None = None,
    *,
    progress: Callable[[int, int], None] = lambda _finished, _planned: None,
    ask: Callable[[tuple[Entry, ...]], Iterable[Opinion]] | None = None,
) -> Report:
    """Scan a folder or a single file.

    Args:
        root: The model.
        covered: Names that a signature covers; None where none was given.
        progress: Called with (finished, planned) files.
        ask: Another scanner, which is given the same files; None for none.
    """
    try:
        found = entries(root)
    except MalformedEvidence as error:
        finding = Finding("unreadable", printable(root.name), "", None, printable(str(error)[:400]))
        return Report((), (finding,), ())
    results: dict[str, list[Finding]] = {entry.name: [] for entry in found}
    for number, entry in enumerate(found):
        progress(number, len(found))
        results[entry.name].extend(_scan_entry(root, entry))
    model = as_model(found)
    references = load_closure(model)
    for finding in closure_findings(model, references, covered):
        results[finding.file].append(finding)
    kept = (finding for name in results for finding in limited(name, results[name]))
    ordered = sorted((_told(finding, covered) for finding in kept), key=_place)
    report = Report(tuple(results), tuple(ordered), references)
    return with_opinions(report, tuple(ask(found)) if ask else ())


def _told(finding: Finding, covered: frozenset[str] | None) -> Finding:
    """A script that a signature covers is its signer's word, and not unknown."""
    if finding.code == "script-file" and covered is not None and finding.file in covered:
        return Finding("script-covered", finding.file, "", None, finding.text)
    return finding


def with_opinions(report: Report, opinions: tuple[Opinion, ...]) -> Report:
    """The report with what another scanner says; where only that one objects, a finding."""
    blocked = {finding.file for finding in report.findings if finding.blocks}
    more = [each.finding() for each in opinions if each.safe is False and each.file not in blocked]
    ordered = tuple(sorted([*report.findings, *more], key=_place))
    return Report(report.files, ordered, report.references, opinions)


def _place(finding: Finding) -> tuple[str, str, int, str, str]:
    offset = -1 if finding.offset is None else finding.offset
    return finding.file, finding.member, offset, finding.code, finding.text


def _scan_entry(root: Path, entry: Entry) -> Iterator[Finding]:
    if entry.kind == "special":
        yield Finding("special-file", entry.name, "", None, "a pipe, a device or a socket")
        return
    if entry.kind == "link":
        yield Finding("link", entry.name, "", None, _led_to(root, entry))
    try:
        with opened(entry.path) as source:
            yield from scan_source(source, entry.name)
    except MalformedEvidence as error:
        code = "link-broken" if entry.kind == "link" else "unreadable"
        yield Finding(code, entry.name, "", None, error.message)


def _led_to(root: Path, entry: Entry) -> str:
    try:
        target = str(entry.path.readlink())
        inside = entry.path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return "leads nowhere"
    return f"leads to {target[:200]!r}, {'inside' if inside else 'outside'} the model"
