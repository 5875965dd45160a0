"""What a node does as a participant: take entries from a case's host, cosign, name its faults.

Decides what is believed of a host (spec/disclosure-case.md, sections Chain, Checkpoints,
Ownership): only what follows from what is held, and a checkpoint that agrees with it. What does
not is kept as evidence with the host's own signatures, and told to the other participants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import Chain, cosign, replay
from steelyard.disclosure.case.checkpoint import (
    CaseCheckpoint,
    Fault,
    compare,
    join,
    open_checkpoint,
    require_same,
)
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import BrokenSeal, CannotVerify, NotSatisfied
from steelyard.server.node.letters import (
    FAULT,
    FETCH,
    HEAD,
    RECOVERY,
    read_entries,
    write_entries,
)
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.node.saying import ANEW, sign_anew
from steelyard.server.storage import cases, followers
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.cases import Early

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case import Entry
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

_LINE: Final = "entries"
_EARLY: Final = 64
_GOSSIP: Final = 3


def take_entries(
    node: Node,
    connection: Connection,
    case: str,
    sender: str,
    entries: Sequence[Entry],
    note: bytes | None,
) -> None:
    """Take entries of a host, in any order and any number of times.

    Raises:
        NotSatisfied: the sender is not the host, or this organization is not in the case.
        BrokenSeal: entries or checkpoint do not follow from what is held; a fault was kept.
        MalformedEvidence: no event, or no checkpoint.
    """
    chain = node.chains.find(connection, case)
    if entries[0].index > (chain.size if chain else 0):
        _keep_early(node, connection, case, entries, note)
        _fetch(node, connection, case, sender, chain)
        return
    if chain is None:
        chain = _first(node, connection, case, sender, entries)
    elif _contradicts(chain, entries):
        _other_history(node, connection, chain, sender, entries, note)
        return
    else:
        _append(node, connection, chain, sender, entries)
    if note is not None:
        take_note(node, connection, case, note)
    _settle(node, connection, chain)
    _go_on(node, connection, chain, sender)


def take_note(node: Node, connection: Connection, case: str, note: bytes) -> None:
    """Hold a checkpoint against what is held and against earlier ones; cosign and pass it on.

    Raises:
        BrokenSeal: not the host's, or of another history; a fault was kept.
    """
    chain = node.chains.get(connection, case)
    shown = _open(chain, note)
    for earlier in cases.latest_notes(connection, case, count=4):
        try:
            fault = compare(_open(chain, earlier), shown)
        except BrokenSeal:
            continue  # an earlier host's
        if fault is not None:
            keep_fault(node, connection, chain, fault)
            if fault.kind == "rollback":
                _help_up(node, connection, chain)
            raise BrokenSeal(f"the host {fault.text}", where=case[:16])
    if shown.size > chain.size:
        _fetch(node, connection, case, shown.host, chain)
        return
    require_same(shown, chain)
    known = cases.checkpoint_note(connection, case, shown.size, shown.head)
    joined = note if known is None else join(known, note)
    named = f"\u2014 {node.organization} ".encode()
    if shown.host != node.organization and named not in joined:
        checkpoint = _open(chain, joined)
        at = node.now()
        joined = cosign(checkpoint, chain, by=node.organization, key=node.identity.key, at=at)
        cases.add_checkpoint(connection, _open(chain, joined))
        _tell(node, connection, chain, joined, shown)
    else:
        cases.add_checkpoint(connection, _open(chain, joined))


def keep_fault(node: Node, connection: Connection, chain: Chain, fault: Fault) -> None:
    """Keep the evidence against a host, and show it to the other participants once."""
    if not cases.add_fault(connection, chain.case, fault, node.now()):
        return
    body: JsonObject = {"kind": fault.kind, "culprit": fault.host}
    letter = Letter(FAULT, chain.case, body, (fault.first, fault.second))
    for name, member in chain.view.members.items():
        if name not in {node.organization, fault.host} and not member.left:
            send_to(node, connection, member.card, letter)


def believe_fault(
    node: Node, connection: Connection, case: str, culprit: str, evidence: tuple[bytes, bytes]
) -> None:
    """Keep a fault that another participant shows, if the host's own signatures prove it.

    Raises:
        BrokenSeal: they do not.
    """
    chain = node.chains.get(connection, case)
    if culprit != chain.view.host:
        raise BrokenSeal("the evidence is not against the host of the case", where=case[:16])
    first = _open(chain, evidence[0])
    fault = compare(first, _open(chain, evidence[1]))
    if fault is None:
        raise BrokenSeal("these checkpoints prove nothing", where=case[:16])
    cases.add_fault(connection, case, fault, node.now())


def recover(
    node: Node, connection: Connection, case: str, entries: Sequence[Entry], note: bytes
) -> None:
    """As a host that lost entries: take back what it has signed itself.

    A participant sends entries that this host ordered before, with its own checkpoint of them.
    Events that were ordered since on the shorter history are ordered again after them where they
    still may stand.

    Raises:
        BrokenSeal: this host never signed this, or the entries do not give it.
    """
    chain = node.chains.get(connection, case)
    start = entries[0].index
    if start > chain.size:
        raise BrokenSeal("entries are missing before those", where=case[:16])
    signed = open_checkpoint(note, case, node.organization, _own_keys(node))
    before = [item.entry for item in chain.ordered]
    restored = replay(case, [*before[:start], *entries])
    require_same(signed, restored)
    common = _common(before, [item.entry for item in restored.ordered])
    if restored.size <= chain.size and common == restored.size:
        return
    lost = before[common:]
    cases.drop_entries(connection, case, common)
    node.chains.drop(case)
    for item in restored.since(common):
        cases.add_entry(connection, restored.view, item)
    for entry in lost:
        try:
            ordered = restored.admit(entry.event, node.now())
            cases.add_entry(connection, restored.view, ordered)
        except (NotSatisfied, CannotVerify):
            continue  # its author signs it anew once it has the case again
    followers.forget(connection, case)
    cases.add_checkpoint(connection, signed)
    node.chains.put(restored)


def _first(
    node: Node, connection: Connection, case: str, sender: str, entries: Sequence[Entry]
) -> Chain:
    """A case that this node hears of for the first time, from its opening on."""
    chain = replay(case, entries)
    if chain.view.host != sender:
        raise NotSatisfied("a case comes from its host", where=case[:16])
    if node.organization not in chain.view.members:
        raise NotSatisfied("this organization is not invited", where=case[:16])
    for item in chain.ordered:
        cases.add_entry(connection, chain.view, item)
    _keep_cards(node, connection, chain)
    node.chains.put(chain)
    return chain


def _append(
    node: Node, connection: Connection, chain: Chain, sender: str, entries: Sequence[Entry]
) -> None:
    """Take what is new of entries that agree with what is held."""
    fresh = entries[chain.size - entries[0].index :]
    if not fresh:
        return
    _require_host(chain, sender, fresh)
    before = chain.size
    try:
        for entry in fresh:
            ordered = chain.accept(entry)
            cases.add_entry(connection, chain.view, ordered)
    except BaseException:
        if chain.size > before:
            node.chains.drop(chain.case)
        raise
    _keep_cards(node, connection, chain)


def _require_host(chain: Chain, sender: str, fresh: Sequence[Entry]) -> None:
    """Refuse entries of somebody who is not the host, before or after them."""
    if chain.view.host == sender:
        return
    trial = chain.copied()
    for entry in fresh:
        trial.accept(entry)
    if trial.view.host != sender:
        raise NotSatisfied("only the host of a case sends its entries", where=chain.case[:16])


def _contradicts(chain: Chain, entries: Sequence[Entry]) -> bool:
    held = chain.ordered
    return any(
        entry.index < len(held) and held[entry.index].hash != entry.hash for entry in entries
    )


def _other_history(
    node: Node,
    connection: Connection,
    chain: Chain,
    sender: str,
    entries: Sequence[Entry],
    note: bytes | None,
) -> None:
    """Entries that differ from those held: a host that took over by quorum, or a fork."""
    start = entries[0].index
    held = [item.entry for item in chain.ordered]
    other = replay(chain.case, [*held[:start], *entries])
    common = _common(held, [item.entry for item in other.ordered])
    moved = [item for item in other.since(common) if item.event.kind == "transfer"]
    if other.view.host == sender != chain.view.host and moved:
        _adopt(node, connection, other, common)
        if note is not None:
            take_note(node, connection, chain.case, note)
        return
    if sender != chain.view.host or note is None:
        raise NotSatisfied("only the host of a case sends its entries", where=chain.case[:16])
    shown = _open(other, note)
    require_same(shown, other)
    latest = cases.latest_notes(connection, chain.case)
    first = latest[0] if latest else write_entries(held[common : common + 1])
    second = canonical_json({"note": note.decode(), "entries": write_entries(entries).decode()})
    text = f"signed two histories that part after {common} entries"
    keep_fault(node, connection, chain, Fault("fork", sender, text, first, second))
    _help_up(node, connection, chain)
    raise BrokenSeal(f"the host {text}", where=chain.case[:16])


def _adopt(node: Node, connection: Connection, other: Chain, common: int) -> None:
    """Go on under another host; what the old one ordered since is void."""
    cases.drop_entries(connection, other.case, common)
    node.chains.drop(other.case)
    for item in other.since(common):
        cases.add_entry(connection, other.view, item)
    followers.forget(connection, other.case)
    node.chains.put(other)
    sign_anew(node, connection, other)


def _help_up(node: Node, connection: Connection, chain: Chain) -> None:
    """Send a host that fell behind what it signed itself."""
    host = chain.view.members.get(chain.view.host)
    notes = cases.latest_notes(connection, chain.case)
    if host is None or not notes:
        return
    signed = _open(chain, notes[0])
    entries = [item.entry for item in chain.ordered[: signed.size]]
    # As much of the end as goes into one parcel; a host that lost more asks for the rest.
    tail = entries[-256:]
    attachments = (write_entries(tail), notes[0])
    letter = Letter(RECOVERY, chain.case, {"size": chain.size}, attachments)
    send_to(node, connection, host.card, letter)


def _keep_early(
    node: Node, connection: Connection, case: str, entries: Sequence[Entry], note: bytes | None
) -> None:
    item = canonical_json(
        {
            "entries": write_entries(entries).decode(),
            "note": None if note is None else note.decode(),
        }
    )
    early = Early(entries[0].index, entries[0].hash, item, node.now())
    cases.keep_early(connection, case, _LINE, early, most=_EARLY)


def _fetch(node: Node, connection: Connection, case: str, host: str, chain: Chain | None) -> None:
    """Ask a host for what is missing."""
    known = cards.find(connection, host)
    if known is not None:
        letter = Letter(FETCH, case, {"size": chain.size if chain else 0})
        send_to(node, connection, known.card, letter)


def _go_on(node: Node, connection: Connection, chain: Chain, sender: str) -> None:
    """Take what came too early and follows now."""
    early = cases.take_early(connection, chain.case, _LINE, chain.size)
    cases.drop_early(connection, chain.case, _LINE, chain.size)
    if early is not None:
        kept = parse_json_object(early.item)
        note = kept["note"]
        entries = read_entries(str(kept["entries"]).encode())
        after = None if note is None else str(note).encode()
        take_entries(node, connection, chain.case, sender, entries, after)


def _settle(node: Node, connection: Connection, chain: Chain) -> None:
    """Forget events of one's own that stand in the case now; sign those anew that must be."""
    for waiting in cases.pending(connection, chain.case):
        if chain.index_of(waiting.digest) is not None:
            cases.settle_pending(connection, chain.case, waiting.digest)
    if any(waiting.refused == ANEW for waiting in cases.pending(connection, chain.case)):
        sign_anew(node, connection, chain)


def _tell(
    node: Node, connection: Connection, chain: Chain, note: bytes, shown: CaseCheckpoint
) -> None:
    """Send a cosigned checkpoint to the host and to a few others, so that forks meet.

    Who they are changes with the size, so that over time everybody hears from everybody.
    """
    names = [
        name
        for name, member in chain.view.members.items()
        if name not in {node.organization, shown.host} and not member.left
    ]
    start = int(shown.head[:8], 16) + int(node.organization[-8:], 16)
    chosen = {names[(start + step) % len(names)] for step in range(min(_GOSSIP, len(names)))}
    body: JsonObject = {"size": shown.size, "head": shown.head}
    letter = Letter(HEAD, chain.case, body, (note,))
    for name in (shown.host, *sorted(chosen)):
        send_to(node, connection, chain.view.members[name].card, letter)


def _open(chain: Chain, note: bytes) -> CaseCheckpoint:
    """A checkpoint by the host of the case as it stands, with any key that its card ever named."""
    host = chain.view.host
    keys = {item.key.key_id: item.key for item in chain.view.members[host].card.keys}
    return open_checkpoint(note, chain.case, host, keys)


def _own_keys(node: Node) -> dict[str, PublicKey]:
    return {item.key.key_id: item.key for item in node.identity.card.keys}


def _keep_cards(node: Node, connection: Connection, chain: Chain) -> None:
    for member in chain.view.members.values():
        if member.card.organization != node.organization:
            cards.keep(connection, member.card, node.now())


def _common(first: Sequence[Entry], second: Sequence[Entry]) -> int:
    """How many entries two histories share."""
    pairs = zip(first, second, strict=False)
    return next(
        (place for place, (left, right) in enumerate(pairs) if left.hash != right.hash),
        min(len(first), len(second)),
    )
