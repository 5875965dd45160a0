"""Certify a score: ask items one at a time until the side of the threshold is sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.stats.sequential.certifier import Certifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from steelyard.stats.irt.bank import ItemBank
    from steelyard.stats.sequential.record import Certification


def certify_score(  # noqa: PLR0913 - a public contract
    answer: Callable[[int], float],
    n_items: int,
    threshold: float,
    *,
    bank: ItemBank | None = None,
    alpha: float = 0.05,
    seed: int,
    max_items: int | None = None,
) -> Certification:
    """Decide whether the mean answer of a fixed set of items is above or below a threshold.

    Valid for any answers, as long as each item has one: the probability of `above` when the
    score is at most the threshold is at most alpha, and that of `below` when it is at least
    the threshold. A bank saves items and cannot break this. A score equal to the threshold is
    neither above nor below; a test that asks every item then ends `undecided`.

    Method: docs/explanation/certifying-a-score.md.

    Args:
        answer: Gives item i's answer in [0, 1]; called once for each item asked.
        n_items: Number of items; they are named 0 to n_items - 1.
        threshold: Strictly between 0 and 1.
        bank: Parameters of the items in the same order; None for the model-free baseline.
        alpha: Error on either side.
        seed: Whole number; fixes the draws, so fix it before the first answer.
        max_items: Items to ask at most, after which the test is `undecided`.

    Raises:
        ValueError: an argument or an answer outside its range. Whatever `answer` raises is
            passed on; to go on after it, keep a `Certifier` and ask by its `draw`.
    """
    test = Certifier(n_items, threshold, bank=bank, alpha=alpha, seed=seed, max_items=max_items)
    run_test(test, answer)
    return test.certification()


def run_test(test: Certifier, answer: Callable[[int], float], wave: int = 1) -> None:
    """Drive a test, from wherever it stands, to its end.

    Args:
        test: A new test, or one that was interrupted.
        answer: Gives item i's answer.
        wave: Draws to make at once.

    Raises:
        ValueError: an answer outside [0, 1]; the item stays pending.
    """
    while items := test.draw(wave):
        for item in items:
            test.record(answer(item))
