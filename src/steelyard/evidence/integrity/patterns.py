"""Responses that cannot occur: scores, arms, pairs of arms, and meters that stand still.

Decides what contradicts the protocol or the sample's own other rows. What a protocol
allows is an argument; without one, only contradictions within the table are looked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard.evidence.arms import FIRST, HALF, base_arm, use_of
from steelyard.evidence.integrity.findings import Finding, Severity
from steelyard.evidence.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.evidence.table import Evidence

LEAST_SAMPLES = 20
"""Samples below which equal meter readings may be chance."""

_STEP_ROUNDING = 1e-6
_METERS = ("seconds", "input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the samples of a protocol can look like.

    Attributes:
        arms: Its arms; None where any may occur.
        steps: Scores are whole multiples of 1/steps; None where any in [0, 1] may occur.
    """

    arms: frozenset[str] | None = None
    steps: int | None = None


def shape_findings(evidence: Evidence, shapes: Mapping[str, Shape]) -> Iterator[Finding]:
    """Scores and arms that a protocol does not have.

    Args:
        evidence: Records of any models.
        shapes: Known shapes by `protocol@version`; others are not looked at.
    """
    bad_scores, bad_arms = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    kinds = Counter(rows(evidence, "model", "protocol", "protocol_version", "arm", "score"))
    for (model, protocol, version, arm, score), count in kinds.items():
        name = f"{protocol}@{version}"
        shape = shapes.get(name)
        if shape is None:
            continue
        if shape.arms is not None and base_arm(arm) not in shape.arms:
            bad_arms[model, name] += count
        if shape.steps and score is not None and not _on_step(score, shape.steps):
            bad_scores[model, name] += count
    for (model, name), count in bad_scores.items():
        text = f"{count} scores are no multiple of 1/{shapes[name].steps}, the step of {name}."
        yield Finding("impossible_score", Severity.BLOCKING, text, (model,), {"samples": count})
    for (model, name), count in bad_arms.items():
        text = f"{count} samples are of an arm that {name} does not have."
        yield Finding("unknown_arm", Severity.BLOCKING, text, (model,), {"samples": count})


def _on_step(score: float, steps: int) -> bool:
    return abs(score * steps - round(score * steps)) <= _STEP_ROUNDING


def pair_findings(evidence: Evidence) -> Iterator[Finding]:
    """Samples whose first try, or first half, shows what the whole sample lacks.

    A sample of several tries shows the behaviour if any try does, so such a pair of
    arms cannot occur.
    """
    if not {FIRST, HALF} & {use_of(arm) for arm in evidence.values("arm")}:
        return
    outcomes: dict[tuple[Any, ...], str] = {}
    names = ("model", "protocol", "protocol_version", "indicator", "item", "epoch", "arm")
    for *key, outcome in rows(evidence, *names, "outcome"):
        outcomes[tuple(key)] = outcome
    broken = Counter[str]()
    for key, outcome in outcomes.items():
        *sample, arm = key
        if use_of(arm) in (FIRST, HALF) and outcome == Outcome.BEHAVIOUR:
            whole = outcomes.get((*sample, base_arm(arm)))
            broken[key[0]] += whole == Outcome.NO_BEHAVIOUR
    for model, count in broken.items():
        if count:
            text = f"{count} samples lack the behaviour that an earlier try of theirs shows."
            counts = {"samples": count}
            yield Finding("impossible_pair", Severity.BLOCKING, text, (model,), counts)


def meter_findings(evidence: Evidence) -> Iterator[Finding]:
    """Meters that stand still: one reading for all samples of a model and arm.

    Wall time with a fraction of a second never repeats; whole seconds and token counts
    may where answers have one form, so they only warn.
    """
    groups: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
    for model, protocol, arm, outcome, *meters in rows(
        evidence, "model", "protocol", "arm", "outcome", *_METERS
    ):
        if Outcome(outcome).observed:
            groups.setdefault((model, protocol, arm), []).append(tuple(meters))
    for (model, protocol, arm), samples in sorted(groups.items()):
        for name, column in zip(_METERS, zip(*samples, strict=True), strict=True):
            read = [value for value in column if value is not None]
            if len(read) < LEAST_SAMPLES or len(set(read)) > 1 or read[0] == 0:
                continue
            fine = name == "seconds" and float(read[0]) != int(read[0])
            text = f"All {len(read)} samples of {protocol} {arm} have {read[0]:g} {name}."
            severity = Severity.BLOCKING if fine else Severity.WARNING
            yield Finding("meter_stands_still", severity, text, (model,), {"samples": len(read)})


def rows(evidence: Evidence, *names: str) -> Iterator[tuple[Any, ...]]:
    """The named columns, row by row."""
    return zip(*(evidence.columns[name].tolist() for name in names), strict=True)
