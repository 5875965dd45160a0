"""What each act asks for: its fields, named as in the body of the event wherever that is one text.

Decides fields, hints and choices. Lists are sent one item a line or as several values of one
name; an instant is UTC to the minute; `reproducer`, `advisory_file` and `card` are files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.bodies import PROSE_LIMIT, REASON_LIMIT, VERSION_LIMIT
from steelyard.disclosure.case.findings import NOTE_LIMIT, UPDATES
from steelyard.disclosure.case.organization import NAMES_MODELS, ROLES
from steelyard.disclosure.reproducer.query import LEVELS
from steelyard.disclosure.states import load_tables
from steelyard.server.web.forms import Field, Option
from steelyard.server.web.moments import moment
from steelyard.server.web.pages.cases import refusals
from steelyard.server.web.pages.cases.head import short_id
from steelyard.server.web.words import TIERS, isolated, role_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.organization import Card
    from steelyard.disclosure.case.view import Terms, View
    from steelyard.server.web.forms import Kind

AUDIENCES: Final[Mapping[str, str]] = {
    "everybody": "everybody in the case",
    "coordinators": "coordinators",
    "signatories": "those who consent to the embargo",
    "chosen": "those that are ticked below",
}
"""To whom a note goes: values of `audience`."""


@dataclass(frozen=True, slots=True)
class Asking:
    """For whom fields are made.

    Attributes:
        filled: What was filled in before, or comes with the address.
        cards: Organizations that may be invited.
    """

    view: View
    me: str
    now: datetime
    filled: Mapping[str, Sequence[str]] = field(default_factory=dict[str, "Sequence[str]"])
    cards: Sequence[Card] = ()

    def value(self, name: str, default: str = "") -> str:
        """What stands in a field."""
        return next(iter(self.filled.get(name, ())), default)

    def options(
        self, name: str, rows: Sequence[tuple[str, str]], default: str = ""
    ) -> tuple[Option, ...]:
        """Choices of a field, with those ticked that were."""
        chosen = self.filled.get(name, (default,))
        return tuple(Option(value, label, chosen=value in chosen) for value, label in rows)

    def text(
        self, name: str, label: str, *, limit: int, hint: str = "", required: bool = True
    ) -> Field:
        """A field of several lines."""
        return Field(name, label, "text", self.value(name), hint, required, limit)

    def line(self, name: str, label: str, limit: int, hint: str = "") -> Field:
        """A field of one line that may stay empty."""
        return Field(name, label, "line", self.value(name), hint, required=False, limit=limit)

    def reason(self, hint: str = "", *, required: bool = False) -> Field:
        """The field `reason`."""
        return self.text("reason", "Reason", limit=REASON_LIMIT, hint=hint, required=required)

    def choice(
        self,
        name: str,
        label: str,
        rows: Sequence[tuple[str, str]],
        kind: Kind = "radios",
        default: str = "",
    ) -> Field:
        """A field that chooses; one row alone is chosen."""
        alone = rows[0][0] if len(rows) == 1 else default
        return Field(name, label, kind, options=self.options(name, rows, alone))

    def instant(self, name: str, label: str, after: timedelta, hint: str = "") -> Field:
        """A field for day and hour in UTC, filled in with some time from now."""
        later = (self.now + after).astimezone(UTC).replace(minute=0)
        return Field(name, label, "instant", self.value(name, f"{later:%Y-%m-%dT%H:%M}"), hint)

    def parties(self, name: str, label: str, *roles: str) -> Field:
        """Members of the case with one of these roles, or all, as check boxes."""
        members = [
            (key, f"{item.card.name} ({short_id(key)})")
            for key, item in self.view.members.items()
            if not item.left and key != self.me and (not roles or item.roles & set(roles))
        ]
        members.sort(key=lambda row: row[1].casefold())
        return Field(name, label, "choices", required=False, options=self.options(name, members))


def _events(machine: str, events: Sequence[str]) -> list[tuple[str, str]]:
    known = load_tables().machine(machine).events
    return [(event, known[event]) for event in events]


def _judge(ask: Asking) -> tuple[Field, ...]:
    events = _events("RM", refusals.judgements(ask.view, ask.me))
    hint = "Needed to call it no flaw or to put it off; everybody in the case reads it."
    return (ask.choice("event", "What you make of the report", events), ask.reason(hint))


def _report(ask: Asking) -> tuple[Field, ...]:
    view = ask.view
    rows = [
        (name, f"{name[:12]}, {TIERS[view.payloads[name].tier]}, {view.payloads[name].media_type}")
        for name in refusals.sendable(view, ask.me)
    ]
    return (ask.choice("object", "Payload", rows, "choice"), ask.parties("to", "To"))


def _fix(ask: Asking) -> tuple[Field, ...]:
    events = _events("VFD", refusals.fixes(ask.view, ask.me))
    note = ask.text("note", "Note", limit=REASON_LIMIT, required=False)
    return (ask.choice("event", "How far the fix is", events), note)


def _world(ask: Asking) -> tuple[Field, ...]:
    events = _events("PXA", refusals.world_events(ask.view))
    evidence = ask.text("evidence", "Evidence", limit=PROSE_LIMIT, hint="Where it can be seen.")
    return (ask.choice("event", "What the world knows now", events), evidence)


def _propose(ask: Asking) -> tuple[Field, ...]:
    until = ask.instant("until", "Until", timedelta(days=90), "Day and hour in UTC.")
    return (
        until,
        ask.text("text", "Terms", limit=PROSE_LIMIT, hint="Who may be told what meanwhile."),
    )


def _terms(ask: Asking, found: Sequence[Terms]) -> Field:
    view, now = ask.view, ask.now
    rows = [(item.digest, _term_words(view, item, now)) for item in found]
    return ask.choice("terms", "Terms", rows)


def _term_words(view: View, item: Terms, now: datetime) -> str:
    place = "on the table" if item is view.table else "in force"
    return f"{place}: until {moment(item.until, now).text}, by {isolated(view.named(item.by))}"


def _reject(ask: Asking) -> tuple[Field, ...]:
    found = [ask.view.table] if ask.view.table else []
    return (_terms(ask, found), ask.reason())


def _target(ask: Asking) -> tuple[Field, ...]:
    hint = "What you call it here: a-z, 0-9, dot, dash. It need not tell which model it is."
    sealed = "SHA-256 of a sealed name, if you want to prove later which model this was."
    return (
        Field("handle", "Handle", "line", ask.value("handle"), hint, limit=64),
        Field("version", "Version or date", "line", ask.value("version"), limit=VERSION_LIMIT),
        Field(
            "guardrail",
            "Guardrail version",
            "line",
            ask.value("guardrail"),
            "",
            required=False,
            limit=VERSION_LIMIT,
        ),
        Field(
            "commitment",
            "Commitment",
            "line",
            ask.value("commitment"),
            sealed,
            required=False,
            limit=64,
        ),
    )


def _progress(ask: Asking) -> tuple[Field, ...]:
    handles = [handle for owner, handle in ask.view.targets if owner == ask.me and handle]
    steps = [("acknowledge", "the query has arrived"), ("run", "a run begins")]
    targets = ask.choice("target", "Target", [(name, name) for name in handles], "choice")
    return (targets, ask.choice("event", "Step", steps))


def _status(ask: Asking) -> tuple[Field, ...]:
    handles = [(name, name) for name in refusals.answered_targets(ask.view, ask.me)]
    note = ask.text("note", "Note", limit=NOTE_LIMIT, hint="For the coordinators.", required=False)
    return (
        ask.choice("target", "Target", handles, "choice"),
        ask.choice("event", "Step", _events("AM", UPDATES)),
        note,
    )


def _query(ask: Asking) -> tuple[Field, ...]:
    most = LEVELS.index(ask.view.policy.level) + 1
    words = {"verdict": "verdict only", "band": "verdict and banded rate", "counts": "counts"}
    levels = [(name, words[name]) for name in LEVELS[:most]]
    return (
        Field("reproducer", "Reproducer", "file", hint="What they are to run."),
        ask.choice("level", "An answer may tell", levels, default="verdict"),
        ask.instant("until", "Answer until", timedelta(days=14), "Day and hour in UTC."),
        ask.parties("to", "Ask", *NAMES_MODELS),
    )


def _invite(ask: Asking) -> tuple[Field, ...]:
    known = [
        (card.organization, f"{card.name} ({short_id(card.organization)})")
        for card in ask.cards
        if card.organization not in ask.view.members
    ]
    rows = [("", "the card in the file below"), *sorted(known, key=lambda row: row[1].casefold())]
    roles = [(role, role_words([role])) for role in ROLES]
    file_hint = "A card that you were sent, for an organization that is not in the directory."
    who = Field("organization", "Organization", "choice", required=False,
                options=ask.options("organization", rows))  # fmt: skip
    return (
        who,
        Field("card", "Card", "file", hint=file_hint, required=False),
        ask.choice("roles", "Roles in this case", roles, "choices"),
        ask.choice(
            "open_weights",
            "Open weights",
            [("no", "no"), ("yes", "yes, anybody may hold them")],
            default="no",
        ),
        ask.instant(
            "answer_by",
            "Answer by",
            timedelta(days=ask.view.policy.rsvp_days),
            "Day and hour in UTC.",
        ),
    )


def _note(ask: Asking) -> tuple[Field, ...]:
    tiers = [(name, TIERS[name]) for name in ("h1", "h2")]
    return (
        ask.choice("audience", "Who can read it", [*AUDIENCES.items()], default="everybody"),
        ask.parties("to", "Readers, where they are ticked"),
        ask.choice("tier", "Hazard tier", tiers, default="h1"),
        ask.text("text", "Note", limit=PROSE_LIMIT, hint="Sealed to its readers before it leaves."),
        Field("about", "About", "hidden", ask.value("about"), required=False),
    )


def _draft(_ask: Asking) -> tuple[Field, ...]:
    hint = "The advisory as a document; the page of formats tells its fields."
    return (Field("advisory_file", "Advisory", "file", hint=hint),)


def _standing(ask: Asking) -> Field:
    return Field("advisory", "Draft", "hidden", ask.view.publication.advisory)


def _dissent(ask: Asking) -> tuple[Field, ...]:
    hint = "Published beside the advisory, in your words."
    return (
        _standing(ask),
        ask.text("text", "What you disagree with", limit=PROSE_LIMIT, hint=hint),
    )


def _ruling(ask: Asking) -> tuple[Field, ...]:
    view = ask.view
    rows = [
        (item.digest, f"{isolated(view.named(item.author))}: {isolated(item.text[:80])}")
        for item in view.publication.dissents
        if item.upheld is None and item.author != ask.me
    ]
    verdicts = [("yes", "upheld"), ("no", "not upheld")]
    return (
        ask.choice("dissent", "Dissent", rows),
        ask.choice("upheld", "Ruling", verdicts),
        ask.text("text", "Grounds", limit=PROSE_LIMIT),
    )


def _publish(ask: Asking) -> tuple[Field, ...]:
    hint = "Where the advisory can be read; one address a line."
    references = ask.text("references", "References", limit=PROSE_LIMIT, hint=hint, required=False)
    return (_standing(ask), references)


def _emergency(ask: Asking) -> tuple[Field, ...]:
    facts = "As few as somebody needs to act. Everybody in the case reads them at once."
    told = "Authorities that you told without consent, one a line; everybody sees that they were."
    return (
        ask.text("facts", "Facts", limit=REASON_LIMIT, hint=facts),
        ask.text("told", "Told", limit=PROSE_LIMIT, hint=told, required=False),
    )


def _hazard(ask: Asking) -> tuple[Field, ...]:
    view = ask.view
    rows = [
        (name, f"{name[:12]}, {TIERS[view.payloads[name].tier]}, {view.payloads[name].media_type}")
        for name in refusals.readable(view, ask.me)
    ]
    events = [
        (
            "lower",
            "agree that it is lowered by one tier; takes two roles of different organizations",
        ),
        ("raise_to_h2", "raise to H2, at once"),
        ("raise_to_h3", "raise to H3, at once"),
    ]
    return (
        ask.choice("object", "Payload", rows, "choice"),
        ask.choice("event", "Hazard tier", events),
        ask.reason(),
    )


def _transfer(ask: Asking) -> tuple[Field, ...]:
    view = ask.view
    to, size, head = next(iter(view.moving), ("", view.size, view.head))
    members = [
        (key, f"{view.named(key)} ({short_id(key)})")
        for key in view.present_members()
        if key != view.host
    ]
    return (
        ask.choice("to", "New host", members, "choice", to),
        Field("size", "Entries", "hidden", str(size)),
        Field("head", "Head", "hidden", head),
    )


FIELDS: Final[Mapping[str, Callable[[Asking], tuple[Field, ...]]]] = {
    "judge": _judge,
    "report": _report,
    "fix": _fix,
    "world": _world,
    "propose": _propose,
    "accept": lambda ask: (_terms(ask, refusals.open_terms(ask.view, ask.me)),),
    "reject": _reject,
    "decline": lambda ask: (_terms(ask, refusals.standing_terms(ask.view)), ask.reason()),
    "terminate": lambda ask: (ask.reason("Needed before its time."),),
    "target": _target,
    "progress": _progress,
    "status": _status,
    "query": _query,
    "invite": _invite,
    "note": _note,
    "leave": lambda ask: (ask.reason(),),
    "transfer": _transfer,
    "draft": _draft,
    "approve": lambda ask: (_standing(ask),),
    "dissent": _dissent,
    "ruling": _ruling,
    "publish": _publish,
    "emergency": _emergency,
    "hazard": _hazard,
}
"""Fields of each act, by the kind of its event."""
