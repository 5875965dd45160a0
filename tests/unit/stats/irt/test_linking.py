from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.stats import ItemBank, Link, link_scales
from steelyard.stats.irt.linking import Method

METHODS: list[Method] = ["haebara", "stocking-lord", "mean-sigma"]
Floats = NDArray[np.float64]
SLOPE, INTERCEPT = 1.3, -0.4


def two_banks(items: int, noise: float, seed: int) -> tuple[ItemBank, ItemBank, Floats]:
    """Banks with theta_target = 1.3 theta_source - 0.4, the target in another order."""
    random = np.random.default_rng(seed)
    slope = np.exp(random.normal(0.1, 0.3, items))
    intercept = random.normal(0.0, 1.0, items)
    order = random.permutation(items)
    moved = ItemBank(slope / SLOPE, intercept - slope / SLOPE * INTERCEPT)
    source = ItemBank(
        slope * np.exp(random.normal(0.0, noise, items)),
        intercept + random.normal(0.0, 2 * noise, items),
    )
    target = ItemBank(moved.discrimination[order], moved.intercept[order])
    return source, target, np.stack([order, np.arange(items)], axis=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("items", [2, 3, 40])
def test_an_exact_link_is_found_without_error(method: Method, items: int) -> None:
    source, target, anchors = two_banks(items, 0.0, 1)
    link = link_scales(source, target, anchors, method=method)
    assert (link.slope, link.intercept) == pytest.approx((SLOPE, INTERCEPT), abs=1e-6)
    assert (link.method, link.anchors) == (method, items)
    if items > 2:
        assert link.standard_errors([-1.0, 2.0]) == pytest.approx([0.0, 0.0], abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_linked_items_answer_alike(method: Method) -> None:
    source, target, anchors = two_banks(12, 0.1, 2)
    link = link_scales(source, target, anchors, method=method)
    theta = np.linspace(-2.0, 2.0, 5)
    moved = link.bank(source).probabilities(link.abilities(theta))
    assert moved == pytest.approx(source.probabilities(theta))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("items", [10, 40])
def test_linking_errors_cover_the_true_map(method: Method, items: int) -> None:
    places, covered = np.array([-1.0, 0.0, 1.0]), list[NDArray[np.bool_]]()
    for seed in range(80):
        source, target, anchors = two_banks(items, 0.1, 100 + seed)
        link = link_scales(source, target, anchors, method=method)
        gaps = np.abs(link.abilities(places) - (SLOPE * places + INTERCEPT))
        covered.append(gaps < 1.96 * link.standard_errors(places))
    assert 0.88 <= np.mean(covered) <= 0.995


def test_own_errors_add_to_the_linking_error() -> None:
    covariance = np.array([[0.01, 0.0], [0.0, 0.04]])
    link = Link(2.0, 1.0, covariance, "haebara", 9)
    assert link.standard_errors(0.0) == pytest.approx(0.2)
    assert link.standard_errors(3.0, 0.5) == pytest.approx(np.sqrt(0.13 + 1.0))


def test_two_anchors_have_no_error_by_moments() -> None:
    source, target, anchors = two_banks(2, 0.1, 3)
    assert np.isnan(link_scales(source, target, anchors, method="mean-sigma").covariance).all()


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([[0, 0]], "at least 2 anchors, found 1"),
        (np.zeros((0, 2), dtype=int), "at least 2 anchors, found 0"),
        ([[0, 0], [1, 9]], "outside the 3 items of the target"),
        ([[0, 0], [-1, 1]], "outside the 3 items of the source"),
        ([[0, 0], [0, 1]], "an item of the source is given as an anchor twice"),
        ([[0, 0], [1, 0]], "an item of the target is given as an anchor twice"),
        ([0, 1], "shape anchors x 2"),
        ([[0.0, 0.0], [1.0, 1.0]], "whole numbers"),
    ],
)
def test_bad_anchors_are_refused(anchors: object, message: str) -> None:
    bank = ItemBank(np.ones(3), np.array([0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match=message):
        link_scales(bank, bank, anchors)  # pyright: ignore[reportArgumentType]


def test_anchors_that_show_no_unit_are_refused() -> None:
    pairs = [[0, 0], [1, 1]]
    bank = ItemBank(np.ones(2), np.zeros(2))
    with pytest.raises(ValueError, match="all of one difficulty"):
        link_scales(bank, bank, pairs, method="mean-sigma")
    flat = ItemBank(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="without a slope has no difficulty"):
        link_scales(flat, flat, pairs, method="mean-sigma")
    with pytest.raises(ValueError, match="no method of linking is called 'guess'"):
        link_scales(bank, bank, pairs, method="guess")  # pyright: ignore[reportArgumentType]
