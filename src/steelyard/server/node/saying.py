"""What a node says in its organization's name: events, and the objects that they speak of.

Decides the author's own order (sequence, previous event, what was seen) and where an event
goes: into the chain where this node is the host, to the host otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import Chain, Draft, case_id, sign_event
from steelyard.disclosure.case.event import FIRST, claimed_event
from steelyard.disclosure.delivery.sealed_object import recipients_of
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel import format_instant
from steelyard.kernel.errors import NotSatisfied, SteelyardError, StorageError, UnknownName
from steelyard.server.node import ordering, sealing
from steelyard.server.node.letters import EVENT, OBJECT
from steelyard.server.node.posting import Letter, offer_to, send_to
from steelyard.server.storage import cases, objects
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.cases import PendingEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Event, Ordered, View
    from steelyard.disclosure.delivery.sealed_object import OpenedObject
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

ANEW: Final = "to be signed anew"
"""Marks an event that its host could not put in its author's order."""
_NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Said:
    """An event of this organization.

    Attributes:
        index: Where it stands; None until its host has ordered it.
    """

    case: str
    digest: str
    index: int | None


@dataclass(frozen=True, slots=True)
class Opening:
    """What a case is opened with.

    Attributes:
        roles: Of this organization in the case.
        level: The most that an answer tells.
    """

    title: str
    abstract: str
    roles: tuple[str, ...]
    level: str = "verdict"
    rsvp_days: int = 7
    silent_days: int = 14
    publish_by_default: bool = True


def open_case(node: Node, connection: Connection, opening: Opening) -> Said:
    """Open a case that this node hosts.

    Raises:
        MalformedEvidence: what is said is not allowed in an opening.
    """
    nonce = node.random(_NONCE_BYTES).hex()
    case = case_id(node.organization, nonce)
    body: JsonObject = {
        "nonce": nonce,
        "title": opening.title,
        "abstract": opening.abstract,
        "tables": load_tables().digest,
        "policy": {
            "level": opening.level,
            "rsvp_days": opening.rsvp_days,
            "silent_days": opening.silent_days,
            "publish_by_default": opening.publish_by_default,
        },
        "card": node.identity.card.to_json(),
        "roles": list(opening.roles),
    }
    now = node.now()
    draft = Draft(case, node.organization, 1, FIRST, 0, FIRST, now, "open", body)
    chain = Chain(case)
    ordered = chain.admit(sign_event(draft, node.identity.key), now)
    cases.add_entry(connection, chain.view, ordered)
    node.chains.put(chain)
    return Said(case, ordered.event.digest, 0)


def say(node: Node, connection: Connection, case: str, kind: str, body: JsonObject) -> Said:
    """Sign an event and have it ordered, by this node or by its host.

    Raises:
        UnknownName: no such case here.
        NotSatisfied: this organization is not in the case or, at the host, may not say it; or
            an earlier event of its own was refused.
        MalformedEvidence: a body that the kind does not allow.
    """
    chain = node.chains.get(connection, case)
    envelope = _signed(node, connection, chain, kind, body)
    event = claimed_event(envelope)
    if chain.view.host == node.organization:
        ordered = ordering.admit(node, connection, case, envelope)
        return Said(case, ordered.event.digest, ordered.entry.index)
    cases.add_pending(
        connection,
        PendingEvent(case, event.author, event.sequence, event.digest, envelope, node.now(), ""),
    )
    host = chain.view.members[chain.view.host].card
    send_to(node, connection, host, Letter(EVENT, case, {}, (envelope,)))
    return Said(case, event.digest, None)


def sign_anew(node: Node, connection: Connection, chain: Chain) -> None:
    """Sign events again that their host has not ordered, after what stands in the case now.

    An event that would say the same again waits until the case has gone on, so that host and
    author do not tell each other the same for ever. One that a host's rules refused stays, and
    those after it.
    """
    waiting = [
        item
        for item in cases.pending(connection, chain.case)
        if chain.index_of(item.digest) is None
    ]
    if waiting and _stands_as_signed(chain, claimed_event(waiting[0].event)):
        return
    cases.drop_pending(connection, chain.case)
    say_in_turn(node, connection, chain.case, waiting)


def say_in_turn(
    node: Node, connection: Connection, case: str, waiting: Sequence[PendingEvent]
) -> None:
    """Say events anew that were taken from those that wait, up to the first that is refused."""
    for place, item in enumerate(waiting):
        if item.refused not in {"", ANEW}:
            _keep_after(connection, waiting[place:])
            return
        event = claimed_event(item.event)
        try:
            say(node, connection, case, event.kind, event.body)
        except NotSatisfied as error:
            # As the host by now, where a refusal comes at once: the reason stays with the event.
            refused = replace(item, refused=error.message)
            _keep_after(connection, [refused, *waiting[place + 1 :]])
            return


def say_again(node: Node, connection: Connection, chain: Chain, lost: Iterable[Ordered]) -> None:
    """Say events of one's own anew that stood in a history that is void, before those that wait."""
    own = [
        PendingEvent(
            chain.case,
            item.event.author,
            item.event.sequence,
            item.event.digest,
            item.entry.event,
            node.now(),
            ANEW,
        )
        for item in lost
        if item.event.author == node.organization
        and item.event.kind != "transfer"
        and chain.index_of(item.event.digest) is None
    ]
    waiting = cases.pending(connection, chain.case)
    cases.drop_pending(connection, chain.case)
    _keep_after(connection, [*own, *waiting])
    sign_anew(node, connection, chain)


def _keep_after(connection: Connection, events: Sequence[PendingEvent]) -> None:
    """Keep events after those that wait; their numbers are of the history that they were signed in.

    Nothing is signed after them until they are signed anew or given up.
    """
    if not events:
        return
    waiting = cases.pending(connection, events[0].case)
    first = max((item.sequence for item in waiting), default=0) + 1
    for number, item in enumerate(events, start=first):
        cases.add_pending(connection, replace(item, sequence=number))


def _stands_as_signed(chain: Chain, event: Event) -> bool:
    """Whether an event signed now would name the same place and the same case as it does."""
    member = chain.view.member(event.author)
    place = (member.sequence + 1, member.previous, chain.size, chain.head)
    return (event.sequence, event.previous, event.seen_size, event.seen_head) == place


def forget_refused(node: Node, connection: Connection, case: str) -> int:
    """Give up events of one's own that a host refused, and those after them; how many."""
    waiting = cases.pending(connection, node.chains.get(connection, case).case)
    if any(item.refused not in {"", ANEW} for item in waiting):
        cases.drop_pending(connection, case)
        return len(waiting)
    return 0


def _signed(node: Node, connection: Connection, chain: Chain, kind: str, body: JsonObject) -> bytes:
    """The next event of this organization, after those that its host has not ordered yet."""
    member = chain.view.member(node.organization)
    sequence, previous = member.sequence, member.previous
    for waiting in cases.pending(connection, chain.case):
        if waiting.refused == ANEW:
            raise NotSatisfied("an event of yours is being signed anew", hint="try again shortly")
        if waiting.refused:
            raise NotSatisfied(
                f"the host refused event {waiting.sequence} of yours: {waiting.refused}",
                where=chain.case[:16],
                hint="steelyard disclose case forget-refused",
            )
        sequence, previous = waiting.sequence, waiting.digest
    draft = Draft(
        chain.case,
        node.organization,
        sequence + 1,
        previous,
        chain.size,
        chain.head,
        node.now(),
        kind,
        body,
    )
    return sign_event(draft, node.identity.key)


@dataclass(frozen=True, slots=True)
class Material:
    """What is sealed for participants.

    Attributes:
        to: Organizations that read it; this node's does as well.
    """

    plaintext: bytes
    media_type: str
    tier: str
    to: tuple[str, ...]


def put_object(node: Node, connection: Connection, case: str, material: Material) -> JsonObject:
    """Seal an object for participants, keep it, and send it to them.

    Returns:
        The reference by which an event names it.

    Raises:
        NotSatisfied: somebody is not in the case, or has no hybrid key.
    """
    view = node.chains.get(connection, case).view
    names = tuple(dict.fromkeys((*material.to, node.organization)))
    content = sealing.Content(material.plaintext, material.media_type, material.tier)
    recipients = {name: view.member(name).card.recipient for name in names}
    sealed = sealing.seal(node, content, recipients)
    sealing.keep(node, connection, case, sealed)
    for receiver in names:
        if receiver != node.organization:
            letter = Letter(OBJECT, case, {"id": sealed.id}, (sealed.data,))
            send_to(node, connection, view.members[receiver].card, letter)
    return sealed.reference


def send_objects(node: Node, connection: Connection, case: str, to: str) -> int:
    """Send somebody the objects of a case that this node sealed for it, again; how many."""
    card, sent = node.chains.get(connection, case).view.member(to).card, 0
    for name in sorted(objects.stored_ids(connection, case)):
        stored = objects.find(connection, name)
        if stored is None or stored.sender:
            continue
        if any(reader == to for reader, _, _ in recipients_of(stored.sealed)):
            sent += offer_to(
                node, connection, card, Letter(OBJECT, case, {"id": name}, (stored.sealed,))
            )
    return sent


def read_object(node: Node, connection: Connection, name: str) -> OpenedObject:
    """Open an object that this node can read.

    Raises:
        UnknownName: it is not here (yet).
        NotSatisfied: it is not for this organization.
        BrokenSeal: it was changed.
    """
    sealed = objects.get(connection, name)
    if sealed is None:
        raise UnknownName(f"object {name[:16]} is not here", hint="its author sends it")
    return node.identity.open(sealed)


def named_here(node: Node, connection: Connection, view: View) -> tuple[str, ...]:
    """Objects of a case that are here and name this organization as a reader."""
    here = objects.stored_ids(connection, view.case)
    return tuple(
        name
        for name, payload in view.payloads.items()
        if name in here and node.organization in payload.recipients
    )


def readable(
    node: Node, connection: Connection, view: View, names: Iterable[str] | None = None
) -> dict[str, bytes]:
    """Plaintext of the objects of a case that this node can read.

    An object that does not open stays sealed: its author alone is to blame, and nobody else in
    the case is held up by it.

    Args:
        node: The reader.
        connection: To read.
        view: The case.
        names: Objects to open; every one that names this organization by default.
    """
    found: dict[str, bytes] = {}
    for name in named_here(node, connection, view) if names is None else names:
        try:
            found[name] = read_object(node, connection, name).plaintext
        except StorageError:
            raise
        except SteelyardError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who is invited, and as what."""

    organization: str
    roles: tuple[str, ...]
    open_weights: bool = False


def invite(node: Node, connection: Connection, case: str, invitation: Invitation) -> Said:
    """Invite an organization whose card is here, to answer within the case's time.

    Raises:
        UnknownName: no card of it is here.
        NotSatisfied: as for `say`.
    """
    known = cards.find(connection, invitation.organization)
    if known is None:
        raise UnknownName(
            f"no card of {invitation.organization[:20]} is here",
            hint="steelyard disclose card add",
        )
    days = node.chains.get(connection, case).view.policy.rsvp_days
    body: JsonObject = {
        "card": known.card.to_json(),
        "roles": list(invitation.roles),
        "open_weights": invitation.open_weights,
        "answer_by": format_instant(node.now() + timedelta(days=days)),
    }
    return say(node, connection, case, "invite", body)
