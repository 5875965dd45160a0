"""The embargo of a case: its clock, the terms in force and on the table, who consents.

Decides which answers a reader is offered; whether one is allowed is for the rules of the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.states import load_tables
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.server.web.moments import Moment, elsewhere, moment
from steelyard.server.web.pages.cases.acts import forms
from steelyard.server.web.pages.cases.head import CaseHead, Party, case_head, naming
from steelyard.server.web.words import CONSENT, EMBARGO, role_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import Terms, View
    from steelyard.server.web.forms import Form


@dataclass(frozen=True, slots=True)
class ShownTerms:
    """Terms as a page shows them."""

    digest: str
    by: Party
    until: Moment
    text: str


@dataclass(frozen=True, slots=True)
class Clock:
    """How much of the time is over.

    Attributes:
        elapsed: From 0 to 1, between the opening of the case and the end of the embargo.
        places: The same end on the clocks of other places.
    """

    until: Moment
    elapsed: float
    is_over: bool
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Consents:
    """Participants in one state of consent."""

    words: str
    meaning: str
    state: str
    parties: tuple[tuple[Party, str], ...]


@dataclass(frozen=True, slots=True)
class EmbargoPage:
    """Template `embargo`.

    Attributes:
        ends_by: What ends the embargo at its time, in a sentence.
        own: The reader's own consent.
        forms: What the reader can do about it.
    """

    title: str
    head: CaseHead
    words: str
    meaning: str
    clock: Clock | None
    terms: ShownTerms | None
    table: ShownTerms | None
    ends_by: str
    own: str
    consents: tuple[Consents, ...]
    forms: tuple[Form, ...]


_ACTS = ("accept", "propose", "decline", "reject", "terminate")
_ORDER = ("signatory", "invited", "declined", "lapsed", "no_embargo")


def present(view: View, me: str, now: datetime, warnings: Sequence[str] = ()) -> EmbargoPage:
    """The embargo of a case for `embargo.html`.

    Args:
        view: Where the case stands.
        me: Id of the reader's organization, a member.
        now: The instant of the page.
        warnings: What the node found wrong with the case.
    """
    states, party = view.states, naming(view)
    terms = view.terms if states.em in IN_FORCE else None
    by_default = view.policy.publish_by_default
    return EmbargoPage(
        title=f"{view.title}: embargo",
        head=case_head(view, me, now, "embargo", warnings),
        words=EMBARGO[states.em],
        meaning=load_tables().machine("EM").state(states.em).meaning,
        clock=_clock(view, terms, now) if terms else None,
        terms=_shown(party, terms, now) if terms else None,
        table=_shown(party, view.table, now) if view.table else None,
        ends_by=(
            "At its end the advisory may be published without further consent."
            if by_default
            else "At its end the advisory still needs the consent of every signatory."
        ),
        own=next((CONSENT[item.pec] for item in states.participants if item.name == me), ""),
        consents=_consents(view),
        forms=forms(view, me, _ACTS, now),
    )


def _clock(view: View, terms: Terms, now: datetime) -> Clock:
    whole = (terms.until - view.opened).total_seconds()
    passed = (now - view.opened).total_seconds()
    return Clock(
        until=moment(terms.until, now),
        elapsed=min(1.0, max(0.0, passed / whole)) if whole > 0 else 1.0,
        is_over=terms.until <= now,
        places=elsewhere(terms.until),
    )


def _shown(party: Callable[[str], Party], terms: Terms, now: datetime) -> ShownTerms:
    return ShownTerms(terms.digest, party(terms.by), moment(terms.until, now), terms.text)


def _consents(view: View) -> tuple[Consents, ...]:
    machine, party = load_tables().machine("PEC"), naming(view)
    rows: list[Consents] = []
    for state in _ORDER:
        found = [item for item in view.states.participants if item.pec == state]
        parties = [
            (party(item.organization), role_words(view.members[item.organization].roles))
            for item in found
            if not view.members[item.organization].left
        ]
        parties.sort(key=lambda pair: pair[0].name.casefold())
        rows.append(Consents(CONSENT[state], machine.state(state).meaning, state, tuple(parties)))
    return tuple(rows)
