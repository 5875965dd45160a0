"""Item response models: recovery, invariance, fit, linking, and what cannot be fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steelyard.stats import ItemBank, estimate_abilities, fit_1pl, fit_2pl, link
from steelyard.stats.irt import free_slopes, screen_items
from steelyard.stats.irt.quadrature import sigmoid


def simulated(models: int, items: int, seed: int = 0, missing: float = 0.0) -> tuple[Any, ...]:
    random = np.random.default_rng(seed)
    theta = random.normal(size=models)
    bank = ItemBank(np.exp(random.normal(0, 0.35, items)), random.normal(0, 1.3, items))
    scores = (random.random((models, items)) < bank.probabilities(theta)).astype(float)
    scores[random.random(scores.shape) < missing] = np.nan
    return scores, theta, bank


def test_parameters_of_many_models_are_recovered() -> None:
    scores, theta, bank = simulated(600, 80, missing=0.2)
    fitted = fit_2pl(scores)
    assert fitted.calibration is not None
    assert fitted.calibration.converged
    log_ratio = np.log(fitted.discrimination / bank.discrimination)
    assert abs(log_ratio.mean()) < 0.06
    assert log_ratio.std() < 0.17
    assert np.abs(fitted.intercept - bank.intercept).mean() < 0.13
    found = estimate_abilities(scores, fitted)
    standardised = (found.theta - theta) / found.standard_errors
    assert 0.9 < standardised.std() < 1.1
    by_mode = estimate_abilities(scores, fitted, method="map")
    assert np.corrcoef(found.theta, by_mode.theta)[0, 1] > 0.999


def test_one_slope_is_shared_and_recovered() -> None:
    random = np.random.default_rng(1)
    theta, difficulty = random.normal(size=500), random.normal(0, 1.2, 60)
    scores = (random.random((500, 60)) < sigmoid(1.4 * theta[:, None] + difficulty)).astype(float)
    fitted = fit_1pl(scores)
    assert np.ptp(fitted.discrimination) < 1e-9
    # The scale is that of the sample's own abilities.
    assert fitted.discrimination[0] == pytest.approx(1.4 * theta.std(), rel=0.04)
    assert fit_2pl(scores).calibration.log_likelihood > fitted.calibration.log_likelihood  # pyright: ignore[reportOptionalMemberAccess]


def test_the_objective_never_falls() -> None:
    calibration = fit_2pl(simulated(25, 200, seed=3)[0]).calibration
    assert calibration is not None
    assert min(np.diff(calibration.objective)) > -1e-6


def test_order_of_models_and_items_changes_nothing() -> None:
    scores, _, _ = simulated(30, 50, seed=4, missing=0.3)
    random = np.random.default_rng(0)
    rows, columns = random.permutation(30), random.permutation(50)
    fitted, turned = fit_2pl(scores), fit_2pl(scores[np.ix_(rows, columns)])
    np.testing.assert_allclose(turned.discrimination, fitted.discrimination[columns], rtol=1e-6)
    np.testing.assert_allclose(turned.intercept, fitted.intercept[columns], rtol=1e-6, atol=1e-8)


def test_means_of_repeats_are_scores_too() -> None:
    scores, _, _ = simulated(40, 30, seed=5)
    halves = (scores + simulated(40, 30, seed=6)[0]) / 2.0
    assert np.isfinite(fit_2pl(halves).intercept).all()


def test_constant_items_get_no_slope_and_are_flagged() -> None:
    scores, _, _ = simulated(30, 20, seed=7)
    scores[:, 3], scores[:, 8] = 1.0, 0.0
    fitted = fit_2pl(scores)
    assert fitted.calibration is not None
    flags = fitted.calibration.screening
    assert set(np.flatnonzero(flags.constant)) >= {3, 8}
    assert (fitted.discrimination[[3, 8]] < 0.01).all()
    assert fitted.intercept[3] > 1.0 > -1.0 > fitted.intercept[8]
    everything = fit_2pl(np.ones((5, 4)))
    assert everything.calibration is not None
    assert everything.calibration.screening.constant.all()


def test_an_item_with_a_wrong_key_is_found() -> None:
    scores, theta, bank = simulated(200, 30, seed=8)
    scores[:, 5] = 1.0 - scores[:, 5]
    assert set(np.flatnonzero(screen_items(scores).negative)) == {5}
    slopes = free_slopes(scores, theta)
    assert slopes.values[5] < -2.0 * slopes.standard_errors[5]
    fit = fit_2pl(scores).calibration
    assert fit is not None
    assert fit.fit.infit[5] == max(fit.fit.infit)
    assert len(bank) == 30


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        (np.ones((1, 5)), "2 models"),
        (np.ones((5, 1)), "2 models and 2 items"),
        (np.full((3, 3), np.nan), "without any response"),
        ([[1, np.nan], [0, np.nan]], "item 1"),
        ([[1, 0], [np.nan, np.nan]], "model 1"),
        ([[1, 0], [0, 1.2]], r"\[0, 1\]"),
        ([[1, 0], [0, np.inf]], "infinite"),
        (np.ones((2, 2, 2)), "models x items"),
        (np.ones((0, 4)), "models x items"),
    ],
)
def test_what_cannot_be_fitted_is_refused(responses: Any, message: str) -> None:  # noqa: ANN401
    for fit in (fit_1pl, fit_2pl):
        with pytest.raises(ValueError, match=message):
            fit(responses)


def test_a_model_without_answers_stays_at_the_prior() -> None:
    bank = simulated(2, 20)[2]
    found = estimate_abilities(np.full(20, np.nan), bank)
    assert found.theta[0] == pytest.approx(0.0, abs=1e-9)
    assert found.standard_errors[0] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(ValueError, match="the bank has 20"):
        estimate_abilities(np.ones(19), bank)


@pytest.mark.parametrize("method", ["haebara", "mean_sigma"])
def test_an_exact_link_is_recovered(method: Any) -> None:  # noqa: ANN401
    bank = simulated(2, 25, seed=9)[2]
    slope, shift = 1.3, -0.4
    moved = ItemBank(
        bank.discrimination / slope, bank.intercept - bank.discrimination / slope * shift
    )
    found = link(bank, moved, method=method)
    assert (found.slope, found.shift) == pytest.approx((slope, shift), abs=1e-4)
    assert found.error(0.7) == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_allclose(found.bank(bank).intercept, moved.intercept, atol=1e-3)
    theta = np.array([-1.0, 0.5])
    np.testing.assert_allclose(
        moved.probabilities(found.abilities(theta)), bank.probabilities(theta), atol=1e-4
    )


def test_the_linking_error_covers_the_truth() -> None:
    covered, runs = 0, 40
    for seed in range(runs):
        random = np.random.default_rng(100 + seed)
        theta, higher = random.normal(size=250), random.normal(0.5, 0.8, 250)
        bank = ItemBank(np.exp(random.normal(0, 0.3, 30)), random.normal(0, 1.2, 30))
        banks = [
            fit_2pl((random.random((250, 30)) < bank.probabilities(t)).astype(float))
            for t in (higher, theta)
        ]
        found = link(*banks)
        # The second scale is the population's own; the first has its models at 0.5, sd 0.8.
        at = (0.0 - 0.5) / 0.8
        covered += abs(float(found.abilities(at))) <= 2.5 * float(found.error(at)) + 0.1
    assert covered >= 0.85 * runs


def test_a_link_needs_anchors_that_tell_ability() -> None:
    bank = simulated(2, 10)[2]
    with pytest.raises(ValueError, match="same items"):
        link(bank, bank.subset(range(9)))
    flat = ItemBank(np.full(10, 0.01), np.zeros(10))
    with pytest.raises(ValueError, match="at least 3 anchors"):
        link(bank, flat)
    equal = ItemBank(np.ones(5), np.zeros(5))
    with pytest.raises(ValueError, match="equally hard"):
        link(equal, equal, method="mean_sigma")


def test_a_digest_names_the_parameters_in_their_order() -> None:
    bank = ItemBank([1.0, 2.0], [0.5, -0.5])
    assert bank.digest == ItemBank([1.0 + 1e-9, 2.0], [0.5, -0.5]).digest
    assert bank.digest != ItemBank([2.0, 1.0], [-0.5, 0.5]).digest
    with pytest.raises(ValueError, match="not within 1000"):
        ItemBank([np.nan, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="one intercept"):
        ItemBank([1.0, 1.0], [0.0])
