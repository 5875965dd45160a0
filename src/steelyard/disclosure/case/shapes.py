"""Shapes of what a case is told: checks of one value each, and of an object's fields.

Decides what a field of a card or of an event may hold (spec/disclosure-case.md, section
Bodies). Written out rather than held against a JSON Schema, because a node checks every event
that it takes and every event of a chain that it verifies; the published schema says the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from steelyard.attest import PAYLOAD_TYPE, PublicKey, parse_public_key
from steelyard.attest.recipients import Recipient, parse_recipient
from steelyard.kernel import canonical_json, check_sha256, exact_instant
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from steelyard.kernel import JsonObject

Check: TypeAlias = "Callable[[object, str], None]"
"""Checks one value, told where it stands; raises MalformedEvidence."""

_ORGANIZATION: Final = re.compile(r"org:[0-9a-f]{64}")
_HANDLE: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_UNPRINTABLE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\xa0\\xad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u1680"
    "\\u180e\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\ud800-\\uf8ff\\ufdd0-\\ufdef"
    "\\ufeff\\ufff0-\\uffff\\U000110bd\\U000110cd\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3"
    "\\U0001d173-\\U0001d17a\\U000e0000-\\U0010ffff]"
)
"""Control, format and private characters, surrogates, and spaces but the plain one.

Written out, because Unicode grows: were it asked of the interpreter, two replicas of different
versions would disagree about an event.
"""
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""Points of order 1, 2, 4 and 8 in every spelling, less the sign (RFC 8032, section 5.1.3)."""
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
        if _UNPRINTABLE.search(plain):
            raise MalformedEvidence("text holds what cannot be printed", where=where)

    return check


def pattern(expression: str) -> Check:
    """Text that matches a regular expression from end to end."""
    form = re.compile(expression)

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or not form.fullmatch(value):
            message = f"{_shown(value)!r} does not match {expression}"
            raise MalformedEvidence(message, where=where)

    return check


def choice(*allowed: str) -> Check:
    """One of some words."""

    def check(value: object, where: str) -> None:
        if value not in allowed:
            message = f"{_shown(value)!r} is none of {', '.join(allowed)}"
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
        message = f"{_shown(value)!r} is no organization (org: and 64 hex digits)"
        raise MalformedEvidence(message, where=where)


def target_handle(value: object, where: str) -> None:
    """What an organization calls a target of its own."""
    if not isinstance(value, str) or not _HANDLE.fullmatch(value):
        message = f"{_shown(value)!r} is no handle (a-z, 0-9, '_', '-', '.'; at most 64)"
        raise MalformedEvidence(message, where=where)


def instant(value: object, where: str) -> None:
    """An instant in its one form."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise MalformedEvidence("expected an instant", where=where)
    try:
        read_instant(value)
    except MalformedEvidence as error:
        raise MalformedEvidence(error.message, where=where) from error


@lru_cache(maxsize=1024)
def read_instant(text: str) -> datetime:
    """An instant in its one form, as time; events are checked first and read afterwards."""
    return exact_instant(text)


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
        if len({_spelled(item) for item in found}) != len(found):
            raise MalformedEvidence("an item stands twice", where=where)

    return check


def _shown(value: object) -> str:
    """A text, cut; of anything else what it is, as it may be nested beyond what can be shown."""
    return value[:_SHOWN] if isinstance(value, str) else type(value).__name__


def _spelled(item: object) -> str | bytes:
    return item if isinstance(item, str) else canonical_json(item)


def fields(**checks: Check) -> Check:
    """An object of exactly these fields."""

    def check(value: object, where: str) -> None:
        require_fields(value, checks, where)

    return check


_BASE64: Final = pattern(r"[A-Za-z0-9+/]{4,349528}={0,2}")
_SIGNATURE: Final = fields(keyid=digest, sig=pattern(r"[A-Za-z0-9+/]{86}=="))
_ENVELOPE: Final = fields(
    payload=_BASE64,
    payloadType=choice(PAYLOAD_TYPE),
    signatures=items(_SIGNATURE, least=1, most=1),
)


def envelope(value: object, where: str) -> None:
    """A DSSE envelope; who signed it is for whoever opens it."""
    _ENVELOPE(value, where)


def signing_key(value: object, where: str) -> None:
    """An Ed25519 public key in PEM that a private key can be known of.

    Under a key of small order one signature fits many messages, so nothing is proven by it.
    """
    key = _pem(value, where, parse_public_key)
    if key.raw[:-1] + bytes([key.raw[-1] & 0x7F]) in _SMALL_ORDER:
        raise MalformedEvidence("a key of small order proves nothing", where=where)


def recipient_key(value: object, where: str) -> None:
    """A key to encrypt to, in PEM."""
    _pem(value, where, parse_recipient)


_Key = TypeVar("_Key", PublicKey, Recipient)


def _pem(value: object, where: str, parse: Callable[..., _Key]) -> _Key:
    """A key in its one spelling: what else a reader of PEM takes differs between versions."""
    if not isinstance(value, str):
        raise MalformedEvidence("expected a key in PEM", where=where)
    data = value.encode("utf-8", "replace")
    try:
        key = parse(data, where=where)
    except ConfigurationError as error:
        raise MalformedEvidence(error.message, where=where) from error
    if key.pem != data:
        raise MalformedEvidence("another spelling of a key in PEM", where=where)
    return key
