"""One line instead of another: sealed weights for code that loads safetensors.

`open_sealed` stands in for `safetensors.numpy.load_file`, `load_state_dict` for
`safetensors.torch.load_file` and for a `state_dict` of transformers, `iterate` for the weight
iterators of inference engines. Torch is imported by whoever calls for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from steelyard.weights.sealed.reader import TensorReader, open_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from steelyard.weights.sealed.header import Expect
    from steelyard.weights.sealed.reader import Opening
    from steelyard.weights.sealed.recipients import AnyIdentity

# Types that numpy has from an extension; torch reads their bits from an integer.
_BITS: Final[Mapping[str, tuple[type[np.generic], str]]] = {
    "bfloat16": (np.int16, "bfloat16"),
    "float8_e4m3fn": (np.int8, "float8_e4m3fn"),
    "float8_e5m2": (np.int8, "float8_e5m2"),
    "float8_e8m0fnu": (np.int8, "float8_e8m0fnu"),
    "float8_e4m3fnuz": (np.int8, "float8_e4m3fnuz"),
    "float8_e5m2fnuz": (np.int8, "float8_e5m2fnuz"),
}


def load_state_dict(
    path: Path, identity: AnyIdentity, *, expect: Expect, how: Opening | None = None
) -> dict[str, Any]:
    """Every tensor as a torch tensor over the memory it was decrypted into; see `open_sealed`."""
    arrays = open_sealed(path, identity, expect=expect, how=how)
    return {name: _tensor(array) for name, array in arrays.items()}


def iterate(
    path: Path, identity: AnyIdentity, *, expect: Expect, how: Opening | None = None
) -> Iterator[tuple[str, Any]]:
    """Names and torch tensors one by one, so that only one is in memory."""
    reader = TensorReader(path, identity, expect=expect, how=how)
    for name in reader.tensors:
        yield name, _tensor(reader.get(name))


def _tensor(array: NDArray[np.generic]) -> Any:  # noqa: ANN401 - torch is no dependency
    torch = import_module("torch")
    bits = _BITS.get(array.dtype.name)
    if bits is None:
        return torch.from_numpy(array)
    return torch.from_numpy(array.view(bits[0])).view(getattr(torch, bits[1]))
