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
    from steelyard.weights.scan.readers.protobuf import Field

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
_NODE_DOMAIN: Final = 7
_NODE_OPERATOR: Final = 4
_ENGINE: Final = "EPContext"
"""The operator that hands a compiled engine, of this file or another, to its runtime."""
_KEY: Final = 1
_VALUE: Final = 2


def read_onnx(part: Part) -> Iterator[Finding]:
    """Findings about a model; tensor data are passed over."""
    domains: set[str] = set()
    places: set[str] = set()
    engines = 0
    try:
        for number, (message, start, stop) in enumerate(_messages(part)):
            if number > _NODE_LIMIT:
                yield part.finding("header-limit", f"more than {_NODE_LIMIT} messages")
                break
            if message == "node":
                operator, domain = _operator(part, start, stop)
                domains.add(domain)
                engines += operator == _ENGINE
            elif message == "external":
                places |= set(_location(part, start, stop))
    except MalformedEvidence as error:
        yield part.finding("onnx-structure", error.message)
    if engines:
        yield part.finding("onnx-external", f"{engines} nodes load a compiled engine")
    yield from _verdicts(part, domains, places)


def _messages(part: Part) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of every message of the model that matters."""
    waiting: list[tuple[str, int, int]] = [("model", 0, part.source.size)]
    while waiting:
        message, start, stop = waiting.pop()
        yield message, start, stop
        for field in fields(part.source, start, stop):
            _require_known(message, field)
            below = _BELOW.get(message, {}).get(field.number)
            if below and field.wire == LENGTH_DELIMITED:
                waiting.append((below, field.start, field.start + field.length))


def _operator(part: Part, start: int, stop: int) -> tuple[str, str]:
    """Operator and domain of a node; of a field that stands twice, the last holds."""
    told = {
        field.number: text_of(part.source, field)
        for field in fields(part.source, start, stop)
        if field.number in {_NODE_DOMAIN, _NODE_OPERATOR}
    }
    return told.get(_NODE_OPERATOR, ""), told.get(_NODE_DOMAIN, "")


def _require_known(message: str, field: Field) -> None:
    if message == "model" and field.number not in _MODEL_FIELDS:
        raise MalformedEvidence(f"field {field.number} is none of a model's")


def _location(part: Part, start: int, stop: int) -> Iterator[str]:
    entry = {
        field.number: text_of(part.source, field) for field in fields(part.source, start, stop)
    }
    if entry.get(_KEY) == "location":
        yield entry.get(_VALUE, "")


def _verdicts(part: Part, domains: set[str], places: set[str]) -> Iterator[Finding]:
    for place in sorted(places):
        if fault := name_fault(place):
            yield part.finding("onnx-external", f"weights lie at {place[:80]!r}, which {fault}")
    for domain in sorted(domains - _KNOWN_DOMAINS):
        yield part.finding("onnx-operator", f"operators of domain {domain[:80]!r}")
