"""A picture ready to be shown, and what several have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.passport.report.curves import Mark, curve_chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.passport.report.curves import CurveChart
    from steelyard.standard import Indicator


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture ready to be shown: an id, its title, and SVG."""

    name: str
    title: str
    svg: str


def named(kind: str, indicator: Indicator, chart: CurveChart) -> Picture:
    """A chart as the picture of its kind that an indicator has in a document."""
    name = f"{kind}-{indicator.id.replace('.', '-')}"
    return Picture(name, chart.title, curve_chart(chart, chart_id=name))


def level_marks(begins: Mapping[int, float]) -> tuple[Mark, ...]:
    """Where levels begin, by level."""
    return tuple(Mark(f"level {k}", value, upright=True) for k, value in begins.items())


def joined(pictures: Sequence[Picture]) -> str:
    """Pictures as one SVG document, one below the other."""
    if len(pictures) == 1:
        return _standalone(pictures[0].svg)
    height = 400
    parts = "".join(
        f'<g transform="translate(0 {k * height})">{p.svg}</g>' for k, p in enumerate(pictures)
    )
    size = f'width="760" height="{height * len(pictures)}"'
    return _standalone(f"<svg {size}>{parts}</svg>")


def _standalone(svg: str) -> str:
    name = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"'
    return svg.replace("<svg ", f"<svg {name} ", 1) + "\n"
