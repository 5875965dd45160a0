"""What stands above every page of a case: its name, its state in a line, its tabs.

Decides which few facts a reader needs before anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.organization import look_alike_names
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.server.web import addresses
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.words import EMBARGO, role_words, world_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import Emergency, View

_SHORT: Final = 12
_TABS: Final = (
    ("", "Board"),
    ("timeline", "Timeline"),
    ("embargo", "Embargo"),
    ("affectedness", "Affectedness"),
    ("deadlines", "Deadlines"),
    ("publication", "Publication"),
    ("payloads", "Payloads"),
    ("acts", "Act"),
)


@dataclass(frozen=True, slots=True)
class Party:
    """An organization as a page names it: a name alone decides nothing.

    Attributes:
        short: The first digits of its id, in groups.
        resembles: Names of others in sight that a hurried reader takes for it.
    """

    id: str
    name: str
    short: str
    resembles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the case."""

    label: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """An emergency that was called."""

    by: Party
    at: Moment
    facts: str
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseHead:
    """What stands above every page of a case.

    Attributes:
        own_roles: What the reader's organization is in it; empty for none.
        embargo_until: End of the terms in force.
        world: What the public knows, a fact each.
        warnings: What is wrong with the case itself, such as a host that forked its history.
    """

    id: str
    short: str
    title: str
    host: Party
    own_roles: str
    embargo: str
    embargo_until: Moment | None
    world: tuple[str, ...]
    members: int
    size: int
    head: str
    opened: Moment
    ordered: Moment
    published: Moment | None
    alarms: tuple[Alarm, ...]
    warnings: tuple[str, ...]
    tabs: tuple[Tab, ...]


def naming(view: View) -> Callable[[str], Party]:
    """How a page of a case names an organization, with others that could be taken for it."""
    names = {key: item.card.name for key, item in view.members.items()}
    alike = look_alike_names(names)

    def party(organization: str) -> Party:
        name = names.get(organization, organization)
        return Party(organization, name, short_id(organization), alike.get(organization, ()))

    return party


def short_id(organization: str) -> str:
    """The first digits of an id, in groups of four."""
    digits = organization.removeprefix("org:")[:_SHORT]
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def is_coordinator(view: View, me: str) -> bool:
    """Whether an organization coordinates a case, and so sees what was found."""
    return me in view.with_role("coordinator")


def case_head(
    view: View, me: str, now: datetime, tab: str, warnings: Sequence[str] = ()
) -> CaseHead:
    """What stands above a page of a case.

    Args:
        view: Where the case stands.
        me: Id of the reader's organization.
        now: The instant of the page.
        tab: Of this page, as in its address.
        warnings: What the node found wrong with the case, a sentence each.
    """
    member = view.members.get(me)
    terms = view.terms if view.states.em in IN_FORCE else None
    party = naming(view)
    published = view.publication.published
    return CaseHead(
        id=view.case,
        short=view.case[:_SHORT],
        title=view.title,
        host=party(view.host),
        own_roles=role_words(member.roles) if member else "",
        embargo=EMBARGO[view.states.em],
        embargo_until=moment(terms.until, now) if terms else None,
        world=world_facts(view.states.pxa),
        members=len(view.present_members()),
        size=view.size,
        head=view.head,
        opened=moment(view.opened, now),
        ordered=moment(view.ordered, now),
        published=moment(published, now) if published else None,
        alarms=tuple(_alarm(party(item.author), item, now) for item in view.emergencies),
        warnings=tuple(warnings),
        tabs=tuple(
            Tab(label, addresses.case(view.case, name), name == tab) for name, label in _TABS
        ),
    )


def _alarm(by: Party, item: Emergency, now: datetime) -> Alarm:
    return Alarm(by, moment(item.at, now), item.facts, item.told)
