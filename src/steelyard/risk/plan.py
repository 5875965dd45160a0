"""The plan: what a run declared, before its first call, that it would do.

Read from a run-intent predicate (spec/statements.md). What was planned and is
not in the evidence counts as missing, so results cannot be dropped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from steelyard.kernel import parse_instant
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.risk.coverage import Coverage
from steelyard.risk.sequential import SequentialPlan
from steelyard.standard import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from steelyard.kernel import JsonObject


@dataclass(frozen=True, slots=True)
class Plan:
    """A declared run.

    Attributes:
        created: When the plan was signed; the age of the evidence counts from here.
        scope: Domains the run speaks about.
        samples: Planned samples (items times epochs) by (protocol, arm).
        elicitation: Declared elicitation step.
        epochs: Planned repeats of each item by (protocol, arm); 1 where absent.
        engine: Digest of the harness; empty where none was declared.
        feeds: Indicators that imported samples of a (protocol, arm) feed; any where absent.
        coverage: Which proficiency rounds stand behind that harness.
        sequential: Sequential runs by protocol; a protocol without one plays every item.
    """

    created: datetime
    scope: tuple[str, ...]
    samples: Mapping[tuple[str, str], int]
    elicitation: str
    epochs: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    engine: str = ""
    feeds: Mapping[tuple[str, str], frozenset[str]] = field(
        default_factory=dict[tuple[str, str], frozenset[str]]
    )
    coverage: Coverage = field(default_factory=Coverage)
    sequential: Mapping[str, SequentialPlan] = field(default_factory=dict[str, SequentialPlan])

    def may_feed(self, protocol: str, arm: str, indicator: str) -> bool:
        """Whether the plan leaves it open that these imported samples feed an indicator."""
        named = self.feeds.get((protocol, arm))
        return named is None or indicator in named

    @classmethod
    def from_predicate(cls, predicate: JsonObject) -> Plan:
        """Read a run-intent predicate.

        Raises:
            MalformedEvidence: a field is missing or has the wrong type.
        """
        raw = cast("dict[str, Any]", predicate)
        try:
            runs = [SequentialPlan.from_json(row) for row in raw.get("sequential", ())]
            _check_sequential(runs, raw.get("stopping_rule"))
            rows = {(str(row["protocol"]), str(row["arm"])): row for row in raw["planned"]}
            epochs = {key: int(row["epochs"]) for key, row in rows.items()}
            samples = {key: int(row["items"]) * epochs[key] for key, row in rows.items()}
            engine = str(raw.get("engine", {}).get("digest", ""))
            return cls(
                created=parse_instant(raw["created"]),
                scope=tuple(raw["scope"]),
                samples=samples,
                elicitation=str(raw["elicitation"]),
                epochs=epochs,
                engine=engine,
                feeds={
                    key: frozenset(map(str, row["indicators"]))
                    for key, row in rows.items()
                    if "indicators" in row
                },
                coverage=Coverage(engine),
                sequential={run.protocol: run for run in runs},
            )
        except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
            message = f"run-intent predicate is incomplete: {error!r}"
            raise MalformedEvidence(message, where="run-intent") from error


def _check_sequential(runs: Sequence[SequentialPlan], stopping_rule: str | None) -> None:
    """Refuse two runs of one protocol, or a stopping rule that says something else.

    Raises:
        ValueError: saying which.
    """
    protocols = [run.protocol for run in runs]
    if len(set(protocols)) != len(protocols):
        message = "a protocol has two sequential runs"
        raise ValueError(message)
    if IMPORTED in protocols:
        message = "imported results existed before any draw"
        raise ValueError(message)
    if stopping_rule is not None and (stopping_rule == "sequential") != bool(runs):
        message = f"the stopping rule is {stopping_rule!r}, with {len(runs)} sequential runs"
        raise ValueError(message)
