from __future__ import annotations

import inspect
import re

import pytest

from steelyard.kernel import errors
from steelyard.kernel.errors import SteelyardError

BRANCH = re.compile(r"[├└]── (\w+) +(\d)")


def drawn_tree() -> dict[str, int]:
    assert errors.__doc__ is not None
    return {name: int(status) for name, status in BRANCH.findall(errors.__doc__)}


def error_classes() -> dict[str, type[SteelyardError]]:
    members = inspect.getmembers(errors, inspect.isclass)
    return {name: found for name, found in members if issubclass(found, SteelyardError)}


def test_the_drawn_tree_is_the_tree() -> None:
    statuses = {name: found.exit_status for name, found in error_classes().items()}
    assert statuses.pop("SteelyardError") == 5
    assert drawn_tree() == statuses


def test_the_drawing_indents_each_class_below_its_parent() -> None:
    assert errors.__doc__ is not None
    lines = [line for line in errors.__doc__.splitlines() if "──" in line]
    path: list[str] = ["SteelyardError"]
    for line in lines:
        name = BRANCH.search(line)
        assert name is not None
        depth = (line.index("──") - 5) // 4 + 1
        path = [*path[:depth], name[1]]
        assert error_classes()[name[1]].__base__ is error_classes()[path[depth - 1]]


@pytest.mark.parametrize("found", error_classes().values(), ids=lambda found: found.__name__)
def test_an_error_carries_message_hint_and_place(found: type[SteelyardError]) -> None:
    error = found("found 1, required 2", hint="ask again", where="a.yaml:3")
    assert (error.message, error.hint, error.where) == (
        "found 1, required 2",
        "ask again",
        "a.yaml:3",
    )
    assert str(error) == "a.yaml:3: found 1, required 2"
    assert str(found("alone")) == "alone"


def test_a_message_that_quotes_a_megabyte_is_cut() -> None:
    error = SteelyardError("x" * errors.MESSAGE_LIMIT)
    assert error.message == "x" * 4000
    error = SteelyardError(f"{'x' * 4000}y", where="a.yaml")
    assert error.message == f"{'x' * 3996} ..."
    assert str(error) == f"a.yaml: {error.message}"
