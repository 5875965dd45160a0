"""Files of pickles: what following them found, and what no pickle accounts for.

A loader that is told to unpickle a file does so under any name and any format; so every other
file is also followed from its start, and reported where that would import and call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.weights.scan.formats import ending, is_text, starts_like_pickle
from steelyard.weights.scan.pickles import (
    Pickles,
    Walk,
    follow_all,
    hidden_faults,
    other_readings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_OFTEN_TEXT: Final = frozenset({".data", ".model"})
_HEAD_BYTES: Final = 4096


def read_pickle(part: Part) -> Iterator[Finding]:
    """Findings about all pickles of a file."""
    found = follow_all(part.source, part.allowance)
    first = found.walks[0]
    if first.does_nothing and not starts_like_pickle(part.source.read(0, 2)):
        if ending(part.name) not in _OFTEN_TEXT or not is_text(part.source.read(0, _HEAD_BYTES)):
            text = f"no pickle, and no other format: {first.broken}"
            yield part.finding("unknown-format", text)
        return
    for walk in found.walks:
        for fault in walk.faults:
            yield part.finding(fault.code, fault.text, fault.offset)
    yield from _ending(part, found)
    for reading in other_readings(part.source, found, part.allowance):
        for walk in reading.walks:
            yield from _of_reading(part, walk, max(walk.first_array, 0))
        if reading.given_up:
            text = f"its arrays, read as opcodes, give more than {len(reading.walks)} pickles"
            yield part.finding("pickle-broken", text, reading.end)


def _ending(part: Part, found: Pickles) -> Iterator[Finding]:
    last = found.walks[-1]
    if last.broken:
        yield part.finding("pickle-broken", f"it breaks off: {last.broken}", last.end)
    elif found.end > part.source.size:
        text = f"its storages need {found.end - part.source.size} bytes more than there are"
        yield part.finding("pickle-broken", text, last.end)
    elif found.end < part.source.size:
        text = f"{part.source.size - found.end} bytes follow"
        yield part.finding("pickle-trailing", text, found.end)


def _of_reading(part: Part, walk: Walk, since: int) -> Iterator[Finding]:
    """What another unpickler would do that does not know the arrays of joblib."""
    for fault in hidden_faults(walk, since):
        text = f"an array, read as opcodes, {_said(fault.text)}"
        yield part.finding("pickle-global" if fault.name else fault.code, text, fault.offset)
    if walk.exhausted:
        text = f"its arrays, read as opcodes, have {walk.broken}"
        yield part.finding("pickle-broken", text, walk.end)


def hidden_pickle(part: Part) -> Iterator[Finding]:
    """A finding where a file of another format would also run as a pickle."""
    found = follow_all(part.source, part.allowance)
    for reading in (found, *other_readings(part.source, found, part.allowance)):
        if reading.given_up:
            text = f"read as a pickle, more than {len(reading.walks)} stand one behind the other"
            yield part.finding("pickle-broken", text, reading.end)
        for walk in reading.walks:
            if walk.exhausted:
                text = f"read as a pickle, it has {walk.broken}"
                yield part.finding("pickle-broken", text, walk.end)
            for fault in hidden_faults(walk):
                text = f"read as a pickle, it {_said(fault.text)}"
                yield part.finding("polyglot", text, fault.offset)


def _said(text: str) -> str:
    """The fault as the end of a sentence whose subject is told."""
    return text if text.startswith("imports ") else f"does this: {text}"
