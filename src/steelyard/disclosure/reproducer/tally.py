"""From records to results: what each variant showed, and what is missing.

Decides how outcomes count (spec/reproducer.md, section Outcomes). A refusal is the model's own
act and counts as its document says; malformed output and failures of the harness are missing,
never the behaviour and never its absence. A planned sample without a record is missing too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.reproducer.limits import Arm, make_arm
from steelyard.disclosure.reproducer.verdict import Results
from steelyard.evidence import Outcome
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from steelyard.disclosure.reproducer.document import Decision, Reproducer
    from steelyard.evidence import Record
    from steelyard.stats import JudgeErrors

TREATMENT: Final = "treatment"
CONTROL: Final = "control"


def protocol_name(reproducer: Reproducer) -> str:
    """Name under which a reproducer's records stand."""
    return f"reproducer/{reproducer.name}"


def tally_results(
    reproducer: Reproducer,
    records: Iterable[Record],
    variants: Sequence[str],
    judge: JudgeErrors | None = None,
) -> Results:
    """Results of a run.

    Args:
        reproducer: What was run.
        records: All records of the run, in any order.
        variants: Names of the variants that were planned; a later block of a sequential run
            that was never begun is not.
        judge: The judge's counts on its labelled set.

    Raises:
        DuplicateRecord: two records of one sample.
        MalformedEvidence: a record of another reproducer, or of no planned sample.
    """
    found = _by_sample(reproducer, records, frozenset(variants))
    arms = [TREATMENT] if reproducer.control is None else [TREATMENT, CONTROL]
    made = [_arm(found, arm, variants, reproducer.decision) for arm in arms]
    return Results(made[0], made[1] if len(made) > 1 else None, judge)


def _by_sample(
    reproducer: Reproducer, records: Iterable[Record], variants: frozenset[str]
) -> dict[tuple[str, str, int], Outcome]:
    found: dict[tuple[str, str, int], Outcome] = {}
    arms = {TREATMENT} if reproducer.control is None else {TREATMENT, CONTROL}
    for record in records:
        key = (record.arm, record.item, record.epoch)
        if (record.protocol, record.protocol_version) != _identity(reproducer):
            message = f"a record of {record.protocol} {record.protocol_version[:16]}"
            raise MalformedEvidence(message, where=str(key), hint="it is of another reproducer")
        if record.arm not in arms or record.item not in variants:
            raise MalformedEvidence("a record of no planned sample", where=str(key))
        if not 1 <= record.epoch <= reproducer.decision.tries:
            message = f"try {record.epoch} of {reproducer.decision.tries}"
            raise MalformedEvidence(message, where=str(key))
        if key in found:
            raise DuplicateRecord("two records of one sample", where=str(key))
        found[key] = record.outcome
    return found


def _identity(reproducer: Reproducer) -> tuple[str, str]:
    return protocol_name(reproducer), reproducer.digest


def _arm(
    found: dict[tuple[str, str, int], Outcome],
    arm: str,
    variants: Sequence[str],
    decision: Decision,
) -> Arm:
    shown, missing = Counter[str](), Counter[str]()
    for variant in variants:
        for number in range(1, decision.tries + 1):
            outcome = found.get((arm, variant, number), Outcome.INFRASTRUCTURE_ERROR)
            shown[variant] += outcome is Outcome.BEHAVIOUR
            missing[variant] += _is_missing(outcome, decision)
    return make_arm(
        [shown[variant] for variant in variants],
        [missing[variant] for variant in variants],
        decision.tries,
    )


def _is_missing(outcome: Outcome, decision: Decision) -> bool:
    if outcome is Outcome.REFUSAL:
        return decision.refusals == "missing"
    return not outcome.observed
