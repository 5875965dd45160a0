"""Checking evidence: read it as it is, run every check that it allows, say what was not run.

Unlike `collect`, nothing is added and a sample that occurs twice is a finding, not the
end. Output follows `spec/evidence-check.schema.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence import Evidence, ImportOptions, read_evidence
from steelyard.evidence.compare import differing_fields
from steelyard.evidence.integrity import (
    Finding,
    Headline,
    Severity,
    Shape,
    headline_findings,
    ordered,
    record_findings,
)
from steelyard.kernel.errors import DuplicateRecord, UsageError
from steelyard.pipeline.folder import RunFolder
from steelyard.risk.banks.person_fit import ERROR_RATE, bank_findings
from steelyard.risk.integrity import protocol_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from steelyard.kernel import JsonObject
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.standard import Release

SCHEMA = "steelyard/evidence-check/1"
UNSTATED = "unstated"
"""Domain and indicator of a table that names none, where neither matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """What to hold evidence against; everything is optional.

    Attributes:
        against: Earlier records.
        bank: Item bank.
        headlines: Reported scores.
        steps: Scores are multiples of 1/steps, in every protocol.
        error_rate: False alarms allowed for in each check against a bank.
    """

    against: Evidence | None = None
    bank: Bank | None = None
    headlines: tuple[Headline, ...] = ()
    steps: int | None = None
    error_rate: float = ERROR_RATE


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks saw.

    Attributes:
        evidence: The records that were looked at, each sample once.
        findings: The gravest first.
        unchecked: Checks that did not run, and what they would have needed.
    """

    evidence: Evidence
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]

    @property
    def satisfied(self) -> bool:
        """Whether nothing blocks."""
        return not any(finding.blocks for finding in self.findings)

    def to_json(self, bank: Bank | None) -> JsonObject:
        """The document."""
        return {
            "schema": SCHEMA,
            "satisfied": self.satisfied,
            "records": len(self.evidence),
            "models": list(self.evidence.values("model")),
            "bank": bank.digest if bank else None,
            "unchecked": list(self.unchecked),
            "findings": [finding.to_json() for finding in self.findings],
        }


def check_evidence(
    paths: Sequence[Path], options: ImportOptions, release: Release, checking: Checking
) -> Checked:
    """Read files and run every check on them together.

    Raises:
        MalformedEvidence: a file cannot be read.
        UsageError: a fact is neither in a file nor in `options`.
    """
    found: list[Finding] = []
    parts: list[Evidence] = []
    for path in paths:
        part, uncounted = read_as_is(path, options)
        found += uncounted
        fresh, doubled = _without_doubles(part, parts, path.name)
        found += doubled
        parts.append(fresh)
    evidence = Evidence.concatenate(parts)
    shapes = protocol_shapes(release)
    if checking.steps is not None:
        shapes = {name: replace(shape, steps=checking.steps) for name, shape in shapes.items()}
        foreign = {"@".join(key) for key in _protocols(evidence)}
        shapes |= dict.fromkeys(foreign - shapes.keys(), Shape(steps=checking.steps))
    found += record_findings(evidence, against=checking.against, shapes=shapes)
    for headline in checking.headlines:
        found += headline_findings(evidence, headline)
    if checking.bank is not None:
        found += bank_findings(evidence, checking.bank, checking.error_rate)
    return Checked(evidence, ordered(found), tuple(_unchecked(evidence, checking)))


def read_as_is(path: Path, options: ImportOptions) -> tuple[Evidence, list[Finding]]:
    """Records of one path; rows that repeat a sample without counting it become a finding.

    A table that names no indicator is read under the indicator `unstated`.

    Raises:
        MalformedEvidence: not readable.
        DuplicateRecord: samples repeat in a format that counts them itself.
        UsageError: another fact is missing.
    """
    file = RunFolder(path).records if path.is_dir() else path
    try:
        return read_evidence(file, options), []
    except DuplicateRecord:
        counted = replace(options, number_repeats=True)
        evidence = _read_numbered(file, counted)
    except UsageError:
        if options.indicator is not None:
            raise
        return read_as_is(path, replace(options, domain=UNSTATED, indicator=UNSTATED))
    repeats = int(sum(epoch > 1 for epoch in evidence.columns["epoch"]))
    text = f"{path.name}: {repeats} rows repeat a sample, and no epoch column counts them."
    counts = {"repeats": repeats, "samples": len(evidence)}
    return evidence, [Finding("repeats_uncounted", Severity.BLOCKING, text, (), counts)]


def _read_numbered(file: Path, options: ImportOptions) -> Evidence:
    try:
        return read_evidence(file, options)
    except DuplicateRecord as error:
        error.hint = "keep each sample once; repeats need distinct epochs"
        raise


def _without_doubles(
    part: Evidence, earlier: Sequence[Evidence], name: str
) -> tuple[Evidence, list[Finding]]:
    """The samples that no earlier file holds, and findings about those that one does."""
    known = {record.key: record for other in earlier for record in other.records()}
    if not known:
        return part, []
    records = list(part.records())
    doubled = [record for record in records if record.key in known]
    if not doubled:
        return part, []
    differing = sum(bool(differing_fields(known[r.key], r)) for r in doubled)
    models = tuple(sorted({record.model for record in doubled}))
    counts = {"samples": len(doubled), "differing": differing}
    code = "samples_contradict" if differing else "log_given_twice"
    how = f"{differing} of them otherwise" if differing else "all of them equal"
    text = f"{name} holds {len(doubled)} samples of an earlier file, {how}."
    mask = np.array([record.key not in known for record in records], dtype=bool)
    return part.select(mask), [Finding(code, Severity.BLOCKING, text, models, counts)]


def _protocols(evidence: Evidence) -> set[tuple[str, str]]:
    names = ("protocol", "protocol_version")
    return set(zip(*(evidence.columns[n].tolist() for n in names), strict=True))


def _unchecked(evidence: Evidence, checking: Checking) -> list[str]:
    """Which checks had nothing to look at."""
    columns: Mapping[str, str] = {
        "seconds": "meters that stand still and copied logs: no wall time",
        "commitment": "reused transcripts: no commitment",
    }
    missing = [
        text for name, text in columns.items() if all(v is None for v in evidence.columns[name])
    ]
    given = (
        (checking.headlines, "headline: give --headline"),
        (checking.against, "reordered and renamed logs: give --against"),
        (checking.bank, "leaked items, canaries and odd patterns: give --bank"),
    )
    return missing + [text for value, text in given if not value]
