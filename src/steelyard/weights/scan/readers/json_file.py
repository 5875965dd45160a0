"""JSON files: strictness, Keras configurations, chat templates, and names that loaders import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.configs import (
    CONFIG_LIMIT_BYTES,
    as_object,
    containers_of,
    parse_config,
)
from steelyard.weights.scan.readers.keras import keras_findings
from steelyard.weights.scan.readers.plain_classes import container_fault, value_faults
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
    for container in containers_of([value]):
        if isinstance(container, list):
            for said in _of_items(container):
                yield part.finding("config-code", said)
        else:
            yield from keras_findings(part, container)
            yield from _entry_findings(part, container)
    for text in _templates(as_object(value).get("chat_template")):
        yield from template_findings(part, text)


def _entry_findings(part: Part, entry: dict[str, object]) -> Iterator[Finding]:
    for key, value in entry.items():
        if isinstance(value, list | dict):
            if said := container_fault(key):
                yield part.finding("config-code", said)
        else:
            for said in value_faults(key, value):
                yield part.finding("config-code", said)
    if isinstance(entry.get(_SYMBOLIC), str):
        yield part.finding("config-code", "an expression that torch.export evaluates")


def _of_items(items: list[object]) -> Iterator[str]:
    for item in items:
        # Of numbers a list may have millions.
        if isinstance(item, str):
            yield from value_faults("", item)


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
