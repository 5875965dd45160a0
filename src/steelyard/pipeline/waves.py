"""How a run spends its calls: every item, or waves of drawn ones until it is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL = "full"
MODES = (FULL, "certify", "screen")


@dataclass(frozen=True, slots=True)
class Waves:
    """How a sequential run spends its calls.

    Attributes:
        mode: `full` (every item; no sequential run), `certify` or `screen`.
        wave: Items drawn at once.
        budget: Items of each protocol to ask at most; None for all, or a tenth in a screening.
        banks: Digests of the item banks that steer the draws, by protocol.
    """

    mode: str = FULL
    wave: int = 20
    budget: int | None = None
    banks: Mapping[str, str] | None = None
