from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.stats import ItemBank, estimate_abilities
from steelyard.stats.person_fit import (
    ability,
    anomaly,
    contrast,
    empirical_p_value,
    fit_index,
    fit_indices,
    honest_fit_indices,
    shares,
)

Floats = NDArray[np.float64]


def bank_of(items: int, seed: int) -> ItemBank:
    random = np.random.default_rng(seed)
    return ItemBank(np.exp(random.normal(0.2, 0.3, items)), random.normal(0.0, 1.5, items))


def answers(bank: ItemBank, models: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    expected = bank.probabilities(random.normal(size=models))
    return (random.random(expected.shape) < expected).astype(float)


def test_lz_is_standard_normal_at_true_abilities() -> None:
    bank, random = bank_of(200, 1), np.random.default_rng(2)
    expected = bank.probabilities(random.normal(size=1500))
    scores = random.random(expected.shape) < expected
    values = [fit_index(s, p) for s, p in zip(scores, expected, strict=True)]
    assert np.mean(values) == pytest.approx(0.0, abs=0.1)
    assert np.std(values) == pytest.approx(1.0, abs=0.06)


def test_means_of_repeats_have_the_same_null_once_their_number_is_known() -> None:
    bank, random = bank_of(150, 3), np.random.default_rng(4)
    expected = bank.probabilities(random.normal(size=1000))
    scores = random.binomial(5, expected) / 5.0
    pairs = list(zip(scores, expected, strict=True))
    assert np.std([fit_index(s, p, 5) for s, p in pairs]) == pytest.approx(1.0, abs=0.08)
    assert np.std([fit_index(s, p) for s, p in pairs]) == pytest.approx(5**-0.5, abs=0.05)


def test_holding_back_shows_on_either_side() -> None:
    bank = bank_of(300, 5)
    honest = fit_indices(bank, answers(bank, 200, 6))
    strong = answers(bank, 60, 7)
    strong = strong[strong.mean(axis=1) > 0.5][:20]
    for hardest, low in ((False, True), (True, False)):
        spoiled = strong.copy()
        for scores in spoiled:
            solved = np.flatnonzero(scores == 1.0)
            by_ease = solved[np.argsort(bank.intercept[solved])]
            count = int(0.3 * len(solved))
            scores[by_ease[:count] if hardest else by_ease[-count:]] = 0.0
        values = fit_indices(bank, spoiled)
        found = [anomaly(v, honest.tolist()) for v in values]
        assert all(f is not None and f.two_sided < 0.01 for f in found)
        assert all((f.low < f.high) == low for f in found if f is not None)
        assert max(empirical_p_value(v, honest.tolist()) for v in values) <= 0.02


def test_ranks_alone_keep_their_error_rate() -> None:
    random = np.random.default_rng(8)
    alarms = [
        empirical_p_value(values[0], values[1:].tolist()) <= 0.1
        for values in random.standard_t(2, size=(3000, 40))
    ]
    assert np.mean(alarms) == pytest.approx(4 / 40, abs=0.02)
    assert empirical_p_value(math.nan, [0.0] * 9) == 1.0
    assert empirical_p_value(5.0, [0.0] * 9) == pytest.approx(0.2)
    assert empirical_p_value(-5.0, [0.0, math.nan]) == 1.0


def test_honest_values_come_from_the_other_models() -> None:
    scores = answers(bank_of(40, 9), 12, 10)
    values = honest_fit_indices(scores)
    assert values.shape == (12,)
    spoiled = scores.copy()
    spoiled[0] = 1.0 - spoiled[0]
    again = honest_fit_indices(spoiled)
    assert again[0] == again.min() < values[0]


def test_missing_answers_do_not_count() -> None:
    expected = np.array([0.2, 0.7, 0.9])
    whole = fit_index([0.0, 1.0], expected[:2])
    assert fit_index([0.0, 1.0, math.nan], expected) == pytest.approx(whole)
    assert math.isnan(fit_index([math.nan] * 3, expected))
    assert math.isnan(fit_index([1.0, 0.0], [0.5, 0.5]))


def test_one_model_has_the_ability_of_the_bank() -> None:
    bank = bank_of(30, 11)
    scores = answers(bank, 1, 12)[0]
    found = ability(scores, bank.discrimination, bank.intercept)
    assert found == estimate_abilities(bank, scores).values[0]
    expected = shares(found, bank.discrimination, bank.intercept)
    assert fit_indices(bank, scores)[0] == pytest.approx(fit_index(scores, expected))


def test_a_contrast_is_in_standard_errors() -> None:
    expected, first = np.full(200, 0.5), np.arange(200) < 100
    scores = np.where(np.arange(200) % 4 < np.where(first, 3, 2), 1.0, 0.0)
    assert contrast(scores, expected, first) == pytest.approx(0.25 / math.sqrt(0.005))
    assert math.isnan(contrast(scores, expected, np.ones(200, dtype=bool)))


@pytest.mark.parametrize("honest", [[0.0] * 7, [1.0] * 9])
def test_no_anomaly_without_a_spread_of_enough_models(honest: list[float]) -> None:
    assert anomaly(3.0, honest) is None


def test_anomalies_tell_how_far_and_on_which_side() -> None:
    found = anomaly(-9.0, [float(x) for x in range(-4, 5)])
    assert found is not None
    assert found.outside
    assert found.distance == pytest.approx(-9.0 / (math.sqrt(7.5) * math.sqrt(10 / 9)))
    assert found.two_sided == pytest.approx(2.0 * found.low)
