"""An answer held against its own logs and against a neutral second run.

Decides what an audit finds (spec/reproducer.md, section Audits). Opened logs must be those that
were committed to, and must give the answer; a second run of the same reproducer must be
compatible with them. Two honest runs differ by chance, and the stated error rate says how
seldom they are called contradictory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from steelyard.disclosure.reproducer.commitment import SAMPLE, Root, commit
from steelyard.disclosure.reproducer.query import band_of
from steelyard.disclosure.reproducer.verdict import Finding, Results, Verdict, decide, interval
from steelyard.kernel.errors import BrokenSeal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.disclosure.reproducer.document import Decision
    from steelyard.disclosure.reproducer.query import Answer, Counts
    from steelyard.evidence import Record
    from steelyard.kernel import JsonObject


class AuditVerdict(StrEnum):
    """What a second run says of an answer."""

    CONFIRMED = "confirmed"
    COMPATIBLE = "compatible"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class Audit:
    """The comparison of an answer with a neutral run.

    Attributes:
        verdict: `confirmed` where both reach one verdict and their intervals overlap,
            `contradicted` where no rate fits both, `compatible` otherwise.
        stated: Verdict of the answer.
        neutral: Verdict of the second run.
        stated_interval: Limits from the opened logs at half the audit's error each.
        neutral_interval: The same of the second run.
    """

    verdict: AuditVerdict
    stated: Verdict
    neutral: Verdict
    stated_interval: tuple[float, float]
    neutral_interval: tuple[float, float]


def require_logs(stated: str, opened: Root) -> Root:
    """Check opened logs against the root of an answer; return theirs.

    Raises:
        BrokenSeal: not the records and verdicts that were committed to, in order and number.
    """
    if opened.root != stated:
        message = f"the logs have root {opened.root[:16]} over {opened.size} leaves"
        hint = f"the answer committed to {stated[:16]}"
        raise BrokenSeal(message, where="logs", hint=hint)
    return opened


def log_root(records: Sequence[Record], secret: bytes, judge: JsonObject | None = None) -> Root:
    """The salted root over a run's records, and over what the judge said of labelled passages."""
    last = [judge] if judge is not None else []
    return commit([*(record.to_json() for record in records), *last], secret, SAMPLE)


def require_answer(answer: Answer, finding: Finding, counts: Counts) -> Answer:
    """Check that an answer is what its logs give; return it.

    Raises:
        BrokenSeal: another verdict, band, count or interval.
    """
    expected = replace(
        answer,
        verdict=finding.verdict,
        band=(band_of(finding.lower), band_of(finding.upper)) if answer.band else None,
        counts=counts if answer.counts else None,
        interval=(finding.lower, finding.upper) if answer.interval else None,
    )
    for name in ("verdict", "band", "counts", "interval"):
        if getattr(expected, name) != getattr(answer, name):
            message = f"the logs give another {name} than the answer"
            raise BrokenSeal(message, where="answer", hint="the answer is not that of its logs")
    return answer


def compare_runs(stated: Results, neutral: Results, decision: Decision, error: float) -> Audit:
    """Hold two runs of one reproducer against each other, by the scenario's arm as scored.

    The control arm and the judge's errors are the same question in both runs, and leaving
    them out keeps the intervals narrow enough to catch something.

    Args:
        stated: From the opened logs.
        neutral: From the second run.
        decision: The document's.
        error: Chance that two honest runs of one target are called contradictory.
    """
    part = replace(decision, alpha=error / 4.0, beta=error / 4.0)
    first, second = (interval(Results(run.treatment), part) for run in (stated, neutral))
    verdicts = [decide(*interval(results, decision), decision) for results in (stated, neutral)]
    overlap = max(first[0], second[0]) <= min(first[1], second[1])
    found = AuditVerdict.COMPATIBLE
    if not overlap:
        found = AuditVerdict.CONTRADICTED
    elif verdicts[0] is verdicts[1]:
        found = AuditVerdict.CONFIRMED
    return Audit(found, verdicts[0], verdicts[1], first, second)
