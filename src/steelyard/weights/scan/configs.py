"""JSON that loaders read: configurations, tokenizers, indices.

Parsed as loaders parse it (numbers of any size, infinities), but for duplicate keys: of two
values for one key, two loaders take different ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG_LIMIT_BYTES: Final = 1 << 26
_CONTAINERS: Final = frozenset({dict, list})


def parse_config(data: bytes, *, where: str = "") -> object:
    """The value of a configuration.

    Raises:
        MalformedEvidence: not UTF-8, not JSON, a duplicate key, or nested too deep.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise MalformedEvidence(f"no strict JSON: {error}"[:200], where=where) from error


def as_object(value: object) -> dict[str, object]:
    """The value if it is an object, an empty one otherwise."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def objects_of(value: object) -> Iterator[dict[str, object]]:
    """Every object of a parsed configuration, however deep and however many."""
    for container in containers_of(value):
        if isinstance(container, dict):
            yield container


def containers_of(value: object) -> Iterator[dict[str, object] | list[object]]:
    """Every object and every list of a parsed configuration, itself included."""
    waiting = [value] if type(value) in _CONTAINERS else []
    while waiting:
        container = cast("dict[str, object] | list[object]", waiting.pop())
        yield container
        held = container.values() if isinstance(container, dict) else container
        # What holds nothing is not kept waiting: a list of numbers may have millions.
        waiting.extend(each for each in held if type(each) in _CONTAINERS)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        message = "duplicate key"
        raise ValueError(message)
    return result
