"""One event of a case: who says what, in which place of its own order, having seen what.

Decides whether an event is well formed and signed by a key that the caller supplied
(spec/disclosure-case.md, section Events). Whether its author may say it is for `permissions`
and the acts; where it stands in the case is for `chain`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from steelyard.attest import Statement, Subject, predicate_type, sign_statement
from steelyard.attest.envelope import PAYLOAD_TYPE, read_envelope
from steelyard.disclosure.case import shapes
from steelyard.disclosure.case.bodies import BODIES
from steelyard.kernel import digest_json, exact_instant, format_instant, sha256_hex
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.attest.envelope import Envelope
    from steelyard.kernel import JsonObject

EVENT_KIND: Final = "disclosure-event"
EVENT_LIMIT_BYTES: Final = 256 * 1024
FIRST: Final = "0" * 64
"""Stands for the event before an author's first, and for the head before a case's first."""

_SEEN: Final = shapes.fields(size=shapes.integer(0, 2**31), head=shapes.digest)


def _kind(value: object, where: str) -> None:
    if value not in BODIES:
        raise MalformedEvidence(f"no such kind of event: {str(value)[:40]!r}", where=where)


def _anything(_value: object, _where: str) -> None:
    """The body, which is checked by its kind."""


_FIELDS: Final[dict[str, shapes.Check]] = {
    "case": shapes.digest,
    "author": shapes.organization,
    "sequence": shapes.integer(1, 2**31),
    "previous": shapes.digest,
    "seen": _SEEN,
    "at": shapes.instant,
    "kind": _kind,
    "body": _anything,
}


@dataclass(frozen=True, slots=True)
class Event:
    """What an organization says in a case.

    Attributes:
        case: Id of the case.
        author: Id of the organization that says it.
        sequence: 1, 2, 3, ... of this author in this case.
        previous: Digest of the author's event before it.
        seen_size: How many entries of the case the author had seen.
        seen_head: The head of the case after those.
        at: When, by the author's clock.
        kind: One of `bodies.BODIES`.
        body: What the kind asks for.
        digest: SHA-256 of what was signed.
    """

    case: str
    author: str
    sequence: int
    previous: str
    seen_size: int
    seen_head: str
    at: datetime
    kind: str
    body: JsonObject
    digest: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it is signed; attributes as of `Event`."""

    case: str
    author: str
    sequence: int
    previous: str
    seen_size: int
    seen_head: str
    at: datetime
    kind: str
    body: JsonObject


def case_id(host: str, nonce: str) -> str:
    """The id of a case that a host opens with a random nonce of 32 hex digits."""
    return digest_json({"host": host, "nonce": nonce})


def sign_event(draft: Draft, key: PrivateKey) -> bytes:
    """A signed event.

    Raises:
        MalformedEvidence: a field or body that its kind does not allow.
    """
    predicate: JsonObject = {
        "case": draft.case,
        "author": draft.author,
        "sequence": draft.sequence,
        "previous": draft.previous,
        "seen": {"size": draft.seen_size, "head": draft.seen_head},
        "at": format_instant(draft.at),
        "kind": draft.kind,
        "body": draft.body,
    }
    _check(predicate)
    statement = Statement(_subjects(draft.case), predicate_type(EVENT_KIND), predicate)
    return sign_statement(statement, key)


def open_event(envelope: bytes, keys_of: Callable[[Event], Mapping[str, PublicKey]]) -> Event:
    """An event that a key of its author signed.

    Args:
        envelope: The signed event.
        keys_of: Keys that speak for the author of an event, by key id.

    Raises:
        BrokenSeal: another key, kind or subject, or another spelling of the envelope.
        MalformedEvidence: a field or body that its kind does not allow.
    """
    event, signed = _read(envelope)
    signed.verified(keys_of(event), where=EVENT_KIND)
    return event


def claimed_event(envelope: bytes) -> Event:
    """What an envelope says, well formed but signed by nobody knows whom; see `open_event`."""
    return _read(envelope)[0]


def _read(envelope: bytes) -> tuple[Event, Envelope]:
    if len(envelope) > EVENT_LIMIT_BYTES:
        message = f"an event has at most {EVENT_LIMIT_BYTES} bytes, found {len(envelope)}"
        raise MalformedEvidence(message, where=EVENT_KIND)
    signed = read_envelope(envelope, where=EVENT_KIND)
    _require_spelling(envelope, signed)
    statement = Statement.from_bytes(signed.payload, where=EVENT_KIND)
    if statement.predicate_type != predicate_type(EVENT_KIND):
        raise BrokenSeal("this is no event of a case", where=EVENT_KIND)
    fields = statement.predicate
    _check(fields)
    if statement.subjects != _subjects(cast("str", fields["case"])):
        raise BrokenSeal("the subject is not the case that it names", where=EVENT_KIND)
    return _event(fields, sha256_hex(signed.payload)), signed


def _check(fields: JsonObject) -> None:
    shapes.require_fields(fields, _FIELDS, EVENT_KIND)
    kind = cast("str", fields["kind"])
    shapes.require_fields(fields["body"], BODIES[kind], f"{EVENT_KIND}.{kind}")


def _event(fields: JsonObject, digest: str) -> Event:
    seen = cast("JsonObject", fields["seen"])
    return Event(
        case=cast("str", fields["case"]),
        author=cast("str", fields["author"]),
        sequence=cast("int", fields["sequence"]),
        previous=cast("str", fields["previous"]),
        seen_size=cast("int", seen["size"]),
        seen_head=cast("str", seen["head"]),
        at=exact_instant(cast("str", fields["at"])),
        kind=cast("str", fields["kind"]),
        body=cast("JsonObject", fields["body"]),
        digest=digest,
    )


def _subjects(case: str) -> tuple[Subject, ...]:
    return (Subject("case", case),)


def _require_spelling(envelope: bytes, signed: Envelope) -> None:
    """Refuse a second spelling of the same envelope: a host could pass it off as another event."""
    spelling = b'{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}' % (
        base64.b64encode(signed.payload),
        PAYLOAD_TYPE.encode(),
        signed.key_id.encode(),
        base64.b64encode(signed.signature),
    )
    if envelope != spelling:
        raise BrokenSeal("the envelope is not in canonical JSON", where=EVENT_KIND)
