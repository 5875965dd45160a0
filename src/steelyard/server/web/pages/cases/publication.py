"""The advisory on its way out: the draft, who agrees, who dissents, what is missing.

Decides what a reader is told about it; whether it may be published is for the rules of the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.pages.cases.acts import forms
from steelyard.server.web.pages.cases.head import CaseHead, Party, case_head, naming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import Dissent, View
    from steelyard.server.web.forms import Form

_ACTS = ("approve", "dissent", "publish", "draft", "ruling")


@dataclass(frozen=True, slots=True)
class ShownDissent:
    """A dissent, published beside the advisory.

    Attributes:
        ruling: How it was decided, in words; empty while it is not.
        grounds: Of the ruling.
    """

    author: Party
    text: str
    ruling: str
    grounds: str


@dataclass(frozen=True, slots=True)
class PublicationPage:
    """Template `publication`.

    Attributes:
        draft: Digest of the draft that stands; empty for none.
        document: Text of the draft, where the reader may read it.
        agreed: Who agrees with it.
        missing: Signatories whose consent an embargo in force still asks for.
        published: When it became public.
    """

    title: str
    head: CaseHead
    draft: str
    document: str
    agreed: tuple[Party, ...]
    missing: tuple[Party, ...]
    dissents: tuple[ShownDissent, ...]
    embargo_until: Moment | None
    publishes_by_default: bool
    published: Moment | None
    references: tuple[str, ...]
    forms: tuple[Form, ...]


def present(
    view: View, me: str, now: datetime, document: str = "", warnings: Sequence[str] = ()
) -> PublicationPage:
    """The publication page for `publication.html`.

    Args:
        view: Where the case stands.
        me: Id of the reader's organization, a member.
        now: The instant of the page.
        document: The draft as text, where this organization can decrypt it.
        warnings: What the node found wrong with the case.
    """
    found, party = view.publication, naming(view)
    embargoed = view.states.em in IN_FORCE
    signatories = set(view.states.signatories()) if embargoed else set[str]()
    return PublicationPage(
        title=f"{view.title}: publication",
        head=case_head(view, me, now, "publication", warnings),
        draft=found.advisory,
        document=document,
        agreed=_parties(party, found.approved),
        missing=_parties(party, signatories - found.approved),
        dissents=tuple(shown_dissent(party, item) for item in found.dissents),
        embargo_until=moment(view.terms.until, now) if embargoed and view.terms else None,
        publishes_by_default=view.policy.publish_by_default,
        published=moment(found.published, now) if found.published else None,
        references=found.references,
        forms=forms(view, me, _ACTS, now),
    )


def shown_dissent(party: Callable[[str], Party], item: Dissent) -> ShownDissent:
    """A dissent with the name of who dissents; `head.naming` of the case gives names."""
    rulings = {None: "", True: "upheld", False: "not upheld"}
    return ShownDissent(party(item.author), item.text, rulings[item.upheld], item.ruling)


def _parties(party: Callable[[str], Party], names: set[str] | frozenset[str]) -> tuple[Party, ...]:
    return tuple(sorted((party(name) for name in names), key=lambda p: p.name.casefold()))
