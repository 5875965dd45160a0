"""A picture ready to be shown, and what several have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.passport.report.curves import Mark
from steelyard.risk.levels import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.standard import Indicator


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture ready to be shown: an id, its title, and SVG."""

    name: str
    title: str
    svg: str


def level_marks(indicator: Indicator) -> tuple[Mark, ...]:
    """Where the levels of an indicator begin."""
    return tuple(Mark(f"level {k}", indicator.threshold(k), upright=True) for k in LEVELS)


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
