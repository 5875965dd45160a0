"""Skill above luck: whether a federation's cases go better than chance would have them.

Decides, for each desideratum, in how many closed cases it is decided, in how many it held, how
often chance alone would have it held in just those cases, and how surprising the difference
is (spec/disclosure-states.md, section Skill). A case that was seen in part is held against
chance seen in the same part, so that what is easily seen first is not taken for skill.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from steelyard.disclosure.states.histories import chance_of_histories, desiderata
from steelyard.disclosure.states.observed import decided, possible_orders, seen_as
from steelyard.kernel.errors import UsageError
from steelyard.stats import lower_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.disclosure.states.observed import Observed

Verdict = Literal["above chance", "not shown", "too few cases"]
_MOST_CASES = 20_000
_EXACT_CASES = 200


@dataclass(frozen=True, slots=True)
class Skill:
    """One desideratum over the closed cases of a federation.

    Attributes:
        first, second: The fact that had better come first, and the other one.
        cases: In how many cases it is decided.
        held: In how many of them it held.
        undecided: In how many nothing can be said.
        chance: Mean probability that chance would have it held in those cases; None without any.
        p_value: Probability that chance has it held at least that often; exact.
        adjusted: The same after Holm's correction for all desiderata.
        least_p_value: The p-value if it had held wherever it can.
        lower: One-sided lower confidence limit of the rate at `confidence`.
    """

    first: str
    second: str
    cases: int
    held: int
    undecided: int
    chance: float | None
    p_value: float
    adjusted: float
    least_p_value: float
    lower: float
    verdict: Verdict

    @property
    def rate(self) -> float | None:
        """Share of decided cases in which it held; None without any."""
        return self.held / self.cases if self.cases else None


@dataclass(frozen=True, slots=True)
class _Raw:
    """Counts of one desideratum, before the correction for all of them."""

    pair: tuple[str, str]
    held: int
    undecided: int
    chances: tuple[Fraction, ...]

    @property
    def p_value(self) -> float:
        return tail(self.chances, self.held)

    @property
    def least(self) -> float:
        # Where chance cannot have it held, seen as the case was, nobody can.
        return tail(self.chances, sum(share > 0 for share in self.chances))


def skill(cases: Sequence[Observed], *, alpha: float = 0.05) -> tuple[Skill, ...]:
    """The twelve desiderata over closed cases.

    Args:
        cases: What was seen of each closed case; they must be independent of one another.
        alpha: Family-wise error of calling any of them above chance.

    Raises:
        UsageError: an alpha outside (0, 0.5], or more cases than can be counted exactly.
    """
    if not 0.0 < alpha <= 0.5:  # noqa: PLR2004 - a coin toss convinces nobody
        raise UsageError(f"alpha is {alpha!r}, need more than 0 and at most 0.5")
    if len(cases) > _MOST_CASES:
        raise UsageError(f"{len(cases)} cases, at most {_MOST_CASES}")
    raw = [_count(cases, pair) for pair in desiderata()]
    adjusted = _holm([row.p_value for row in raw])
    return tuple(_skill(row, value, alpha) for row, value in zip(raw, adjusted, strict=True))


def _count(cases: Sequence[Observed], pair: tuple[str, str]) -> _Raw:
    answers = [(decided(case, *pair), case) for case in cases]
    chances = tuple(chance(case, *pair) for answer, case in answers if answer is not None)
    held = sum(answer is True for answer, _ in answers)
    return _Raw(pair, held, len(cases) - len(chances), chances)


def _skill(row: _Raw, adjusted: float, alpha: float) -> Skill:
    count = len(row.chances)
    verdict: Verdict = "above chance" if adjusted <= alpha else "not shown"
    # Holm's last comparison is at alpha itself: below that, no result of these cases could pass.
    if row.least > alpha:
        verdict = "too few cases"
    return Skill(
        first=row.pair[0],
        second=row.pair[1],
        cases=count,
        held=row.held,
        undecided=row.undecided,
        chance=float(sum(row.chances, Fraction(0)) / count) if count else None,
        p_value=row.p_value,
        adjusted=adjusted,
        least_p_value=row.least,
        lower=lower_limit(row.held, count, alpha),
        verdict=verdict,
    )


@cache
def chance(case: Observed, first: str, second: str) -> Fraction:
    """How often chance, seen as this case was, has `first` first among what it decides.

    With the whole history seen this is the chance of the desideratum. Of a case that closed
    after three facts, chance is followed for three facts too.
    """
    held, counted = Fraction(0), Fraction(0)
    for order, share in _seen_shares(case).items():
        answer = decided(order, first, second)
        counted += share if answer is not None else 0
        held += share if answer else 0
    return held / counted


def _seen_shares(like: Observed) -> Mapping[Observed, Fraction]:
    shares: dict[Observed, Fraction] = {}
    for order, share in chance_of_histories().items():
        seen = seen_as(order, like)
        shares[seen] = shares.get(seen, Fraction(0)) + share
    return {seen: share for seen, share in shares.items() if possible_orders(seen)}


def tail(chances: Sequence[Fraction], held: int) -> float:
    """Probability that at least `held` of independent events happen (Poisson binomial).

    Args:
        chances: Probability of each event.
        held: How many happened, 0 <= held <= len(chances).

    Exact in fractions up to 200 events; above, in floats, whose terms are all positive.
    """
    if held <= 0:
        return 1.0
    if len(chances) <= _EXACT_CASES:
        return float(_exact_tail(chances, held))
    weights = np.zeros(len(chances) + 1)
    weights[0] = 1.0
    for share in map(float, chances):
        weights[1:] = weights[1:] * (1.0 - share) + weights[:-1] * share
        weights[0] *= 1.0 - share
    return float(min(1.0, weights[held:].sum()))


def _exact_tail(chances: Sequence[Fraction], held: int) -> Fraction:
    # Whole numbers over one common denominator: fractions would be reduced at every step.
    weights, denominator = [1], 1
    for share in chances:
        yes, no = share.numerator, share.denominator - share.numerator
        shifted = zip([*weights, 0], [0, *weights], strict=True)
        weights = [stay * no + come * yes for stay, come in shifted]
        denominator *= share.denominator
    return Fraction(sum(weights[held:]), denominator)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given (Scandinavian J. Statistics 6, 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return adjusted
