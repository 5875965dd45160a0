"""Which keys and attributes a chat template computes, and whether they could become any name.

`x[key]` falls back to the attribute of that name, so a text that is put together inside the
template can name what no filter of texts sees. A key is allowed where it is a number, stands
there as text, or comes from the data that the template is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS_OF_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "length", "depth"})
_COUNTING_FILTERS: Final = frozenset({"length", "count", "int", "abs", "round", "float"})
_COUNTING: Final = (
    nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Pow, nodes.Neg, nodes.Pos, nodes.Test,
    nodes.Compare, nodes.Not,
)  # fmt: skip
_MIXED: Final = (nodes.Add, nodes.Mul, nodes.Mod)
_GROUPS: Final = (
    nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.And, nodes.Or,
)  # fmt: skip
_PASSING_FILTERS: Final = frozenset(
    {"list", "items", "dictsort", "sort", "reverse", "unique", "first", "last", "selectattr",
     "rejectattr", "select", "reject", "default", "d", "tojson", "trim", "lower", "upper"}
)  # fmt: skip
_PASSING_METHODS: Final = frozenset({"items", "keys", "values", "get"})
_PLAIN_METHODS: Final = _PASSING_METHODS | {
    "append", "endswith", "join", "lower", "lstrip", "pop", "replace", "rstrip", "split",
    "startswith", "strftime", "strip", "title", "upper",
}  # fmt: skip
_GIVEN_FUNCTIONS: Final = frozenset(
    {"dict", "namespace", "raise_exception", "range", "strftime_now"}
)
_BY_ATTRIBUTE: Final = {
    "map": 1, "select": 1, "reject": 1, "selectattr": 2, "rejectattr": 2, "groupby": 2,
    "sort": 3, "sum": 2, "unique": 2, "min": 2, "max": 2,
}  # fmt: skip
"""Filters that take attributes by name, and how many of their arguments could be one."""
_STEP_LIMIT: Final = 100_000


class Keys:
    """Tells of the keys of one template which are computed."""

    def __init__(self, tree: nodes.Template) -> None:
        self._steps = 0
        self._made: dict[str, list[nodes.Node]] = {}
        """What gives a name its value, or, under `name.attribute`, a part of a namespace."""
        for node in tree.find_all((nodes.Assign, nodes.For, nodes.With, nodes.AssignBlock)):
            for target, value in _given(node):
                self._note(target, value)
        passed = [
            part for call in tree.find_all(nodes.Call) if self._may_be_macro(call)
            for part in _arguments(call)
        ]  # fmt: skip
        for macro in tree.find_all((nodes.Macro, nodes.CallBlock)):
            for parameter in macro.args:
                self._made.setdefault(parameter.name, []).extend([*passed, *macro.defaults])

    def _note(self, target: nodes.Node, value: nodes.Node) -> None:
        if isinstance(target, nodes.NSRef):
            self._made.setdefault(f"{target.name}.{target.attr}", []).append(value)
            return
        names = [target] if isinstance(target, nodes.Name) else target.find_all(nodes.Name)
        for name in names:
            self._made.setdefault(name.name, []).append(value)
            if isinstance(value, nodes.Call) and _calls(value, "namespace"):
                for pair in value.kwargs:
                    self._made.setdefault(f"{name.name}.{pair.key}", []).append(pair.value)

    def _may_be_macro(self, call: nodes.Call) -> bool:
        callee = call.node
        if isinstance(callee, nodes.Name):
            return callee.name not in _GIVEN_FUNCTIONS or callee.name in self._made
        if isinstance(callee, nodes.Getattr) and callee.attr in _PLAIN_METHODS:
            return self._of_namespace(callee) is not None
        return True

    def _of_namespace(self, node: nodes.Getattr) -> list[nodes.Node] | None:
        owner = node.node.name if isinstance(node.node, nodes.Name) else ""
        return self._made.get(f"{owner}.{node.attr}")

    def is_computed(self, key: nodes.Node) -> bool:
        """Whether the key of an item could be a text that the template puts together.

        Raises:
            ValueError: the names of the template are too entangled to tell.
        """
        return not self._is_plain(key, frozenset())

    def _is_plain(self, node: nodes.Node, seen: frozenset[str]) -> bool:
        self._take_step()
        if isinstance(node, nodes.Const | nodes.Slice) or self._is_number(node, seen):
            return True
        if isinstance(node, nodes.Name):
            return self._all_plain(self._made.get(node.name, []), node.name, seen)
        if isinstance(node, _GROUPS):
            return all(self._is_plain(each, seen) for each in node.iter_child_nodes())
        return self._is_data(node, seen)

    def _take_step(self) -> None:
        self._steps += 1
        if self._steps > _STEP_LIMIT:
            message = "too many names are made of others"
            raise ValueError(message)

    def _all_plain(self, made: list[nodes.Node], name: str, seen: frozenset[str]) -> bool:
        inner = seen | {name}
        return name in seen or all(self._is_plain(each, inner) for each in made)

    def _is_data(self, node: nodes.Node, seen: frozenset[str]) -> bool:
        """Whether something is taken from data as it stands there."""
        if isinstance(node, nodes.Getattr):
            made = self._of_namespace(node)
            if made is not None:
                return self._all_plain(made, f"{node.node}.{node.attr}", seen)
            return self._is_plain(node.node, seen)
        if isinstance(node, nodes.Getitem):
            # A part of a text could be a piece of a name.
            return not isinstance(node.arg, nodes.Slice) and self._is_plain(node.node, seen)
        if isinstance(node, nodes.Call):
            method = node.node.attr if isinstance(node.node, nodes.Getattr) else ""
            passing = method in _PASSING_METHODS and self._is_plain(node.node, seen)
            return (passing or self._is_range(node)) and self._are_plain(node.args, seen)
        if isinstance(node, nodes.Filter) and node.node is not None:
            passing = node.name in _PASSING_FILTERS and self._is_plain(node.node, seen)
            return passing and self._are_plain(node.args, seen)
        return False

    def _are_plain(self, arguments: list[nodes.Expr], seen: frozenset[str]) -> bool:
        return all(self._is_plain(each, seen) for each in arguments)

    def _is_range(self, node: nodes.Call) -> bool:
        return _calls(node, "range") and "range" not in self._made

    def _is_number(self, node: nodes.Node, seen: frozenset[str]) -> bool:
        self._take_step()
        if isinstance(node, nodes.Const):
            return not isinstance(node.value, str)
        if isinstance(node, _MIXED):
            sides = self._is_number(node.left, seen), self._is_number(node.right, seen)
            # A text and a number have no sum, but they have a product.
            return any(sides) if isinstance(node, nodes.Add) else all(sides)
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            loop = node.node.name == "loop" and "loop" not in self._made
            return loop and node.attr in _NUMBERS_OF_LOOP
        if isinstance(node, nodes.Name):
            made = self._made.get(node.name, []) if node.name not in seen else []
            inner = seen | {node.name}
            return bool(made) and all(self._is_number(each, inner) for each in made)
        counted = isinstance(node, nodes.Filter) and node.name in _COUNTING_FILTERS
        return counted or isinstance(node, _COUNTING)


def _given(node: nodes.Node) -> list[tuple[nodes.Node, nodes.Node]]:
    """Targets and what is assigned to each; a block stands for the text that it renders."""
    if isinstance(node, nodes.Assign):
        return [(node.target, node.node)]
    if isinstance(node, nodes.For):
        return [(node.target, node.iter)]
    if isinstance(node, nodes.With):
        return list(zip(node.targets, node.values, strict=False))
    return [(node.target, node)] if isinstance(node, nodes.AssignBlock) else []


def _calls(node: nodes.Call, name: str) -> bool:
    return isinstance(node.node, nodes.Name) and node.node.name == name


def _arguments(call: nodes.Call) -> list[nodes.Node]:
    dynamic = [each for each in (call.dyn_args, call.dyn_kwargs) if each is not None]
    return [*call.args, *(pair.value for pair in call.kwargs), *dynamic]


def attribute_fault(node: nodes.Filter, refused: frozenset[str]) -> str | None:
    """What is wrong with the attributes and filters that a filter is given by name."""
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return f"gives the filter {node.name!r} arguments that are computed"
    named = [pair.value for pair in node.kwargs if pair.key == "attribute"]
    count = _BY_ATTRIBUTE.get(node.name, 0)
    chosen = [*named, *node.args[:count], *(node.args[1:2] if node.name == "join" else [])]
    if any(not isinstance(each, nodes.Const) for each in chosen):
        return f"gives the filter {node.name!r} an attribute that is computed"
    if node.name == "map" and node.args:
        first = node.args[0]
        if isinstance(first, nodes.Const) and first.value in refused:
            return f"uses the filter {first.value!r}"
    return None


def computed_keys(tree: nodes.Template) -> Iterator[str]:
    """A sentence for every item whose key is computed."""
    keys = Keys(tree)
    for node in tree.find_all(nodes.Getitem):
        if keys.is_computed(node.arg):
            yield "computes the key of an item"
