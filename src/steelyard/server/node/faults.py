"""Proof against a host: found, kept, shown to the other participants, and believed from them.

Decides which keys and which notes count against a host; what proof is, is decided by
`disclosure.case.fault`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.checkpoint import open_checkpoint
from steelyard.disclosure.case.fault import Evidence, prove_fork, verify_fault
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.server.node.letters import FAULT
from steelyard.server.node.posting import Letter, offer_to
from steelyard.server.storage import cases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case import CaseCheckpoint, Chain, Entry, Fault
    from steelyard.kernel import JsonObject
    from steelyard.server.node.node import Node

FORBIDDEN: Final = "forbidden"
"""An entry that had to be refused: everybody in the case sees it, so it is shown to nobody."""
_NOTES: Final = 64


def keep_fault(node: Node, connection: Connection, chain: Chain, fault: Fault) -> None:
    """Keep the evidence against a host, and show it to the other participants once."""
    new = cases.add_fault(connection, chain.case, fault, node.now(), most=node.limits.faults)
    if not new:
        return
    letter = _letter(chain.case, fault.kind, fault.host, (fault.first, fault.second))
    for name, member in chain.view.members.items():
        if name not in {node.organization, fault.host} and not member.left:
            offer_to(node, connection, member.card, letter)


def show_again(node: Node, connection: Connection, chain: Chain, to: str) -> None:
    """Show a participant what is kept against hosts, as a letter that did so is lost."""
    card = chain.view.member(to).card
    for row in cases.faults(connection, chain.case):
        if row.kind != FORBIDDEN and row.culprit != to:
            letter = _letter(row.case, row.kind, row.culprit, (row.first, row.second))
            offer_to(node, connection, card, letter)


def _letter(case: str, kind: str, culprit: str, shown: tuple[bytes, bytes]) -> Letter:
    body: JsonObject = {"kind": kind, "culprit": culprit}
    return Letter(FAULT, case, body, shown)


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


def accuse(
    node: Node,
    connection: Connection,
    chain: Chain,
    shown: CaseCheckpoint,
    history: Sequence[Entry] = (),
) -> None:
    """Keep and show that a host signed another history than the one here, if that can be proven.

    Args:
        node: This one.
        connection: To the database.
        chain: What is held.
        shown: A note of the host's that does not agree with it.
        history: The last entries that the note signs, if they came.
    """
    notes = cases.latest_notes(connection, chain.case, count=_NOTES)
    held = agreeing(chain, notes_of(chain, shown.host, notes))
    fault = prove_fork(chain, held, shown, history)
    if fault is not None:
        keep_fault(node, connection, chain, fault)


def keys_of_host(chain: Chain, host: str) -> Mapping[str, PublicKey]:
    """Keys of a host that were not revoked."""
    keys = chain.view.members[host].card.keys
    return {item.key.key_id: item.key for item in keys if not item.revoked}


def keys_of_members(chain: Chain) -> dict[str, Mapping[str, PublicKey]]:
    """Keys of everybody in a case that were not revoked, by organization."""
    return {name: keys_of_host(chain, name) for name in chain.view.members}


def open_note(chain: Chain, note: bytes) -> CaseCheckpoint:
    """A checkpoint by the host of the case as it stands.

    Raises:
        BrokenSeal: no key of the host's that was not revoked signed it.
    """
    host = chain.view.host
    return open_checkpoint(note, chain.case, host, keys_of_host(chain, host))


def notes_of(chain: Chain, host: str, notes: Iterable[bytes]) -> Iterator[CaseCheckpoint]:
    """Those of the notes that are kept of a case which a host signed."""
    keys = keys_of_host(chain, host)
    for note in notes:
        try:
            yield open_checkpoint(note, chain.case, host, keys)
        except (BrokenSeal, MalformedEvidence):
            continue  # an earlier host's, or of a key that was revoked


def agreeing(chain: Chain, notes: Iterable[CaseCheckpoint]) -> Iterator[CaseCheckpoint]:
    """Those of the notes that agree with what is held."""
    for note in notes:
        if note.size <= chain.size and chain.head_at(note.size) == note.head:
            yield note
