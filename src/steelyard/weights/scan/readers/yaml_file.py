"""YAML configurations: tags and targets that make a loader call what they name.

Read as a stream of events, from which nothing is ever made: escapes, folded texts and tags are
told as any parser would see them, and none is resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.readers.plain_classes import (
    container_fault,
    names_targets,
    value_faults,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_LIMIT_BYTES: Final = 1 << 22
"""A few seconds; a longer YAML is not a configuration."""
_DEPTH_LIMIT: Final = 100
_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(
    {"!", *(_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq"))}
)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CODE_FOLDER: Final = "code"


def read_yaml(part: Part) -> Iterator[Finding]:
    """Findings about one file."""
    if part.source.size > _LIMIT_BYTES:
        yield part.finding("header-limit", f"YAML of {part.source.size} bytes is not parsed")
        return
    try:
        data = part.source.read(0, part.source.size)
        text = data.decode("utf-8-sig")
        at, offset = 0, len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
        for code, said, index in _Events(part.name == "MLmodel").read(text):
            # Findings come in the order of their places, and offsets count bytes.
            offset += len(text[at:index].encode())
            at = index
            yield part.finding(code, said, offset)
    except UnicodeDecodeError:
        yield part.finding("config-malformed", "YAML that is no UTF-8")
    except (yaml.YAMLError, MalformedEvidence, RecursionError, ValueError) as error:
        said = error.message if isinstance(error, MalformedEvidence) else str(error)
        yield part.finding("config-unread", f"no YAML: {' '.join(said.split())[:160]}")


class _Events:
    """Goes through the events of one file and keeps which key each value stands under."""

    def __init__(self, flavors: bool) -> None:  # noqa: FBT001 - one fact about the file
        self._flavors = flavors
        self._open: list[bool] = []
        """Of every open collection, whether it is a mapping."""
        self._keys: list[str | None] = []
        """Of every open mapping, the key whose value is next; None where a key is next."""

    def read(self, text: str) -> Iterator[tuple[str, str, int]]:
        """Code, sentence and position in characters of every finding."""
        for event in cast("Any", yaml).parse(text, Loader=yaml.SafeLoader):
            for code, said in self._seen(event):
                yield code, said, event.start_mark.index
            if len(self._open) > _DEPTH_LIMIT:
                raise MalformedEvidence(f"nested deeper than {_DEPTH_LIMIT}")

    def _seen(self, event: yaml.Event) -> Iterator[tuple[str, str]]:
        if isinstance(event, yaml.DocumentStartEvent):
            if event.tags or event.version not in {None, (1, 1), (1, 2)}:
                yield "config-malformed", "a directive gives tags another meaning"
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
            self._passed(None)
        elif isinstance(event, yaml.NodeEvent):
            yield from self._node(event)

    def _node(self, event: yaml.NodeEvent) -> Iterator[tuple[str, str]]:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _PLAIN_TAGS:
            yield "config-code", f"the tag {tag.replace(_CORE, '!!')[:100]}"
        in_mapping = bool(self._open) and self._open[-1]
        key = self._keys[-1] if in_mapping else ""
        if isinstance(event, yaml.CollectionStartEvent):
            if said := container_fault(key or ""):
                yield "config-code", said
            self._open.append(isinstance(event, yaml.MappingStartEvent))
            self._keys.append(None)
            return
        yield from self._leaf(event, key)
        self._passed(event.value if isinstance(event, yaml.ScalarEvent) else "*")

    def _leaf(self, event: yaml.NodeEvent, key: str | None) -> Iterator[tuple[str, str]]:
        """A text or an alias, which stands for what another place says."""
        if isinstance(event, yaml.AliasEvent):
            if key is None or names_targets(key):
                yield (
                    "config-code",
                    f"an alias stands {'for a key' if key is None else 'as target'}",
                )
        elif isinstance(event, yaml.ScalarEvent) and key is not None:
            for said in value_faults(key, event.value):
                yield "config-code", said
            if self._flavors and key == _CODE_FOLDER and event.value not in {"", "null", "~"}:
                yield "config-code", f"code of the folder {event.value[:80]!r} is imported"

    def _passed(self, text: str | None) -> None:
        """A node has ended: where a key was awaited it was the key, otherwise its value."""
        if self._open and self._open[-1]:
            waiting = self._keys[-1] is None
            self._keys[-1] = (text if text is not None else "") if waiting else None
