"""Shapes of what a case is told: checks of one value each, and of an object's fields.

Decides what a field of a card or of an event may hold (spec/disclosure-case.md, section
Bodies). Written out rather than held against a JSON Schema, because a node checks every event
that it takes and every event of a chain that it verifies; the published schema says the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from steelyard.attest import parse_public_key
from steelyard.attest.recipients import parse_recipient
from steelyard.kernel import canonical_json, check_sha256, exact_instant
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steelyard.kernel import JsonObject

Check: TypeAlias = "Callable[[object, str], None]"
"""Checks one value, told where it stands; raises MalformedEvidence."""

_ORGANIZATION: Final = re.compile(r"org:[0-9a-f]{64}")
_HANDLE: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_SHOWN: Final = 60


def require_fields(value: object, fields: Mapping[str, Check], where: str) -> JsonObject:
    """An object of exactly these fields, each of which passes its check.

    Raises:
        MalformedEvidence: another field, a missing one, or one that does not pass.
    """
    if not isinstance(value, dict):
        raise MalformedEvidence("expected an object", where=where)
    found = cast("JsonObject", value)
    if found.keys() != fields.keys():
        odd = sorted(map(str, found.keys() ^ fields.keys()))
        message = f"fields that are missing or too many: {', '.join(odd)[:200]}"
        raise MalformedEvidence(message, where=where)
    for name, check in fields.items():
        check(found[name], f"{where}.{name}")
    return found


def text(limit: int, *, empty: bool = False, lines: bool = False) -> Check:
    """Printable text of at most `limit` characters, on one line unless `lines`."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or len(value) > limit or not (value.strip() or empty):
            raise MalformedEvidence(f"expected text of at most {limit} characters", where=where)
        plain = value.replace("\n", "").replace("\t", "") if lines else value
        if not plain.isprintable():
            raise MalformedEvidence("text holds what cannot be printed", where=where)

    return check


def pattern(expression: str) -> Check:
    """Text that matches a regular expression from end to end."""
    form = re.compile(expression)

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or not form.fullmatch(value):
            message = f"{str(value)[:_SHOWN]!r} does not match {expression}"
            raise MalformedEvidence(message, where=where)

    return check


def choice(*allowed: str) -> Check:
    """One of some words."""

    def check(value: object, where: str) -> None:
        if value not in allowed:
            message = f"{str(value)[:_SHOWN]!r} is none of {', '.join(allowed)}"
            raise MalformedEvidence(message, where=where)

    return check


def integer(least: int, most: int) -> Check:
    """A whole number between two others, both allowed."""

    def check(value: object, where: str) -> None:
        if type(value) is not int or not least <= value <= most:
            message = f"expected a whole number from {least} to {most}"
            raise MalformedEvidence(message, where=where)

    return check


def boolean(value: object, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise MalformedEvidence("expected true or false", where=where)


def digest(value: object, where: str) -> None:
    """A SHA-256 in lower hex."""
    try:
        check_sha256(value)
    except ValueError as error:
        raise MalformedEvidence(str(error), where=where) from error


def organization(value: object, where: str) -> None:
    """The id of an organization."""
    if not isinstance(value, str) or not _ORGANIZATION.fullmatch(value):
        message = f"{str(value)[:_SHOWN]!r} is no organization (org: and 64 hex digits)"
        raise MalformedEvidence(message, where=where)


def handle(value: object, where: str) -> None:
    """What an organization calls a target of its own."""
    if not isinstance(value, str) or not _HANDLE.fullmatch(value):
        message = f"{str(value)[:_SHOWN]!r} is no handle (a-z, 0-9, '_', '-', '.'; at most 64)"
        raise MalformedEvidence(message, where=where)


def instant(value: object, where: str) -> None:
    """An instant in its one form."""
    if not isinstance(value, str):
        raise MalformedEvidence("expected an instant", where=where)
    exact_instant(value, where=where)


def nullable(inner: Check) -> Check:
    """Null, or what another check allows."""

    def check(value: object, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def items(inner: Check, *, least: int = 0, most: int) -> Check:
    """A list of different items that each pass a check."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, list):
            raise MalformedEvidence("expected a list", where=where)
        found = cast("list[object]", value)
        if not least <= len(found) <= most:
            message = f"expected {least} to {most} items, found {len(found)}"
            raise MalformedEvidence(message, where=where)
        for index, item in enumerate(found):
            inner(item, f"{where}[{index}]")
        if len({canonical_json(item) for item in found}) != len(found):
            raise MalformedEvidence("an item stands twice", where=where)

    return check


def fields(**checks: Check) -> Check:
    """An object of exactly these fields."""

    def check(value: object, where: str) -> None:
        require_fields(value, checks, where)

    return check


def envelope(value: object, where: str) -> None:
    """A DSSE envelope; who signed it is for whoever opens it."""
    names = {"payload", "payloadType", "signatures"}
    if not isinstance(value, dict) or cast("JsonObject", value).keys() != names:
        raise MalformedEvidence("expected a DSSE envelope", where=where)


def signing_key(value: object, where: str) -> None:
    """An Ed25519 public key in PEM."""
    _pem(value, where, parse_public_key)


def recipient_key(value: object, where: str) -> None:
    """A key to encrypt to, in PEM."""
    _pem(value, where, parse_recipient)


def _pem(value: object, where: str, parse: Callable[..., object]) -> None:
    if not isinstance(value, str):
        raise MalformedEvidence("expected a key in PEM", where=where)
    try:
        parse(value.encode(), where=where)
    except ConfigurationError as error:
        raise MalformedEvidence(error.message, where=where) from error
