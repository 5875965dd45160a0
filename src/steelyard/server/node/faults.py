"""Proof against a host: found, kept, shown to the other participants, and believed from them.

Decides which two signed notes prove that a host showed two histories; what proof is, is decided
by `disclosure.case.fault`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.case.checkpoint import Fault, open_checkpoint
from steelyard.disclosure.case.fault import Evidence, verify_fault, write_linked
from steelyard.kernel.errors import BrokenSeal
from steelyard.server.node.letters import FAULT
from steelyard.server.node.posting import Letter, offer_to
from steelyard.server.storage import cases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case import CaseCheckpoint, Chain, Entry
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

_NOTES = 64


def keep_fault(node: Node, connection: Connection, chain: Chain, fault: Fault) -> None:
    """Keep the evidence against a host, and show it to the other participants once."""
    new = cases.add_fault(connection, chain.case, fault, node.now(), most=node.limits.faults)
    if not new:
        return
    body: JsonObject = {"kind": fault.kind, "culprit": fault.host}
    letter = Letter(FAULT, chain.case, body, (fault.first, fault.second))
    for name, member in chain.view.members.items():
        if name not in {node.organization, fault.host} and not member.left:
            offer_to(node, connection, member.card, letter)


def believe_fault(
    node: Node, connection: Connection, case: str, culprit: str, shown: tuple[bytes, bytes]
) -> None:
    """Keep a fault that another participant shows, if the host's own signatures prove it.

    Signatures of a key that was revoked prove nothing: somebody else may have it.

    Raises:
        BrokenSeal: they do not prove it.
        NotSatisfied: the culprit was never in the case.
        MalformedEvidence: no evidence.
    """
    chain = node.chains.get(connection, case)
    if culprit not in chain.view.members:
        raise BrokenSeal("the evidence is against somebody else", where=case[:16])
    keys = keys_of_host(chain, culprit)
    fault = verify_fault(Evidence(case, culprit, *shown), keys)
    cases.add_fault(connection, case, fault, node.now(), most=node.limits.faults)


def prove_fork(
    connection: Connection, chain: Chain, shown: CaseCheckpoint, history: Sequence[Entry] = ()
) -> Fault | None:
    """Proof that a host signed another history than the one that is held here; None for none.

    Args:
        connection: To the database.
        chain: What is held.
        shown: A note of the host's that does not agree with it.
        history: The last entries that the note signs, if they came.
    """
    text = f"signed two histories of {shown.size} entries"
    for held in _own_notes(connection, chain, shown.host):
        if held.size == shown.size:
            return Fault("fork", shown.host, text, held.note, shown.note)
        if held.size > shown.size:
            links = [item.entry for item in chain.since(shown.size)][: held.size - shown.size]
            linked = write_linked(held.note, links)
            return Fault("fork", shown.host, text, shown.note, linked)
        if history and history[0].index <= held.size:
            links = history[held.size - history[0].index :]
            if links[0].previous != held.head:
                text = f"signed two histories of {held.size} entries"
                linked = write_linked(shown.note, links)
                return Fault("fork", shown.host, text, held.note, linked)
    return None


def keys_of_host(chain: Chain, host: str) -> Mapping[str, PublicKey]:
    """Keys of a host that were not revoked."""
    keys = chain.view.members[host].card.keys
    return {item.key.key_id: item.key for item in keys if not item.revoked}


def open_note(chain: Chain, note: bytes) -> CaseCheckpoint:
    """A checkpoint by the host of the case as it stands.

    Raises:
        BrokenSeal: no key of the host's that was not revoked signed it.
    """
    host = chain.view.host
    return open_checkpoint(note, chain.case, host, keys_of_host(chain, host))


def _own_notes(connection: Connection, chain: Chain, host: str) -> Iterator[CaseCheckpoint]:
    """Notes of a host that agree with what is held, the largest first."""
    for note in cases.latest_notes(connection, chain.case, count=_NOTES):
        try:
            held = open_checkpoint(note, chain.case, host, keys_of_host(chain, host))
        except BrokenSeal:
            continue  # an earlier host's
        if held.size <= chain.size and chain.head_at(held.size) == held.head:
            yield held
