"""How much a node keeps of what others bring, so that nobody fills its disk.

Decides what is too much (spec/disclosure-node.md, section 4). An organization whose
fingerprint a person here has compared may bring more than a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steelyard.kernel.errors import NotSatisfied
from steelyard.server.storage import cases, objects
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.early import Room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Entry

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node keeps at most.

    Attributes:
        case_bytes: Events of one case.
        objects_bytes: Sealed objects of one case.
        stranger_cases: Cases that one stranger hosts.
        stranger_case_bytes: Events of one of them.
        stray_bytes: Sealed objects that one sender brings of cases that are not here.
        early: Of one line of one case, what came before what it follows.
        outbox_bytes: What waits for one destination.
        under_way: Parcels with entries of one case that wait for one destination.
        faults: Proofs of one kind against one host of one case.
        checkpoints: The latest ones of one case; of older ones some, and all that prove a fault.
    """

    case_bytes: int = 256 * _MIB
    objects_bytes: int = 1024 * _MIB
    stranger_cases: int = 16
    stranger_case_bytes: int = 16 * _MIB
    stray_bytes: int = 32 * _MIB
    early: Room = field(default_factory=lambda: Room(64, 64 * _MIB))
    outbox_bytes: int = 256 * _MIB
    under_way: int = 8
    faults: int = 4
    checkpoints: int = 256


def require_room_for_entries(
    limits: Limits, connection: Connection, case: str, host: str, entries: Sequence[Entry]
) -> None:
    """Refuse entries of a case that has grown too large.

    Raises:
        NotSatisfied: with what it has, and may have.
    """
    most = limits.case_bytes if _is_trusted(connection, host) else limits.stranger_case_bytes
    size = cases.size_bytes(connection, case) + sum(len(entry.event) for entry in entries)
    if size > most:
        raise _too_much("the events of this case", size, most, case)


def require_room_for_case(limits: Limits, connection: Connection, case: str, host: str) -> None:
    """Refuse one more case of a stranger that hosts many here.

    Raises:
        NotSatisfied: with how many there may be.
    """
    if _is_trusted(connection, host):
        return
    if cases.count_of_host(connection, host) >= limits.stranger_cases:
        raise NotSatisfied(
            f"{host[:20]} hosts {limits.stranger_cases} cases here already, and nobody trusts it",
            where=case[:16],
            hint="compare its fingerprint: steelyard disclose card trust",
        )


def require_room_for_object(
    limits: Limits, connection: Connection, case: str, sender: str, size_bytes: int
) -> None:
    """Refuse an object that is too much for its case, or for its sender where no case is here.

    Raises:
        NotSatisfied: with what there is, and may be.
    """
    if cases.stands(connection, case) is None:
        size, most = objects.stray_bytes(connection, sender), limits.stray_bytes
        what = f"what {sender[:20]} sent of cases that are not here"
    else:
        size, most = objects.size_bytes(connection, case), limits.objects_bytes
        what = "the objects of this case"
    if size + size_bytes > most:
        raise _too_much(what, size + size_bytes, most, case)


def _is_trusted(connection: Connection, organization: str) -> bool:
    known = cards.find(connection, organization)
    return known is not None and known.trusted


def _too_much(what: str, size: int, most: int, case: str) -> NotSatisfied:
    message = f"{what} would take {size:,} bytes, and at most {most:,} are kept"
    return NotSatisfied(message, where=case[:16], hint="ask the host to open another case")
