"""Whether a draft of an advisory may leave its case: it repeats no payload above tier H0.

Decides what a draft is held against: every object that this node can read, but other drafts. An
object of somebody else that does not open here holds nothing up, as its author could stop every
publication with one; it is told in the log that a draft was not held against it. The work is done
before anything is written, so that nobody waits for it; what came meanwhile is looked at then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory import ALL, Occasion, Payload, lint_files
from steelyard.disclosure.advisory import export as export_formats
from steelyard.disclosure.advisory.export import ExportedFile
from steelyard.disclosure.advisory.linter import Tier
from steelyard.disclosure.advisory.payloads import payloads_in
from steelyard.disclosure.advisory.reading import read_advisory
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import NotSatisfied, SteelyardError
from steelyard.server.node import saying
from steelyard.server.node.ordering import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from steelyard.disclosure.case import View
    from steelyard.server.node.node import Node

MEDIA_TYPE: Final = "application/yaml"
"""Of a draft."""
_Named = frozenset[tuple[str, str]]
"""Objects, each with its hazard tier."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that repeats nothing of what it was held against.

    Attributes:
        id: Of the advisory.
        files: What is published of it.
        against: What it was held against, or could not be.
    """

    document: bytes = field(repr=False)
    id: str
    files: tuple[ExportedFile, ...] = field(repr=False)
    against: _Named

    @property
    def digest(self) -> str:
        """By which the events of a case name it."""
        return sha256_hex(self.document)


def check(node: Node, connection: Connection, case: str, document: bytes) -> Checked:
    """Hold a draft against the payloads of its case.

    Args:
        node: That publishes.
        connection: To read.
        case: Its id.
        document: The draft.

    Raises:
        ConfigurationError, MalformedEvidence: it is no advisory.
        NotSatisfied: it repeats a payload, or one of this organization does not open.
    """
    view = node.chains.get(connection, case).view
    advisory = read_advisory(document, where="draft")
    made = export_formats(advisory, ALL, Occasion(max(node.now(), advisory.changed_at)), ())
    files = (ExportedFile("advisory.yaml", document), *made.files)
    named = _named(node, connection, view)
    _require_clean(node, connection, view, files, named)
    return Checked(document, advisory.id, files, named)


def check_again(node: Node, connection: Connection, view: View, checked: Checked) -> None:
    """Hold a draft against what came since it was checked.

    Raises:
        NotSatisfied: it repeats a payload, or one of this organization does not open.
    """
    came = _named(node, connection, view) - checked.against
    if came:
        _require_clean(node, connection, view, checked.files, came)


def _named(node: Node, connection: Connection, view: View) -> _Named:
    names = saying.named_here(node, connection, view)
    return frozenset((name, view.payloads[name].tier) for name in names)


def _require_clean(
    node: Node,
    connection: Connection,
    view: View,
    files: tuple[ExportedFile, ...],
    named: _Named,
) -> None:
    names = sorted(name for name, _ in named)
    opened = saying.readable(node, connection, view, names)
    _require_opened(node, view, [name for name in names if name not in opened])
    found: list[Payload] = []
    for name, plaintext in opened.items():
        payload = view.payloads[name]
        tier = Tier(int(payload.tier[1:]))
        if tier > Tier.H0 and not (payload.media_type == MEDIA_TYPE and _is_draft(plaintext)):
            ending = "json" if payload.media_type.endswith("json") else "txt"
            found += payloads_in(f"{name[:16]}.{ending}", plaintext, tier)
    lint_files(files, found)


def _is_draft(plaintext: bytes) -> bool:
    """Whether it is an advisory, which is meant to leave; a reproducer may be YAML as well."""
    try:
        read_advisory(plaintext, where="payload")
    except SteelyardError:
        return False
    return True


def _require_opened(node: Node, view: View, closed: Iterable[str]) -> None:
    """Refuse where an object of this organization itself does not open; tell of those of others.

    Raises:
        NotSatisfied: the key that it was sealed to is gone.
    """
    for name in closed:
        if view.payloads[name].author == node.organization:
            raise NotSatisfied(
                f"object {name[:16]} of yours does not open: nothing can be held against it",
                where=view.case[:16],
                hint="put the key that it was sealed to back into keys/",
            )
        FAILURES.warning(
            "case %s: the draft was not held against object %s, which does not open",
            view.case[:16],
            name[:16],
        )
