"""Canonical JSON (RFC 8785) and strict JSON parsing.

Decides the one byte sequence a value has, so that a digest of it means the
same everywhere. Parsing refuses what canonical form cannot carry: duplicate
keys, NaN, infinities, lone surrogates, and integers of 2**53 and beyond.
Digests live in `digest`.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import NoReturn, TypeAlias, cast

import rfc8785

from steelyard.kernel.errors import MalformedEvidence

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"

_LARGEST_EXACT_INTEGER = 2**53 - 1
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")
)
# Stands where a number could; also found in texts, which then take the longer way.
_FRACTION = re.compile(rb"(?:^|[:,\[])-?[0-9]+[.eE]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def canonical_json(value: object) -> bytes:
    """Serialize `value` by RFC 8785 (JCS), UTF-8, no trailing newline.

    Raises:
        MalformedEvidence: NaN, infinity, an integer of 2**53 or beyond, a lone
            surrogate, a key that is no string, or a type JSON does not have.
    """
    try:
        if _is_plain(value):
            # A lone surrogate is refused by the longer way, in its own words.
            with suppress(UnicodeEncodeError):
                return _ENCODER.encode(value).encode("utf-8")
        return rfc8785.dumps(value)  # pyright: ignore[reportArgumentType]
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        message = f"value has no canonical JSON form: {error}"
        raise MalformedEvidence(message) from error


def is_canonical(data: bytes, value: JsonValue) -> bool:
    """Whether these bytes are the canonical form of a value that was parsed from them.

    Args:
        data: What was parsed.
        value: What `parse_json` made of it, or a part of that.
    """
    if data.isascii() and not _FRACTION.search(data):
        return _ENCODER.encode(value).encode("ascii", "replace") == data
    return canonical_json(value) == data


def parse_json(data: bytes | str, *, where: str = "") -> JsonValue:
    """Parse JSON, refusing whatever two parsers could read differently.

    Raises:
        MalformedEvidence: not UTF-8, not JSON, duplicate keys, NaN, infinity,
            a number no double holds, an integer of 2**53 or beyond, a lone
            surrogate, or nesting beyond the interpreter's depth.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite_number,
            parse_int=_exact_integer,
        )
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedEvidence(f"not strict JSON: {error}", where=where) from error
    return value


def parse_json_object(data: bytes | str, *, where: str = "") -> JsonObject:
    """Parse JSON whose top level must be an object; see `parse_json`."""
    value = parse_json(data, where=where)
    if not isinstance(value, dict):
        raise MalformedEvidence("expected a JSON object at top level", where=where)
    return value


def _is_plain(value: object) -> bool:
    """Whether the standard library writes this value as RFC 8785 asks.

    It writes numbers with a fraction otherwise, and sorts keys beyond ASCII by code points.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return -_LARGEST_EXACT_INTEGER <= cast("int", value) <= _LARGEST_EXACT_INTEGER
    if kind is list:
        return all(map(_is_plain, cast("list[object]", value)))
    if kind is dict:
        items = cast("dict[object, object]", value)
        keys = all(type(key) is str and key.isascii() for key in items)
        return keys and all(map(_is_plain, items.values()))
    return False


def _object_without_duplicates(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                message = f"duplicate key {key!r}"
                raise ValueError(message)
            seen.add(key)
    return result


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise ValueError(message)


def _exact_integer(digits: str) -> int:
    number = int(digits)
    if abs(number) > _LARGEST_EXACT_INTEGER:
        message = f"integer {digits[:24]} exceeds 2**53 - 1"
        raise ValueError(message)
    return number


def _finite_number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        message = f"number {digits[:24]} exceeds what a double holds"
        raise ValueError(message)
    return number
