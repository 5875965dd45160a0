"""What the items of a bank tell, by ability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steelyard.passport.report.curves import CurveChart, Series, curve_chart, ticks
from steelyard.pipeline.pictures.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.risk.banks.item_bank import Bank


def information_picture(bank: Bank) -> Picture:
    """What a bank's items tell, by ability: all together, and the most telling ones."""
    usable = [k for k, item in enumerate(bank.items) if item.measures]
    names = [bank.items[k].item for k in usable]
    grid = np.linspace(-4.0, 4.0, 81)
    told = bank.parameters.subset(usable).information(grid) if usable else np.zeros((81, 0))
    best = sorted(range(len(usable)), key=lambda k: -float(told[:, k].max()))[:4]
    curves: dict[str, np.ndarray] = {
        "all items": told.sum(axis=1),
        **{names[k]: told[:, k] for k in best},
    }
    top = max(1e-3, float(max(values.max() for values in curves.values())))
    chart = CurveChart(
        f"{bank.origin.id} {bank.origin.version} ({bank.origin.status}): information",
        f"Fisher information of {len(usable)} items by ability; one over its root is the standard "
        "error of an ability. The curves of single items are the four that tell most.",
        ticks(-4.0, 4.0, 8),
        ticks(0.0, top),
        "ability, in standard deviations of the models calibrated on",
        "information",
        _series(grid, curves),
    )
    name = f"information-{bank.digest[:8]}"
    return Picture(name, chart.title, curve_chart(chart, chart_id=name))


def _series(grid: np.ndarray, curves: Mapping[str, np.ndarray]) -> tuple[Series, ...]:
    def points(values: np.ndarray) -> Sequence[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in zip(grid, values, strict=True)]

    return tuple(Series(name[:20], tuple(points(v))) for name, v in curves.items())
