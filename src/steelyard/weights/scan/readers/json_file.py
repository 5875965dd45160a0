"""JSON files: strictness, Keras configurations, chat templates, and names that loaders import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.configs import CONFIG_LIMIT_BYTES, as_object, objects_of, parse_config
from steelyard.weights.scan.readers.keras import keras_findings
from steelyard.weights.scan.readers.plain_classes import target_fault
from steelyard.weights.scan.readers.templates import template_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_SYMBOLIC: Final = "expr_str"


def read_json(part: Part) -> Iterator[Finding]:
    """Findings about one file."""
    if part.source.size > CONFIG_LIMIT_BYTES:
        yield part.finding("header-limit", f"JSON of {part.source.size} bytes is not parsed")
        return
    try:
        value = parse_config(part.source.read(0, part.source.size))
    except MalformedEvidence as error:
        yield part.finding("config-malformed", error.message)
        return
    for entry in objects_of(value):
        yield from keras_findings(part, entry)
        yield from _target_findings(part, entry)
    for text in _templates(as_object(value).get("chat_template")):
        yield from template_findings(part, text)


def _target_findings(part: Part, entry: dict[str, object]) -> Iterator[Finding]:
    for key, value in entry.items():
        if said := target_fault(key, value):
            yield part.finding("config-code", said)
    if isinstance(entry.get(_SYMBOLIC), str):
        yield part.finding("config-code", "an expression that torch.export evaluates")
    if entry.get("trust_remote_code") is True:
        yield part.finding("config-code", "trust_remote_code is switched on")


def _templates(value: object) -> Iterator[str]:
    """One template, a list of named ones, or a mapping of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in cast("list[object]", value):
            yield from _templates(as_object(entry).get("template"))
    else:
        for entry in as_object(value).values():
            yield from _templates(entry if isinstance(entry, str) else None)
