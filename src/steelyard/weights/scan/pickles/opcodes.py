"""The opcodes of pickle protocols 0 to 5, decoded without executing any.

Decides where an opcode ends and what its argument is, as the unpicklers of CPython read it;
what opcodes do is `machine`'s business. Source: CPython 3.14, `Lib/pickletools.py`.
"""

from __future__ import annotations

import codecs
import warnings
from typing import TYPE_CHECKING, Final, NamedTuple

from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steelyard.weights.scan.source import Cursor

KEPT_BYTES: Final = 1024
"""Longer text or bytes are passed over: no name that matters is as long."""

_LONG_LINE_BYTES: Final = 10 * KEPT_BYTES + 2
"""An escape takes up to ten bytes for one character."""

Argument = str | bytes | int | tuple[str, str] | None


class Opcode(NamedTuple):
    """One opcode in its place.

    Attributes:
        name: As `pickletools` calls it.
        argument: Decoded; None where there is none or it was too long to keep.
        start: Position of the opcode.
        end: Position after its argument.
    """

    name: str
    argument: Argument
    start: int
    end: int


class BrokenStream(MalformedEvidence):
    """No unpickler goes beyond this point."""


class OpcodesSpent(BrokenStream):
    """More opcodes than are followed: nothing is known of the rest."""


def _none(_cursor: Cursor) -> Argument:
    return None


def _unsigned(width: int) -> Callable[[Cursor], Argument]:
    return lambda cursor: int.from_bytes(cursor.take(width), "little")


def _signed(width: int) -> Callable[[Cursor], Argument]:
    return lambda cursor: int.from_bytes(cursor.take(width), "little", signed=True)


def _skipped(width: int) -> Callable[[Cursor], Argument]:
    def skip(cursor: Cursor) -> Argument:
        cursor.skip(width)
        return None

    return skip


def _counted(width: int, decode: Callable[[bytes], Argument]) -> Callable[[Cursor], Argument]:
    """A length of `width` bytes, then as many bytes."""

    def read(cursor: Cursor) -> Argument:
        length = int.from_bytes(cursor.take(width), "little")
        if length > KEPT_BYTES:
            cursor.skip(length)
            return None
        return decode(cursor.take(length))

    return read


def _bytes(data: bytes) -> Argument:
    return data


def _utf8(data: bytes) -> Argument:
    return data.decode("utf-8", "surrogatepass")


def _latin1(data: bytes) -> Argument:
    return data.decode("latin-1")


def _little(data: bytes) -> Argument:
    return int.from_bytes(data, "little", signed=True)


def _two_lines(cursor: Cursor) -> Argument:
    return cursor.line().decode("utf-8"), cursor.line().decode("utf-8")


def _line_text(cursor: Cursor) -> Argument:
    line = cursor.line()
    return None if len(line) > _LONG_LINE_BYTES else _kept(line.decode("raw-unicode-escape"))


def _kept(text: str) -> Argument:
    return text if len(text) <= KEPT_BYTES else None


def _line_quoted(cursor: Cursor) -> Argument:
    """A byte string as `repr` writes it; escapes are what hides names in protocol 0."""
    line = cursor.line().strip()
    if len(line) > _LONG_LINE_BYTES:
        return None
    if len(line) < len("''") or line[:1] != line[-1:] or line[:1] not in {b"'", b'"'}:
        raise BrokenStream("a string is not quoted")
    if b"\\" not in line:
        return _kept(line[1:-1].decode("latin-1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _kept(codecs.escape_decode(line[1:-1])[0].decode("latin-1"))


def _line_plain(cursor: Cursor) -> Argument:
    return _kept(cursor.line().decode("latin-1"))


def _line_integer(cursor: Cursor) -> Argument:
    """A number; unknown where C and Python read it differently, which decides nothing here."""
    try:
        return int(cursor.line().strip().removesuffix(b"L"), 0)
    except ValueError:
        return None


def _line_index(cursor: Cursor) -> Argument:
    return int(cursor.line())


_TABLE: Final[Mapping[int, tuple[str, Callable[[Cursor], Argument]]]] = {
    ord("("): ("MARK", _none),
    ord("."): ("STOP", _none),
    ord("0"): ("POP", _none),
    ord("1"): ("POP_MARK", _none),
    ord("2"): ("DUP", _none),
    ord("F"): ("FLOAT", _line_plain),
    ord("I"): ("INT", _line_integer),
    ord("J"): ("BININT", _signed(4)),
    ord("K"): ("BININT1", _unsigned(1)),
    ord("L"): ("LONG", _line_integer),
    ord("M"): ("BININT2", _unsigned(2)),
    ord("N"): ("NONE", _none),
    ord("P"): ("PERSID", _line_plain),
    ord("Q"): ("BINPERSID", _none),
    ord("R"): ("REDUCE", _none),
    ord("S"): ("STRING", _line_quoted),
    ord("T"): ("BINSTRING", _counted(4, _latin1)),
    ord("U"): ("SHORT_BINSTRING", _counted(1, _latin1)),
    ord("V"): ("UNICODE", _line_text),
    ord("X"): ("BINUNICODE", _counted(4, _utf8)),
    ord("a"): ("APPEND", _none),
    ord("b"): ("BUILD", _none),
    ord("c"): ("GLOBAL", _two_lines),
    ord("d"): ("DICT", _none),
    ord("}"): ("EMPTY_DICT", _none),
    ord("e"): ("APPENDS", _none),
    ord("g"): ("GET", _line_index),
    ord("h"): ("BINGET", _unsigned(1)),
    ord("i"): ("INST", _two_lines),
    ord("j"): ("LONG_BINGET", _unsigned(4)),
    ord("l"): ("LIST", _none),
    ord("]"): ("EMPTY_LIST", _none),
    ord("o"): ("OBJ", _none),
    ord("p"): ("PUT", _line_index),
    ord("q"): ("BINPUT", _unsigned(1)),
    ord("r"): ("LONG_BINPUT", _unsigned(4)),
    ord("s"): ("SETITEM", _none),
    ord("t"): ("TUPLE", _none),
    ord(")"): ("EMPTY_TUPLE", _none),
    ord("u"): ("SETITEMS", _none),
    ord("G"): ("BINFLOAT", _skipped(8)),
    0x80: ("PROTO", _unsigned(1)),
    0x81: ("NEWOBJ", _none),
    0x82: ("EXT1", _unsigned(1)),
    0x83: ("EXT2", _unsigned(2)),
    0x84: ("EXT4", _signed(4)),
    0x85: ("TUPLE1", _none),
    0x86: ("TUPLE2", _none),
    0x87: ("TUPLE3", _none),
    0x88: ("NEWTRUE", _none),
    0x89: ("NEWFALSE", _none),
    0x8A: ("LONG1", _counted(1, _little)),
    0x8B: ("LONG4", _counted(4, _little)),
    ord("B"): ("BINBYTES", _counted(4, _bytes)),
    ord("C"): ("SHORT_BINBYTES", _counted(1, _bytes)),
    0x8C: ("SHORT_BINUNICODE", _counted(1, _utf8)),
    0x8D: ("BINUNICODE8", _counted(8, _utf8)),
    0x8E: ("BINBYTES8", _counted(8, _bytes)),
    0x8F: ("EMPTY_SET", _none),
    0x90: ("ADDITEMS", _none),
    0x91: ("FROZENSET", _none),
    0x92: ("NEWOBJ_EX", _none),
    0x93: ("STACK_GLOBAL", _none),
    0x94: ("MEMOIZE", _none),
    0x95: ("FRAME", _unsigned(8)),
    0x96: ("BYTEARRAY8", _counted(8, _bytes)),
    0x97: ("NEXT_BUFFER", _none),
    0x98: ("READONLY_BUFFER", _none),
}


def read_opcode(cursor: Cursor) -> Opcode:
    """The opcode at the cursor.

    Raises:
        BrokenStream: no such opcode, or an argument that no unpickler reads.
        EndOfSource: the stream is cut short.
    """
    start = cursor.position
    code = cursor.take(1)[0]
    entry = _TABLE.get(code)
    if entry is None:
        raise BrokenStream(f"byte 0x{code:02x} is no opcode")
    name, read = entry
    try:
        argument = read(cursor)
    except ValueError as error:
        raise BrokenStream(f"the argument of {name} cannot be read") from error
    return Opcode(name, argument, start, cursor.position)
