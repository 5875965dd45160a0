"""Tokenizer models of sentencepiece: whether the fields of the format fill the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.readers.protobuf import LENGTH_DELIMITED, fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part
    from steelyard.weights.scan.source import Source

_FIELDS: Final = frozenset({1, 2, 3, 4, 5})


def read_sentencepiece(part: Part) -> Iterator[Finding]:
    """A finding where the bytes are something else."""
    if not is_sentencepiece(part.source):
        yield part.finding("unknown-format", "the file is no tokenizer model of sentencepiece")


def is_sentencepiece(source: Source) -> bool:
    """Whether the bytes are fields of the format from first to last."""
    try:
        found = [(f.number, f.wire) for f in fields(source, 0, source.size)]
    except MalformedEvidence:
        return False
    return bool(found) and all(n in _FIELDS and wire == LENGTH_DELIMITED for n, wire in found)
