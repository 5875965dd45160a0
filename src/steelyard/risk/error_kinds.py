"""The three kinds of error of a determination, told apart.

Bank sampling is guaranteed by the limits; repeat noise is inside them and said
on its own; transfer from the bank to the threat is an argument, never a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject, JsonValue
    from steelyard.risk.determination import Determination

_SAMPLING = (
    "Other items could have been drawn: the level is cleared wrongly with at most this "
    "probability, under the clustering that each indicator's design assumes."
)
_DRAWS = (
    "Other items of the bank could have been drawn, and the bank could have had others: a level is "
    "cleared wrongly with at most this probability, half of it for the run's own draws and half "
    "for the bank, under the clustering that each indicator's design assumes, twice over."
)
_REPEATS = (
    "The same item again could end otherwise: inside the limits, as repeats of an item count "
    "as one."
)
_NOT_REPEATED = (
    "The same item again could end otherwise: inside the limits, but not measured, as no item "
    "was repeated."
)


def error_kinds(determination: Determination) -> list[JsonValue]:
    """Bank sampling, repeat noise and transfer, in this order."""
    shares = [m.mixed_repeats for m in determination.measurements if m.mixed_repeats is not None]
    return [
        _kind(
            "bank_sampling",
            determination.error_rate,
            None,
            _DRAWS if any(m.e_below is not None for m in determination.measurements) else _SAMPLING,
        ),
        _kind(
            "repeat_noise",
            None,
            float(f"{max(shares):.6g}") if shares else None,
            _REPEATS if shares else _NOT_REPEATED,
        ),
        _kind("transfer", None, None, determination.domain.transfer),
    ]


def _kind(name: str, error_rate: float | None, mixed_share: float | None, text: str) -> JsonObject:
    return {
        "kind": name,
        "guaranteed": name != "transfer",
        "error_rate": error_rate,
        "mixed_share": mixed_share,
        "text": text,
    }
