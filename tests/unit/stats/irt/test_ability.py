from __future__ import annotations

import numpy as np
import pytest

from steelyard.stats import AbilityPrior, ItemBank, ability_posterior, estimate_abilities

BANK = ItemBank(np.array([1.0, 2.0, 0.5]), np.array([0.0, -1.0, 1.0]))


def wide_bank(items: int, seed: int) -> ItemBank:
    random = np.random.default_rng(seed)
    return ItemBank(np.exp(random.normal(0.0, 0.4, items)), random.normal(0.0, 1.5, items))


@pytest.mark.parametrize("method", ["eap", "map"])
def test_errors_cover_true_abilities(method: str) -> None:
    random, bank = np.random.default_rng(1), wide_bank(60, 1)
    theta = random.normal(size=2000)
    scores = (random.random((2000, 60)) < bank.probabilities(theta)).astype(float)
    scores[random.random(scores.shape) < 0.3] = np.nan
    found = estimate_abilities(bank, scores, method=method)  # pyright: ignore[reportArgumentType]
    covered = np.abs(found.values - theta) < 1.96 * found.standard_errors
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    assert np.mean(found.values - theta) == pytest.approx(0.0, abs=0.03)


def test_many_items_leave_both_estimates_alike() -> None:
    random, bank = np.random.default_rng(2), wide_bank(3000, 2)
    theta = np.array([-2.0, 0.0, 1.5])
    scores = (random.random((3, 3000)) < bank.probabilities(theta)).astype(float)
    mean, mode = estimate_abilities(bank, scores), estimate_abilities(bank, scores, method="map")
    assert mean.values == pytest.approx(mode.values, abs=0.01)
    assert mean.standard_errors == pytest.approx(mode.standard_errors, rel=0.03)


def test_without_answers_the_prior_remains() -> None:
    prior = AbilityPrior(0.7, 2.0)
    for method in ("eap", "map"):
        found = estimate_abilities(BANK, [np.nan] * 3, method=method, prior=prior)  # pyright: ignore[reportArgumentType]
        assert found.values == pytest.approx([0.7], abs=1e-6)
        assert found.standard_errors == pytest.approx([2.0], rel=1e-4)


def test_one_more_success_never_lowers_the_ability() -> None:
    found = estimate_abilities(BANK, [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1], [1, 1, 0.5]])
    assert (np.diff(found.values[:4]) > 0).all()
    assert found.values[2] < found.values[4] < found.values[3]


def test_the_posterior_is_that_of_bayes() -> None:
    posterior = ability_posterior(BANK, [1.0, 0.0, np.nan])
    theta = np.linspace(-8.0, 8.0, 4001)
    shares = BANK.probabilities(theta)
    density = shares[:, 0] * (1.0 - shares[:, 1]) * np.exp(-0.5 * theta**2)
    mean = (density * theta).sum() / density.sum()
    assert posterior.mean == pytest.approx([mean], abs=1e-5)
    evidence = density.sum() * (theta[1] - theta[0]) / np.sqrt(2.0 * np.pi)
    assert posterior.log_evidence == pytest.approx([np.log(evidence)], abs=1e-5)
    assert posterior.weights.sum() == pytest.approx(1.0)
    assert posterior.probability_above(-9.0) == pytest.approx([1.0])
    above = density[theta > mean].sum() / density.sum()
    assert posterior.probability_above(mean) == pytest.approx([above], abs=0.1)


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        ([[1.0, 0.0]], "the bank has 3 items, the responses have 2"),
        ([[1.0, 0.0, 2.0]], r"responses lie in \[0, 1\]"),
        ([[1.0, 0.0, np.inf]], "infinite"),
    ],
)
def test_foreign_responses_are_refused(responses: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimate_abilities(BANK, responses)


def test_strange_methods_and_priors_are_refused() -> None:
    with pytest.raises(ValueError, match='by "eap" or "map", not by \'mle\''):
        estimate_abilities(BANK, [1, 0, 1], method="mle")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="standard deviation above 0"):
        estimate_abilities(BANK, [1, 0, 1], prior=AbilityPrior(0.0, 0.0))
