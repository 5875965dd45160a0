"""What a pickle's stack holds while it is followed without being executed.

Only what decides about safety is kept: names, short constants, tuples (arguments of calls),
mappings (where a checkpoint's tensors have their names) and which call made an object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

PARAMETER: Final = "_rebuild_parameter"
_REBUILDS: Final = "_rebuild_"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Text, bytes, a whole number, or None where the value was not kept."""

    value: str | bytes | int | None


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """Something imported: a class, a function, a constant of a module."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Module and name, as an import statement separates them."""
        return f"{self.module} {self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A tuple."""

    items: tuple[Value, ...]


@dataclass(slots=True, eq=False)
class Table:
    """A mapping that the stream fills; a later entry of the same key wins."""

    entries: list[tuple[Value, Value]] = field(default_factory=list["tuple[Value, Value]"])

    @property
    def has_text_keys(self) -> bool:
        """Whether every key is a text of the stream, so that `get` sees what a dict would."""
        return all(
            isinstance(name, Constant) and isinstance(name.value, str) for name, _ in self.entries
        )

    def get(self, key: str) -> Value | None:
        """What the text `key` leads to, if anything."""
        for name, value in reversed(self.entries):
            if isinstance(name, Constant) and name.value == key:
                return value
        return None


@dataclass(slots=True, eq=False)
class Made:
    """What a call gives.

    Attributes:
        callee: The name that was called.
        arguments: Its positional arguments.
        table: What SETITEMS puts into it.
        stated: Whether BUILD has set its state.
    """

    callee: Name
    arguments: tuple[Value, ...]
    table: Table = field(default_factory=Table)
    stated: bool = False

    @property
    def is_tensor(self) -> bool:
        """Whether it rebuilds a tensor; a parameter only wraps one."""
        return self.callee.name.startswith(_REBUILDS) and self.callee.name != PARAMETER


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A storage that a checkpoint refers to by a persistent id.

    Attributes:
        type_name: Name of the storage class, as `FloatStorage`.
        key: Under which the data lie.
        elements: Number of elements.
    """

    type_name: str
    key: str
    elements: int


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """Anything else: lists, sets, numbers with a fraction, buffers, what cannot be known."""

    kind: str


Value = Constant | Name | Items | Table | Made | Storage | Other

UNKNOWN: Final = Other("unknown")
NOTHING: Final = Other("none")
Arrays = Literal["padded", "bare", "followed"]
"""What follows the wrapper of an array: padding and the array (joblib 1.2 and later), the array
alone (joblib before), or opcodes as any other (every unpickler but joblib's)."""


class Fault(NamedTuple):
    """Something in a stream that an honest checkpoint has no use for.

    Attributes:
        code: Code of the finding.
        text: What was found.
        offset: Position of the opcode.
        name: What an import outside the list asks for; None for other faults.
    """

    code: str
    text: str
    offset: int
    name: Name | None = None
