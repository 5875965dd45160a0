"""What a sequential run commits to before its first call, and the document that says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from steelyard.stats import ItemBank

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

Mode = Literal["certify", "screen"]
KINDS = ("rate", "paired_rate_difference")
"""Kinds of indicators whose score is a mean over the items of a bank."""

LARGEST_BANK = 4096
"""Items that draws may be from: what a verifier can repeat in seconds."""


@dataclass(frozen=True, slots=True)
class LevelThresholds:
    """Means over the bank below which a level is ruled out, and from which it is shown.

    On the indicator's scale; where nothing that the bank can show is enough, the end of it.
    """

    level: int
    effective: float
    shown: float


@dataclass(frozen=True, slots=True, eq=False)
class SequentialPlan:
    """What a sequential run fixes before its first call, for one protocol.

    Attributes:
        protocol: Its id.
        kind: Kind of its indicator.
        mode: `certify` or `screen`.
        alpha: Error of the draws in ruling a level out.
        seed: Of the draws; public.
        wave: Items drawn at once.
        budget: Items to ask at most.
        items: Pseudonyms of the bank's items; a draw is a place in this list.
        thresholds: One for each level, ascending.
        bank: Parameters of the items in the same order, or None.
    """

    protocol: str
    kind: str
    mode: Mode
    alpha: float
    seed: int
    wave: int
    budget: int
    items: tuple[str, ...]
    thresholds: tuple[LevelThresholds, ...]
    bank: ItemBank | None = None

    def to_json(self) -> JsonObject:
        """A row of the predicate's `sequential`."""
        bank = self.bank
        return {
            "protocol": self.protocol,
            "kind": self.kind,
            "mode": self.mode,
            "alpha": self.alpha,
            "seed": f"{self.seed:032x}",
            "wave": self.wave,
            "budget": self.budget,
            "items": list(self.items),
            "thresholds": [
                {"level": t.level, "effective": t.effective, "shown": t.shown}
                for t in self.thresholds
            ],
            "bank": None
            if bank is None
            else {
                "discrimination": bank.discrimination.tolist(),
                "intercept": bank.intercept.tolist(),
            },
        }

    @classmethod
    def from_json(cls, row: JsonObject) -> SequentialPlan:
        """Read a row that follows the schema.

        Raises:
            KeyError, TypeError, ValueError: it does not.
        """
        raw = cast("dict[str, Any]", row)
        bank = raw["bank"]
        thresholds = (
            LevelThresholds(int(t["level"]), float(t["effective"]), float(t["shown"]))
            for t in raw["thresholds"]
        )
        plan = cls(
            protocol=str(raw["protocol"]),
            kind=str(raw["kind"]),
            mode=raw["mode"],
            alpha=float(raw["alpha"]),
            seed=int(raw["seed"], 16),
            wave=int(raw["wave"]),
            budget=int(raw["budget"]),
            items=tuple(map(str, raw["items"])),
            thresholds=tuple(thresholds),
            bank=None if bank is None else ItemBank(bank["discrimination"], bank["intercept"]),
        )
        plan.check()
        return plan

    def check(self) -> None:
        """Refuse a plan whose numbers contradict each other.

        Raises:
            ValueError: saying which.
        """
        if len(set(self.items)) != len(self.items):
            message = "an item occurs twice in the bank"
            raise ValueError(message)
        if len({t.level for t in self.thresholds}) != len(self.thresholds):
            message = "a level has two thresholds"
            raise ValueError(message)
        if not any(in_reach(t.effective) for t in self.thresholds):
            message = f"whatever {len(self.items)} items show, no level could be ruled out"
            raise ValueError(message)

    @property
    def paired(self) -> bool:
        """Whether the indicator is a difference of two arms."""
        return self.kind == "paired_rate_difference"


def in_reach(score: float) -> bool:
    """Whether a mean of scores from 0 to 1 can lie on either side."""
    return 0.0 < score < 1.0
