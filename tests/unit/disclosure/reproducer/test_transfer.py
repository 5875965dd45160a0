"""Transfer: shrinkage, coverage, embargo, and who is likely next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from steelyard.disclosure.reproducer.transfer import Cell, TransferMatrix, publish_matrix
from steelyard.kernel.errors import ConfigurationError, NotSatisfied

END = datetime(2026, 5, 4, tzinfo=UTC)


def drawn(random: np.random.Generator) -> tuple[list[Cell], dict[tuple[str, str], float]]:
    """A matrix of 6 by 6, a quarter not tested, and its true rates."""
    rows, columns = random.normal(0.0, 1.0, 6), random.normal(0.0, 1.0, 6)
    cells: list[Cell] = []
    truth: dict[tuple[str, str], float] = {}
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            rate = 1.0 / (1.0 + np.exp(1.5 - row - column - random.normal(0.0, 0.5)))
            variants = 0 if random.random() < 0.25 else int(random.integers(10, 40))
            events = float(random.binomial(variants, rate))
            cells.append(Cell(f"class-{i}", f"target-{j}", events, variants))
            truth[f"class-{i}", f"target-{j}"] = float(rate)
    return cells, truth


def test_intervals_cover_and_shrinkage_helps() -> None:
    random = np.random.default_rng(2)
    covered: dict[bool, list[bool]] = {True: [], False: []}
    errors: list[tuple[float, float]] = []
    for _ in range(25):
        cells, truth = drawn(random)
        matrix = TransferMatrix(cells)
        for cell in cells:
            found, rate = matrix.estimate(cell.flaw_class, cell.target), truth[
                cell.flaw_class, cell.target
            ]  # fmt: skip
            covered[found.tested].append(found.lower <= rate <= found.upper)
            if cell.variants:
                raw = cell.events / cell.variants
                errors.append(((found.rate - rate) ** 2, (raw - rate) ** 2))
    shrunk, unshrunk = np.mean(errors, axis=0)
    assert np.mean(covered[True]) >= 0.85
    assert np.mean(covered[False]) >= 0.8
    assert shrunk < 0.8 * unshrunk


def test_an_empty_matrix_of_events_does_not_become_certainty() -> None:
    cells = [Cell("c", f"t{n}", 0.0, 5) for n in range(3)] + [Cell("c", "new", 0.0, 0)]
    found = TransferMatrix(cells).estimate("c", "new")
    assert (found.tested, found.lower < 0.01, found.upper > 0.05) == (False, True, True)


def test_the_likeliest_victim_is_the_one_that_shares_most() -> None:
    cells = [
        Cell(flaw, target, events, 20)
        for flaw in ("a", "b", "c")
        for target, events in (("weak", 16.0), ("middle", 6.0), ("strong", 0.0))
    ]
    new = [Cell("new", "reporter", 15.0, 20), Cell("a", "reporter", 8.0, 20)]
    untested = [Cell("new", name, 0.0, 0) for name in ("strong", "weak", "middle")]
    ranked = TransferMatrix([*cells, *new, *untested]).next_victims("new", 0.2)
    assert [victim.target for victim in ranked] == ["weak", "middle", "strong"]
    assert ranked[0].chance > 0.8 > ranked[2].chance


def test_nothing_is_published_under_embargo() -> None:
    cells = [Cell("a", "t1", 5.0, 20), Cell("a", "t2", 9.0, 20)]
    with pytest.raises(NotSatisfied) as refusal:
        publish_matrix(cells, embargo_end=END, now=END - timedelta(seconds=1))
    assert refusal.value.message == (
        "the embargo ends at 2026-05-04T00:00:00Z; nothing is published before"
    )


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ([Cell("a", "t", 1.0, 2)] * 2, "two cells of one class and target"),
        ([Cell("a", "t", 3.0, 2), Cell("a", "u", 1.0, 2)], "3 of 2 is no count"),
        ([Cell("a", "t", 1.0, 2)], "2 to 400 tested cells, found 1"),
    ],
)
def test_impossible_matrices_are_refused(cells: list[Cell], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        TransferMatrix(cells)


def test_an_unknown_cell_is_refused() -> None:
    matrix = TransferMatrix([Cell("a", "t", 1.0, 2), Cell("a", "u", 1.0, 2)])
    with pytest.raises(ConfigurationError, match="no cell b of t in the matrix"):
        matrix.estimate("b", "t")
