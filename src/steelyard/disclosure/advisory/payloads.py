"""Reading payload files for the linter: plain text as it is, a structured file by its texts.

A reproducer is a structured file: what must not leave are the texts in it, however a format writes
their line breaks and quotation marks, and not its digests, which an advisory names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.advisory.folding import fold
from steelyard.disclosure.advisory.linter import RUN, Payload, Tier
from steelyard.kernel import parse_json_object, parse_yaml
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGEST: Final = re.compile(r"(?:[a-z0-9-]{2,12}:)?[0-9a-f]{40,128}")


def payloads_in(name: str, data: bytes, tier: Tier = Tier.H1) -> tuple[Payload, ...]:
    """What a file holds that must not leave: its text, or every text of a structured file.

    Args:
        name: Of the file; `.json`, `.yaml` and `.yml` are structured where they can be read.
        data: Its bytes.
        tier: Of what is in it.
    """
    text = data.decode("utf-8", errors="replace")
    document = _document(name, text)
    if document is None:
        return (Payload(name, text, tier),)
    texts = [entry for entry in texts_in(document) if not _DIGEST.fullmatch(entry)]
    alone = [entry for entry in texts if len(fold(entry)) >= RUN]
    return tuple(Payload(name, entry, tier) for entry in (*alone, "\n".join(texts)))


def _document(name: str, text: str) -> object:
    """The document in a structured file; None where it is none, and so is read as text."""
    try:
        if name.endswith(".json"):
            return parse_json_object(text, where=name)
        if name.endswith((".yaml", ".yml")):
            return parse_yaml(text, where=name)
    except (ConfigurationError, MalformedEvidence):
        return None
    return None


def texts_in(value: object) -> Iterator[str]:
    """Every text of a document, in its order, without the names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in cast("list[object]", value):
            yield from texts_in(entry)
    elif isinstance(value, dict):
        for entry in cast("dict[str, Any]", value).values():
            yield from texts_in(entry)
