"""Bundles: parcels of one destination in one file, for those who have mail and no server.

Decides spec/disclosure-delivery.md, section 4: the bytes of the file. A parcel in a bundle means
what it means over HTTP, and a bundle proves nothing that its parcels do not.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.delivery.framing import join_parts, split_parts
from steelyard.disclosure.delivery.parcel import receiver_key_id
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BUNDLE_LIMIT_BYTES: Final = 64 << 20
BUNDLE_LIMIT_PARCELS: Final = 4096
MAGIC: Final = b"steelyard/disclosure-bundle/1\n"
_HEAD_BYTES: Final = len(MAGIC) + hashlib.sha256().digest_size
_WHERE: Final = "bundle"
_AGAIN: Final = "ask for the file as it was written"


def fill_bundle(waiting: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Of what waits, what goes into one bundle: for the key of the first, up to both limits.

    Args:
        waiting: Names and packed parcels in the order in which they are sent; read no further
            than until one does not fit.

    Returns:
        Parcels by name, in their order.

    Raises:
        MalformedEvidence: something among them is no parcel.
    """
    chosen: dict[str, bytes] = {}
    key, size = "", _HEAD_BYTES
    for name, parcel in waiting:
        own = receiver_key_id(parcel)
        key = key or own
        if own != key:
            continue
        size += len(join_parts((parcel,)))
        if size > BUNDLE_LIMIT_BYTES or len(chosen) == BUNDLE_LIMIT_PARCELS:
            break
        chosen[name] = parcel
    return chosen


def write_bundle(parcels: Iterable[bytes]) -> bytes:
    """One file of packed parcels; the same parcels give the same bytes, in whatever order.

    Raises:
        ConfigurationError: none, too many, too long, or for several keys.
        MalformedEvidence: something among them is no parcel.
    """
    ordered = sorted(set(parcels), key=sha256_hex)
    problem = _problem(ordered)
    if problem:
        hint = "write one bundle for each key, and several where one grows too large"
        raise ConfigurationError(problem, where=_WHERE, hint=hint)
    content = join_parts(ordered)
    data = MAGIC + hashlib.sha256(content).digest() + content
    if len(data) > BUNDLE_LIMIT_BYTES:
        raise ConfigurationError(_too_long(data), where=_WHERE, hint="write several bundles")
    return data


def read_bundle(data: bytes) -> tuple[bytes, ...]:
    """The packed parcels of a file; each is then opened as if it had come alone.

    Raises:
        MalformedEvidence: no bundle, over a limit, or not as `write_bundle` writes it.
        BrokenSeal: damaged.
    """
    if len(data) > BUNDLE_LIMIT_BYTES:
        raise MalformedEvidence(_too_long(data), where=_WHERE)
    if not data.startswith(MAGIC):
        raise MalformedEvidence("this is no bundle of parcels", where=_WHERE)
    content = data[_HEAD_BYTES:]
    if hashlib.sha256(content).digest() != data[len(MAGIC) : _HEAD_BYTES]:
        message = "the file was changed on its way"
        raise BrokenSeal(message, where=_WHERE, hint=_AGAIN)
    parcels = split_parts(content, most=BUNDLE_LIMIT_PARCELS, where=_WHERE)
    problem = _problem(parcels)
    if not problem and list(parcels) != sorted(set(parcels), key=sha256_hex):
        problem = "parcels are sorted by digest, each once"
    if problem:
        raise MalformedEvidence(problem, where=_WHERE, hint=_AGAIN)
    return parcels


def _problem(parcels: Sequence[bytes]) -> str:
    if not 0 < len(parcels) <= BUNDLE_LIMIT_PARCELS:
        return f"{len(parcels):,} parcels, need 1 to {BUNDLE_LIMIT_PARCELS:,}"
    keys = {receiver_key_id(parcel) for parcel in parcels}
    return f"parcels for {len(keys)} keys, need one" if len(keys) > 1 else ""


def _too_long(data: bytes) -> str:
    return f"{len(data):,} bytes, and a bundle has at most {BUNDLE_LIMIT_BYTES:,}"
