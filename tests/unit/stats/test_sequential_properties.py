"""What holds at every step of a sequential test, followed through every order of draws."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.stats import Certifier, ItemBank, certify_score

PARAMETERS = {
    "none": None,
    "flipped": ([-1.0, -1.5, -0.7, -2.0, 0.5], [-2.0, -1.0, 0.0, 2.0, 1.0]),
    "absurd": ([9.0, 0.0, -9.0, 5.0, 30.0], [50.0, -50.0, 0.0, 30.0, -3.0]),
}


def bank_of(name: str, items: int) -> ItemBank | None:
    found = PARAMETERS[name]
    return None if found is None else ItemBank(found[0][:items], found[1][:items])


def following(test: Certifier, item: int, answer: float, wave: int) -> tuple[float, Certifier]:
    """Probability of drawing an item next, and a copy of the test that drew it."""
    after = deepcopy(test)
    draws = after._draws
    if len(draws.asked) % wave == 0:
        draws._shares = after._design()
    draws.pending.append(item)
    share = draws.next_drawn().share
    after.record(answer)
    return share, after


def states(test: Certifier, answers: tuple[float, ...], wave: int) -> Iterator[Certifier]:
    """Every state that the draws can lead to."""
    yield test
    for item in set(range(len(answers))) - set(test.certification().asked):
        yield from states(following(test, item, answers[item], wave)[1], answers, wave)


CASES = [
    ((1.0, 0.0, 0.0, 1.0), 2),
    ((0.0, 0.0, 1.0, 0.0), 1),
    ((0.3, 1.0, 0.7, 0.0), 2),
]


@pytest.mark.parametrize("bank", PARAMETERS)
@pytest.mark.parametrize("wave", [1, 3])
@pytest.mark.parametrize(("answers", "total"), CASES)
def test_no_draw_from_any_state_is_a_favourable_bet_on_what_is_false(
    bank: str, wave: int, answers: tuple[float, ...], total: int
) -> None:
    n = len(answers)
    for shift, sides in ((0.0, ("e_above", "e_below")), (0.4, ("e_above",)), (-0.4, ("e_below",))):
        start = Certifier(n, (total + shift) / n, bank=bank_of(bank, n), alpha=0.01, seed=0)
        for test in states(start, answers, wave):
            asked = test.certification().asked
            if len(asked) == n:
                continue
            steps = [following(test, i, answers[i], wave) for i in range(n) if i not in asked]
            assert sum(share for share, _ in steps) == pytest.approx(1.0)
            for side in sides:
                mean = sum(share * getattr(t.certification(), side) for share, t in steps)
                assert mean <= getattr(test.certification(), side) + 1e-6


@pytest.mark.parametrize("bank", PARAMETERS)
def test_the_interval_misses_the_score_at_any_stop_in_at_most_alpha_of_all_orders(
    bank: str,
) -> None:
    answers, alpha = (1.0, 0.0, 0.0, 1.0, 0.6), 0.3
    score = sum(answers) / 5

    def missing(test: Certifier) -> float:
        low, high = test.certification().interval
        if not low - 1e-9 <= score <= high + 1e-9:
            return 1.0
        rest = set(range(5)) - set(test.certification().asked)
        steps = [following(test, item, answers[item], 1) for item in rest]
        return sum(share * missing(after) for share, after in steps)

    start = Certifier(5, 0.5, bank=bank_of(bank, 5), alpha=alpha, seed=0)
    assert missing(start) <= alpha + 1e-9


def test_other_names_for_the_items_change_no_probability() -> None:
    n = 40
    random = np.random.default_rng(6)
    bank = ItemBank(np.exp(random.normal(0, 0.4, n)), random.normal(0, 2, n))
    answers = (random.random(n) < bank.probabilities(0.2)).astype(float)
    order = random.permutation(n)  # new name k is old name order[k]
    old = Certifier(n, 0.5, bank=bank, seed=0)
    new = Certifier(n, 0.5, bank=bank.subset(order), seed=0)
    for k in random.permutation(n)[:20]:
        old_share, old = following(old, int(order[k]), float(answers[order[k]]), 1)
        new_share, new = following(new, int(k), float(answers[order[k]]), 1)
        assert new_share == pytest.approx(old_share, rel=1e-6)
    assert new.certification().e_above == pytest.approx(old.certification().e_above, rel=1e-6)
    assert new.certification().interval == pytest.approx(old.certification().interval, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.85), st.floats(0.02, 0.1), st.integers(0, 2**32))
def test_a_higher_threshold_needs_no_fewer_successes(
    threshold: float, step: float, seed: int
) -> None:
    """Where every answer is 1 the order is of no account, and only the threshold counts."""
    needed = [certify_score(lambda _: 1.0, 60, t, seed=seed) for t in (threshold, threshold + step)]
    assert [found.decision for found in needed] == ["above", "above"]
    assert needed[0].items_used <= needed[1].items_used


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12),
    st.floats(0.01, 0.99),
    st.integers(1, 5),
    st.integers(0, 2**64),
)
def test_what_counting_decides_is_true(
    answers: list[float], threshold: float, wave: int, seed: int
) -> None:
    test = Certifier(len(answers), threshold, alpha=1e-9, seed=seed)
    while items := test.draw(wave):
        for item in items:
            test.record(answers[item])
    excess = sum(answers) - len(answers) * threshold
    expected = "undecided" if abs(excess) < 1e-6 else "above" if excess > 0.0 else "below"
    if test.decision != expected:
        assert abs(excess) < 1e-6
