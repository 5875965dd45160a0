"""Screen a score: a cheap look that may raise concern and never certifies.

A tempered posterior over the mixture of `beliefs` says which side is likelier; items are
chosen where the components disagree most, which for one scale is where they tell ability.
Its error is what the model of the items says, and no model is right: near the threshold it
errs several times as often (docs/explanation/certifying-a-score.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steelyard.stats.sequential.beliefs import Beliefs
from steelyard.stats.sequential.checks import check_answer, check_error, check_test
from steelyard.stats.sequential.record import Decision, Screening

if TYPE_CHECKING:
    from collections.abc import Callable

    from steelyard.stats.irt.bank import ItemBank

_LEAST_ITEMS = 20
_SHARE = 0.1  # of the bank, after which the likelier side is named whatever its probability


def screen_score(  # noqa: PLR0913 - a public contract
    answer: Callable[[int], float],
    n_items: int,
    threshold: float,
    *,
    bank: ItemBank | None = None,
    alpha: float = 0.05,
    seed: int,
    max_items: int | None = None,
) -> Screening:
    """Guess the side of a threshold from few items.

    Args:
        answer: Gives item i's answer in [0, 1]; called once for each item asked.
        n_items: Number of items.
        threshold: Strictly between 0 and 1.
        bank: Parameters of the items; None asks items at random.
        alpha: Probability of the other side, by the model of the items, at which to stop.
        seed: Whole number; breaks ties between items.
        max_items: Items to ask at most; None for a tenth of the bank and at least 20.

    Raises:
        ValueError: an argument or an answer outside its range.
    """
    budget = max(_LEAST_ITEMS, round(_SHARE * n_items)) if max_items is None else max_items
    most = min(budget, n_items)
    check_test(n_items, threshold, bank)
    check_error(alpha, seed, most)
    beliefs, random = Beliefs(bank, n_items), np.random.default_rng(np.random.SeedSequence(seed))
    asked, answers, goal = list[int](), list[float](), n_items * threshold
    above = beliefs.expect(goal).above
    while len(asked) < most:
        ties = random.random(len(beliefs.left))
        place = (
            int(np.lexsort((ties, -beliefs.doubt()))[0]) if bank is not None else int(ties.argmax())
        )
        item = int(beliefs.left[place])
        value = check_answer(answer(item), item)
        beliefs.record(place, value)
        asked.append(item)
        answers.append(value)
        above = _above(beliefs, goal - sum(answers))
        if len(asked) >= min(_LEAST_ITEMS, n_items) and not alpha < above < 1.0 - alpha:
            break
    return Screening(
        decision=_likelier(above),
        n_items=n_items,
        threshold=float(threshold),
        doubt=float(alpha),
        bank=bank.digest if bank is not None else None,
        asked=tuple(asked),
        answers=tuple(answers),
        probability_above=above,
        estimate=(sum(answers) + float(beliefs.guess().expected.sum())) / n_items,
    )


def _above(beliefs: Beliefs, open_sum: float) -> float:
    """Probability that the items left sum to more than what the threshold leaves open."""
    if len(beliefs.left) == 0:
        return float(open_sum < 0.0) if open_sum != 0.0 else 0.5
    return beliefs.expect(open_sum).above


def _likelier(above: float) -> Decision:
    if above == 0.5:  # noqa: PLR2004 - neither
        return "undecided"
    return "above" if above > 0.5 else "below"  # noqa: PLR2004
