"""JSON of other tools: strict about duplicate keys, lenient about NaN and large integers.

Inspect writes NaN for "not scored", and seeds beyond 2**53; canonical JSON
allows neither, so the kernel's parser cannot read such files. What a NaN means
is decided by each reader; it never reaches a record.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from steelyard.kernel.errors import MalformedEvidence
from steelyard.kernel.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from steelyard.kernel import JsonObject, JsonValue

DOCUMENT_LIMIT_BYTES = 1 << 30
_TRUNCATED = "the file may be truncated or no JSON; copy or export it again"


def parse_foreign(data: bytes | str, *, where: str) -> JsonObject:
    """Parse a JSON object of another tool.

    Raises:
        MalformedEvidence: not UTF-8, not JSON, no object, nested too deep, or a repeated key.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        message = f"not JSON: {error}"
        raise MalformedEvidence(message, where=where, hint=_TRUNCATED) from error
    if not isinstance(value, dict):
        raise MalformedEvidence("expected a JSON object", where=where, hint=_TRUNCATED)
    return cast("JsonObject", value)


def read_document(path: Path) -> JsonObject:
    """Read a file of one JSON object of up to 1 GiB; see `parse_foreign`."""
    return parse_foreign(read_bytes(path, limit_bytes=DOCUMENT_LIMIT_BYTES), where=path.name)


def read_lines(path: Path) -> Iterator[tuple[str, JsonObject]]:
    """Place (`file:line`) and object of each line, one in memory at a time; see `parse_foreign`."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                where = f"{path.name}:{number}"
                yield where, parse_foreign(line, where=where)
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(path)) from error


def table(value: JsonValue) -> JsonObject:
    """An object where the file has one, else an empty one."""
    return value if isinstance(value, dict) else {}


def _without_duplicates(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        message = f"duplicate key {repeated!r}"
        raise ValueError(message)
    return result
