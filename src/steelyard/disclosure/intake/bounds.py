"""How large and deep a foreign document may be; decided before and after it is parsed.

Decides the limits of spec/disclosure-advisory.md, section 8.1: what is over them is refused within
a second and 200 MB, whatever it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

DOCUMENT_LIMIT_BYTES: Final = 4 * 1024 * 1024
# Each container, member and text costs the parser tens of bytes and up: these bound its memory.
_MOST_CONTAINERS: Final = 100_000
_MOST_COMMAS: Final = 500_000
_MOST_QUOTES: Final = 1_000_000
DEEPEST: Final = 64


def parse_bounded(data: bytes, *, where: str) -> JsonObject:
    """The JSON object in a foreign file.

    Raises:
        MalformedEvidence: over a limit, no strict JSON, or no object at top level.
    """
    if len(data) > DOCUMENT_LIMIT_BYTES:
        message = f"{len(data):,} bytes, and at most {DOCUMENT_LIMIT_BYTES:,} are read"
        raise MalformedEvidence(message, where=where, hint="send large material as attachments")
    counts = (
        ("objects and lists", data.count(b"{") + data.count(b"["), _MOST_CONTAINERS),
        ("commas", data.count(b","), _MOST_COMMAS),
        ("quotation marks", data.count(b'"'), _MOST_QUOTES),
    )
    for what, count, limit in counts:
        if count > limit:
            message = f"{count:,} {what}, and at most {limit:,} are read"
            raise MalformedEvidence(message, where=where)
    document = parse_json_object(data.removeprefix(b"\xef\xbb\xbf"), where=where)
    _check_depth(document, where)
    return document


def _check_depth(document: JsonObject, where: str) -> None:
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise MalformedEvidence(f"nested more than {DEEPEST} deep", where=where)


def _children(node: object) -> list[Any]:
    values = list(cast("JsonObject", node).values()) if isinstance(node, dict) else node
    return [value for value in cast("list[Any]", values) if isinstance(value, dict | list)]
