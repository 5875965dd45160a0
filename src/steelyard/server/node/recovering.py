"""Entries that a host lost: others give back what it signed itself, and it takes them again.

Decides which of two histories a host goes on with (spec/disclosure-node.md, section Restoring):
the one that it signed first. What was ordered on the other is ordered again after it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.checkpoint import join, open_checkpoint, require_same
from steelyard.kernel.errors import CannotVerify, NotSatisfied
from steelyard.server.node import heads
from steelyard.server.node.faults import agreeing, keys_of_members, notes_of
from steelyard.server.node.letters import (
    CHUNK,
    ENTRIES,
    RECOVERY,
    chunk,
    write_entries,
)
from steelyard.server.node.posting import Letter, offer_to
from steelyard.server.storage import cases, followers, post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from steelyard.disclosure.case import CaseCheckpoint, Chain, Entry
    from steelyard.server.node.node import Node

HOLD: Final = timedelta(minutes=2)
"""How long a host that took entries back waits for others who may hold more."""
_PARTS: Final = 32
_BACK_BYTES: Final = 6 << 20


def help_up(node: Node, connection: Connection, chain: Chain) -> None:
    """Send a host that fell behind what it signed itself."""
    notes = _notes(node, connection, chain)
    if chain.view.host == node.organization or not notes:
        return
    if not post.under_way(connection, chain.view.host, RECOVERY, chain.case):
        # From the end, as nobody told how much the host has lost.
        _give_back(node, connection, chain, notes, max(0, notes[0].size - CHUNK))


def answer_host(node: Node, connection: Connection, case: str, size: int) -> None:
    """Tell a host that asks, holding so many entries, what is held here: give back what it lost."""
    chain = node.chains.get(connection, case)
    notes = _notes(node, connection, chain)
    if notes and notes[0].size > size:
        _give_back(node, connection, chain, notes, size)
        return
    heads.say_what_is_held(node, connection, chain)


def lend(node: Node, connection: Connection, case: str, to: str, size: int) -> None:
    """Send another participant the entries that the host's latest note here signs."""
    chain = node.chains.get(connection, case)
    notes = _notes(node, connection, chain)
    if not notes or notes[0].size <= size or post.under_way(connection, to, ENTRIES, case):
        return
    missing = [item.entry for item in chain.since(size)][: notes[0].size - size]
    card = chain.view.member(to).card
    while missing:
        part = chunk(missing)
        missing = missing[len(part) :]
        attachments = (write_entries(part), *((notes[0].note,) if not missing else ()))
        letter = Letter(ENTRIES, case, {"size": notes[0].size}, attachments)
        if not offer_to(node, connection, card, letter):
            return


def recover(
    node: Node,
    connection: Connection,
    case: str,
    sender: str,
    entries: Sequence[Entry],
    note: bytes,
) -> bool:
    """As a host that lost entries: take back what it has signed itself.

    Events that were ordered since on the other history are ordered again where they may stand.

    Returns:
        Whether they are here now; entries before them were asked for where not.

    Raises:
        BrokenSeal: this host never signed this, or the entries do not give it.
        NotSatisfied: what is held here was signed before.
    """
    chain = node.chains.get(connection, case)
    if chain.view.host != node.organization:
        raise NotSatisfied("another organization orders this case", where=case[:16])
    keys = {item.key.key_id: item.key for item in node.identity.card.keys}
    signed = open_checkpoint(note, case, node.organization, keys)
    start = entries[0].index
    if start > chain.size or chain.head_at(start) != entries[0].previous:
        earlier = chain.size if start > chain.size else max(0, start - 4 * CHUNK)
        heads.fetch(node, connection, case, sender, earlier)
        return False
    if signed.size <= chain.size and chain.head_at(signed.size) == signed.head:
        return True
    restored = chain.copied(start)
    restored.extend(entries)
    require_same(signed, restored)
    _take_back(node, connection, chain, restored, signed)
    return True


def common_size(first: Sequence[Entry], second: Sequence[Entry]) -> int:
    """How many entries two histories share."""
    pairs = zip(first, second, strict=False)
    return next(
        (place for place, (left, right) in enumerate(pairs) if left != right),
        min(len(first), len(second)),
    )


def entries_of(chain: Chain) -> list[Entry]:
    """The entries of a chain."""
    return [item.entry for item in chain.ordered]


def _take_back(
    node: Node, connection: Connection, chain: Chain, restored: Chain, signed: CaseCheckpoint
) -> None:
    before = entries_of(chain)
    common = common_size(before, entries_of(restored))
    _require_first(connection, chain, common, signed)
    lost = before[common:]
    restored = restored.copied(signed.size)
    cases.drop_entries(connection, chain.case, common)
    node.chains.drop(chain.case)
    for item in restored.since(common):
        cases.add_entry(connection, restored.view, item)
    for entry in lost:
        try:
            ordered = restored.admit(entry.event, node.now())
        except (NotSatisfied, CannotVerify):
            continue  # its author signs it anew once it has the case again
        cases.add_entry(connection, restored.view, ordered)
    followers.rewind(connection, chain.case, common)
    cases.add_checkpoint(connection, join(None, signed, keys_of_members(restored)))
    node.chains.put(restored)
    node.restoring[chain.case] = node.now() + HOLD


def _require_first(
    connection: Connection, chain: Chain, common: int, signed: CaseCheckpoint
) -> None:
    """Refuse to go back to a history unless this host signed it before the one it holds.

    Raises:
        NotSatisfied: it did not, or that is not certain.
    """
    notes = cases.notes_between(connection, chain.case, common, None)
    ours = list(agreeing(chain, notes_of(chain, chain.view.host, notes)))
    if not ours:
        return
    # Its first note may be forgotten, or signed anew since: it was not signed before its entry.
    earliest = min(chain.ordered[common].entry.ordered, *(item.signed for item in ours))
    if earliest <= signed.signed:
        raise NotSatisfied(
            f"another history was signed before this one, after {common} entries",
            where=chain.case[:16],
        )


def _notes(node: Node, connection: Connection, chain: Chain) -> list[CaseCheckpoint]:
    """Notes of the host that agree with what is held, the largest first."""
    latest = cases.latest_notes(connection, chain.case, count=node.limits.checkpoints)
    return list(agreeing(chain, notes_of(chain, chain.view.host, latest)))


def _give_back(
    node: Node, connection: Connection, chain: Chain, notes: Sequence[CaseCheckpoint], start: int
) -> None:
    """Send a host what it signed itself, from an index on; as much of it as a parcel holds."""
    entries = [item.entry for item in chain.ordered[start : notes[0].size]]
    parts, end = list[bytes](), start
    while entries and len(parts) < _PARTS and sum(map(len, parts)) < _BACK_BYTES:
        part = chunk(entries)
        entries = entries[len(part) :]
        parts.append(write_entries(part))
        end += len(part)
    signed = next((item for item in notes if item.size <= end), None)
    if signed is None or signed.size <= start:
        return
    letter = Letter(RECOVERY, chain.case, {"size": chain.size}, (*parts, signed.note))
    offer_to(node, connection, chain.view.members[signed.host].card, letter)
