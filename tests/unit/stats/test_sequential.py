"""The sequential test as its callers see it: decisions, logs, resumption, bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from steelyard.stats import (
    Certification,
    Certifier,
    DrawLogError,
    ItemBank,
    certify_score,
    screen_score,
    verify_draws,
)
from steelyard.stats.sequential import run_test

N = 300
RANDOM = np.random.default_rng(20)
BANK = ItemBank(np.exp(RANDOM.normal(0, 0.4, N)), RANDOM.normal(0, 2, N))
ANSWERS = (RANDOM.random(N) < BANK.probabilities(0.5)).astype(float)
SCORE = float(ANSWERS.mean())


def answer(item: int) -> float:
    return float(ANSWERS[item])


def certified(  # the test of most cases
    threshold: float = SCORE - 0.08,
    **options: Any,  # noqa: ANN401
) -> Certification:
    return certify_score(answer, N, threshold, **{"bank": BANK, "seed": 7, **options})


def test_each_side_is_found_and_a_bank_saves_items() -> None:
    assert certified(SCORE - 0.08).decision == "above"
    assert certified(SCORE + 0.08).decision == "below"
    seeds = range(10)
    with_bank = [certified(seed=s).items_used for s in seeds]
    without = [certified(seed=s, bank=None).items_used for s in seeds]
    assert np.mean(with_bank) < 0.8 * np.mean(without)


def test_every_item_is_asked_once_and_the_evidence_fits_the_decision() -> None:
    found = certified()
    assert len(set(found.asked)) == found.items_used == len(found.answers)
    assert all(0.0 < p <= 1.0 for p in found.probabilities)
    assert found.e_above >= 20.0 > found.e_below
    assert found.interval[0] <= SCORE <= found.interval[1]


def test_a_score_equal_to_the_threshold_is_on_neither_side() -> None:
    decisions = [
        certify_score(lambda i: float(i % 2), 10, 0.5, alpha=0.01, seed=s).decision
        for s in range(20)
    ]
    assert set(decisions) == {"undecided"}


def test_the_last_items_decide_by_counting() -> None:
    found = certify_score(lambda i: float(i < 6), 10, 0.55, alpha=0.0001, seed=1)
    assert found.decision == "above"
    assert found.e_above == float("inf")  # certain, not merely likely


def test_what_a_wave_counts_after_its_decision_stands_above_a_wealth() -> None:
    test = Certifier(60, 0.5, seed=1)
    test.draw(60)
    while test.decision == "undecided":
        test.record(1.0)
    assert test.decision == "above"
    while test.pending:
        test.record(0.0)
    found = test.certification()
    assert (found.decision, sum(found.answers) < 30) == ("below", True)
    assert verify_draws(found) == found


@pytest.mark.parametrize("wave", [1, 7, 40])
def test_a_log_replays_to_the_same_certification(wave: int) -> None:
    test = Certifier(N, SCORE - 0.08, bank=BANK, seed=11)
    run_test(test, answer, wave)
    found = test.certification()
    assert found.decision == "above"
    assert verify_draws(found, bank=BANK) == found


def test_an_interrupted_test_goes_on_with_the_same_draws() -> None:
    whole = certified(seed=3)
    test, calls = Certifier(N, SCORE - 0.08, bank=BANK, seed=3), 0

    def failing(item: int) -> float:
        nonlocal calls
        calls += 1
        if calls in (1, 5, 6, 19):
            raise ConnectionError
        return answer(item)

    for _ in range(5):
        try:
            run_test(test, failing)
        except ConnectionError:
            continue
    assert test.certification() == whole
    assert calls == whole.items_used + 4


def swapped(log: tuple[Any, ...]) -> tuple[Any, ...]:
    return (log[1], log[0], *log[2:])


TAMPERED: dict[str, Callable[[Certification], Certification]] = {
    "order": lambda c: replace(c, asked=swapped(c.asked)),
    "another item": lambda c: replace(
        c, asked=(*c.asked[:-1], next(i for i in range(N) if i not in c.asked))
    ),
    "dropped draw": lambda c: replace(
        c, asked=c.asked[:-1], answers=c.answers[:-1], probabilities=c.probabilities[:-1],
        waves=c.waves[:-1],
    ),
    "dropped answer": lambda c: replace(c, answers=c.answers[:-1]),
    "probability": lambda c: replace(
        c, probabilities=(c.probabilities[0] * 1.001, *c.probabilities[1:])
    ),
    "flipped answer": lambda c: replace(c, answers=(1.0 - c.answers[0], *c.answers[1:])),
    "answer out of range": lambda c: replace(c, answers=(1.5, *c.answers[1:])),
    "answer no number": lambda c: replace(c, answers=(float("nan"), *c.answers[1:])),
    "decision": lambda c: replace(c, decision="below"),
    "evidence": lambda c: replace(c, e_above=c.e_above * 2.0),
    "seed": lambda c: replace(c, seed=8),
    "threshold": lambda c: replace(c, threshold=c.threshold + 0.01),
    "alpha": lambda c: replace(c, alpha=0.04),
    "interval": lambda c: replace(c, interval=(0.0, 0.01)),
    "items": lambda c: replace(c, n_items=N - 1),
    "limit": lambda c: replace(c, max_items=c.items_used),
    "waves": lambda c: replace(c, waves=(2, *c.waves[2:])),
    "method": lambda c: replace(c, method="other/1"),
    "bank": lambda c: replace(c, bank="0" * 64),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_log_is_refused(name: str) -> None:
    tampered = TAMPERED[name](certified())
    if name == "limit":
        # The same draws under a smaller limit are the same test: only an extension is a lie.
        tampered = replace(tampered, max_items=tampered.items_used - 1)
    with pytest.raises(DrawLogError):
        verify_draws(tampered, bank=BANK)


def test_a_log_needs_the_bank_it_names() -> None:
    with pytest.raises(DrawLogError, match="bank"):
        verify_draws(certified())
    with pytest.raises(DrawLogError, match="bank"):
        verify_draws(certified(bank=None), bank=BANK)


def test_draws_added_after_the_decision_are_refused() -> None:
    found = certified()
    extra = next(i for i in range(N) if i not in found.asked)
    longer = replace(
        found, asked=(*found.asked, extra), answers=(*found.answers, 1.0),
        probabilities=(*found.probabilities, 0.01), waves=(*found.waves, 1),
    )  # fmt: skip
    with pytest.raises(DrawLogError):
        verify_draws(longer, bank=BANK)


def test_a_screening_is_no_certification() -> None:
    screened = screen_score(answer, N, SCORE - 0.2, bank=BANK, seed=1)
    assert screened.decision == "above"
    assert screened.items_used >= 20
    assert not hasattr(screened, "e_above")
    with pytest.raises(TypeError, match="Screening"):
        verify_draws(screened, bank=BANK)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 0.5}, "alpha"),
        ({"seed": -1}, "seed"),
        ({"max_items": 0}, "max_items"),
        ({"bank": BANK.subset(range(N - 1))}, "bank"),
    ],
)
def test_bad_arguments_are_refused_before_the_first_answer(
    options: dict[str, Any], message: str
) -> None:
    def untouched(item: int) -> float:
        raise AssertionError(item)

    arguments = {"threshold": 0.5, "bank": BANK, "seed": 1, **options}
    threshold = arguments.pop("threshold")
    for decide in (certify_score, screen_score):
        with pytest.raises(ValueError, match=message):
            decide(untouched, N, threshold, **arguments)


@pytest.mark.parametrize("bad", [1.01, -0.01, float("nan"), float("inf")])
def test_a_bad_answer_decides_nothing_and_stays_pending(bad: float) -> None:
    test = Certifier(N, 0.5, bank=BANK, seed=1)
    items = test.draw()
    with pytest.raises(ValueError, match=f"item {items[0]} "):
        test.record(bad)
    assert test.pending == items
    assert test.certification().items_used == 0


def test_no_item_and_single_items() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        certify_score(answer, 0, 0.5, seed=1)
    assert certify_score(lambda _: 1.0, 1, 0.5, seed=1).decision == "above"
    assert certify_score(lambda _: 0.0, 1, 0.5, seed=1).decision == "below"


def test_a_limit_of_items_leaves_it_undecided() -> None:
    found = certified(SCORE - 0.001, max_items=10)
    assert (found.decision, found.items_used) == ("undecided", 10)


@pytest.mark.parametrize("bank", ["right", "shuffled", "flipped", "foreign", "none"])
def test_half_an_item_from_the_truth_the_wrong_side_is_rarely_certified(bank: str) -> None:
    n, alpha, seeds = 24, 0.1, 150
    random = np.random.default_rng(4)
    right = ItemBank(np.exp(random.normal(0, 0.4, n)), random.normal(0, 2, n))
    y = (random.random(n) < right.probabilities(0.0)).astype(float)
    order = random.permutation(n)
    chosen = {
        "right": right,
        "shuffled": right.subset(order),
        "flipped": ItemBank(-right.discrimination, -right.intercept),
        "foreign": ItemBank(np.ones(n), random.normal(0, 3, n)),
        "none": None,
    }[bank]
    for side, threshold in (("above", y.mean() + 0.5 / n), ("below", y.mean() - 0.5 / n)):
        wrong = sum(
            certify_score(
                lambda i: float(y[i]), n, float(threshold), bank=chosen, alpha=alpha, seed=s
            ).decision
            == side
            for s in range(seeds)
        )
        assert wrong / seeds <= alpha + 2.0 * np.sqrt(alpha * (1 - alpha) / seeds)


def test_intervals_cover_at_every_stop() -> None:
    missed = 0
    for seed in range(100):
        bank = BANK if seed % 2 else None
        test = Certifier(N, 0.5, bank=bank, alpha=0.1, seed=seed, max_items=60)
        while items := test.draw():
            test.record(answer(items[0]))
        low, high = test.certification().interval
        missed += not low <= SCORE <= high
    assert missed <= 100 * 0.1 + 2 * np.sqrt(100 * 0.09)
