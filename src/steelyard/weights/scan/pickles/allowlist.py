"""What a checkpoint may import and call, and with which arguments.

The names are data, `allowlist.yaml`. Here stand the rules for names that could be turned
against the reader by what they are given: element types that would take bytes for pointers,
codecs that import a module of their name, factories, storages outside their archive.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, cast

from steelyard.kernel import parse_yaml
from steelyard.weights.scan.pickles.inline_arrays import item_bytes
from steelyard.weights.scan.pickles.opcodes import BrokenStream
from steelyard.weights.scan.pickles.values import (
    NOTHING,
    Constant,
    Items,
    Made,
    Name,
    Other,
    Storage,
    Table,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Use = Literal["value", "storage", "call", "items", "state"]

_FILE: Final = "allowlist.yaml"
_SAFE_KEY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")
_PLAIN_CODECS: Final = frozenset({"latin1", "latin-1"})
_DTYPE: Final = re.compile(r"[<>=|]?[?biufcmMOSUaV][0-9]{0,9}|bool|bfloat16|(?:u?int|float)[0-9]+")
_ELEMENT_LIMIT: Final = 1 << 48
_DTYPE_STATE_FIELDS: Final = 8
_DTYPE_SIZE: Final = 5
_DTYPE_FLAGS: Final = 7
_POINTER_FLAGS: Final = 0x07
"""Item is counted, is pickled as a list, is a pointer (numpy `ndarraytypes.h`)."""


def _load() -> dict[str, frozenset[str]]:
    text = (files("steelyard.weights.scan.pickles") / _FILE).read_text("utf-8")
    table = cast("dict[str, list[str]]", parse_yaml(text, where=_FILE))
    return {name: frozenset(uses) for name, uses in table.items()}


_USES: Final = _load()
IMPORTABLE: Final = frozenset(_USES)
"""Module and name, a blank between, of everything that a checkpoint may import."""


def may(name: Name, use: Use) -> bool:
    """Whether the list grants a use of a name."""
    return use in _USES.get(name.path, frozenset())


def argument_fault(callee: Name, arguments: tuple[Value, ...]) -> str | None:
    """What is wrong with the arguments of a call that the list allows; None if nothing."""
    rule = _ARGUMENT_RULES.get(callee.path)
    return rule(arguments) if rule else _only_values(arguments)


def state_fault(made: Made, state: Value) -> str | None:
    """What is wrong with the state that BUILD sets; None if nothing."""
    if made.stated or not may(made.callee, "state"):
        return "its state is set twice" if made.stated else "it takes no state"
    if made.callee.path == "numpy dtype":
        return _dtype_state(made, state)
    if made.callee.path in _RECONSTRUCTED:
        return _array_state(state)
    if made.callee.path == "collections OrderedDict":
        return _metadata_state(state)
    if made.callee.path == "joblib.numpy_pickle NumpyArrayWrapper":
        return _wrapped_array_state(state)
    return None if isinstance(state, Table) else "the state is no mapping"


def persistent_storage(identity: Value) -> Storage | None:
    """The storage that a persistent id names: ('storage', type, key, place, elements).

    The legacy format adds a sixth part: nothing, or which part of another storage this one is.
    """
    items = _items(identity)
    count = len(("storage", "type", "key", "place", "elements"))
    told = len(items) in {count, count + 1} and _is_text(items[0], "storage")
    if not told or not all(map(_is_view, items[count:])):
        return None
    kind, key, elements = items[1], items[2], items[4]
    if not isinstance(kind, Name) or not may(kind, "storage"):
        return None
    if not isinstance(key, Constant) or not isinstance(key.value, str):
        return None
    if not isinstance(elements, Constant) or not isinstance(elements.value, int):
        return None
    if not _SAFE_KEY.fullmatch(key.value) or not 0 <= elements.value < _ELEMENT_LIMIT:
        return None
    return Storage(kind.name, key.value, elements.value)


def _is_view(value: Value) -> bool:
    """Whether a part is none, or a name of digits and two numbers (torch `_legacy_load`)."""
    numbers = [item.value if isinstance(item, Constant) else "" for item in _items(value)]
    plain = [n for n in numbers if isinstance(n, int) or (isinstance(n, str) and n.isdecimal())]
    return value is NOTHING or len(plain) == len(numbers) == len(("key", "offset", "elements"))


def _only_values(arguments: tuple[Value, ...]) -> str | None:
    for argument in arguments:
        if isinstance(argument, Name) and not may(argument, "value"):
            return f"{argument.module[:80]}.{argument.name[:80]} stands among its arguments"
    return None


def _codec(arguments: tuple[Value, ...]) -> str | None:
    texts = [a.value if isinstance(a, Constant) else None for a in arguments]
    fine = len(texts) == len(("text", "codec")) and texts[1] in _PLAIN_CODECS
    return None if fine else "the codec must be latin1"


def _factory(arguments: tuple[Value, ...]) -> str | None:
    if not arguments or (isinstance(arguments[0], Other) and arguments[0].kind == "none"):
        return _only_values(arguments[1:])
    factory = arguments[0]
    if isinstance(factory, Name) and factory.module in {"builtins", "__builtin__"}:
        return _only_values(arguments)
    return "the factory must be a builtin type"


def _reconstruct(arguments: tuple[Value, ...]) -> str | None:
    kind = arguments[0] if arguments else None
    if isinstance(kind, Name) and kind.path == "numpy ndarray":
        return _only_values(arguments[1:])
    return "it must rebuild a numpy.ndarray"


def _dtype(arguments: tuple[Value, ...]) -> str | None:
    first = arguments[0] if arguments else None
    if isinstance(first, Constant) and isinstance(first.value, str):
        if _DTYPE.fullmatch(first.value):
            return None
        return f"{first.value!r:.40} is no element type of a plain array"
    return "the element type must be text"


def _plain_dtype_at(position: int) -> Callable[[tuple[Value, ...]], str | None]:
    def rule(arguments: tuple[Value, ...]) -> str | None:
        kind = arguments[position] if len(arguments) > position else None
        if (
            isinstance(kind, Made)
            and kind.callee.path == "numpy dtype"
            and not is_object_type(kind)
        ):
            return _only_values(arguments)
        return "the element type must be plain"

    return rule


def _nothing(arguments: tuple[Value, ...]) -> str | None:
    return "it takes no arguments here" if arguments else None


def _storage_first(arguments: tuple[Value, ...]) -> str | None:
    if arguments and isinstance(arguments[0], Storage):
        return _only_values(arguments)
    return "it must rebuild a tensor from a storage"


_RECONSTRUCTED: Final = frozenset(
    {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
)
_ARGUMENT_RULES: Final[Mapping[str, Callable[[tuple[Value, ...]], str | None]]] = {
    "_codecs encode": _codec,
    "__builtin__ bytes": _nothing,
    "argparse Namespace": _nothing,
    "builtins bytes": _nothing,
    "collections defaultdict": _factory,
    "joblib.numpy_pickle NumpyArrayWrapper": _nothing,
    "numpy dtype": _dtype,
    **dict.fromkeys(_RECONSTRUCTED, _reconstruct),
    **dict.fromkeys(
        ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar"), _plain_dtype_at(0)
    ),
    **dict.fromkeys(
        ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"), _plain_dtype_at(1)
    ),
    **dict.fromkeys(
        (
            "torch._utils _rebuild_tensor",
            "torch._utils _rebuild_tensor_v2",
            "torch._utils _rebuild_tensor_v3",
            "torch._utils _rebuild_qtensor",
        ),
        _storage_first,
    ),
}


def _items(value: Value) -> tuple[Value, ...]:
    """Items of a tuple; none of anything else."""
    return value.items if isinstance(value, Items) else ()


def _is_text(value: Value, text: str) -> bool:
    return isinstance(value, Constant) and value.value == text


def is_object_type(dtype: Made) -> bool:
    """Whether arrays of an element type hold Python objects."""
    first = dtype.arguments[0] if dtype.arguments else None
    text = first.value if isinstance(first, Constant) else None
    return not isinstance(text, str) or "O" in text


def _dtype_state(made: Made, state: Value) -> str | None:
    """Flags that make numpy take raw bytes for pointers belong to object arrays alone."""
    items = _items(state)
    if len(items) < _DTYPE_STATE_FIELDS:
        return "the state is no tuple of an element type"
    if any(not isinstance(item, Other) or item.kind != "none" for item in items[2:5]):
        return "the element type has fields, whose offsets nobody checks"
    if not _keeps_size(made, items[_DTYPE_SIZE]):
        return "the state gives elements of another size than their type"
    flags = items[_DTYPE_FLAGS]
    if not isinstance(flags, Constant) or not isinstance(flags.value, int):
        return "the flags of the element type are no number"
    if flags.value & _POINTER_FLAGS and not is_object_type(made):
        return "an element type without objects is marked as having some"
    return None


def _keeps_size(made: Made, size: Value) -> bool:
    """Whether numpy would go on with the element size that the name of a type tells."""
    number = size.value if isinstance(size, Constant) else None
    if number == -1:
        return True
    try:
        return number == item_bytes(made)
    except BrokenStream:
        return False


def _array_state(state: Value) -> str | None:
    items = _items(state)
    if len(items) != len(("version", "shape", "dtype", "order", "data")):
        return "the state is no tuple of an array"
    kind, data = items[2], items[4]
    if not isinstance(kind, Made) or kind.callee.path != "numpy dtype":
        return "the array has no element type of numpy"
    listed = isinstance(data, Other) and data.kind in {"EMPTY_LIST", "LIST"}
    if is_object_type(kind) != listed:
        return "the data do not fit the element type"
    return None


def _wrapped_array_state(state: Value) -> str | None:
    if not isinstance(state, Table) or not state.has_text_keys:
        return "the state is no mapping of attributes"
    kind, dtype = state.get("subclass"), state.get("dtype")
    padding = state.get("numpy_array_alignment_bytes")
    if not (padding in {None, NOTHING} or isinstance(padding, Constant)):
        return "the alignment is no number"
    if not isinstance(kind, Name) or kind.path != "numpy ndarray":
        return "it must wrap a numpy.ndarray"
    if not isinstance(dtype, Made) or dtype.callee.path != "numpy dtype":
        return "the array has no element type of numpy"
    return "its objects are a pickle of their own" if is_object_type(dtype) else None


def _metadata_state(state: Value) -> str | None:
    """A module's state dict carries `_metadata`, and nothing else."""
    if not isinstance(state, Table):
        return "the state is no mapping"
    for key, value in state.entries:
        if not _is_text(key, "_metadata") or isinstance(value, Name):
            return "a state dict carries _metadata and nothing else"
    return None
