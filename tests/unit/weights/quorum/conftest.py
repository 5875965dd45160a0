"""Three custodians of three organizations, a fourth of one of them, and a requester."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from steelyard.attest import PrivateKey, Subject
from steelyard.attest.recipients import Identity, generate_identity
from steelyard.weights.quorum import (
    Custody,
    Member,
    QuorumOpening,
    Request,
    approve,
    open_request,
    sign_request,
    take_into_custody,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CORE = bytes(range(32))
CONTENT_KEY = b"\x5a" * 32
SUBJECT = Subject("mini", CORE.hex())
ORGANIZATIONS = ("Aster", "Birch", "Cedar", "Aster")


@dataclass(frozen=True)
class Keys:
    """Both private keys of somebody."""

    sign: PrivateKey
    identity: Identity


def keys(number: int) -> Keys:
    return Keys(PrivateKey.from_seed(bytes([number]) * 32), generate_identity(hybrid=False))


@dataclass(frozen=True)
class Room:
    """Custodians, their custody, and somebody who asks."""

    people: tuple[Keys, ...]
    members: tuple[Member, ...]
    custody: Custody
    asker: Keys

    def request(
        self, *, hours: int = 4, at: datetime = NOW, by: Keys | None = None,
        purpose: str = "run the benchmark", subject: Subject = SUBJECT,
    ) -> Request:  # fmt: skip
        asker = by or self.asker
        until = (at, at + timedelta(hours=hours))
        signed = sign_request(subject, purpose, asker.identity.recipient, until, asker.sign)
        return open_request(signed, asker.sign.public_key)

    def approve(self, number: int, request: Request, at: datetime = NOW) -> bytes:
        person = self.people[number]
        return approve(self.custody, request, person.sign, person.identity, at)

    def open(
        self, request: Request, *approvals: bytes, at: datetime = NOW, half: bytes = b""
    ) -> bytes:
        opening = QuorumOpening(request, approvals, self.asker.identity, at, half)
        return opening.content_key(self.custody, CORE)


@pytest.fixture(scope="session")
def make_room() -> Callable[..., Room]:
    def make(threshold: int = 2, broker: Identity | None = None) -> Room:
        people = tuple(keys(number) for number in range(1, 5))
        members = tuple(
            Member(f"custodian {n}", organization, p.sign.public_key, p.identity.recipient)
            for n, (organization, p) in enumerate(zip(ORGANIZATIONS, people, strict=True))
        )
        recipient = broker.recipient if broker else None
        custody = take_into_custody(CONTENT_KEY, CORE, members, threshold, recipient)
        return Room(people, members, custody, keys(9))

    return make


@pytest.fixture(scope="session")
def room(make_room: Callable[..., Room]) -> Room:
    return make_room()
