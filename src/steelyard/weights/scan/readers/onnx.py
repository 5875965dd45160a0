"""ONNX models: where their weights lie, and which operators they need.

Walks the protocol buffer without the library. Weights kept outside the file are read by a
path that the file gives; operators of foreign domains are libraries that a runtime loads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.readers.names import name_fault
from steelyard.weights.scan.readers.protobuf import LENGTH_DELIMITED, fields, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_MODEL_FIELDS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_KNOWN_DOMAINS: Final = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft"}
)
_NODE_LIMIT: Final = 2_000_000
# Message: fields that lead to which message (onnx.proto, IR version 13).
_BELOW: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
_NODE_OPERATOR: Final = 4
_NODE_DOMAIN: Final = 7
_KEY: Final = 1
_VALUE: Final = 2
_TEXTS: Final[Mapping[str, frozenset[int]]] = {
    "node": frozenset({_NODE_OPERATOR, _NODE_DOMAIN}), "external": frozenset({_KEY, _VALUE})
}  # fmt: skip
"""Messages whose texts matter, and by which numbers."""
_ENGINE: Final = "EPContext"
"""The operator that hands a compiled engine, of this file or another, to its runtime."""


def read_onnx(part: Part) -> Iterator[Finding]:
    """Findings about a model; tensor data are passed over."""
    domains: set[str] = set()
    places: set[str] = set()
    engines = 0
    try:
        for number, (message, texts) in enumerate(_messages(part)):
            if number > _NODE_LIMIT:
                yield part.finding("header-limit", f"more than {_NODE_LIMIT} messages")
                break
            if message == "node":
                domains.add(texts.get(_NODE_DOMAIN, ""))
                engines += texts.get(_NODE_OPERATOR) == _ENGINE
            elif texts.get(_KEY) == "location":
                places.add(texts.get(_VALUE, ""))
    except MalformedEvidence as error:
        yield part.finding("onnx-structure", error.message)
    if engines:
        yield part.finding("onnx-external", f"{engines} nodes load a compiled engine")
    yield from _verdicts(part, domains, places)


def _messages(part: Part) -> Iterator[tuple[str, dict[int, str]]]:
    """Kind and texts of every message of the model that matters, each read once."""
    waiting: list[tuple[str, int, int]] = [("model", 0, part.source.size)]
    while waiting:
        message, start, stop = waiting.pop()
        below, wanted = _BELOW.get(message, {}), _TEXTS.get(message, frozenset[int]())
        texts: dict[int, str] = {}
        for field in fields(part.source, start, stop):
            inner = below.get(field.number)
            if inner and field.wire == LENGTH_DELIMITED:
                waiting.append((inner, field.start, field.start + field.length))
            elif field.number in wanted:
                # Of a field that stands twice, the last holds.
                texts[field.number] = text_of(part.source, field)
            elif message == "model" and field.number not in _MODEL_FIELDS:
                raise MalformedEvidence(f"field {field.number} is none of a model's")
        yield message, texts


def _verdicts(part: Part, domains: set[str], places: set[str]) -> Iterator[Finding]:
    for place in sorted(places):
        if fault := name_fault(place):
            yield part.finding("onnx-external", f"weights lie at {place[:80]!r}, which {fault}")
    for domain in sorted(domains - _KNOWN_DOMAINS):
        yield part.finding("onnx-operator", f"operators of domain {domain[:80]!r}")
