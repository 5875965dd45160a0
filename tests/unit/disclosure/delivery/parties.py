"""Organizations with fixed keys, for tests and vectors of delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from steelyard.attest import PrivateKey, PublicKey
from steelyard.attest.recipients import Identity
from steelyard.disclosure.delivery import Parcel, Receiver

if TYPE_CHECKING:
    from collections.abc import Mapping

MADE = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Party:
    """An organization with all its keys."""

    organization: str
    key: PrivateKey
    hybrid: Identity
    classic: Identity

    @property
    def receiver(self) -> Receiver:
        return Receiver.of(self.organization, (self.hybrid, self.classic))


def party(number: int) -> Party:
    """The organization of a number; the same one every time."""
    seed = bytes([number]) * 32
    x25519 = X25519PrivateKey.from_private_bytes(seed)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(seed * 2)
    return Party(
        f"org:{seed.hex()}", PrivateKey.from_seed(seed), Identity(x25519, mlkem), Identity(x25519)
    )


ALICE, BOB, CAROL, DAVE = (party(number) for number in (1, 2, 3, 4))
PARTIES = {one.organization: one for one in (ALICE, BOB, CAROL, DAVE)}


def keys(organization: str) -> Mapping[str, PublicKey]:
    """The keys that an organization signs with; none of a stranger."""
    known = PARTIES.get(organization)
    return {known.key.public_key.key_id: known.key.public_key} if known else {}


def parcel(sender: Party = ALICE, receiver: Party = BOB, **changes: object) -> Parcel:
    """An ordinary parcel."""
    fields: dict[str, object] = {
        "kind": "event",
        "case": "case-7",
        "body": {"name": "EP", "note": "ninety days"},
        "made": MADE,
    }
    return Parcel(sender.organization, receiver.organization, **(fields | changes))  # type: ignore[arg-type]


def counting(length: int) -> bytes:
    """Stands in for randomness where a test wants the same bytes again."""
    return bytes(range(length))
