"""The rule: evidence and a date in, a verdict on every vector out, and the level last.

Decides by spec/weights-posture.md, section Rule. Fails closed: what nobody has looked at, what
has expired and what lies in the future all count as nothing, and nothing blocks. What was seen
to fail counts until it ends. Of several other looks at one thing the newest decides, and one that
saw nothing is a look too. Whether evidence is genuine is decided before, in `assessment`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from steelyard.weights.posture.catalogue import EVIDENCE_CLASSES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from steelyard.weights.posture.catalogue import (
        Catalogue,
        Control,
        EvidenceClass,
        SubjectKind,
        Vector,
    )

Outcome = Literal["satisfied", "not_satisfied", "unknown"]
Status = Literal["satisfied", "not_satisfied", "unassessed"]
Coverage = Literal["covered", "blocked", "out_of_reach"]

NO_LEVEL: Final = 0
"""What is reported where not even the lowest level is reached."""


@dataclass(frozen=True, slots=True)
class SubjectName:
    """What evidence speaks about: a host, the model, a repository, or the organization."""

    kind: SubjectKind
    id: str


ORGANIZATION: Final = SubjectName("organization", "organization")
MODEL: Final = SubjectName("model", "model")
"""Always in scope, each exactly once. The model's files are fixed by their manifest root, so
what is true of them on one host is true of them on all."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One genuine statement about one control and one subject.

    Attributes:
        control: Id of the control.
        subject: Id of what it speaks about.
        outcome: What was found.
        evidence_class: Who says so.
        collected: From when it counts.
        expires: From when it no longer does.
        summary: What was found, one sentence.
    """

    control: str
    subject: str
    outcome: Outcome
    evidence_class: EvidenceClass
    collected: datetime
    expires: datetime
    summary: str = ""


@dataclass(frozen=True, slots=True)
class ControlState:
    """What the evidence makes of a control.

    Attributes:
        missing: One sentence for everything that keeps it from being satisfied.
        classes: Classes of the evidence that satisfies it.
        expires: When the first of that ends; None unless satisfied.
    """

    control: Control
    status: Status
    missing: tuple[str, ...]
    classes: tuple[EvidenceClass, ...]
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class VectorState:
    """What the controls make of a vector.

    Attributes:
        coverage: By level, for the levels that software can reach.
        missing: What is missing at the lowest level where it is blocked, by control.
    """

    vector: Vector
    coverage: Mapping[int, Coverage]
    missing: Mapping[str, tuple[str, ...]]
    classes: tuple[EvidenceClass, ...]


@dataclass(frozen=True, slots=True)
class Posture:
    """The verdict.

    Attributes:
        level: The highest level reached, 0 for none; never above the cap.
        expires: When the first evidence ends that the level rests on; without a level, the
            first of all that counts; None where nothing counts.
    """

    framework: str
    level: int
    cap: int
    controls: tuple[ControlState, ...]
    vectors: tuple[VectorState, ...]
    expires: datetime | None

    @property
    def evidence_classes(self) -> dict[str, int]:
        """How many satisfied controls rest on each class of evidence."""
        counts = Counter(name for state in self.controls for name in state.classes)
        return {name: counts[name] for name in EVIDENCE_CLASSES}


def decide(
    catalogue: Catalogue,
    subjects: Iterable[SubjectName],
    evidence: Sequence[Evidence],
    at: datetime,
) -> Posture:
    """Decide every control, every vector, and the level.

    Args:
        catalogue: Vectors and controls.
        subjects: What is in scope. A control about hosts needs evidence on every host.
        evidence: In any order.
        at: The aware instant that the question is about.
    """
    scope = {*subjects, MODEL, ORGANIZATION}
    controls = tuple(_control(control, scope, evidence, at) for control in catalogue.controls)
    reachable = [level for level in catalogue.levels if level <= catalogue.software_cap]
    vectors = tuple(_vector(vector, controls, reachable) for vector in catalogue.vectors)
    level = NO_LEVEL
    for candidate in reachable:
        if any(state.coverage[candidate] == "blocked" for state in vectors):
            break
        if failing_at(controls, candidate):
            break
        level = candidate
    return Posture(
        framework=catalogue.framework,
        level=level,
        cap=catalogue.software_cap,
        controls=controls,
        vectors=vectors,
        expires=_expires(controls, level),
    )


def failing_at(controls: Iterable[ControlState], level: int) -> tuple[ControlState, ...]:
    """Controls demanded at a level or below that are known not to be satisfied.

    They block it whether or not a vector that they stand against counts there: what a level
    demands and is seen to lack cannot have been reached.
    """
    return tuple(
        state
        for state in controls
        if state.status == "not_satisfied" and state.control.level <= level
    )


def open_at(controls: Iterable[ControlState], vector: Vector, level: int) -> list[ControlState]:
    """Controls against a vector that are demanded at a level or below and not satisfied."""
    return [
        state
        for state in controls
        if vector.id in state.control.vectors
        and state.control.level <= level
        and state.status != "satisfied"
    ]


def fresh_until(control: Control, item: Evidence) -> datetime:
    """When evidence ends: what it says itself, or the term of its control if that is earlier."""
    days = control.freshness_days
    if item.evidence_class != "automated":
        days = control.attestation_days
    return min(item.expires, item.collected + timedelta(days=days))


def _control(
    control: Control, scope: set[SubjectName], evidence: Sequence[Evidence], at: datetime
) -> ControlState:
    wanted = sorted(name.id for name in scope if name.kind == control.about)
    about = [item for item in evidence if item.control == control.id and item.subject in wanted]
    failing = sorted(
        f"{item.subject}: {item.summary or 'not satisfied'}"
        for item in about
        if item.outcome == "not_satisfied" and _counts(control, item, at)
    )
    if failing:
        return ControlState(control, "not_satisfied", tuple(dict.fromkeys(failing)), (), None)
    missing = [] if wanted else [f"no {control.about} is in scope"]
    classes: set[EvidenceClass] = set()
    ends: list[datetime] = []
    for subject in wanted:
        found = [item for item in about if item.subject == subject]
        good = [item for item in _latest(control, found, at) if _satisfies(control, item, at)]
        if good:
            classes.update(item.evidence_class for item in good)
            ends.append(max(fresh_until(control, item) for item in good))
        else:
            missing.append(f"{subject}: {_why(control, found, at)}")
    if missing:
        return ControlState(control, "unassessed", tuple(missing), (), None)
    return ControlState(control, "satisfied", (), _ordered(classes), min(ends))


def _counts(control: Control, item: Evidence, at: datetime) -> bool:
    return item.collected <= at < fresh_until(control, item)


def _latest(control: Control, found: Sequence[Evidence], at: datetime) -> list[Evidence]:
    """Attestations, and the newest observation: none of an instant at which one saw nothing."""
    looks = [i for i in found if i.evidence_class == "automated" and _counts(control, i, at)]
    newest = [item for item in looks if item.collected == max(one.collected for one in looks)]
    blind = any(item.outcome == "unknown" for item in newest)
    words = [item for item in found if item.evidence_class != "automated"]
    return words if blind else words + newest


def _satisfies(control: Control, item: Evidence, at: datetime) -> bool:
    accepted = item.evidence_class in control.accepts
    return item.outcome == "satisfied" and accepted and _counts(control, item, at)


def _why(control: Control, found: Sequence[Evidence], at: datetime) -> str:
    """What is known of a control that nothing satisfies, the most telling reason first."""
    needed = " or ".join(control.accepts)
    reasons: list[tuple[int, str]] = []
    for item in found:
        if item.evidence_class not in control.accepts and item.outcome == "satisfied":
            reasons.append((3, f"{item.evidence_class} evidence does not count"))
        elif item.collected > at:
            reasons.append((2, f"{item.evidence_class} evidence is dated in the future"))
        elif not _counts(control, item, at):
            reasons.append((1, f"{item.evidence_class} evidence has expired"))
        else:
            reasons.append((0, item.summary or "could not be looked at"))
    return f"{min(reasons)[1] if reasons else 'no evidence'} (needs {needed})"


def _vector(vector: Vector, controls: Sequence[ControlState], levels: Sequence[int]) -> VectorState:
    against = [state for state in controls if vector.id in state.control.vectors]
    coverage: dict[int, Coverage] = {}
    missing: dict[str, tuple[str, ...]] = {}
    for level in levels:
        demanded = any(state.control.level <= level for state in against)
        open_ones = open_at(against, vector, level)
        if not vector.counts_at(level):
            coverage[level] = "out_of_reach"
        elif demanded and not open_ones:
            coverage[level] = "covered"
        else:
            coverage[level] = "blocked"
            missing = missing or {state.control.id: state.missing for state in open_ones}
    classes = {name for state in against for name in state.classes}
    return VectorState(vector, coverage, missing, _ordered(classes))


def _ordered(classes: Collection[str]) -> tuple[EvidenceClass, ...]:
    return tuple(name for name in EVIDENCE_CLASSES if name in classes)


def _expires(controls: Sequence[ControlState], level: int) -> datetime | None:
    ends = [
        state.expires
        for state in controls
        if state.expires is not None and (level == NO_LEVEL or state.control.level <= level)
    ]
    return min(ends, default=None)
