"""What bytes that are not written as a pickle, or not for this unpickler, would do as one.

Readers disagree where a stream ends and what it skips. Here a reading that nobody intended is
told apart from noise: an import that would succeed, a call, a state that is set. Prose and
numbers reach none of these (`spec/scan-findings.md`, section 2).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from steelyard.weights.scan.pickles.walk import Pickles, Walk, follow_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.part import Allowance
    from steelyard.weights.scan.pickles.values import Fault, Name
    from steelyard.weights.scan.source import Source

_ACTS: Final = frozenset({"pickle-call", "pickle-state"})
_STORAGE: Final = "Storage"
"""torch makes a type of a name that holds this word, and imports nothing."""


def other_readings(source: Source, intended: Pickles, allowance: Allowance) -> Iterator[Pickles]:
    """A file whose arrays joblib passes over, as the readers see it that do not."""
    if any(walk.first_array >= 0 for walk in intended.walks):
        yield follow_all(source, allowance, "followed")
        yield follow_all(source, allowance, "bare")


def hidden_faults(walk: Walk, since: int = 0) -> Iterator[Fault]:
    """Faults of an unintended reading that no noise would give, from a position on.

    What stands behind an import that must fail is not reached, and says nothing.
    """
    failing = [f.offset for f in walk.faults if f.name and f.offset >= since and _fails(f.name)]
    end = min(failing, default=walk.end)
    whole = not failing and not walk.broken
    for fault in walk.faults:
        if not since <= fault.offset <= end:
            continue
        followed = whole or walk.last_call >= fault.offset
        if fault.name is not None:
            reached = _is_module(fault.name) and (followed or _matters_alone(fault.name))
        else:
            reached = fault.code in _ACTS or (fault.code == "pickle-unresolved" and followed)
        if reached:
            yield fault


def _fails(name: Name) -> bool:
    """Whether no reader can import a name: prose has blanks, a module and its names have none."""
    return not (_is_word(name.module) and _is_word(name.name)) and _STORAGE not in name.name


def _is_module(name: Name) -> bool:
    return _is_word(name.module) or _STORAGE in name.name


def _is_word(text: str) -> bool:
    return bool(text) and text.isprintable() and not any(map(str.isspace, text))


def _matters_alone(name: Name) -> bool:
    """Whether an import can do harm with no call behind it; words of a list are no modules."""
    return "." in name.module or name.module in sys.stdlib_module_names
