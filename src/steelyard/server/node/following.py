"""What a node does as a participant: take the entries of a case, in whatever order they come.

Decides which entries are believed (spec/disclosure-case.md, sections Chain and Ownership): the
host's, or anybody's that the host's own signature covers, and only what follows from what is held.
Another history is taken in two cases alone: a quorum made another organization the host, or most
participants have cosigned what the host goes on with.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import Chain, replay
from steelyard.disclosure.case.checkpoint import Fault, require_same
from steelyard.disclosure.case.event import claimed_event
from steelyard.disclosure.case.fold import AHEAD
from steelyard.disclosure.case.organization import card_from_json
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import BrokenSeal, NotSatisfied
from steelyard.server.node import heads, limits, ownership, recovering, saying, witnessing
from steelyard.server.node.faults import FORBIDDEN, accuse, open_note
from steelyard.server.node.letters import read_entries, write_entries
from steelyard.server.storage import cases, early, followers
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.early import Early

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Entry, Ordered
    from steelyard.server.node.node import Node

LINE: Final = "entries"


def take_entries(
    node: Node,
    connection: Connection,
    case: str,
    sender: str,
    entries: Sequence[Entry],
    note: bytes | None,
) -> None:
    """Take entries of a case, in any order and any number of times.

    Raises:
        NotSatisfied: the sender may not send them, this organization is not in the case, or they
            are too many or ordered in the future.
        BrokenSeal: entries or checkpoint do not follow from what is held; a fault was kept.
        MalformedEvidence: no event, or no checkpoint.
    """
    _require_linked(entries)
    chain = node.chains.find(connection, case)
    if entries[0].index > (chain.size if chain else 0):
        if chain is not None:
            _keep_early(node, connection, chain, sender, entries, note)
        heads.fetch(node, connection, case, sender, chain.size if chain else 0)
        return
    _require_now(node, entries)
    before, host = (chain.size, chain.view.host) if chain else (0, sender)
    if chain is None:
        chain = _first(node, connection, case, sender, entries)
    elif is_other(chain, entries):
        chain = _other_history(node, connection, chain, sender, entries, note)
    else:
        _append(node, connection, chain, sender, entries, note)
    if note is not None:
        witnessing.take_note(node, connection, case, sender, note)
    witnessing.hold_against(node, connection, chain, before)
    _settle(node, connection, chain)
    if chain.view.host != host:
        ownership.follow_host(node, connection, chain, before)
    ownership.count_again(node, connection, case)
    _go_on(node, connection, case)


def is_other(chain: Chain, entries: Sequence[Entry]) -> bool:
    """Whether entries are of another history than the one that is held."""
    start = entries[0].index
    if entries[0].previous != chain.head_at(start):
        return True
    held = chain.ordered[start : start + len(entries)]
    return any(item.entry != entry for item, entry in zip(held, entries, strict=False))


def _require_linked(entries: Sequence[Entry]) -> None:
    """Refuse entries that do not follow each other, before any is kept for later."""
    for before, entry in pairwise(entries):
        if (entry.index, entry.previous) != (before.index + 1, before.hash):
            message = f"entry {entry.index} does not follow entry {before.index}"
            raise BrokenSeal(message, where="entries")


def _require_now(node: Node, entries: Sequence[Entry]) -> None:
    """A host that runs ahead could end an embargo before its time."""
    if entries[-1].ordered > node.now() + AHEAD:
        raise NotSatisfied(
            f"entry {entries[-1].index} was ordered in the future",
            where="entries",
            hint="compare clocks with the host; it is sent again later",
        )


def _first(
    node: Node, connection: Connection, case: str, sender: str, entries: Sequence[Entry]
) -> Chain:
    """A case that this node hears of for the first time, from its opening on."""
    limits.require_room_for_case(node.limits, connection, case, sender)
    limits.require_room_for_entries(node.limits, connection, case, sender, entries)
    chain = replay(case, entries)
    if chain.view.host != sender:
        raise NotSatisfied("a case comes from its host", where=case[:16])
    if node.organization not in chain.view.members:
        raise NotSatisfied("this organization is not invited", where=case[:16])
    for item in chain.ordered:
        cases.add_entry(connection, chain.view, item)
    _keep_cards(node, connection, chain.ordered)
    node.chains.put(chain)
    return chain


def _append(
    node: Node,
    connection: Connection,
    chain: Chain,
    sender: str,
    entries: Sequence[Entry],
    note: bytes | None,
) -> None:
    """Take what is new of entries that agree with what is held."""
    fresh, before = entries[chain.size - entries[0].index :], chain.size
    if not fresh:
        return
    limits.require_room_for_entries(node.limits, connection, chain.case, chain.view.host, fresh)
    _require_host(chain, sender, fresh, note)
    try:
        for entry in fresh:
            # The view that is kept is the one after the entry.
            taken = chain.accept(entry)
            cases.add_entry(connection, chain.view, taken)
    except BaseException as error:
        node.chains.drop(chain.case)
        if isinstance(error, BrokenSeal) and sender == chain.view.host and note is not None:
            _keep_forbidden(node, connection, chain, fresh, note)
        raise
    _keep_cards(node, connection, chain.since(before))


def _require_host(chain: Chain, sender: str, fresh: Sequence[Entry], note: bytes | None) -> None:
    """Refuse entries of somebody who is not the host, unless the host has signed their end."""
    if chain.view.host == sender:
        return
    chain.view.member(sender)
    if note is not None and _is_signed_end(chain, fresh, note):
        return
    trial = chain.copied()
    for entry in fresh:
        trial.accept(entry)
    if trial.view.host != sender:
        raise NotSatisfied("only the host of a case sends its entries", where=chain.case[:16])


def _is_signed_end(chain: Chain, fresh: Sequence[Entry], note: bytes) -> bool:
    """Whether the host that the case has signed that these are its last entries."""
    try:
        shown = open_note(chain, note)
    except BrokenSeal:
        return False  # of the host that these entries make
    return (shown.size, shown.head) == (fresh[-1].index + 1, fresh[-1].hash)


def _keep_forbidden(
    node: Node, connection: Connection, chain: Chain, fresh: Sequence[Entry], note: bytes
) -> None:
    """Keep that a host signed an entry that it had to refuse; everybody who has the case sees it.

    Who was sent other entries holds another note of that size, so the note is passed on as well.
    """
    if _is_signed_end(chain, fresh, note):
        shown = open_note(chain, note)
        text = f"ordered an event that it had to refuse, at entry {chain.size}"
        fault = Fault(FORBIDDEN, shown.host, text, shown.proof, write_entries(fresh))
        cases.add_fault(connection, chain.case, fault, node.now(), most=node.limits.faults)
        witnessing.tell(node, connection, chain, shown)


def _other_history(
    node: Node,
    connection: Connection,
    chain: Chain,
    sender: str,
    entries: Sequence[Entry],
    note: bytes | None,
) -> Chain:
    """Entries that differ from those held: a host that took over by quorum, or a fork."""
    chain.view.member(sender)
    if sender != chain.view.host and not any(_is_transfer(entry) for entry in entries):
        raise NotSatisfied("only the host of a case sends its entries", where=chain.case[:16])
    start = entries[0].index
    if entries[0].previous != chain.head_at(start):
        _earlier_part(node, connection, chain, sender, entries, note)
    other = chain.copied(start)
    other.extend(entries)
    common = recovering.common_size(recovering.entries_of(chain), recovering.entries_of(other))
    is_moved = any(item.event.kind == "transfer" for item in other.since(common))
    if is_moved and other.view.host == sender != chain.view.host:
        ownership.require_precedence(chain, other, common)
        return _adopt(node, connection, chain, other, common)
    if sender != chain.view.host or note is None:
        raise NotSatisfied("only the host of a case sends its entries", where=chain.case[:16])
    shown = open_note(other, note)
    require_same(shown, other)
    accuse(node, connection, chain, shown, entries)
    if witnessing.is_backed(other, note):
        return _adopt(node, connection, chain, other, common)
    recovering.help_up(node, connection, chain)
    raise BrokenSeal(
        f"the host signed another history, which parts after {common} entries",
        where=chain.case[:16],
    )


def _is_transfer(entry: Entry) -> bool:
    return claimed_event(entry.event).kind == "transfer"


def _earlier_part(
    node: Node,
    connection: Connection,
    chain: Chain,
    sender: str,
    entries: Sequence[Entry],
    note: bytes | None,
) -> None:
    """Entries that part from what is held before they begin: ask for those before them."""
    if note is not None and sender == chain.view.host:
        shown = open_note(chain, note)
        if shown.head == entries[-1].hash and shown.size == entries[-1].index + 1:
            accuse(node, connection, chain, shown, entries)
    earlier = max(0, entries[0].index - 4 * len(entries) - 16)
    heads.fetch(node, connection, chain.case, sender, earlier)
    raise BrokenSeal("these entries follow from others than those held", where=chain.case[:16])


def _adopt(node: Node, connection: Connection, chain: Chain, other: Chain, common: int) -> Chain:
    """Go on with another history; what stood in the old one alone is void, one's own said anew."""
    lost = chain.since(common)
    cases.drop_entries(connection, other.case, common)
    node.chains.drop(other.case)
    for item in other.since(common):
        cases.add_entry(connection, other.view, item)
    _keep_cards(node, connection, other.since(common))
    followers.forget(connection, other.case)
    followers.drop_votes(connection, other.case)
    node.chains.put(other)
    saying.say_again(node, connection, other, lost)
    return other


def _keep_early(
    node: Node,
    connection: Connection,
    chain: Chain,
    sender: str,
    entries: Sequence[Entry],
    note: bytes | None,
) -> None:
    if chain.view.host != sender:
        return
    item = canonical_json(
        {
            "entries": write_entries(entries).decode(),
            "note": None if note is None else note.decode(),
            "sender": sender,
        }
    )
    kept = Early(entries[0].index, entries[0].hash, item, node.now())
    early.keep(connection, chain.case, LINE, kept, node.limits.early)


def _go_on(node: Node, connection: Connection, case: str) -> None:
    """Take what came too early and follows now."""
    chain = node.chains.get(connection, case)
    found = early.take(connection, case, LINE, chain.size)
    if found is None:
        return
    kept = parse_json_object(found.item)
    entries, note = read_entries(str(kept["entries"]).encode()), kept["note"]
    if entries[-1].index < chain.size:
        _go_on(node, connection, case)
        return
    after = None if note is None else str(note).encode()
    take_entries(node, connection, case, str(kept["sender"]), entries, after)


def _settle(node: Node, connection: Connection, chain: Chain) -> None:
    """Forget events of one's own that stand in the case now; sign those anew that must be."""
    waiting = cases.pending(connection, chain.case)
    for item in waiting:
        if chain.index_of(item.digest) is not None:
            cases.settle_pending(connection, chain.case, item.digest)
    if any(item.refused == saying.ANEW for item in waiting):
        saying.sign_anew(node, connection, chain)


def _keep_cards(node: Node, connection: Connection, ordered: Sequence[Ordered]) -> None:
    """Keep the cards that entries bring; a member's own bad card is nobody else's problem."""
    for item in ordered:
        if "card" not in item.event.body:
            continue
        card = card_from_json(item.event.body["card"])
        if card.organization == node.organization:
            continue
        try:
            cards.keep(connection, card, node.now())
        except BrokenSeal:
            continue
