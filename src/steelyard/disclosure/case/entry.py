"""An entry of a case: a signed event in the place that the host gave it, bound to the one before.

Decides the hash of an entry (spec/disclosure-case.md, section Chain).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel import sha256_hex

if TYPE_CHECKING:
    from datetime import datetime

_DOMAIN: Final = b"steelyard/case-entry/1\x00"


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in a case.

    Attributes:
        index: 0, 1, 2, ...
        previous: Hash of the entry before; the id of the case for the first.
        ordered: When the host ordered it, whole seconds.
        event: The signed event.
    """

    index: int
    previous: str
    ordered: datetime
    event: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the signed event."""
        return sha256_hex(self.event)

    @property
    def hash(self) -> str:
        """The head of the case after this entry."""
        return entry_hash(self.previous, self.index, self.ordered, self.digest)


def entry_hash(previous: str, index: int, ordered: datetime, digest: str) -> str:
    """SHA-256 over domain, previous hash, index, time and the digest of the signed event."""
    body = b"".join(
        (
            _DOMAIN,
            bytes.fromhex(previous),
            index.to_bytes(8, "big"),
            int(ordered.timestamp()).to_bytes(8, "big"),
            bytes.fromhex(digest),
        )
    )
    return sha256_hex(body)
