"""From entries to a view: what each event does to a case, or why it is refused.

Decides whether an event may stand in a case at its place (spec/disclosure-case.md, section
Order): its author's own order, what the author had seen, its role, and what its kind asks for.
The same function admits at the host and verifies everywhere else, so a host that orders what
must be refused is found out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from steelyard.disclosure.case.acts import ACTS, Step
from steelyard.disclosure.case.acts.membership import claimed_roles, participant
from steelyard.disclosure.case.event import FIRST, case_id
from steelyard.disclosure.case.organization import card_from_json
from steelyard.disclosure.case.permissions import require_permission
from steelyard.disclosure.case.view import Member, Policy, View
from steelyard.disclosure.states.standing import Case
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel.errors import BrokenSeal, NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case.event import Event
    from steelyard.disclosure.states.rules import Advice, Effect

AHEAD: Final = timedelta(minutes=5)
"""How far an author's clock may be ahead of the host's."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A view after an event, what moved, and what is advised."""

    view: View
    effects: tuple[Effect, ...]
    advice: tuple[Advice, ...]


def keys_of(view: View | None, event: Event, at: datetime) -> Mapping[str, PublicKey]:
    """Keys that may have signed an event, by key id.

    A card that rotates keys may be signed by a key that it brings, as the root key vouches for
    it; everything else by a key of the card that stands.

    Raises:
        NotSatisfied: the author is not in the case.
    """
    if view is None:
        return card_from_json(event.body["card"]).keys_at(at) if event.kind == "open" else {}
    keys = view.member(event.author).card.keys_at(at)
    if event.kind == "card":
        brought = card_from_json(event.body["card"])
        if brought.organization == event.author:
            return {**keys, **brought.keys_at(at)}
    return keys


def apply_event(view: View | None, event: Event, at: datetime, head: str) -> Applied:
    """The case after an event whose signature was verified.

    Args:
        view: The case before it; None before its first event.
        event: What is said in this very case.
        at: When it is ordered, by the host's clock.
        head: Hash of the entry that it becomes.

    Raises:
        NotSatisfied: role, states or rules forbid it.
        BrokenSeal: out of its author's order, or no opening of the case where it begins.
    """
    if event.at > at + AHEAD:
        raise NotSatisfied("the author's clock is ahead of the host's", where=event.kind)
    if view is None:
        return Applied(_begin(event, at, head), (), ())
    _require_order(view, event, at)
    if event.kind == "open":
        raise NotSatisfied("a case is opened once", where=event.kind)
    member = view.member(event.author)
    is_host = event.author == view.host
    require_permission(event.kind, member.roles, is_host=is_host)
    if event.kind != "transfer" and view.moving:
        view = view.changed(moving={})
    step = Step(view, event, at)
    ACTS[event.kind](step)
    after = step.view.members[event.author]
    spoken = replace(
        after, sequence=event.sequence, previous=event.digest, heard=at, **step.counted
    )
    members = {**step.view.members, event.author: spoken}
    done = step.view.changed(members=members, size=view.size + 1, head=head, ordered=at)
    return Applied(done, tuple(step.effects), tuple(step.advice))


def _require_order(view: View, event: Event, at: datetime) -> None:
    """Refuse what is not the next event of its author in this case, or saw what is not yet."""
    if at < view.ordered:
        raise BrokenSeal("ordered before the entry that it follows", where=event.kind)
    member = view.member(event.author)
    if (event.sequence, event.previous) != (member.sequence + 1, member.previous):
        raise BrokenSeal(
            f"event {event.sequence} of its author does not follow event {member.sequence}",
            where=event.kind,
            hint="fetch the case, then sign the event anew",
        )
    if event.seen_size > view.size:
        raise BrokenSeal("the author saw entries that this case does not have", where=event.kind)
    if event.seen_size == 0:
        raise BrokenSeal("only the opening is said by somebody who saw nothing", where=event.kind)


def _begin(event: Event, at: datetime, head: str) -> View:
    if event.kind != "open":
        raise BrokenSeal("a case begins with its opening", where=event.kind)
    if event.case != case_id(event.author, cast("str", event.body["nonce"])):
        raise BrokenSeal("the id of the case is not of this host and nonce", where=event.kind)
    if (event.sequence, event.previous, event.seen_size) != (1, FIRST, 0):
        raise BrokenSeal("the opening is the first event of its author", where=event.kind)
    card = card_from_json(event.body["card"])
    if card.organization != event.author:
        raise BrokenSeal("the card is not of the host", where=event.kind)
    if event.body["tables"] != load_tables().digest:
        raise NotSatisfied(
            f"the case follows other tables ({str(event.body['tables'])[:16]})",
            where=event.kind,
            hint="all participants need the same version of the tables",
        )
    roles = claimed_roles(card, cast("list[str]", event.body["roles"]), event.kind)
    host = Member(card, roles, at, None, sequence=1, previous=event.digest, heard=at)
    states = Case((participant(event.author, roles, open_weights=False),))
    return View(
        case=event.case,
        title=cast("str", event.body["title"]),
        abstract=cast("str", event.body["abstract"]),
        policy=Policy(**cast("dict[str, int]", event.body["policy"])),  # pyright: ignore[reportArgumentType]
        host=event.author,
        size=1,
        head=head,
        ordered=at,
        opened=at,
        members={event.author: host},
        states=states,
    )
