"""Checkpoints of a host: held against what is held here, cosigned, passed on to others.

Decides what of a host's signatures is believed (spec/disclosure-case.md, section Checkpoints):
only what agrees with the entries that came and with every note before. Each note is passed on to
a few others whom the host cannot foresee, so that two histories meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import cosign
from steelyard.disclosure.case.checkpoint import compare, cosigned_by, join, require_same
from steelyard.kernel.errors import BrokenSeal
from steelyard.server.node import heads, recovering
from steelyard.server.node.faults import (
    accuse,
    keep_fault,
    keys_of_host,
    keys_of_members,
    notes_of,
    open_note,
)
from steelyard.server.node.letters import HEAD
from steelyard.server.node.posting import Letter, offer_to
from steelyard.server.storage import cases

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.disclosure.case import CaseCheckpoint, Chain
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

_GOSSIP: Final = 3
_COMPARED: Final = 4
_AHEAD: Final = 8
_DRAW_BYTES: Final = 8


def take_note(node: Node, connection: Connection, case: str, sender: str, note: bytes) -> None:
    """Hold a checkpoint against what is held and against earlier ones; cosign and pass it on.

    Raises:
        BrokenSeal: not the host's, or of another history; a fault was kept.
    """
    chain = node.chains.get(connection, case)
    shown = open_note(chain, note)
    if shown.host == node.organization:
        _take_own(node, connection, chain, sender, shown)
        return
    _compare(node, connection, chain, shown)
    if shown.size > chain.size:
        _keep_ahead(connection, chain, shown)
        return
    if chain.head_at(shown.size) != shown.head:
        _keep(connection, chain, shown)
        accuse(node, connection, chain, shown)
        recovering.help_up(node, connection, chain)
    require_same(shown, chain)
    joined = _joined(connection, chain, shown)
    if heads.is_cosigned(joined, node.organization):
        cases.add_checkpoint(connection, joined)
        return
    at = node.now()
    signed = open_note(
        chain, cosign(joined, chain, by=node.organization, key=node.identity.key, at=at)
    )
    cases.add_checkpoint(connection, signed)
    tell(node, connection, chain, signed)


def hold_against(node: Node, connection: Connection, chain: Chain, before: int) -> None:
    """Hold notes that came before their entries against these.

    Raises:
        BrokenSeal: the host signed another history; a fault was kept.
    """
    notes = cases.notes_between(connection, chain.case, before, chain.size)
    for shown in notes_of(chain, chain.view.host, notes):
        if chain.head_at(shown.size) != shown.head:
            accuse(node, connection, chain, shown)
            recovering.help_up(node, connection, chain)
            require_same(shown, chain)


def is_backed(chain: Chain, note: bytes) -> bool:
    """Whether host and cosigners of a note are more than half of those in the case."""
    present = chain.view.present_members()
    signers = 0
    for name in present:
        try:
            cosigned_by(note, name, keys_of_host(chain, name))
        except BrokenSeal:
            continue
        signers += 1
    return 2 * signers > len(present)


def _take_own(
    node: Node, connection: Connection, chain: Chain, sender: str, shown: CaseCheckpoint
) -> None:
    """A note of this host's, cosigned by another; of more than is held here after a loss."""
    if shown.size > chain.size or chain.head_at(shown.size) != shown.head:
        heads.fetch(node, connection, chain.case, sender, chain.size)
        return
    _keep(connection, chain, shown)


def _compare(node: Node, connection: Connection, chain: Chain, shown: CaseCheckpoint) -> None:
    """Hold a note against the latest ones before it."""
    latest = cases.latest_notes(connection, chain.case, count=_COMPARED)
    for earlier in notes_of(chain, shown.host, latest):
        fault = compare(earlier, shown)
        if fault is not None:
            _keep(connection, chain, shown)
            keep_fault(node, connection, chain, fault)
            recovering.help_up(node, connection, chain)
            raise BrokenSeal(f"the host {fault.text}", where=chain.case[:16])


def _keep_ahead(connection: Connection, chain: Chain, shown: CaseCheckpoint) -> None:
    """Keep a note of entries that have not come, to hold it against them when they do."""
    ahead = cases.notes_between(connection, chain.case, chain.size, None)
    if len(ahead) < _AHEAD:
        _keep(connection, chain, shown)


def _keep(connection: Connection, chain: Chain, shown: CaseCheckpoint) -> None:
    cases.add_checkpoint(connection, _joined(connection, chain, shown))


def _joined(connection: Connection, chain: Chain, shown: CaseCheckpoint) -> CaseCheckpoint:
    """The checkpoint with every cosignature of a participant that is known of it."""
    known = cases.checkpoint_note(connection, shown.case, shown.size, shown.head)
    return join(known, shown, keys_of_members(chain))


def tell(node: Node, connection: Connection, chain: Chain, shown: CaseCheckpoint) -> None:
    """Send a cosigned checkpoint to the host and to a few others, drawn by lot."""
    known = {node.organization, shown.host}
    others = [name for name in chain.view.present_members() if name not in known]
    chosen = {shown.host}
    for _ in range(min(_GOSSIP, len(others))):
        chosen.add(others[int.from_bytes(node.random(_DRAW_BYTES), "big") % len(others)])
    body: JsonObject = {"size": shown.size, "head": shown.head}
    letter = Letter(HEAD, chain.case, body, (shown.note,))
    for name in sorted(chosen):
        offer_to(node, connection, chain.view.members[name].card, letter)
