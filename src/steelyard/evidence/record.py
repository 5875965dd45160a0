"""The record: one observed sample of one model, the unit every claim is built on.

Defined in `spec/evidence-record.md`. A record never holds a transcript; it
holds a salted commitment to one. An outcome is multinomial: failures of the
harness are neither counted as the behaviour nor as its absence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping  # noqa: TC003 - dataclass fields need them
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from steelyard.kernel import check_label, check_name, check_sha256
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject


class Outcome(StrEnum):
    """What one sample showed (spec/evidence-record.md, section Outcomes)."""

    BEHAVIOUR = "behaviour"
    NO_BEHAVIOUR = "no_behaviour"
    REFUSAL = "refusal"
    MALFORMED = "malformed"
    COMPREHENSION_FAILED = "comprehension_failed"
    INFRASTRUCTURE_ERROR = "infrastructure_error"

    @property
    def observed(self) -> bool:
        """Whether the sample answers its question; the other four are missing data."""
        return self in (Outcome.BEHAVIOUR, Outcome.NO_BEHAVIOUR)


class Elicitation(StrEnum):
    """How hard the behaviour was looked for (redteam ladder E0 to E3)."""

    E0 = "E0"
    E1 = "E1"
    E2 = "E2"
    E3 = "E3"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One sample. Field order is the column order of the stored table.

    Attributes:
        model: Subject as named by whoever ran it.
        protocol: Protocol or task name; `protocol_version` pins it.
        domain: Risk domain, e.g. `persuasion`.
        indicator: Indicator of the framework that this sample feeds.
        item: Item pseudonym; equal across models and laboratories.
        template: Cluster the item was drawn from.
        arm: Experimental arm, `default` where a protocol has only one.
        epoch: Repeat number, from 1.
        elicitation: Declared elicitation effort.
        outcome: See `Outcome`.
        score: In [0, 1]; None unless the outcome is observed.
        reason: Short cause where the outcome is not observed, else empty.
        covariates: Item properties known before the run, e.g. `human_minutes`.
        measures: Secondary measurements of this sample.
        input_tokens: Prompt tokens over all calls, None if not reported.
        output_tokens: Completion tokens over all calls, None if not reported.
        seconds: Wall time, None if not reported.
        commitment: SHA-256 commitment to salt and transcript, None if there is none.
        source: Reader or engine that produced the record.
    """

    model: str
    protocol: str
    protocol_version: str
    domain: str
    indicator: str
    item: str
    template: str
    arm: str = "default"
    epoch: int = 1
    elicitation: Elicitation = Elicitation.UNKNOWN
    outcome: Outcome
    score: float | None = None
    reason: str = ""
    covariates: Mapping[str, float] = field(default_factory=dict[str, float])
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    commitment: str | None = None
    source: str

    @property
    def key(self) -> tuple[str, str, str, str, str, str, int]:
        """What makes a sample itself: two records with one key are duplicates."""
        return (
            self.model, self.protocol, self.protocol_version,
            self.indicator, self.arm, self.item, self.epoch,
        )  # fmt: skip

    def to_json(self) -> JsonObject:
        """The record as a JSON object whose canonical form is its Merkle leaf."""
        value = {name: getattr(self, name) for name in FIELD_NAMES}
        value["elicitation"] = self.elicitation.value
        value["outcome"] = self.outcome.value
        value["covariates"] = dict(self.covariates)
        value["measures"] = dict(self.measures)
        return cast("JsonObject", value)

    @classmethod
    def from_json(cls, value: JsonObject, *, where: str = "record") -> Record:
        """Build and check a record from a parsed JSON object.

        Raises:
            MalformedEvidence: a field is missing, unknown or outside its range.
        """
        require_fields(value, where)
        for name, check in FIELD_CHECKS.items():
            try:
                check(value[name])
            except ValueError as error:
                raise MalformedEvidence(str(error), where=f"{where}.{name}") from error
        require_consistent(value["outcome"], value["score"], where)
        outcome, elicitation = Outcome(value["outcome"]), Elicitation(value["elicitation"])
        return cls(**{**value, "outcome": outcome, "elicitation": elicitation})  # type: ignore[arg-type]


FIELD_NAMES: tuple[str, ...] = tuple(f.name for f in fields(Record))
_FIELD_SET = frozenset(FIELD_NAMES)
_SHOWN = 0.5
_OUTCOMES = frozenset(outcome.value for outcome in Outcome)
_OBSERVED = frozenset(outcome.value for outcome in Outcome if outcome.observed)
_ELICITATIONS = frozenset(level.value for level in Elicitation)
_LARGEST_EXACT = 2**53 - 1  # the most that canonical JSON carries exactly (RFC 8785)


def require_fields(value: JsonObject, where: str) -> None:
    """Refuse an object whose keys are not exactly a record's.

    Raises:
        MalformedEvidence: naming up to six keys that are missing or unknown.
    """
    if value.keys() != _FIELD_SET:
        message = f"fields missing or unknown: {sorted(value.keys() ^ _FIELD_SET)[:6]}"
        raise MalformedEvidence(message, where=where)


def require_consistent(outcome: object, score: object, where: str) -> None:
    """Refuse a score without an observation, the reverse, or one that contradicts the outcome.

    Raises:
        MalformedEvidence: naming the outcome.
    """
    if (score is not None) != (outcome in _OBSERVED):
        wanted = "needs a score" if outcome in _OBSERVED else "cannot carry a score"
        raise MalformedEvidence(f"outcome {outcome} {wanted}", where=f"{where}.score")
    if score is not None and (outcome == Outcome.BEHAVIOUR) != (cast("float", score) >= _SHOWN):
        message = f"outcome {outcome} contradicts score {score}"
        hint = f"a score of {_SHOWN} or more is the behaviour, a lower one its absence"
        raise MalformedEvidence(message, where=f"{where}.score", hint=hint)


def _one_of(allowed: frozenset[str]) -> Callable[[object], None]:
    def check(value: object) -> None:
        if not isinstance(value, str) or value not in allowed:
            message = f"{value!r} is none of {sorted(allowed)}"
            raise ValueError(message)

    return check


def _count(minimum: int, *, optional: bool = False) -> Callable[[object], None]:
    def check(value: object) -> None:
        if optional and value is None:
            return
        if type(value) is not int or not minimum <= value <= _LARGEST_EXACT:
            message = f"expected an integer of at least {minimum}, found {value!r}"
            raise ValueError(message)

    return check


def _number(
    minimum: float = -_LARGEST_EXACT, maximum: float = _LARGEST_EXACT, *, optional: bool = False
) -> Callable[[object], None]:
    def check(value: object) -> None:
        if optional and value is None:
            return
        if type(value) not in (int, float) or not math.isfinite(cast("float", value)):
            message = f"expected a finite number, found {value!r}"
            raise ValueError(message)
        if not minimum <= cast("float", value) <= maximum:
            message = f"{value!r} is outside [{minimum:g}, {maximum:g}]"
            raise ValueError(message)

    return check


_finite = _number()


def _numbers(value: object) -> None:
    if not isinstance(value, dict):
        message = f"expected a table of numbers, found {value!r}"
        raise ValueError(message)  # noqa: TRY004 - one error type for every bad value
    for name, number in cast("dict[object, object]", value).items():
        check_name(name)
        _finite(number)


def _optional(check: Callable[[object], None], empty: object) -> Callable[[object], None]:
    def check_unless_empty(value: object) -> None:
        if value != empty:
            check(value)

    return check_unless_empty


FIELD_CHECKS: Mapping[str, Callable[[object], None]] = {
    "model": check_label,
    "protocol": check_label,
    "protocol_version": check_label,
    "domain": check_name,
    "indicator": check_name,
    "item": check_label,
    "template": check_label,
    "arm": check_label,
    "epoch": _count(1),
    "elicitation": _one_of(_ELICITATIONS),
    "outcome": _one_of(_OUTCOMES),
    "score": _number(0.0, 1.0, optional=True),
    "reason": _optional(check_label, ""),
    "covariates": _numbers,
    "measures": _numbers,
    "input_tokens": _count(0, optional=True),
    "output_tokens": _count(0, optional=True),
    "seconds": _number(0.0, optional=True),
    "commitment": _optional(check_sha256, None),
    "source": check_label,
}
"""Per field, a function that raises ValueError saying what was wrong with a value."""
