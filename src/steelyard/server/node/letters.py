"""What nodes tell each other: the kinds of parcels, and what is in each.

Decides how entries, events and notes lie in a parcel (spec/disclosure-node.md, section 4) and
refuses any other form. What follows from them is for `inbox`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.case import Entry, shapes
from steelyard.kernel import canonical_json, exact_instant, format_instant, parse_json
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from steelyard.disclosure.delivery.parcel import Parcel

ASK: Final = "ask"
ENTRIES: Final = "entries"
EVENT: Final = "event"
FAULT: Final = "fault"
FETCH: Final = "fetch"
HEAD: Final = "head"
OBJECT: Final = "object"
RECOVERY: Final = "recovery"
REFUSED: Final = "refused"
VOTE: Final = "vote"
CHUNK: Final = 256
"""The most entries of a parcel."""
CHUNK_BYTES: Final = 4 << 20

_SIZE: Final = shapes.integer(0, 2**31)
_BODIES: Final[Mapping[str, Mapping[str, shapes.Check]]] = {
    ASK: {"ids": shapes.items(shapes.digest, least=1, most=32)},
    ENTRIES: {"size": _SIZE},
    EVENT: {},
    FAULT: {"kind": shapes.choice("fork", "rollback"), "culprit": shapes.organization},
    FETCH: {"size": _SIZE},
    HEAD: {"size": _SIZE, "head": shapes.digest},
    OBJECT: {"id": shapes.digest},
    RECOVERY: {"size": _SIZE},
    REFUSED: {
        "digest": shapes.digest,
        "reason": shapes.text(2000, empty=True, lines=True),
        "anew": shapes.boolean,
        "size": _SIZE,
    },
    VOTE: {},
}
# The least and the most attachments of each kind.
_ATTACHED: Final[Mapping[str, tuple[int, int]]] = {
    ASK: (0, 0), ENTRIES: (1, 2), EVENT: (1, 1), FAULT: (2, 2), FETCH: (0, 0), HEAD: (0, 1),
    OBJECT: (1, 1), RECOVERY: (2, 33), REFUSED: (0, 0), VOTE: (1, 1),
}  # fmt: skip
_ENTRY: Final = {
    "index": _SIZE,
    "previous": shapes.digest,
    "ordered": shapes.instant,
    "event": shapes.envelope,
}


def body_of(parcel: Parcel) -> dict[str, Any]:
    """The body of a parcel, if its kind is known and it is what that kind asks for.

    Raises:
        MalformedEvidence: another kind, body or number of attachments.
    """
    if parcel.kind not in _BODIES:
        raise MalformedEvidence(f"no kind of parcel: {parcel.kind[:40]!r}", where="parcel")
    least, most = _ATTACHED[parcel.kind]
    if not least <= len(parcel.attachments) <= most:
        raise MalformedEvidence("another number of attachments", where=parcel.kind)
    shapes.digest(parcel.case, f"{parcel.kind}.case")
    return cast(
        "dict[str, Any]", shapes.require_fields(parcel.body, _BODIES[parcel.kind], parcel.kind)
    )


def write_entries(entries: Iterable[Entry]) -> bytes:
    """Entries as an attachment."""
    return canonical_json(
        [
            {
                "index": entry.index,
                "previous": entry.previous,
                "ordered": format_instant(entry.ordered),
                "event": parse_json(entry.event),
            }
            for entry in entries
        ]
    )


def read_entries(data: bytes) -> tuple[Entry, ...]:
    """Entries of an attachment, verified by whoever takes them.

    Raises:
        MalformedEvidence: no list of entries, too many, or too long.
    """
    if len(data) > 4 * CHUNK_BYTES:
        raise MalformedEvidence("too many entries for one parcel", where=ENTRIES)
    found = parse_json(data, where=ENTRIES)
    if not isinstance(found, list) or not 0 < len(found) <= CHUNK:
        message = f"expected a list of 1 to {CHUNK} entries"
        raise MalformedEvidence(message, where=ENTRIES)
    return tuple(_entry(item, f"{ENTRIES}[{place}]") for place, item in enumerate(found))


def chunk(entries: Sequence[Entry]) -> Sequence[Entry]:
    """As many of the first entries as go into a parcel; at least one."""
    total = 0
    for place, entry in enumerate(entries[:CHUNK]):
        total += len(entry.event)
        if total > CHUNK_BYTES and place:
            return entries[:place]
    return entries[:CHUNK]


def _entry(item: object, where: str) -> Entry:
    fields = cast("dict[str, Any]", shapes.require_fields(item, _ENTRY, where))
    return Entry(
        index=fields["index"],
        previous=fields["previous"],
        ordered=exact_instant(fields["ordered"], where=where),
        event=canonical_json(fields["event"]),
    )
