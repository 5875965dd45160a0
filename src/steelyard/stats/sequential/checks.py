"""Arguments of the tests, checked once: a wrong one never becomes a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steelyard.stats.irt.bank import ItemBank

_SEED_LIMIT = 1 << 128


def check_test(n_items: int, threshold: float, bank: ItemBank | None) -> None:
    """Refuse what no test can be made of.

    Raises:
        ValueError: no item, a threshold outside (0, 1), or a bank of other items.
    """
    if n_items < 1:
        message = f"a test needs at least one item, found {n_items}"
        raise ValueError(message)
    if not 0.0 < threshold < 1.0:
        message = (
            f"the threshold is {threshold:g}; no score is below 0 or above 1, so it lies between"
        )
        raise ValueError(message)
    if bank is not None and len(bank) != n_items:
        message = f"the bank has {len(bank)} items, the test {n_items}: it is of other items"
        raise ValueError(message)


def check_error(alpha: float, seed: int, most: int) -> None:
    """Refuse an error rate, seed or limit outside its range.

    Raises:
        ValueError: naming it.
    """
    if not 0.0 < alpha < 0.5:  # noqa: PLR2004 - a coin decides at one half
        message = f"alpha is {alpha:g}, not above 0 and below 0.5"
        raise ValueError(message)
    if not 0 <= seed < _SEED_LIMIT:
        message = "the seed is a whole number from 0 to 2^128 - 1"
        raise ValueError(message)
    if most < 1:
        message = f"max_items is {most}; a test asks at least one item"
        raise ValueError(message)


def check_answer(answer: float, item: int) -> float:
    """An answer as a float.

    Raises:
        ValueError: not a number in [0, 1].
    """
    value = float(answer)
    if not 0.0 <= value <= 1.0:
        message = f"item {item} was answered with {value:g}, not in [0, 1]"
        raise ValueError(message)
    return value
