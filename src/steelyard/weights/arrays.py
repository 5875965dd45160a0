"""Tensors as numpy arrays over memory that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from steelyard.weights.tensors import TensorInfo

ELEMENT_TYPES: Final[Mapping[str, np.dtype[np.generic]]] = {
    name: np.dtype(kind)
    for name, kind in {
        "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "I16": np.int16, "U16": np.uint16,
        "I32": np.int32, "U32": np.uint32, "I64": np.int64, "U64": np.uint64,
        "F16": np.float16, "F32": np.float32, "F64": np.float64, "C64": np.complex64,
        "BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn,
        "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E8M0": ml_dtypes.float8_e8m0fnu,
        "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    }.items()
}  # fmt: skip


def as_array(data: memoryview, tensor: TensorInfo, rows: int | None = None) -> NDArray[np.generic]:
    """A view of a tensor's bytes, without a copy.

    Args:
        data: The bytes of the tensor, or of some of its rows.
        tensor: Type and shape.
        rows: Number of rows in `data`; None for all.

    Returns:
        Shape of the tensor with `rows` in the first axis. A type narrower than a byte comes
        as its packed bytes, one axis of uint8.
    """
    kind = ELEMENT_TYPES.get(tensor.dtype)
    if kind is None:
        return np.frombuffer(data, dtype=np.uint8)
    shape = tensor.shape if rows is None else (rows, *tensor.shape[1:])
    return np.frombuffer(data, dtype=kind).reshape(shape)
