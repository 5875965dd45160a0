"""Whether two classifications agree up to the rounding of another machine.

Structure, texts and levels must be equal; numbers may differ by no more than six
significant digits allow, so that another machine's last bit is no forgery.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steelyard.kernel import JsonValue

_RELATIVE_TOLERANCE = 2e-5
_ABSOLUTE_TOLERANCE = 1e-9


def differences(claimed: JsonValue, recomputed: JsonValue, path: str = "") -> list[str]:
    """Where two JSON values disagree beyond rounding; empty when they agree."""
    if isinstance(claimed, dict) and isinstance(recomputed, dict):
        found = [
            f"{path or 'top level'}: keys differ {sorted(claimed.keys() ^ recomputed.keys())}"
        ] * (claimed.keys() != recomputed.keys())
        for key in sorted(claimed.keys() & recomputed.keys()):
            found += differences(claimed[key], recomputed[key], f"{path}.{key}".lstrip("."))
        return found
    if isinstance(claimed, list) and isinstance(recomputed, list):
        if len(claimed) != len(recomputed):
            return [f"{path}: {len(claimed)} entries claimed, {len(recomputed)} recomputed"]
        pairs = zip(claimed, recomputed, strict=True)
        return [d for i, (a, b) in enumerate(pairs) for d in differences(a, b, f"{path}[{i}]")]
    if _equal(claimed, recomputed):
        return []
    return [f"{path}: claimed {claimed!r}, recomputed {recomputed!r}"]


def _equal(claimed: JsonValue, recomputed: JsonValue) -> bool:
    if _is_number(claimed) and _is_number(recomputed):
        if isinstance(claimed, int) and isinstance(recomputed, int):
            return claimed == recomputed
        return math.isclose(
            float(claimed),  # type: ignore[arg-type]
            float(recomputed),  # type: ignore[arg-type]
            rel_tol=_RELATIVE_TOLERANCE,
            abs_tol=_ABSOLUTE_TOLERANCE,
        )
    return type(claimed) is type(recomputed) and claimed == recomputed


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
