"""The machine that a pickle drives, followed without importing or calling anything.

Decides what a stream would import and call, with which arguments, up to the point where an
unpickler stops or breaks: what stands before a break has run. Semantics are those of CPython's
C unpickler (`Modules/_pickle.c`); what may be called is `allowlist`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.weights.scan.pickles.allowlist import (
    IMPORTABLE,
    argument_fault,
    may,
    persistent_storage,
    state_fault,
)
from steelyard.weights.scan.pickles.inline_arrays import skip_wrapped_array
from steelyard.weights.scan.pickles.opcodes import BrokenStream, Opcode, OpcodesSpent, read_opcode
from steelyard.weights.scan.pickles.values import (
    NOTHING,
    UNKNOWN,
    Arrays,
    Constant,
    Fault,
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

    from steelyard.weights.scan.source import Cursor

_KEPT_TEXT_LIMIT: Final = 1 << 26
_SHORT: Final = 64
_FAULT_LIMIT: Final = 200
_LATEST_PROTOCOL: Final = 5


class Machine:
    """Follows one pickle from its first opcode to STOP.

    After `run`, `faults` says what is wrong with it, `names` what it imports, `storages` what
    its tensors rest on, `tensors` how many of those it makes, `last_call` where the last call
    stands and `first_array` where the first array that joblib wrote into the stream begins.
    """

    def __init__(self, cursor: Cursor, arrays: Arrays = "padded") -> None:
        self.faults: list[Fault] = []
        self.names: list[Name] = []
        self.storages: dict[str, Storage] = {}
        self.tensors = 0
        self.last_call = -1
        self.first_array = -1
        self.opcodes = 0
        self._arrays: Arrays = arrays
        self._cursor = cursor
        self._stack: list[Value] = []
        self._marks: list[int] = []
        self._memo: dict[int, Value] = {}
        self._start = cursor.position
        self._frame_end = 0
        self._kept = 0
        self._known: dict[tuple[str, str], Name] = {}
        self._counts: dict[str, int] = {}

    def run(self, opcode_limit: int) -> Value:
        """Follow the stream; returns what it builds.

        Raises:
            BrokenStream: an unpickler fails here.
            OpcodesSpent: the limit is reached.
            EndOfSource: the stream is cut short.
        """
        while True:
            opcode = read_opcode(self._cursor)
            self.opcodes += 1
            if self.opcodes > opcode_limit:
                raise OpcodesSpent(f"more than {opcode_limit} opcodes")
            self._check_frame(opcode)
            if opcode.name == "STOP":
                return self._pop()
            _ACTIONS[opcode.name](self, opcode)

    def _check_frame(self, opcode: Opcode) -> None:
        if opcode.start < self._frame_end < opcode.end:
            # Readers disagree about what follows: one stays in the frame, one goes on behind it.
            self._fault("pickle-structure", f"{opcode.name} crosses the end of a frame", opcode)
        if opcode.name == "FRAME":
            if opcode.start < self._frame_end:
                self._fault("pickle-structure", "a frame starts inside another", opcode)
            self._frame_end = opcode.end + _number(opcode)
        elif opcode.name == "PROTO":
            if _number(opcode) > _LATEST_PROTOCOL:
                raise BrokenStream(f"protocol {opcode.argument} does not exist")
            if opcode.start != self._start:
                self._fault("pickle-structure", "PROTO stands inside the stream", opcode)

    def _fault(self, code: str, text: str, opcode: Opcode, name: Name | None = None) -> None:
        # Of each code apart: many that do no harm do not crowd out one that does.
        self._counts[code] = self._counts.get(code, 0) + 1
        if self._counts[code] <= _FAULT_LIMIT:
            self.faults.append(Fault(code, text, opcode.start, name))

    def _fence(self) -> int:
        return self._marks[-1] if self._marks else 0

    def _push(self, value: Value) -> None:
        self._stack.append(value)

    def _pop(self) -> Value:
        if len(self._stack) <= self._fence():
            raise BrokenStream("the stack is empty")
        return self._stack.pop()

    def _top(self) -> Value:
        if len(self._stack) <= self._fence():
            raise BrokenStream("the stack is empty")
        return self._stack[-1]

    def _pop_mark(self) -> list[Value]:
        if not self._marks:
            raise BrokenStream("there is no mark")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def do_nothing(self, _opcode: Opcode) -> None:
        """PROTO and FRAME change nothing on the stack."""

    def mark(self, _opcode: Opcode) -> None:
        """MARK."""
        self._marks.append(len(self._stack))

    def pop(self, _opcode: Opcode) -> None:
        """POP takes a mark where one is on top."""
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def pop_mark(self, _opcode: Opcode) -> None:
        """POP_MARK."""
        self._pop_mark()

    def duplicate(self, _opcode: Opcode) -> None:
        """DUP."""
        self._push(self._top())

    def constant(self, opcode: Opcode) -> None:
        """Any opcode that pushes text, bytes or a number."""
        value = opcode.argument
        if isinstance(value, str | bytes) and len(value) > _SHORT:
            self._kept += len(value)
            value = value if self._kept <= _KEPT_TEXT_LIMIT else None
        self._push(Constant(value) if not isinstance(value, tuple) else UNKNOWN)

    def other(self, opcode: Opcode) -> None:
        """Any opcode that pushes a value whose content decides nothing."""
        self._push(_OTHERS[opcode.name])

    def group(self, opcode: Opcode) -> None:
        """TUPLE, LIST, FROZENSET, DICT: what stands above the mark."""
        items = self._pop_mark()
        if opcode.name == "TUPLE":
            self._push(Items(tuple(items)))
        elif opcode.name == "DICT":
            if len(items) % 2:
                raise BrokenStream("a key without a value")
            self._push(Table(list(zip(items[::2], items[1::2], strict=True))))
        else:
            self._push(Other(opcode.name))

    def short_tuple(self, opcode: Opcode) -> None:
        """EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3."""
        width = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2}.get(opcode.name, 3)
        items = [self._pop() for _ in range(width)]
        self._push(Items(tuple(reversed(items))))

    def empty_table(self, _opcode: Opcode) -> None:
        """EMPTY_DICT."""
        self._push(Table())

    def memoize(self, opcode: Opcode) -> None:
        """MEMOIZE, PUT, BINPUT, LONG_BINPUT."""
        key = len(self._memo) if opcode.name == "MEMOIZE" else _number(opcode)
        if key < 0:
            raise BrokenStream("a memo has no negative keys")
        self._memo[key] = self._top()

    def recall(self, opcode: Opcode) -> None:
        """GET, BINGET, LONG_BINGET."""
        if _number(opcode) not in self._memo:
            raise BrokenStream(f"nothing is memoized under {opcode.argument}")
        self._push(self._memo[_number(opcode)])

    def add_items(self, opcode: Opcode) -> None:
        """APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS."""
        single = {"APPEND": 1, "SETITEM": 2}.get(opcode.name, 0)
        items = [self._pop() for _ in range(single)][::-1] if single else self._pop_mark()
        target = self._top()
        if not opcode.name.startswith("SETITEM"):
            self._require_collection(target, opcode)
            return
        if len(items) % 2:
            raise BrokenStream("a key without a value")
        table = target.table if isinstance(target, Made) else target
        if not isinstance(table, Table) or (
            isinstance(target, Made) and not may(target.callee, "items")
        ):
            self._fault("pickle-items", f"{opcode.name} on {_named(target)}", opcode)
            return
        table.entries.extend(zip(items[::2], items[1::2], strict=True))

    def _require_collection(self, target: Value, opcode: Opcode) -> None:
        made = isinstance(target, Made) and may(target.callee, "items")
        if not made and not (isinstance(target, Other) and target.kind in _COLLECTIONS):
            self._fault("pickle-items", f"{opcode.name} on {_named(target)}", opcode)

    def import_lines(self, opcode: Opcode) -> None:
        """GLOBAL."""
        module, name = _pair(opcode)
        self._push(self._imported(module, name, opcode))

    def import_stacked(self, opcode: Opcode) -> None:
        """STACK_GLOBAL."""
        name, module = self._pop(), self._pop()
        texts = [v.value if isinstance(v, Constant) else None for v in (module, name)]
        if isinstance(texts[0], str) and isinstance(texts[1], str):
            self._push(self._imported(texts[0], texts[1], opcode))
        else:
            self._fault("pickle-unresolved", "imports a name that is not plain text", opcode)
            self._push(UNKNOWN)

    def _imported(self, module: str, name: str, opcode: Opcode) -> Name:
        known = self._known.get((module, name))
        if known is None:
            known = self._known[module, name] = Name(module, name)
            self.names.append(known)
            if known.path not in IMPORTABLE:
                text = f"imports {module[:80]}.{name[:80]}, which is not on the allowlist"
                self._fault("pickle-global", text, opcode, known)
        return known

    def extension(self, opcode: Opcode) -> None:
        """EXT1, EXT2, EXT4: a name that the loading process has registered."""
        self._fault("pickle-unresolved", f"imports by extension code {opcode.argument}", opcode)
        self._push(UNKNOWN)

    def persistent(self, opcode: Opcode) -> None:
        """PERSID and BINPERSID: in a checkpoint, a reference to a storage."""
        identity = Other("text") if opcode.name == "PERSID" else self._pop()
        storage = persistent_storage(identity)
        if storage is None:
            self._fault("pickle-persistent-id", "a persistent id that names no storage", opcode)
        else:
            self.storages[storage.key] = storage
        self._push(storage or UNKNOWN)

    def reduce(self, opcode: Opcode) -> None:
        """REDUCE and NEWOBJ: a callable with a tuple of arguments."""
        arguments, callee = self._pop(), self._pop()
        known = arguments.items if isinstance(arguments, Items) else None
        self._push(self._called(callee, known, opcode))

    def new_with_keywords(self, opcode: Opcode) -> None:
        """NEWOBJ_EX, which no checkpoint needs."""
        _, _, callee = self._pop(), self._pop(), self._pop()
        self._push(self._called(callee, None, opcode))

    def build_object(self, opcode: Opcode) -> None:
        """OBJ: a callable and its arguments above the mark."""
        items = self._pop_mark()
        if not items:
            raise BrokenStream("OBJ without a class")
        self._push(self._called(items[0], tuple(items[1:]), opcode))

    def instance(self, opcode: Opcode) -> None:
        """INST: as OBJ, with the name in the stream."""
        items = self._pop_mark()
        module, name = _pair(opcode)
        self._push(self._called(self._imported(module, name, opcode), tuple(items), opcode))

    def _called(self, callee: Value, arguments: tuple[Value, ...] | None, opcode: Opcode) -> Value:
        if isinstance(callee, Constant | Items | Table) or callee is NOTHING:
            raise BrokenStream(f"{opcode.name} calls {_named(callee)}")
        self.last_call = opcode.start
        if not isinstance(callee, Name):
            text = f"{opcode.name} calls {_named(callee)}, which is known only at run time"
            self._fault("pickle-unresolved", text, opcode)
            return UNKNOWN
        if callee.path not in IMPORTABLE:
            return UNKNOWN
        reason = "the arguments cannot be told" if arguments is None else None
        if not may(callee, "call"):
            reason = "it is no function of a checkpoint"
        if reason := reason or argument_fault(callee, arguments or ()):
            text = f"{opcode.name} calls {callee.module}.{callee.name}: {reason}"
            self._fault("pickle-call", text, opcode)
        made = Made(callee, arguments or ())
        self.tensors += made.is_tensor
        return made

    def set_state(self, opcode: Opcode) -> None:
        """BUILD: attributes of an object, or a call of its `__setstate__`."""
        state, target = self._pop(), self._top()
        if not isinstance(target, Made):
            # What an import outside the list made is reported there. Plain values take no
            # state: an unpickler does nothing, or fails.
            if target is not UNKNOWN:
                code = "pickle-state" if isinstance(target, Name) else "pickle-structure"
                self._fault(code, f"BUILD on {_named(target)}", opcode)
            return
        if reason := state_fault(target, state):
            text = f"BUILD on {target.callee.module}.{target.callee.name}: {reason}"
            self._fault("pickle-state", text, opcode)
        target.stated = True
        if target.callee.path == "joblib.numpy_pickle NumpyArrayWrapper":
            self._pass_array(state)

    def _pass_array(self, state: Value) -> None:
        if self.first_array < 0:
            self.first_array = self._cursor.position
        if self._arrays != "followed":
            skip_wrapped_array(self._cursor, state, padded=self._arrays == "padded")


_OTHER_NAMES: Final = (
    "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT", "EMPTY_LIST", "EMPTY_SET", "NEXT_BUFFER",
)  # fmt: skip
_OTHERS: Final = {"NONE": NOTHING} | {name: Other(name) for name in _OTHER_NAMES}
_COLLECTIONS: Final = frozenset({"EMPTY_LIST", "LIST", "EMPTY_SET"})


def _number(opcode: Opcode) -> int:
    if not isinstance(opcode.argument, int):
        raise BrokenStream(f"{opcode.name} without a number")
    return opcode.argument


def _pair(opcode: Opcode) -> tuple[str, str]:
    if not isinstance(opcode.argument, tuple):
        raise BrokenStream(f"{opcode.name} without a name")
    return opcode.argument


def _named(value: Value) -> str:
    if isinstance(value, Name):
        return f"{value.module[:80]}.{value.name[:80]}"
    if isinstance(value, Made):
        return f"what {value.callee.module}.{value.callee.name} gave"
    return f"a value of kind {value.kind if isinstance(value, Other) else type(value).__name__}"


_ACTIONS: Final[Mapping[str, Callable[[Machine, Opcode], None]]] = {
    **dict.fromkeys(("PROTO", "FRAME", "READONLY_BUFFER"), Machine.do_nothing),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING",
         "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
         "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        Machine.constant,
    ),
    **dict.fromkeys(_OTHERS, Machine.other),
    **dict.fromkeys(("TUPLE", "LIST", "DICT", "FROZENSET"), Machine.group),
    **dict.fromkeys(("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"), Machine.short_tuple),
    **dict.fromkeys(("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"), Machine.memoize),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.recall),
    **dict.fromkeys(("APPEND", "APPENDS", "ADDITEMS", "SETITEM", "SETITEMS"), Machine.add_items),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), Machine.extension),
    **dict.fromkeys(("PERSID", "BINPERSID"), Machine.persistent),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), Machine.reduce),
    "MARK": Machine.mark,
    "POP": Machine.pop,
    "POP_MARK": Machine.pop_mark,
    "DUP": Machine.duplicate,
    "EMPTY_DICT": Machine.empty_table,
    "GLOBAL": Machine.import_lines,
    "STACK_GLOBAL": Machine.import_stacked,
    "NEWOBJ_EX": Machine.new_with_keywords,
    "OBJ": Machine.build_object,
    "INST": Machine.instance,
    "BUILD": Machine.set_state,
}  # fmt: skip
