"""Acting in a case: one form for each act, alone on a page or beside what it is about.

Decides titles, what follows from an act, and which acts stand together. A form is sent by POST
to `addresses.act(case, kind)`; when it is refused, `present_one` shows it again as filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import UnknownName
from steelyard.server.web import addresses
from steelyard.server.web.forms import Button, Form
from steelyard.server.web.pages.cases.act_forms import FIELDS, Asking
from steelyard.server.web.pages.cases.head import CaseHead, case_head
from steelyard.server.web.pages.cases.refusals import is_permitted, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.organization import Card
    from steelyard.disclosure.case.view import View

_NOTHING: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Act:
    """How an act is called, and what follows from it."""

    title: str
    button: str
    explains: str = ""
    is_grave: bool = False


_ACTS: Final[Mapping[str, _Act]] = {
    "judge": _Act("Judge the report", "Say it", "Everybody in the case sees what you say."),
    "report": _Act("Send the report", "Seal and send",
                   "Who receives it knows of the flaw from then on, and everybody sees that."),
    "fix": _Act("State how far your fix is", "State it"),
    "world": _Act("State what the world knows", "State it",
                  "What is public ends the embargo.", is_grave=True),
    "propose": _Act("Propose terms of an embargo", "Propose these terms",
                    "Everybody is asked. Terms in force stay until others are accepted."),
    "accept": _Act("Accept terms", "Accept these terms",
                   "Your consent is to these very terms; other terms ask you again."),
    "reject": _Act("Reject the terms on the table", "Reject them for everybody",
                   "They fall for everybody. To refuse for yourself alone, decline.",
                   is_grave=True),
    "decline": _Act("Decline terms", "Decline for ourselves",
                    "For your organization alone; the others go on."),
    "terminate": _Act("End the embargo", "End the embargo",
                      "It ends for everybody, at once.", is_grave=True),
    "target": _Act("Name a target", "Name this target",
                   "A new version of a target makes earlier answers about it void."),
    "progress": _Act("Tell how far a target is", "Tell it"),
    "status": _Act("Tell a sealed step of a target", "Seal and send",
                   "Coordinators alone read it; everybody sees that something was told."),
    "query": _Act("Ask who is affected", "Ask them", "Asking tells them that there is a flaw."),
    "invite": _Act("Invite an organization", "Invite it",
                   "It sees the whole case from now on, and everybody sees that it was invited."),
    "note": _Act("Write a note", "Seal and send"),
    "leave": _Act("Leave the case", "Leave the case", "Your consent ends with it.", is_grave=True),
    "transfer": _Act("Agree on another host", "Agree", "Takes effect with a quorum."),
    "draft": _Act("Put up a draft of the advisory", "Put up this draft",
                  "Agreement with an earlier draft is void."),
    "approve": _Act("Agree with the draft", "Agree with this draft"),
    "dissent": _Act("Dissent from the draft", "Dissent"),
    "ruling": _Act("Rule on a dissent", "Rule",
                   "It stays published, with the ruling.", is_grave=True),
    "publish": _Act("Publish the advisory", "Publish",
                    "What is public cannot be taken back.", is_grave=True),
    "emergency": _Act("Call an emergency", "Call the emergency",
                      "Skips negotiation. Who is told without consent is seen by everybody.",
                      is_grave=True),
    "hazard": _Act("Change a hazard tier", "State it",
                   "Apart from the embargo: a payload stays dangerous after it."),
}  # fmt: skip
GROUPS: Final = (
    ("Report", ("report", "judge", "fix", "world", "note")),
    ("Embargo", ("propose", "accept", "decline", "reject", "terminate")),
    ("Models", ("target", "progress", "status", "query", "hazard")),
    ("Advisory", ("draft", "approve", "dissent", "ruling", "publish")),
    ("Participants", ("invite", "transfer", "leave")),
    ("Emergency", ("emergency",)),
)


@dataclass(frozen=True, slots=True)
class Offered:
    """An act, and why it cannot be done now; empty where it can."""

    title: str
    address: str
    explains: str
    refused: str


@dataclass(frozen=True, slots=True)
class ActsPage:
    """Template `acts`: every act of a case."""

    title: str
    head: CaseHead
    groups: tuple[tuple[str, tuple[Offered, ...]], ...]


@dataclass(frozen=True, slots=True)
class ActPage:
    """Template `act`: one act alone."""

    title: str
    head: CaseHead
    form: Form
    back: str


def present_all(view: View, me: str, now: datetime) -> ActsPage:
    """Every act of a case for `acts.html`; arguments as for `present_one`."""
    groups = tuple(
        (
            title,
            tuple(
                Offered(
                    _ACTS[kind].title,
                    addresses.act(view.case, kind),
                    _ACTS[kind].explains,
                    refusal(view, me, kind, now),
                )
                for kind in kinds
            ),
        )
        for title, kinds in GROUPS
    )
    return ActsPage(f"{view.title}: act", case_head(view, me, now, "acts"), groups)


def present_one(
    view: View,
    me: str,
    kind: str,
    now: datetime,
    filled: Mapping[str, Sequence[str]] = _NOTHING,
    cards: Sequence[Card] = (),
) -> ActPage:
    """One act alone for `act.html`.

    Args:
        view: Where the case stands.
        me: Id of the reader's organization, a member.
        kind: One of the kinds of events in `GROUPS`.
        now: The instant of the page.
        filled: Every value of every field as sent before, or of the address's query.
        cards: The directory, for invitations.

    Raises:
        UnknownName: no such act.
    """
    shown = form(view, me, kind, now, filled, cards)
    head = case_head(view, me, now, "acts")
    return ActPage(f"{view.title}: {shown.title}", head, shown, addresses.case(view.case, "acts"))


def forms(view: View, me: str, kinds: Sequence[str], now: datetime) -> tuple[Form, ...]:
    """Forms of the acts that a reader's roles allow, those that can be sent now first."""
    made = [form(view, me, kind, now) for kind in kinds if is_permitted(view, me, kind)]
    return tuple(sorted(made, key=lambda item: bool(item.refused)))


def form(
    view: View,
    me: str,
    kind: str,
    now: datetime,
    filled: Mapping[str, Sequence[str]] = _NOTHING,
    cards: Sequence[Card] = (),
) -> Form:
    """The form of an act; arguments as for `present_one`.

    Raises:
        UnknownName: no such act.
    """
    if kind not in _ACTS:
        raise UnknownName(f"no act is called {kind[:40]!r}", hint=f"known: {', '.join(_ACTS)}")
    act, refused = _ACTS[kind], refusal(view, me, kind, now)
    return Form(
        id=kind,
        title=act.title,
        action=addresses.act(view.case, kind),
        fields=() if refused else FIELDS[kind](Asking(view, me, now, filled, cards)),
        buttons=(Button(act.button),),
        explains=act.explains,
        is_grave=act.is_grave,
        refused=refused,
    )
