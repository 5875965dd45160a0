"""Transfer: which targets share which classes of flaws, and who is likely next.

Decides the model of a matrix of flaw classes by targets, and what of it may be published
(spec/reproducer.md, section Transfer). The rate of a cell is expit(m + class + target + cell),
all three normal with variances that the matrix itself gives: a logistic-normal model with
crossed effects (Breslow and Clayton, JASA 88, 1993). Sparse cells lean on their row and
column; cells never tested are predicted from these, with wider limits.
A published matrix is fitted to cells with consent only, since a fit shows what went into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from steelyard.disclosure.reproducer.crossed import fit_crossed
from steelyard.kernel import format_instant
from steelyard.kernel.errors import ConfigurationError, NotSatisfied
from steelyard.stats.special import expit, normal_cdf, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.kernel import JsonObject

_MOST_CELLS: Final = 400


@dataclass(frozen=True, slots=True)
class Cell:
    """What one reproducer of a class showed on one target.

    Attributes:
        events: Sum over variants of the share of tries that showed the flaw.
        variants: Variants tried; 0 for a cell that was not tested.
    """

    flaw_class: str
    target: str
    events: float
    variants: int


@dataclass(frozen=True, slots=True)
class CellEstimate:
    """A cell after shrinkage.

    Attributes:
        rate: Median of its rate.
        lower: Lower end of its interval.
        upper: Upper end.
        tested: Whether it rests on variants of its own.
    """

    flaw_class: str
    target: str
    rate: float
    lower: float
    upper: float
    tested: bool


@dataclass(frozen=True, slots=True)
class Victim:
    """A target that was not tested, with its chance of being affected."""

    target: str
    chance: float
    rate: float


class TransferMatrix:
    """A fitted matrix; every pair of a class and a target in it has an estimate."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        """Fit the model.

        Raises:
            ConfigurationError: two cells of one pair, impossible counts, fewer than two
                tested cells, or more than 400 cells.
        """
        _require_cells(cells)
        self.classes = tuple(sorted({cell.flaw_class for cell in cells}))
        self.targets = tuple(sorted({cell.target for cell in cells}))
        tested = [cell for cell in cells if cell.variants]
        self._tested = {(cell.flaw_class, cell.target) for cell in tested}
        rows = np.array([self.classes.index(cell.flaw_class) for cell in tested])
        columns = np.array([self.targets.index(cell.target) for cell in tested])
        counts = np.array([[cell.events, cell.variants] for cell in tested], dtype=float)
        shape = (len(self.classes), len(self.targets))
        self._fit = fit_crossed(rows, columns, counts, shape)

    def estimate(self, flaw_class: str, target: str, confidence: float = 0.9) -> CellEstimate:
        """The estimate of one cell.

        Raises:
            ConfigurationError: no such class or target in the matrix.
        """
        centre, spread = self._log_odds(flaw_class, target)
        reach = normal_quantile(0.5 + confidence / 2.0) * spread
        return CellEstimate(
            flaw_class,
            target,
            expit(centre),
            expit(centre - reach),
            expit(centre + reach),
            (flaw_class, target) in self._tested,
        )

    def next_victims(self, flaw_class: str, threshold: float) -> list[Victim]:
        """Targets not tested for a class, the likeliest to exceed a rate first.

        Args:
            flaw_class: The class that was reported.
            threshold: Rate above which a target is affected, in (0, 1).

        Raises:
            ConfigurationError: no such class in the matrix.
        """
        edge = float(np.log(threshold) - np.log1p(-threshold))
        found: list[Victim] = []
        for target in self.targets:
            if (flaw_class, target) in self._tested:
                continue
            centre, spread = self._log_odds(flaw_class, target)
            chance = 1.0 - normal_cdf((edge - centre) / spread)
            found.append(Victim(target, chance, expit(centre)))
        return sorted(found, key=lambda victim: (-victim.chance, victim.target))

    def _log_odds(self, flaw_class: str, target: str) -> tuple[float, float]:
        if flaw_class not in self.classes or target not in self.targets:
            message = f"no cell {flaw_class} of {target} in the matrix"
            raise ConfigurationError(message, hint="add a cell with 0 variants to predict one")
        return self._fit.log_odds(self.classes.index(flaw_class), self.targets.index(target))


def publish_matrix(
    cells: Sequence[Cell], *, embargo_end: datetime, now: datetime, confidence: float = 0.9
) -> JsonObject:
    """A matrix that is fitted to some cells and shows them.

    Args:
        cells: All of which may be published, since a fit shows what went into it.
        embargo_end: Not before which.
        now: When it is published.
        confidence: Of the intervals.

    Raises:
        NotSatisfied: the embargo has not ended.
        ConfigurationError: too few cells, or too many.
    """
    if now < embargo_end:
        message = f"the embargo ends at {format_instant(embargo_end)}; nothing is published before"
        raise NotSatisfied(message, hint="leave out --out: next victims are ranked meanwhile")
    matrix = TransferMatrix(cells)
    return {
        "confidence": confidence,
        "cells": [_cell_json(matrix, cell, confidence) for cell in cells],
    }


def _cell_json(matrix: TransferMatrix, cell: Cell, confidence: float) -> JsonObject:
    found = matrix.estimate(cell.flaw_class, cell.target, confidence)
    return {
        "flaw_class": found.flaw_class,
        "target": found.target,
        "variants": cell.variants,
        "rate": round(found.rate, 4),
        "interval": [round(found.lower, 4), round(found.upper, 4)],
    }


def _require_cells(cells: Sequence[Cell]) -> None:
    pairs = {(cell.flaw_class, cell.target) for cell in cells}
    if len(pairs) != len(cells):
        raise ConfigurationError("two cells of one class and target", where="transfer matrix")
    for cell in cells:
        if not 0 <= cell.events <= cell.variants:
            message = f"{cell.events:g} of {cell.variants} is no count"
            raise ConfigurationError(message, where=f"{cell.flaw_class} of {cell.target}")
    tested = sum(cell.variants > 0 for cell in cells)
    if not 2 <= tested <= _MOST_CELLS:  # noqa: PLR2004 - one cell has nothing to lean on
        message = f"a matrix has 2 to {_MOST_CELLS} tested cells, found {tested}"
        raise ConfigurationError(message, where="transfer matrix")
