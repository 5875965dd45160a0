"""A certified score on an imported bank: what is fixed beforehand, and what is claimed after.

Formats `spec/certified-score.md`. The plan fixes bank, threshold, error and seed before the first
answer; the claim holds the draws and answers, from which anyone who holds the bank repeats
the decision. Whose mean it is: of all the bank's items that are no canaries.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.stats import Certifier, DrawLogError, verify_draws
from steelyard.stats.sequential import Certification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.stats import ItemBank


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """What a certified score commits to before the first answer.

    Attributes:
        bank: Digest of the bank.
        model: Name of the tested model.
        harness: How items are asked and scored, for people.
        threshold: Mean score, strictly between 0 and 1.
        alpha: Error on either side.
        seed: Seed of the draws, 32 hexadecimal digits.
        wave: Items drawn at once.
        budget: Items to ask at most.
        attempt: Number of this plan among the signer's, for the model and the bank, from 1.
    """

    bank: str
    model: str
    harness: str
    threshold: float
    alpha: float
    seed: str
    wave: int
    budget: int
    attempt: int = 1

    def to_predicate(self) -> JsonObject:
        """The plan as it is signed."""
        return cast("JsonObject", asdict(self))

    @classmethod
    def from_predicate(cls, value: Mapping[str, Any]) -> ScorePlan:
        """A plan whose schema was checked."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class ScoreTest:
    """A plan with its bank.

    Raises:
        BrokenSeal: the bank is another than the plan's.
        MalformedEvidence: no item of the bank counts.
    """

    plan: ScorePlan
    bank: Bank

    def __post_init__(self) -> None:
        if self.bank.digest != self.plan.bank:
            message = f"the plan is of bank {self.plan.bank[:16]}, this is {self.bank.digest[:16]}"
            raise BrokenSeal(message, hint="give the bank that the plan names")
        if not self.items:
            raise MalformedEvidence("the bank holds canaries alone, so there is no score")

    @property
    def items(self) -> tuple[str, ...]:
        """Names of the items that the score is the mean over."""
        return tuple(item.item for item in self.bank.items if item.canary is None)

    @property
    def parameters(self) -> ItemBank:
        """Their parameters, in the same order."""
        places = [k for k, item in enumerate(self.bank.items) if item.canary is None]
        return self.bank.parameters.subset(places)

    def certifier(self) -> Certifier:
        """The test at its beginning.

        Raises:
            ValueError: threshold, error, seed or budget out of range.
        """
        plan = self.plan
        return Certifier(
            len(self.items),
            plan.threshold,
            bank=self.parameters,
            alpha=plan.alpha,
            seed=int(plan.seed, 16),
            max_items=plan.budget,
        )

    def claim(self, found: Certification, plan_digest: str) -> JsonObject:
        """What is signed when the test is over."""
        items = self.items
        return {
            "plan": plan_digest,
            "method": found.method,
            "decision": found.decision,
            "asked": [items[index] for index in found.asked],
            "answers": list(found.answers),
            "probabilities": list(found.probabilities),
            "waves": list(found.waves),
            "e_above": _finite(found.e_above),
            "e_below": _finite(found.e_below),
            "interval": list(found.interval),
        }

    def verify(self, claim: Mapping[str, Any]) -> Certification:
        """Repeat a claim from its draws.

        Raises:
            BrokenSeal: the claim does not follow from the plan and its answers.
        """
        places = {name: index for index, name in enumerate(self.items)}
        if foreign := [name for name in claim["asked"] if name not in places]:
            raise BrokenSeal(f"the claim asked {foreign[0]!r}, which the bank does not hold")
        if len(claim["asked"]) > len(places):
            raise BrokenSeal("the claim asked more items than the bank holds")
        if list(claim["waves"]) != self._waves(len(claim["asked"])):
            raise BrokenSeal("the waves of the claim are not those of the plan, or one was cut")
        try:
            return verify_draws(self._certification(claim, places), bank=self.parameters)
        except DrawLogError as error:
            raise BrokenSeal(f"the claim does not follow from its draws: {error}") from error

    def _waves(self, asked: int) -> list[int]:
        """Sizes of the waves that so many items were drawn in: whole but for the budget's last."""
        most, waves = min(self.plan.budget, len(self.items)), list[int]()
        while sum(waves) < asked:
            waves.append(min(self.plan.wave, most - sum(waves)))
            if waves[-1] <= 0:
                break
        return waves

    def _certification(self, claim: Mapping[str, Any], places: Mapping[str, int]) -> Certification:
        plan = self.plan
        low, high = claim["interval"]
        return Certification(
            decision=claim["decision"],
            n_items=len(places),
            threshold=plan.threshold,
            alpha=plan.alpha,
            seed=int(plan.seed, 16),
            bank=self.parameters.digest,
            max_items=min(plan.budget, len(places)),
            asked=tuple(places[name] for name in claim["asked"]),
            answers=tuple(claim["answers"]),
            probabilities=tuple(claim["probabilities"]),
            waves=tuple(claim["waves"]),
            e_above=_maybe_infinite(claim["e_above"]),
            e_below=_maybe_infinite(claim["e_below"]),
            interval=(low, high),
            method=claim["method"],
        )


def _finite(e_value: float) -> float | None:
    """JSON has no infinity: null where counting decided."""
    return None if math.isinf(e_value) else e_value


def _maybe_infinite(e_value: float | None) -> float:
    return math.inf if e_value is None else e_value
