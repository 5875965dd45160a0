"""Keras configurations: what deserializing one would import, run, read or fetch.

Decides by allowlist of modules and of what a layer may carry; Lambda layers, functions of
other modules and paths to vocabularies have run or read what attackers wished, with and
without `safe_mode`. HDF5 itself is searched for such a configuration, not read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_MODULES: Final = re.compile(
    r"(?:keras|tf_keras|keras_core|keras\.src|tensorflow\.keras)"
    r"(?:\.(?:layers|models|initializers|regularizers|constraints|activations|losses|metrics"
    r"|optimizers|dtype_policies|random|saving\.object_registration)(?:\.[a-z_.]+)?)?"
)
_REFUSED_CLASSES: Final = frozenset(
    {"Lambda", "__lambda__", "__typespec__", "TorchModuleWrapper", "FlaxLayer", "JaxLayer",
     "TFSMLayer", "PyDataset", "function", "builtin_function_or_method", "type", "module"}
)  # fmt: skip
_TOP_LEVEL: Final = frozenset({"Functional", "Sequential", "Model", "DTypePolicy", "Variable"})
_MARKERS: Final = re.compile(
    rb'"class_name"\s*:\s*"(?:Lambda|__lambda__|TorchModuleWrapper|TFSMLayer)"'
    rb'|"module"\s*:\s*"(?:builtins|os|subprocess|sys|importlib|posix|nt|shutil|runpy)[".]'
)
_WINDOW_BYTES: Final = 1 << 22
_OVERLAP_BYTES: Final = 256
_SEARCHED_BYTES: Final = 1 << 28


def keras_findings(part: Part, entry: dict[str, object]) -> Iterator[Finding]:
    """Findings about one object of a configuration; none where it is no object of Keras."""
    if not isinstance(entry.get("class_name"), str) or "config" not in entry:
        return
    name, module = str(entry["class_name"])[:80], entry.get("module")
    if name in _REFUSED_CLASSES:
        yield part.finding("keras-code", f"an object of class {name!r}")
    elif isinstance(module, str) and not _MODULES.fullmatch(module):
        yield part.finding("keras-code", f"{name!r} is imported from {module[:80]!r}")
    elif isinstance(module, str) and module in {"keras", "tf_keras"} and name not in _TOP_LEVEL:
        yield part.finding("keras-code", f"{name!r} is taken from the top of {module}")
    config = entry.get("config")
    inner = cast("dict[str, object]", config) if isinstance(config, dict) else {}
    if isinstance(inner.get("vocabulary"), str):
        yield part.finding("keras-code", f"{name!r} reads its vocabulary from a path")
    registered = entry.get("registered_name")
    if isinstance(registered, str) and ">" in registered and not registered.startswith("keras"):
        yield part.finding("keras-code", f"{name!r} is the registered class {registered[:80]!r}")


def read_hdf5(part: Part) -> Iterator[Finding]:
    """Markers of code in an HDF5 file, and that the rest was not read."""
    position = 0
    while position < min(part.source.size, _SEARCHED_BYTES):
        window = part.source.read(position, _WINDOW_BYTES)
        if found := _MARKERS.search(window):
            text = found.group().decode("utf-8", "replace")
            yield part.finding("keras-code", f"holds {text[:80]}", position + found.start())
            return
        position += _WINDOW_BYTES - _OVERLAP_BYTES
    yield part.finding("hdf5-unread", "no marker of code was found; links and filters are not read")
