"""Bytes on their way: ids of organizations, length-prefixed parts, padding.

Decides spec/disclosure-delivery.md, section 1: how parts lie one after the other, which sizes
occur, and that nothing follows the last part. What the parts mean is for the formats.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.attest.recipients import Recipient

ORGANIZATION_PREFIX: Final = "org:"
HYBRID: Final = "hpke-mlkem768-x25519"
_ORGANIZATION: Final = re.compile(r"org:[0-9a-f]{64}")
_LENGTH_BYTES: Final = 4


def check_organization(value: object) -> None:
    """Refuse anything but `org:` and 64 lower-case hex digits.

    Raises:
        ValueError: any other text or type.
    """
    if not isinstance(value, str) or not _ORGANIZATION.fullmatch(value):
        message = f"{repr(value)[:80]} is no organization (org: and 64 lower-case hex digits)"
        raise ValueError(message)


def require_organization(value: str, *, where: str) -> None:
    """Like `check_organization`, of what the caller gave.

    Raises:
        ConfigurationError: no id of an organization.
    """
    try:
        check_organization(value)
    except ValueError as error:
        raise ConfigurationError(str(error), where=where) from error


def require_hybrid(recipient: Recipient, whose: str, *, allow_classic: bool) -> None:
    """Refuse a key that a quantum computer would break, unless the caller allows it.

    Raises:
        NotSatisfied: an X25519 key alone.
    """
    if recipient.kind == HYBRID or allow_classic:
        return
    message = f"the key of {whose[:20]} is X25519 alone, and what is sent must last"
    hint = "ask for a key of ML-KEM-768 and X25519: steelyard weights keygen PATH"
    raise NotSatisfied(message, hint=hint)


def join_parts(parts: Iterable[bytes]) -> bytes:
    """Parts one after the other, each after its length in four bytes, big-endian."""
    return b"".join(
        piece for part in parts for piece in (len(part).to_bytes(_LENGTH_BYTES, "big"), part)
    )


def split_parts(data: bytes, *, most: int, where: str) -> tuple[bytes, ...]:
    """The parts of `join_parts`, all of them and nothing else.

    Args:
        data: Foreign bytes.
        most: How many parts there may be.
        where: Name in error messages.

    Raises:
        MalformedEvidence: a part is cut short, or there are more.
    """
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        if len(parts) == most:
            raise MalformedEvidence(f"more than {most:,} parts, or trailing bytes", where=where)
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            message = f"part {len(parts)} is cut short, or trailing bytes follow"
            raise MalformedEvidence(message, where=where)
        parts.append(data[start:end])
        at = end
    return tuple(parts)


def padded_length(length: int) -> int:
    """The least Padme size of at least `length` bytes: at most 12 % more, less for long ones.

    Nikitin et al., Reducing Metadata Leakage from Encrypted Files, PoPETs 2019(4), section 4.
    """
    exponent = max(length, 1).bit_length() - 1
    free_bits = exponent - exponent.bit_length()
    mask = (1 << free_bits) - 1
    return (length + mask) & ~mask


def pad(content: bytes, *, least: int) -> bytes:
    """Length, content, and zeros up to a Padme size of at least `least` bytes."""
    framed = join_parts((content,))
    return framed.ljust(padded_length(max(len(framed), least)), b"\0")


def unpad(data: bytes, *, least: int, where: str) -> bytes:
    """The content of `pad`, refusing every other length and every other padding.

    Raises:
        MalformedEvidence: padded otherwise.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "big")
    end = _LENGTH_BYTES + length
    if len(data) != padded_length(max(end, least)) or data.count(0, end) != len(data) - end:
        raise MalformedEvidence("padded otherwise than the format says", where=where)
    return data[_LENGTH_BYTES:end]
