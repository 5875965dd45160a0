"""Line charts as SVG text: series over one axis, with marks that must not be missed.

Decides geometry only; every number arrives ready to plot. Series differ in dashes and carry
their names at their ends, so a chart survives greyscale and print.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.passport.report.charts import Axis
from steelyard.passport.report.svg import INK, MUTED, element, picture, px, stroke, text_at

if TYPE_CHECKING:
    from collections.abc import Sequence

DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 4")
"""One for each series, in order."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 178.0, 26.0, 44.0
_SAMPLE = 24.0  # length of a series' dashes beside its name
_LINE = 13.0


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: its name and its points; a point without a value breaks the line."""

    name: str
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the chart at a value of the upright axis, or of the level one."""

    name: str
    value: float
    upright: bool = False


@dataclass(frozen=True, slots=True)
class CurveChart:
    """Everything a line chart prints."""

    title: str
    description: str
    across: Axis
    up: Axis
    across_name: str
    up_name: str
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()


def curve_chart(chart: CurveChart, *, chart_id: str, width: int = 760, height: int = 380) -> str:
    """The chart as one SVG element."""
    frame = _Frame(chart, width - _RIGHT, height - _BOTTOM)
    parts = [*frame.axes(), *frame.marks(), *frame.curves()]
    return picture(parts, chart_id, (chart.title, chart.description), (width, height))


def ticks(start: float, stop: float, count: int = 5, unit: str = "") -> Axis:
    """An axis with round ticks, about `count` of them."""
    rough = (stop - start) / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = min((k * size for k in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    first = math.ceil(start / step - 1e-9)
    values = [k * step for k in range(first, math.floor(stop / step + 1e-9) + 1)]
    return Axis(start, stop, tuple((v, f"{v:g}{unit}") for v in values))


class _Frame:
    """Where things lie."""

    def __init__(self, chart: CurveChart, right: float, bottom: float) -> None:
        self.chart, self.right, self.bottom = chart, right, bottom

    def x(self, value: float) -> float:
        return _LEFT + self.chart.across.fraction(value) * (self.right - _LEFT)

    def y(self, value: float) -> float:
        return self.bottom - self.chart.up.fraction(value) * (self.bottom - _TOP)

    def axes(self) -> list[str]:
        chart = self.chart
        parts = [stroke(f"M{px(_LEFT)} {px(_TOP)}V{px(self.bottom)}H{px(self.right)}", 1.2)]
        for value, label in chart.across.ticks:
            parts.append(stroke(f"M{px(self.x(value))} {px(self.bottom)}v5", 1))
            parts.append(
                text_at(self.x(value), self.bottom + 18, label, text_anchor="middle", fill=MUTED)
            )
        for value, label in chart.up.ticks:
            parts.append(stroke(f"M{px(_LEFT - 5)} {px(self.y(value))}h5", 1))
            parts.append(
                text_at(_LEFT - 8, self.y(value) + 4, label, text_anchor="end", fill=MUTED)
            )
        middle = 0.5 * (_LEFT + self.right)
        parts.append(text_at(middle, self.bottom + 38, chart.across_name, text_anchor="middle"))
        parts.append(text_at(_LEFT - 48, _TOP - 10, chart.up_name))
        return parts

    def marks(self) -> list[str]:
        parts: list[str] = []
        for mark in self.chart.marks:
            if mark.upright:
                path = f"M{px(self.x(mark.value))} {px(_TOP)}V{px(self.bottom)}"
                label = text_at(self.x(mark.value) + 2, _TOP - 5, mark.name, fill=MUTED)
            else:
                path = f"M{px(_LEFT)} {px(self.y(mark.value))}H{px(self.right)}"
                label = text_at(_LEFT + 6, self.y(mark.value) - 5, mark.name, fill=MUTED)
            parts += [stroke(path, 1, stroke=MUTED, stroke_dasharray="4 4"), label]
        return parts

    def curves(self) -> list[str]:
        parts: list[str] = []
        ends: list[tuple[float, int]] = []
        for number, series in enumerate(self.chart.series):
            dash = DASHES[number % len(DASHES)]
            style = {"stroke_dasharray": dash} if dash else {}
            parts.append(stroke(self._path(series), 1.8, **style))
            known = [(x, y) for x, y in series.points if y is not None]
            if known:
                parts.append(
                    element("circle", cx=self.x(known[-1][0]), cy=self.y(known[-1][1]), r=2.6,
                            fill=INK)
                )  # fmt: skip
                ends.append((self.y(known[-1][1]) + 4, number))
        for place, number in _apart(ends):
            dash = DASHES[number % len(DASHES)]
            style = {"stroke_dasharray": dash} if dash else {}
            sample = f"M{px(self.right + 8)} {px(place - 4)}h{px(_SAMPLE)}"
            name = self.chart.series[number].name
            parts += [
                stroke(sample, 1.8, **style),
                text_at(self.right + 14 + _SAMPLE, place, name),
            ]
        return parts

    def _path(self, series: Series) -> str:
        path, pen = "", "M"
        for x, y in series.points:
            if y is None:
                pen = "M"
                continue
            path += f"{pen}{px(self.x(x))} {px(self.y(y))}"
            pen = "L"
        return path or "M0 0"


def _apart(ends: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Places of labels, by number of the series, pushed down until none covers another."""
    placed: list[tuple[float, int]] = []
    for place, number in sorted(ends):
        low = placed[-1][0] + _LINE if placed else place
        placed.append((max(place, low), number))
    return placed
