"""What proves to a third party that a host did wrong: signatures of its own, and nothing else.

Decides when two signed notes, with the links between them where they are of different sizes,
prove that a host signed two histories of a case or went back to a shorter one
(spec/disclosure-case.md, section Faults). Links hold digests alone: who judges the host learns
nothing of what was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.case import shapes
from steelyard.disclosure.case.checkpoint import Fault, compare, open_checkpoint
from steelyard.disclosure.case.entry import entry_hash
from steelyard.kernel import canonical_json, format_instant, parse_json_object
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case.chain import Chain
    from steelyard.disclosure.case.checkpoint import CaseCheckpoint
    from steelyard.disclosure.case.entry import Entry

LINKED_SCHEMA: Final = "steelyard/linked-checkpoint/1"
LINK_LIMIT: Final = 65_536
EVIDENCE_LIMIT_BYTES: Final = 12 << 20
_LINK: Final = shapes.fields(ordered=shapes.instant, event=shapes.digest)
_LINKED: Final[Mapping[str, shapes.Check]] = {
    "schema": shapes.choice(LINKED_SCHEMA),
    "note": shapes.text(64 * 1024, lines=True),
    "head": shapes.digest,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What somebody shows against a host.

    Attributes:
        first: A signed note.
        second: Another one; or, as JSON, one of more entries with the links that lead to it from
            the size of the first.
    """

    case: str
    host: str
    first: bytes
    second: bytes


def verify_fault(evidence: Evidence, keys: Mapping[str, PublicKey]) -> Fault:
    """What the evidence proves.

    Args:
        evidence: From anybody.
        keys: Keys of the host, by any label.

    Raises:
        BrokenSeal: it proves nothing, or the host signed neither.
        MalformedEvidence: no evidence.
    """
    first = open_checkpoint(evidence.first, evidence.case, evidence.host, keys)
    if not evidence.second.startswith(b"{"):
        second = open_checkpoint(evidence.second, evidence.case, evidence.host, keys)
        fault = compare(first, second)
    else:
        fault = _linked(evidence, first, keys)
    if fault is None:
        raise BrokenSeal("this proves nothing against the host", where=evidence.case[:16])
    return fault


def prove_fork(
    chain: Chain,
    held: Iterable[CaseCheckpoint],
    shown: CaseCheckpoint,
    history: Sequence[Entry] = (),
) -> Fault | None:
    """Proof that a host signed another history than the one that is held; None for none.

    Args:
        chain: What is held.
        held: Checkpoints of the same host that agree with it, the largest first.
        shown: One that does not.
        history: The last entries that it signs, if they came.
    """
    for own in held:
        if own.size == shown.size:
            return _fork(shown.host, own.size, own.proof, shown.proof)
        if own.size > shown.size:
            links = [item.entry for item in chain.since(shown.size)][: own.size - shown.size]
            return _fork(shown.host, shown.size, shown.proof, write_linked(own.proof, links))
        if history and history[0].index <= own.size:
            links = history[own.size - history[0].index :]
            if links[0].previous != own.head:
                return _fork(shown.host, own.size, own.proof, write_linked(shown.proof, links))
    return None


def _fork(host: str, size: int, first: bytes, second: bytes) -> Fault:
    return Fault("fork", host, f"signed two histories of {size} entries", first, second)


def write_linked(note: bytes, entries: Sequence[Entry]) -> bytes:
    """A note with the links of the last entries that it signs, the first of them named first."""
    return canonical_json(
        {
            "schema": LINKED_SCHEMA,
            "note": note.decode(),
            "head": entries[0].previous,
            "links": [
                {"ordered": format_instant(entry.ordered), "event": entry.digest}
                for entry in entries
            ],
        }
    )


def _linked(
    evidence: Evidence, first: CaseCheckpoint, keys: Mapping[str, PublicKey]
) -> Fault | None:
    """A fork, if the links lead from another head than that of the first note to the second."""
    fields = _fields(evidence.second)
    note = cast("str", fields["note"]).encode()
    second = open_checkpoint(note, evidence.case, evidence.host, keys)
    head, index = cast("str", fields["head"]), first.size
    if head == first.head:
        return None
    for link in cast("list[dict[str, str]]", fields["links"]):
        head = entry_hash(head, index, shapes.read_instant(link["ordered"]), link["event"])
        index += 1
    if (index, head) != (second.size, second.head):
        raise BrokenSeal("the links do not lead to the second note", where=evidence.case[:16])
    linked = canonical_json({**fields, "note": second.proof.decode()})
    return _fork(evidence.host, first.size, first.proof, linked)


def _fields(data: bytes) -> dict[str, Any]:
    if len(data) > EVIDENCE_LIMIT_BYTES:
        message = f"evidence has at most {EVIDENCE_LIMIT_BYTES} bytes, found {len(data)}"
        raise MalformedEvidence(message, where="evidence")
    found = parse_json_object(data, where="evidence")
    links = found.pop("links", None)
    shapes.require_fields(found, _LINKED, "evidence")
    if not isinstance(links, list) or not 0 < len(links) <= LINK_LIMIT:
        raise MalformedEvidence(f"expected 1 to {LINK_LIMIT} links", where="evidence")
    for place, link in enumerate(cast("list[dict[str, str]]", links)):
        _LINK(link, f"evidence.links[{place}]")
    return {**found, "links": links}
