from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from steelyard.kernel import digest_json
from steelyard.stats import ItemBank, ItemPrior, fit_1pl, fit_2pl, screen_items
from steelyard.stats.irt import fit as fitting
from steelyard.stats.irt.matrix import ResponseMatrix
from steelyard.stats.irt.maximise import Items
from steelyard.stats.irt.quadrature import log_odds, log_partition, normal_grid

Floats = NDArray[np.float64]
nan = float("nan")


def simulated(
    models: int, items: int, *, missing: float = 0.0, seed: int = 1
) -> tuple[Floats, ItemBank]:
    random = np.random.default_rng(seed)
    slope = np.exp(random.normal(0.0, 0.4, items))
    bank = ItemBank(slope, random.normal(0.0, 1.5, items))
    shares = bank.probabilities(random.normal(size=models))
    scores = (random.random(shares.shape) < shares).astype(float)
    scores[random.random(shares.shape) < missing] = nan
    return scores, bank


def test_parameters_are_recovered() -> None:
    scores, truth = simulated(1500, 30)
    bank = fit_2pl(scores)
    assert np.abs(np.log(bank.discrimination / truth.discrimination)).max() < 0.35
    assert np.sqrt(np.mean((bank.intercept - truth.intercept) ** 2)) < 0.11
    assert bank.calibration is not None
    prior = bank.calibration.prior
    assert prior.slope_sd == pytest.approx(0.4 * 1.25, abs=0.15)
    assert prior.intercept_sd == pytest.approx(1.5 * 1.25, abs=0.5)


def test_parameters_are_recovered_in_spite_of_missing_answers() -> None:
    scores, truth = simulated(1500, 40, missing=0.6, seed=2)
    bank = fit_2pl(scores)
    gaps = np.log(bank.discrimination / truth.discrimination)
    assert np.sqrt(np.mean(gaps**2)) < 0.2
    assert abs(np.mean(gaps)) < 0.08


def test_few_models_keep_every_item_finite_and_in_order() -> None:
    scores, truth = simulated(12, 300, seed=3)
    bank = fit_2pl(scores)
    assert np.abs(bank.intercept).max() < 8.0
    assert bank.discrimination.max() < 5.0
    assert np.corrcoef(truth.intercept, bank.intercept)[0, 1] > 0.85


def test_one_slope_is_recovered() -> None:
    random = np.random.default_rng(4)
    truth = ItemBank(np.full(25, 1.6), random.normal(size=25))
    shares = truth.probabilities(random.normal(size=800))
    bank = fit_1pl((random.random(shares.shape) < shares).astype(float))
    assert len(set(bank.discrimination.tolist())) == 1
    assert bank.discrimination[0] == pytest.approx(1.6, abs=0.12)
    assert np.abs(bank.intercept - truth.intercept).max() < 0.35


@pytest.mark.parametrize("fit", [fit_1pl, fit_2pl])
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_the_objective_never_falls(fit: object, data: st.DataObject) -> None:
    assert callable(fit)
    scores, _ = simulated(
        data.draw(st.integers(3, 30)), data.draw(st.integers(3, 40)),
        missing=data.draw(st.sampled_from([0.0, 0.2])), seed=data.draw(st.integers(0, 10_000)),
    )  # fmt: skip
    scores[0], scores[:, 0] = np.nan_to_num(scores[0]), np.nan_to_num(scores[:, 0])
    scores[1:, 1:][np.isnan(scores[1:, 1:]).all(axis=1)] = 0.5
    calibration = fit(scores).calibration
    changes = np.diff(calibration.objective)
    assert changes.min() >= -1e-9 * abs(calibration.objective[-1])
    assert calibration.converged
    assert calibration.iterations == len(changes) + 1


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_the_order_of_models_and_items_does_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, _ = simulated(14, 25, missing=0.1, seed=seed)
    scores[:, 0] = scores[0] = 1.0
    bank = fit_2pl(scores)
    rows, columns = random.permutation(14), random.permutation(25)
    again = fit_2pl(scores[np.ix_(rows, columns)])
    assert again.discrimination == pytest.approx(bank.discrimination[columns], abs=2e-3)
    assert again.intercept == pytest.approx(bank.intercept[columns], abs=2e-3)


def test_scores_between_0_and_1_are_means_of_repeats() -> None:
    """They weigh as one answer each, so slopes come out low where items are few."""
    random = np.random.default_rng(5)
    gaps = list[float]()
    for items in (20, 200):
        _, truth = simulated(2, items, seed=5)
        shares = truth.probabilities(random.normal(size=300))
        bank = fit_2pl(random.binomial(10, shares) / 10.0)
        logs = np.log(bank.discrimination / truth.discrimination)
        gaps.append(float(logs.mean()))
        assert np.std(logs) < 0.12
    assert -0.3 < gaps[0] < -0.1 < gaps[1] < 0.12


def test_constant_and_reversed_items_are_kept_and_named() -> None:
    scores, _ = simulated(40, 30, seed=6)
    scores[:, 0], scores[:, 1] = 1.0, 0.0
    scores[:, 2] = scores[:, 3:].mean(axis=1) < np.median(scores[:, 3:].mean(axis=1))
    bank = fit_2pl(scores)
    assert bank.calibration is not None
    flags = bank.calibration.screening
    assert flags.constant[:3].tolist() == [True, True, False]
    assert flags.negative[2]
    assert bank.intercept[0] > 1.5
    assert bank.intercept[1] < -1.5
    assert bank.discrimination[2] < 0.5
    assert np.isfinite(bank.calibration.fit.infit).all()
    assert flags.flagged.tolist() == screen_items(scores).flagged.tolist()


def test_a_matrix_without_any_variation_is_fitted() -> None:
    bank = fit_2pl(np.ones((5, 4)))
    assert (bank.probabilities(0.0) > 0.8).all()


def test_item_fit_is_1_where_the_model_holds_and_more_where_it_does_not() -> None:
    scores, _ = simulated(400, 40, seed=7)
    random = np.random.default_rng(7)
    scores[:, 0] = random.random(400) < 0.5
    strange = np.argsort(scores[:, 1:].mean(axis=1))
    scores[strange[:200], 1], scores[strange[200:], 1] = 1.0, 0.0
    bank = fit_2pl(scores)
    assert bank.calibration is not None
    infit, outfit = bank.calibration.fit.infit, bank.calibration.fit.outfit
    assert np.median(infit[2:]) == pytest.approx(1.0, abs=0.05)
    assert infit[1] > infit[2:].max()
    assert outfit[1] > 1.0


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[1.0, 0.0]], "at least 2 models and 2 items, found 1 and 2"),
        ([[1.0], [0.0]], "at least 2 models and 2 items, found 2 and 1"),
        ([[1.0, nan], [0.0, nan]], "1 items without any response, the first is item 1"),
        ([[1.0, 0.0], [nan, nan]], "1 models without any response, the first is model 1"),
        ([[1.0, 0.0], [0.0, 1.5]], r"responses lie in \[0, 1\], found 0 to 1.5"),
        ([[1.0, 0.0], [0.0, -0.1]], r"responses lie in \[0, 1\], found -0.1 to 1"),
        ([[1.0, 0.0], [0.0, float("inf")]], "a response is infinite"),
        ([[[1.0]]], "shape models x items"),
        ([], "none of them 0"),
    ],
)
@pytest.mark.parametrize("fit", [fit_1pl, fit_2pl])
def test_what_cannot_be_fitted_is_refused(fit: object, scores: object, message: str) -> None:
    assert callable(fit)
    with pytest.raises(ValueError, match=message):
        fit(scores)


@pytest.mark.parametrize("field", ["slope_mean", "slope_sd", "intercept_mean", "intercept_sd"])
def test_a_prior_is_a_distribution(field: str) -> None:
    with pytest.raises(ValueError, match="finite means and standard deviations above 0"):
        ItemPrior(**{field: nan})


def test_a_given_prior_is_used_as_it_is() -> None:
    scores, _ = simulated(10, 20, seed=8)
    tight = fit_2pl(scores, prior=ItemPrior(0.3, 0.001, 0.0, 2.0))
    assert tight.discrimination == pytest.approx(np.exp(0.3), rel=1e-3)
    assert tight.calibration is not None
    assert tight.calibration.prior == ItemPrior(0.3, 0.001, 0.0, 2.0)


def test_the_digest_is_of_millionths_in_order() -> None:
    bank = ItemBank(np.array([1.0, 0.5]), np.array([-0.25, 2.0]))
    assert bank.digest == digest_json(
        {
            "format": "steelyard/item-bank/1",
            "unit": "1e-6",
            "discrimination": [1_000_000, 500_000],
            "intercept": [-250_000, 2_000_000],
        }
    )
    assert bank.digest == ItemBank(bank.discrimination + 4e-7, bank.intercept).digest
    assert bank.digest != bank.subset([1, 0]).digest
    assert fit_2pl(simulated(9, 12)[0]).digest == fit_2pl(simulated(9, 12)[0]).digest


def test_knots_give_what_nodes_would() -> None:
    scores, bank = simulated(6, 400, missing=0.3, seed=9)
    matrix, grid = ResponseMatrix.from_scores(scores), normal_grid(400.0)
    assert grid.interpolation is not None
    found = matrix.log_likelihoods(grid, bank.discrimination, bank.intercept)
    z = log_odds(grid.nodes, bank.discrimination, bank.intercept)
    seen = (~np.isnan(scores)).astype(float)
    exact = np.nan_to_num(scores) @ z.T - seen @ log_partition(z).T
    assert np.abs(found - exact).max() < 1e-3


def test_the_fit_is_a_maximum() -> None:
    scores, _ = simulated(20, 15, seed=10)
    bank = fit_2pl(scores)
    assert bank.calibration is not None
    problem = fitting._Problem(
        ResponseMatrix.from_scores(scores), normal_grid(30.0), bank.calibration.prior, common=False
    )
    items = Items(np.log(bank.discrimination), bank.intercept)

    def objective(at: Items) -> float:
        return problem.objective(at, problem.expectation(at)[1])

    best, random = objective(items), np.random.default_rng(10)
    for _ in range(20):
        move = random.normal(0.0, 0.02, (2, 15))
        assert objective(Items(items.log_slope + move[0], items.intercept + move[1])) < best + 1e-4
