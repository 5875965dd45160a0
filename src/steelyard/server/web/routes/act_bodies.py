"""From a filled-in form to what the organization says in a case, by the functions of the node.

Decides how fields become the body of an event, and that what comes with a form is read before the
one writer of the node is asked. Whether it may be said is for the case's rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from steelyard.disclosure.case import open_card
from steelyard.disclosure.reproducer.document import read_reproducer
from steelyard.kernel import format_instant
from steelyard.kernel.errors import NotSatisfied, UnknownName, UsageError
from steelyard.server.node import ownership, publishing, queries, saying
from steelyard.server.node.checking import check
from steelyard.server.storage import organizations as cards

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from steelyard.disclosure.case import View
    from steelyard.kernel import JsonObject
    from steelyard.server.node import Node
    from steelyard.server.web.routes.asked import Asked, Upload

    _Act = Callable[["Doing"], None]

_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?", re.ASCII)
_PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "judge": ("event", "reason"),
    "fix": ("event", "note"),
    "world": ("event", "evidence"),
    "accept": ("terms",),
    "reject": ("terms", "reason"),
    "decline": ("terms", "reason"),
    "terminate": ("reason",),
    "progress": ("target", "event"),
    "leave": ("reason",),
    "approve": ("advisory",),
    "dissent": ("advisory", "text"),
    "hazard": ("object", "event", "reason"),
}
"""Kinds whose body is what the form sends, text by text."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was filled in for an act."""

    node: Node
    case: str
    asked: Asked

    def text(self, name: str) -> str:
        """What stands in a field, without white space around it."""
        return self.asked.value(name).strip()

    def lines(self, name: str) -> list[str]:
        """Items of a list: one a line, or several values of one name."""
        found = [line.strip() for text in self.asked.values(name) for line in text.splitlines()]
        return [line for line in found if line]

    def instant(self, name: str) -> datetime:
        """Day and hour in UTC.

        Raises:
            UsageError: none.
        """
        text = self.text(name)
        try:
            if _INSTANT.fullmatch(text):
                return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError:
            pass
        raise UsageError(f"{text[:40]!r} is no instant", hint="write 2026-12-24T12:00, in UTC")

    def upload(self, name: str) -> Upload:
        """A file.

        Raises:
            UsageError: none came.
        """
        found = self.asked.sent.files.get(name)
        if found is None:
            raise UsageError("a file is missing", hint="choose it again")
        return found


@dataclass(frozen=True, slots=True)
class Doing(Filled):
    """An act that is being done."""

    connection: Connection

    @property
    def view(self) -> View:
        """Where the case stands."""
        return self.node.chains.get(self.connection, self.case).view

    def say(self, kind: str, body: JsonObject) -> None:
        """Sign it and have it ordered."""
        saying.say(self.node, self.connection, self.case, kind, body)

    def sealed(self, kind: str, material: saying.Material, rest: JsonObject) -> None:
        """Seal an object, and say what brings it."""
        reference = saying.put_object(self.node, self.connection, self.case, material)
        self.say(kind, {"object": reference, **rest})


def do(filled: Filled, kind: str) -> None:
    """Do an act; what it brings is read before anybody waits for it to be written.

    Raises:
        UnknownName: no such act, or no such case here.
        UsageError: a field that means nothing.
        MalformedEvidence, ConfigurationError: a file that is not what it should be.
        NotSatisfied, CannotVerify: the case's rules refuse.
    """
    if kind in _PLAIN:
        act = _plain(kind)
    elif kind in _READ:
        act = _READ[kind](filled)
    elif kind in _OWN:
        act = _OWN[kind]
    else:
        raise UnknownName(f"no act is called {kind[:40]!r}")
    node, case, asked = filled.node, filled.case, filled.asked
    node.run(lambda connection: act(Doing(node, case, asked, connection)))


def _plain(kind: str) -> _Act:
    return lambda doing: doing.say(kind, {name: doing.text(name) for name in _PLAIN[kind]})


def _propose(doing: Doing) -> None:
    until = format_instant(doing.instant("until"))
    doing.say("propose", {"until": until, "text": doing.text("text")})


def _target(doing: Doing) -> None:
    body: dict[str, Any] = {name: doing.text(name) for name in ("handle", "version", "guardrail")}
    doing.say("target", {**body, "commitment": doing.text("commitment") or None})


def _status(doing: Doing) -> None:
    step = queries.Update(doing.text("target"), doing.text("event"), doing.text("note"))
    queries.update(doing.node, doing.connection, doing.case, step)


def _query(filled: Filled) -> _Act:
    upload = filled.upload("reproducer")
    reproducer = read_reproducer(upload.data, where=upload.name)
    asking = queries.Asking(
        upload.data,
        reproducer,
        filled.text("level"),
        filled.instant("until"),
        reproducer.hazard_tier.lower(),
        tuple(filled.asked.values("to")),
    )

    def act(doing: Doing) -> None:
        queries.ask(doing.node, doing.connection, doing.case, asking)

    return act


def _invite(filled: Filled) -> _Act:
    organization, answer_by = filled.text("organization"), filled.instant("answer_by")
    upload = filled.asked.sent.files.get("card")
    card = open_card(upload.data) if not organization and upload is not None else None

    def act(doing: Doing) -> None:
        if card is not None:
            cards.keep(doing.connection, card, doing.node.now())
        known = cards.find(doing.connection, card.organization if card else organization)
        if known is None:
            raise UsageError("nobody was chosen", hint="choose an organization, or give its card")
        body: JsonObject = {
            "card": known.card.to_json(),
            "roles": [*doing.asked.values("roles")],
            "open_weights": doing.text("open_weights") == "yes",
            "answer_by": format_instant(answer_by),
        }
        doing.say("invite", body)

    return act


def _note(doing: Doing) -> None:
    readers = _readers(doing)
    material = saying.Material(
        doing.text("text").encode(), "text/plain", doing.text("tier"), readers
    )
    if not material.plaintext:
        raise UsageError("the note is empty", hint="write something")
    doing.sealed("note", material, {"about": doing.text("about") or None})


def _readers(doing: Doing) -> tuple[str, ...]:
    view, own, audience = doing.view, doing.node.organization, doing.text("audience")
    found: Sequence[str] = {
        "everybody": view.present_members(),
        "coordinators": view.with_role("coordinator"),
        "signatories": view.states.signatories(),
        "chosen": doing.asked.values("to"),
    }.get(audience, ())
    if not found:
        raise UsageError("nobody would read it", hint="choose who reads it")
    return tuple(name for name in found if name != own)


def _report(doing: Doing) -> None:
    view, name, to = doing.view, doing.text("object"), tuple(doing.asked.values("to"))
    payload = view.payloads.get(name)
    if payload is None or payload.finding or not to:
        raise UsageError("nothing or nobody was chosen", hint="choose a payload and who gets it")
    opened = saying.read_object(doing.node, doing.connection, name)
    material = saying.Material(opened.plaintext, payload.media_type, payload.tier, to)
    doing.sealed("report", material, {"to": [*to]})


def _draft(filled: Filled) -> _Act:
    node, case = filled.node, filled.case
    with node.database.reading() as connection:
        checked = check(node, connection, case, filled.upload("advisory_file").data)

    def act(doing: Doing) -> None:
        publishing.draft(node, doing.connection, case, checked)

    return act


def _ruling(doing: Doing) -> None:
    body: JsonObject = {
        "dissent": doing.text("dissent"),
        "upheld": doing.text("upheld") == "yes",
        "text": doing.text("text"),
    }
    doing.say("ruling", body)


def _publish(filled: Filled) -> _Act:
    node, case, links = filled.node, filled.case, tuple(filled.lines("references"))
    with node.database.reading() as connection:
        checked = publishing.check_draft(node, connection, case)
    if filled.text("advisory") != checked.digest:
        raise NotSatisfied("another draft stands now", hint="read it, then publish")

    def act(doing: Doing) -> None:
        publishing.publish(node, doing.connection, case, checked, links)

    return act


def _emergency(doing: Doing) -> None:
    doing.say("emergency", {"facts": doing.text("facts"), "told": [*doing.lines("told")]})


def _transfer(doing: Doing) -> None:
    view = doing.view
    if (doing.text("size"), doing.text("head")) != (str(view.size), view.head):
        raise NotSatisfied("the case has moved on", hint="look at it, then agree")
    ownership.vote(doing.node, doing.connection, doing.case, doing.text("to"))


_READ: Final[Mapping[str, Callable[[Filled], _Act]]] = {
    "query": _query,
    "invite": _invite,
    "draft": _draft,
    "publish": _publish,
}
"""Kinds whose form brings something that is read first."""
_OWN: Final[Mapping[str, _Act]] = {
    "propose": _propose,
    "target": _target,
    "status": _status,
    "note": _note,
    "report": _report,
    "ruling": _ruling,
    "emergency": _emergency,
    "transfer": _transfer,
}
KINDS: Final = frozenset({*_PLAIN, *_READ, *_OWN})
"""Kinds of acts that a form does."""
