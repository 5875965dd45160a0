"""Raw arrays that joblib writes into the stream of a pickle, behind the object that wraps them.

Decides only how many bytes to pass over, as `joblib.numpy_pickle.NumpyArrayWrapper.read_array`
(joblib 1.5) does; arrays of objects are refused before. That other unpicklers run these bytes
as opcodes is `readings`' business.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, Final

from steelyard.weights.scan.pickles.opcodes import BrokenStream
from steelyard.weights.scan.pickles.values import NOTHING, Constant, Items, Made, Table, Value

if TYPE_CHECKING:
    from steelyard.weights.scan.source import Cursor

_SIZED: Final = re.compile(r"[<>=|]?([biufcmMSUaV])([0-9]{1,9})")
_NAMED: Final = {"bool": 1, "?": 1, "float16": 2, "float32": 4, "float64": 8}
_ELEMENT_LIMIT: Final = 1 << 48
_UCS4_BYTES: Final = 4


def skip_wrapped_array(cursor: Cursor, state: Value, *, padded: bool) -> None:
    """Pass over the array whose wrapper has this state.

    Args:
        cursor: Stands behind the wrapper.
        state: The wrapper's attributes.
        padded: Whether the reader knows of padding before an array.

    Raises:
        BrokenStream: the state does not tell its length.
        EndOfSource: the array is cut short.
    """
    if not isinstance(state, Table):
        raise BrokenStream("an array without shape and element type")
    length = _elements(state.get("shape")) * item_bytes(state.get("dtype"))
    if padded and state.get("numpy_array_alignment_bytes") not in {None, NOTHING}:
        cursor.skip(cursor.take(1)[0])
    cursor.skip(length)


def _elements(shape: Value | None) -> int:
    extents = [
        item.value if isinstance(item, Constant) else None
        for item in (shape.items if isinstance(shape, Items) else (None,))
    ]
    numbers = [extent for extent in extents if isinstance(extent, int) and extent >= 0]
    if len(numbers) != len(extents):
        raise BrokenStream("the shape of an array is not plain")
    count = prod(numbers)
    if count > _ELEMENT_LIMIT:
        raise BrokenStream("an array has more elements than any disk")
    return count


def item_bytes(dtype: Value | None) -> int:
    """Bytes of one element of a numpy element type that a stream makes.

    Raises:
        BrokenStream: not told by its name.
    """
    first = dtype.arguments[0] if isinstance(dtype, Made) and dtype.arguments else None
    text = first.value if isinstance(first, Constant) else None
    if not isinstance(text, str):
        raise BrokenStream("the element type of an array is not plain")
    if sized := _SIZED.fullmatch(text):
        return int(sized[2]) * (_UCS4_BYTES if sized[1] == "U" else 1)
    if text not in _NAMED:
        raise BrokenStream(f"the size of element type {text!r:.40} is not known")
    return _NAMED[text]
