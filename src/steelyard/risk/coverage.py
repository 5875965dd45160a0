"""Coverage: which proficiency rounds stand behind the protocols of a run.

Decides the condition that a determination carries for each protocol: which round covers
it, or that none does. Levels and limits do not move by it (docs/decisions/0011); whether
an uncovered result is enough is for the gate. Rounds are judged in `redteam.rounds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from steelyard.kernel import format_instant
from steelyard.risk.measurement import Condition
from steelyard.standard import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from steelyard.standard import Indicator

NO_VALID_ROUND: Final = "no_valid_round"
ROUND: Final = "proficiency_round"
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class CoveringRound:
    """A round that a laboratory passed with the harness of this run.

    Attributes:
        round: The round's id.
        lab_key: Key id of the laboratory.
        coordinator: Key id of who issued the certificate.
        bias: Mean deviation from the assigned values, in the indicator's unit.
        bias_uncertainty: Its standard uncertainty.
        valid_until: When the certificate ends.
    """

    round: str
    lab_key: str
    coordinator: str
    bias: float
    bias_uncertainty: float
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Coverage:
    """What rounds say about the harness of one run.

    Attributes:
        engine: Engine digest that the run declared; empty where none was.
        rounds: Covering rounds by protocol and version.
        shortfalls: Why a certificate that came along does not cover one.
    """

    engine: str = ""
    rounds: Mapping[tuple[str, str], CoveringRound] = field(
        default_factory=dict[tuple[str, str], CoveringRound]
    )
    shortfalls: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])


def round_conditions(
    indicators: Iterable[Indicator], coverage: Coverage | None
) -> tuple[Condition, ...]:
    """One condition per protocol, in the order of the indicators; none of them blocks.

    Args:
        indicators: The indicators of a determination.
        coverage: None where no plan comes with the evidence.
    """
    known = coverage if coverage is not None else Coverage()
    protocols = dict.fromkeys((i.protocol, i.protocol_version) for i in indicators)
    return tuple(_condition(protocol, known) for protocol in protocols)


def covering_rounds(
    indicators: Iterable[Indicator], coverage: Coverage | None
) -> Iterator[tuple[Indicator, CoveringRound]]:
    """The indicators that a round covers, with that round."""
    if coverage is not None:
        for indicator in indicators:
            found = coverage.rounds.get((indicator.protocol, indicator.protocol_version))
            if found is not None:
                yield indicator, found


def _condition(protocol: tuple[str, str], coverage: Coverage) -> Condition:
    if protocol[0] == IMPORTED:
        text = "No valid proficiency round covers imported results: another harness made them."
        return Condition(NO_VALID_ROUND, text, blocks=False)
    engine = coverage.engine[:_DIGITS]
    under = f"under engine digest {engine}" if engine else "as no engine digest was declared"
    name = "@".join(protocol)
    found = coverage.rounds.get(protocol)
    if found is not None:
        text = (
            f"Proficiency round {found.round} of coordinator {found.coordinator[:_DIGITS]} covers "
            f"{name} {under} until {format_instant(found.valid_until)}."
        )
        return Condition(ROUND, text, blocks=False)
    why = coverage.shortfalls.get(protocol, "")
    text = f"No valid proficiency round covers {name} {under}{f': {why}' if why else ''}."
    return Condition(NO_VALID_ROUND, text, blocks=False)
