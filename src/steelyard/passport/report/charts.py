"""Two chart types as SVG text: intervals against threshold bands, and outcome bars.

Decides geometry and marks only. Every number and label arrives ready to print;
nothing is estimated or compared with a threshold here. Marks differ in shape
and lightness, not in hue alone, so a chart survives greyscale and print. The
table twin of a chart is the page's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from steelyard.passport.report.svg import (
    INK,
    MUTED,
    PAPER,
    element,
    picture,
    px,
    rectangle,
    stroke,
    text_at,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEVEL_TINTS = ("#e6edf1", "#f2dc9b", "#e9b872", "#d1815a")
"""Fill per level, lightest first: the order survives greyscale."""

OUTCOME_FILLS: Mapping[str, str] = {
    "behaviour": "#16324f",
    "no_behaviour": "#c9d6e2",
    "refusal": "url(#outcome-refusal)",
    "malformed": "url(#outcome-malformed)",
    "comprehension_failed": "url(#outcome-comprehension_failed)",
    "infrastructure_error": "url(#outcome-infrastructure_error)",
}
"""Fill per outcome, in the order of the stack; missing data are hatched."""

_PATTERN_MARKS = {
    "refusal": '<path d="M-2 2L2 -2M0 8L8 0M6 10L10 6"/>',
    "malformed": '<circle cx="2" cy="2" r="0.8"/><circle cx="6" cy="6" r="0.8"/>',
    "comprehension_failed": '<path d="M0 0L8 8M8 0L0 8"/>',
    "infrastructure_error": '<path d="M0 2H8M0 6H8"/>',
}
_GUTTER_FROM_WIDTH = 560
_GUTTER = 212.0
_LONGEST_ARM = 28


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal scale with labelled ticks; a `power` of 0.5 spreads small values."""

    start: float
    stop: float
    ticks: tuple[tuple[float, str], ...]
    power: float = 1.0

    def fraction(self, value: float) -> float:
        """Where `value` lies between the ends, 0 to 1; what lies outside is clipped."""
        share = (value - self.start) / (self.stop - self.start)
        return float(min(max(share, 0.0), 1.0) ** self.power)


@dataclass(frozen=True, slots=True)
class ThresholdMark:
    """Where a level begins on the axis: as published, and after margins."""

    level: int
    raw: float
    effective: float
    raw_label: str
    effective_label: str


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One strip of the chart.

    Attributes:
        shape: `estimate` draws a dot and whiskers, `bounds` walls that point inwards.
        caption: What the strip shows; `value` is its number in words.
        low: Left end, None where there is nothing to draw.
    """

    shape: Literal["estimate", "bounds"]
    caption: str
    value: str
    low: float | None
    high: float | None
    point: float | None = None


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """Everything an interval chart prints. `level_names` are the names of levels 0 to 3."""

    title: str
    description: str
    axis: Axis
    level_names: tuple[str, str, str, str]
    thresholds: tuple[ThresholdMark, ...]
    rows: tuple[IntervalRow, ...]


def stack_labels(
    labels: Sequence[tuple[float, str]], *, width: float, size: float
) -> list[tuple[float, int]]:
    """Left edge and row of centred labels so that none overlaps within a row.

    Labels are pushed inside 0..`width`; each takes the lowest row with room, in
    the order of their positions. Widths are estimated at 0.6 em per character.
    """
    placed: dict[int, tuple[float, int]] = {}
    row_ends: list[float] = []
    for index in sorted(range(len(labels)), key=lambda i: (labels[i][0], i)):
        centre, text = labels[index]
        extent = text_width(text, size)
        left = max(0.0, min(centre - extent / 2, width - extent))
        row = next((r for r, end in enumerate(row_ends) if end + size / 2 <= left), len(row_ends))
        if row == len(row_ends):
            row_ends.append(0.0)
        row_ends[row] = left + extent
        placed[index] = (left, row)
    return [placed[index] for index in range(len(labels))]


def pattern_definitions() -> str:
    """The hatchings that `OUTCOME_FILLS` names; a page carries them once."""
    patterns = "".join(
        f'<pattern id="outcome-{name}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" fill="{PAPER}"/>'
        f'<g stroke="{INK}" stroke-width="1.3" fill="{INK}">{marks}</g></pattern>'
        for name, marks in _PATTERN_MARKS.items()
    )
    head = '<svg class="definitions" width="0" height="0" aria-hidden="true">'
    return f"{head}<defs>{patterns}</defs></svg>"


def outcome_swatch(outcome: str) -> str:
    """A small sample of an outcome's fill, for the head of a table row."""
    sample = rectangle(0.5, 0.5, 17, 11, fill=OUTCOME_FILLS[outcome], stroke=INK)
    return f'<svg class="swatch" width="18" height="12" aria-hidden="true">{sample}</svg>'


def interval_chart(chart: IntervalChart, *, chart_id: str, width: int) -> str:
    """Draw estimate and decision bounds on bands of levels, `width` user units wide.

    From 560 units on, captions stand in a gutter on the left; below, above their strip.
    """
    gutter, left, right = _frame(width)
    plot = _Plot(chart, left, right)
    parts, names_top = plot.threshold_labels()
    top = names_top + 20
    grounds, marks = plot.bands(names_top, 20), plot.level_names(names_top + 14)
    if gutter:
        parts.append(text_at(0, names_top + 14, "Level", font_weight=600))
    for row in chart.rows:
        edge, height = (0.0, 42.0) if gutter else (left, 28.0)
        parts.append(text_at(edge, top + 16, row.caption, font_weight=600))
        parts.append(text_at(edge, top + 32, row.value))
        top += 0 if gutter else 39
        grounds += plot.bands(top, height) + plot.threshold_lines(top, top + height)
        marks += plot.marks(row, top + height / 2)
        top += height
    grounds += plot.threshold_lines(names_top - 3, names_top + 20)
    parts = [*grounds, *parts, *marks, *plot.ticks(top)]
    return picture(parts, chart_id, (chart.title, chart.description), (width, top + 26))


def outcome_chart(
    arms: Mapping[str, Mapping[str, int]], labels: tuple[str, str], *, chart_id: str, width: int
) -> str:
    """Draw one stacked bar per arm, each as long as the others; `labels` are title and desc.

    An outcome that occurred at all is at least 4 units wide, so that it can be seen.
    """
    gutter, left, right = _frame(width)
    parts: list[str] = []
    top = 0.0
    for arm, counts in arms.items():
        name = arm if len(arm) <= _LONGEST_ARM else f"{arm[:_LONGEST_ARM]}\u2026"
        total = f"{sum(counts.values()):,} samples"
        if gutter:
            parts.append(text_at(0, top + 13, name, font_weight=600))
            parts.append(text_at(0, top + 28, total))
        else:
            parts.append(text_at(left, top + 14, f"{name}: {total}"))
            top += 20
        parts += _bar(counts, left, right - left, top + 2)
        top += 40
    return picture(parts, chart_id, labels, (width, max(top, 1.0)))


def _frame(width: int) -> tuple[float, float, float]:
    """Width of the caption gutter, and left and right end of the plot."""
    wide = width >= _GUTTER_FROM_WIDTH
    return (_GUTTER, _GUTTER + 10, width - 14.0) if wide else (0.0, 5.0, width - 8.0)


@dataclass(frozen=True, slots=True)
class _Plot:
    """The plotting area of an interval chart, between `left` and `right`."""

    chart: IntervalChart
    left: float
    right: float

    def x(self, value: float) -> float:
        return self.left + self.chart.axis.fraction(value) * (self.right - self.left)

    def labels(
        self, labels: Sequence[tuple[float, str]], top: float, weight: int
    ) -> tuple[list[str], float]:
        """Labels at their values, stacked where they would collide, and the next free top."""
        centres = [(self.x(value) - self.left, text) for value, text in labels]
        places = stack_labels(centres, width=self.right - self.left, size=11)
        rows = 1 + max((row for _, row in places), default=-1)
        parts = [
            text_at(self.left + edge, top + 14 * (rows - row) - 2, text,
                  font_size=11, font_weight=weight)
            for (edge, row), (_, text) in zip(places, labels, strict=True)
        ]  # fmt: skip
        return parts, top + 14 * rows

    def threshold_labels(self) -> tuple[list[str], float]:
        """Published values where a margin moved them, and below, in bold, effective ones."""
        marks = self.chart.thresholds
        moved = [(m.raw, f"published {m.raw_label}") for m in marks if m.raw != m.effective]
        upper, top = self.labels(moved, 0.0, 400)
        lower, top = self.labels([(m.effective, m.effective_label) for m in marks], top, 600)
        return upper + lower, top + 4

    def edges(self) -> list[tuple[int, float, float]]:
        """Level, left end and right end of each band."""
        marks = sorted(self.chart.thresholds, key=lambda mark: mark.level)
        starts = [self.left, *(self.x(mark.effective) for mark in marks)]
        levels = [0, *(mark.level for mark in marks)]
        return list(zip(levels, starts, [*starts[1:], self.right], strict=True))

    def bands(self, top: float, height: float) -> list[str]:
        """The bands of the four levels; a band without room has no width."""
        return [
            rectangle(start, top, max(stop - start, 0), height, fill=LEVEL_TINTS[level])
            for level, start, stop in self.edges()
        ]

    def level_names(self, baseline: float) -> list[str]:
        """Each band's level in full, as a number, or not at all, as there is room."""
        parts: list[str] = []
        for level, start, stop in self.edges():
            candidates = (f"{level} {self.chart.level_names[level]}".strip(), str(level))
            fits = [c for c in candidates if text_width(c, 11) + 6 <= stop - start]
            if fits:
                extent, middle = text_width(fits[0], 11) + 4, (start + stop) / 2
                tint = LEVEL_TINTS[level]
                parts += [
                    rectangle(middle - extent / 2, baseline - 11, extent, 14, fill=tint),
                    text_at(middle, baseline, fits[0], font_size=11, text_anchor="middle"),
                ]
        return parts

    def threshold_lines(self, top: float, bottom: float) -> list[str]:
        """Solid lines at effective thresholds, dashed ones at raw thresholds that differ."""
        parts: list[str] = []
        for mark in self.chart.thresholds:
            parts.append(
                stroke(
                    f"M{px(self.x(mark.effective))} {px(top)}V{px(bottom)}",
                    1.4,
                )
            )
            if mark.raw != mark.effective:
                raw = f"M{px(self.x(mark.raw))} {px(top)}V{px(bottom)}"
                parts.append(stroke(raw, 1, stroke_dasharray="3 3"))
        return parts

    def ticks(self, bottom: float) -> list[str]:
        """The axis line, and as many tick labels as fit in one row."""
        parts = [stroke(f"M{px(self.left)} {px(bottom)}H{px(self.right)}", 1)]
        centres = [(self.x(value) - self.left, text) for value, text in self.chart.axis.ticks]
        places = stack_labels(centres, width=self.right - self.left, size=11)
        for (value, text), (edge, row) in zip(self.chart.axis.ticks, places, strict=True):
            parts.append(stroke(f"M{px(self.x(value))} {px(bottom)}v5", 1))
            if row == 0:
                parts.append(text_at(self.left + edge, bottom + 18, text, font_size=11, fill=MUTED))
        return parts

    def marks(self, row: IntervalRow, y: float) -> list[str]:
        """Dot and whiskers, walls, or a dashed frame over the whole scale for no evidence."""
        if row.low is None or row.high is None:
            return self._no_evidence(y)
        low, high = self.x(row.low), self.x(row.high)
        between = f"M{px(low)} {px(y)}H{px(high)}"
        if row.shape == "bounds":
            dots = stroke(between, 1.5, stroke_dasharray="1.5 3.5")
            return [dots, *_wall(low, y, 1), *_wall(high, y, -1)]
        parts = [stroke(between, 2.5), self._end(row.low, y, -1), self._end(row.high, y, 1)]
        if row.point is not None:
            parts.append(element("circle", cx=self.x(row.point), cy=y, r=6, fill=INK,
                                  stroke=PAPER, stroke_width=1.5))  # fmt: skip
        return parts

    def _end(self, value: float, y: float, outwards: int) -> str:
        """A cap, or an arrow head where the interval runs past the end of the scale."""
        x = self.x(value)
        if self.chart.axis.start <= value <= self.chart.axis.stop:
            return stroke(f"M{px(x)} {px(y - 6)}V{px(y + 6)}", 2.5)
        tip, back = x + 8 * outwards, x - 1 * outwards
        head = f"M{px(tip)} {px(y)}L{px(back)} {px(y - 6)}V{px(y + 6)}Z"
        return element("path", d=head, fill=INK)

    def _no_evidence(self, y: float) -> list[str]:
        text = "no evidence: anything is possible"
        extent, middle = text_width(text, 12), (self.left + self.right) / 2
        return [
            rectangle(self.left + 2, y - 10, self.right - self.left - 4, 20, fill="none",
                  stroke=INK, stroke_width=1.5, stroke_dasharray="6 4"),
            rectangle(middle - extent / 2, y - 9, extent, 18, fill=PAPER),
            text_at(middle, y + 4, text, text_anchor="middle"),
        ]  # fmt: skip


def _bar(counts: Mapping[str, int], left: float, width: float, top: float) -> list[str]:
    shown = [(name, counts[name]) for name in OUTCOME_FILLS if counts.get(name, 0) > 0]
    if not shown:
        return [text_at(left, top + 17, "no samples recorded", fill=MUTED)]
    total = sum(count for _, count in shown)
    spread = width - 4 * len(shown)
    parts: list[str] = []
    for name, count in shown:
        extent = 4 + spread * count / total
        parts.append(rectangle(left, top, extent, 26, fill=OUTCOME_FILLS[name], stroke=INK))
        parts += _count_label(name, f"{count:,}", left + extent / 2, extent, top)
        left += extent
    return parts


def _count_label(name: str, text: str, middle: float, extent: float, top: float) -> list[str]:
    """The count where there is room for it, on plain ground if the fill is hatched."""
    needed = text_width(text, 12) + 8
    if needed > extent:
        return []
    fill = PAPER if name == "behaviour" else INK
    label = text_at(middle, top + 17, text, text_anchor="middle", fill=fill)
    if name not in _PATTERN_MARKS:
        return [label]
    return [rectangle(middle - needed / 2 + 1, top + 5, needed - 2, 16, fill=PAPER), label]


def _wall(x: float, y: float, direction: int) -> list[str]:
    """A bar with a triangle on the side of the values that remain possible."""
    tip = f"L{px(x + 9 * direction)} {px(y)}"
    triangle = f"M{px(x)} {px(y - 6)}{tip}L{px(x)} {px(y + 6)}Z"
    return [
        stroke(f"M{px(x)} {px(y - 9)}V{px(y + 9)}", 3),
        element("path", d=triangle, fill=PAPER, stroke=INK, stroke_width=1.5),
    ]
