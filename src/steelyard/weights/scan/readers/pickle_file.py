"""Files of pickles: what following them found, and what no pickle accounts for.

A loader that is told to unpickle a file does so under any name and any format; so every other
file is also followed from its start, and reported where that would import and call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.weights.scan.formats import starts_like_pickle
from steelyard.weights.scan.pickles import OPCODE_LIMIT, Walk, follow, follow_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_PERSID: Final = b"P"
"""How a zip starts: an opcode at which an unpickler without a checkpoint fails."""
_IMPORTS: Final = frozenset({"pickle-global", "pickle-unresolved"})


def read_pickle(part: Part) -> Iterator[Finding]:
    """Findings about all pickles of a file."""
    found = follow_all(part.source)
    first = found.walks[0]
    if _is_none(first) and not starts_like_pickle(part.source.read(0, 2)):
        yield part.finding("unknown-format", f"no pickle, and no other format: {first.broken}")
        return
    for walk in found.walks:
        for fault in walk.faults:
            yield part.finding(fault.code, fault.text, fault.offset)
    last = found.walks[-1]
    if last.broken:
        yield part.finding("pickle-broken", f"it breaks off: {last.broken}", last.end)
    elif found.end > part.source.size:
        text = f"its storages need {found.end - part.source.size} bytes more than there are"
        yield part.finding("pickle-broken", text, last.end)
    elif found.end < part.source.size:
        text = f"{part.source.size - found.end} bytes follow"
        yield part.finding("pickle-trailing", text, found.end)


def hidden_pickle(part: Part) -> Iterator[Finding]:
    """A finding where a file of another format would also run as a pickle."""
    if part.source.read(0, 1) == _PERSID:
        return
    walk = follow(part.source, 0)
    if walk.opcodes > OPCODE_LIMIT:
        yield part.finding("pickle-broken", f"read as a pickle, it has {walk.broken}", walk.end)
    elif walk.broken and not walk.calls:
        return
    for name in walk.names:
        if not _could_be_imported(f"{name.module}.{name.name}"):
            return
    for fault in walk.faults:
        if fault.code in _IMPORTS:
            yield part.finding("polyglot", f"read as a pickle, it {fault.text}", fault.offset)


def _is_none(walk: Walk) -> bool:
    return bool(walk.broken) and not walk.names and not walk.calls


def _could_be_imported(path: str) -> bool:
    """Prose has blanks, where a module's name has none."""
    return path.isprintable() and not any(character.isspace() for character in path)
