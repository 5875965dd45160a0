"""One event of a case: who says what, in which place of its own order, having seen what.

Decides whether an event is well formed and signed by a key that the caller supplied
(spec/disclosure-case.md, section Events). Whether its author may say it is for `permissions`
and the acts; where it stands in the case is for `chain`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from steelyard.attest import Statement, Subject, predicate_type, sign_statement
from steelyard.attest.envelope import PAYLOAD_TYPE, Envelope, read_envelope
from steelyard.disclosure.case import shapes
from steelyard.disclosure.case.bodies import BODIES
from steelyard.kernel import digest_json, format_instant, read_base64, sha256_hex
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.kernel import JsonObject

EVENT_KIND: Final = "disclosure-event"
EVENT_LIMIT_BYTES: Final = 256 * 1024
FIRST: Final = "0" * 64
"""Stands for the event before an author's first, and for the head before a case's first."""

_SPELLING: Final = re.compile(
    rb'\{"payload":"([A-Za-z0-9+/=]+)","payloadType":"%s",'
    rb'"signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"([A-Za-z0-9+/]{86}==)"\}\]\}'
    % re.escape(PAYLOAD_TYPE.encode())
)
"""The one spelling of an envelope: its canonical JSON."""
_SEEN: Final = shapes.fields(size=shapes.integer(0, 2**31), head=shapes.digest)


def _kind(value: object, where: str) -> None:
    if not isinstance(value, str) or value not in BODIES:
        shown = value[:40] if isinstance(value, str) else type(value).__name__
        raise MalformedEvidence(f"no such kind of event: {shown!r}", where=where)


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


@dataclass(slots=True)
class Claim:
    """An event that is well formed, said by nobody knows whom until `verified`.

    Attributes:
        proven: The 32 bytes of the key that is known to have signed it.
    """

    event: Event
    signed: Envelope
    proven: bytes = b""

    def prove(self, key: PublicKey) -> None:
        """Note whether this key signed it; safe to call from another thread."""
        try:
            self.signed.verified({self.signed.key_id: key}, where=EVENT_KIND)
        except BrokenSeal:
            return
        self.proven = key.raw

    def verified(self, keys: Mapping[str, PublicKey]) -> Event:
        """The event, if one of these keys signed it.

        Raises:
            BrokenSeal: another key signed it.
        """
        key = keys.get(self.signed.key_id)
        if key is None or key.raw != self.proven:
            self.signed.verified(keys, where=EVENT_KIND)
        return self.event


def claimed_event(envelope: bytes) -> Event:
    """What an envelope says, signed by nobody knows whom; errors as for `read_claim`."""
    return read_claim(envelope).event


def read_claim(envelope: bytes) -> Claim:
    """What an envelope says, with the signature that would prove it.

    Raises:
        BrokenSeal: another kind or subject, or another spelling of the envelope.
        MalformedEvidence: a field or body that its kind does not allow.
    """
    if len(envelope) > EVENT_LIMIT_BYTES:
        message = f"an event has at most {EVENT_LIMIT_BYTES} bytes, found {len(envelope)}"
        raise MalformedEvidence(message, where=EVENT_KIND)
    signed = _envelope(envelope)
    try:
        fields = _fields(signed.payload)
    except RecursionError as error:
        raise MalformedEvidence("nested too deeply", where=EVENT_KIND) from error
    return Claim(_event(fields, sha256_hex(signed.payload)), signed)


def _fields(payload: bytes) -> JsonObject:
    statement = Statement.from_bytes(payload, where=EVENT_KIND)
    if statement.predicate_type != predicate_type(EVENT_KIND):
        raise BrokenSeal("this is no event of a case", where=EVENT_KIND)
    fields = statement.predicate
    _check(fields)
    if statement.subjects != _subjects(cast("str", fields["case"])):
        raise BrokenSeal("the subject is not the case that it names", where=EVENT_KIND)
    return fields


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
        at=shapes.read_instant(cast("str", fields["at"])),
        kind=cast("str", fields["kind"]),
        body=cast("JsonObject", fields["body"]),
        digest=digest,
    )


def _subjects(case: str) -> tuple[Subject, ...]:
    return (Subject("case", case),)


def _envelope(data: bytes) -> Envelope:
    """Refuse a second spelling of the same envelope: a host could pass it off as another event."""
    found = _SPELLING.fullmatch(data)
    if found is None:
        read_envelope(data, where=EVENT_KIND)
        raise BrokenSeal("the envelope is not in canonical JSON", where=EVENT_KIND)
    try:
        payload, signature = (read_base64(found[part], "the envelope") for part in (1, 3))
    except MalformedEvidence as error:
        raise BrokenSeal(error.message, where=EVENT_KIND) from error
    return Envelope(payload, found[2].decode("ascii"), signature)
