"""Where a case stands after so many entries, as everybody in it sees it.

Decides nothing: frozen objects that `fold` puts together (spec/disclosure-case.md, section
View). What was found about targets is sealed and not here; see `findings`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from steelyard.disclosure.case.event import FIRST
from steelyard.disclosure.case.growing import Grown
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.disclosure.case.organization import Card
    from steelyard.disclosure.states.payloads import Approval
    from steelyard.disclosure.states.standing import Case

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Policy:
    """What a case was opened under.

    Attributes:
        level: The most that an answer tells: verdict, band or counts.
        rsvp_days: How long an invitation waits for an answer.
        silent_days: After how many days without an entry a host may be replaced.
        publish_by_default: Whether the reporter may publish when the embargo ends.
    """

    level: str
    rsvp_days: int
    silent_days: int
    publish_by_default: bool


@dataclass(frozen=True, slots=True)
class Member:
    """An organization in a case.

    Attributes:
        roles: What it is in this case.
        answer_by: Until when its invitation waits; None for the host.
        sequence: Of its latest event in the case, 0 for none.
        previous: Digest of that event.
        heard: When its latest event was ordered; None for none.
        left: Whether it takes no further part.
        objects: How many objects it has brought into the case.
        targets: How many targets it has named.
    """

    card: Card
    roles: frozenset[str]
    joined: datetime
    answer_by: datetime | None
    sequence: int = 0
    previous: str = FIRST
    heard: datetime | None = None
    left: bool = False
    objects: int = 0
    targets: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of an embargo, named by the digest of the event that proposed them."""

    digest: str
    by: str
    until: datetime
    text: str
    proposed: datetime


@dataclass(frozen=True, slots=True)
class Payload:
    """An encrypted object that the case knows of.

    Attributes:
        tier: Its hazard tier now.
        recipients: Who can decrypt it.
        finding: Whether it is an answer or what became of one, for coordinators alone.
        approvals: Who agrees that it is lowered from this tier.
    """

    id: str
    media_type: str
    size_bytes: int
    tier: str
    recipients: tuple[str, ...]
    author: str
    approvals: frozenset[Approval] = frozenset()
    finding: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A question that the coordinator asked.

    Attributes:
        digest: What answers name it by.
        reproducer: Digest of what is to be run.
        asked: Organizations.
    """

    digest: str
    reproducer: str
    level: str
    asked: frozenset[str]
    issued: datetime
    until: datetime
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """A target as everybody sees it: whether there is an answer, never which.

    Attributes:
        handle: What its organization calls it; empty until it has named one.
        state: unknown, notified, acked, running, retest, or `answered`.
        since: When that state was entered.
    """

    organization: str
    handle: str
    version: str
    commitment: str | None
    guardrail: str
    state: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Dissent:
    """A disagreement with a draft, and how it was decided, if it was."""

    digest: str
    author: str
    text: str
    upheld: bool | None = None
    ruling: str = ""


@dataclass(frozen=True, slots=True)
class Publication:
    """The advisory on its way out.

    Attributes:
        advisory: Digest of the draft that stands; empty for none.
        approved: Organizations that agree with it.
        published: When it became public.
        publisher: Who made it public; empty for nobody.
    """

    advisory: str = ""
    object: str = ""
    approved: frozenset[str] = frozenset()
    dissents: tuple[Dissent, ...] = ()
    published: datetime | None = None
    publisher: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Emergency:
    """Minimal facts that skipped negotiation, and which authorities were told."""

    author: str
    at: datetime
    facts: str
    told: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A case after `size` entries.

    Attributes:
        head: Hash of the last entry.
        host: Who orders the entries.
        ordered: When the last entry was ordered, by its host's clock.
        members: By organization id, in the order in which they came.
        states: The state machines of the case.
        table: Terms that are talked about, None for none.
        terms: Terms in force or last in force.
        attested: Deployers that attest a developer's fix, by developer.
        targets: By organization and handle.
        answered: Pairs of query digest and `organization/handle`.
        counts: What may be told of the answers, by query digest.
        moving: Approvals of an ownership transfer, by (new host, size, head).
    """

    case: str
    title: str
    abstract: str
    policy: Policy
    host: str
    size: int
    head: str
    ordered: datetime
    opened: datetime
    members: Mapping[str, Member]
    states: Case
    table: Terms | None = None
    terms: Terms | None = None
    attested: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NOTHING)
    payloads: Grown[str, Payload] = field(default_factory=Grown["str", "Payload"])
    queries: Mapping[str, Query] = field(default_factory=lambda: _NOTHING)
    targets: Grown[tuple[str, str], Target] = field(
        default_factory=Grown["tuple[str, str]", "Target"]
    )
    answered: frozenset[tuple[str, str]] = frozenset()
    counts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NOTHING)
    publication: Publication = Publication()
    emergencies: tuple[Emergency, ...] = ()
    moving: Mapping[tuple[str, int, str], frozenset[str]] = field(default_factory=lambda: _NOTHING)

    def changed(self, **changes: Any) -> View:  # noqa: ANN401 - values of fields
        """The same view with some fields changed.

        Copies the fields as a whole, which is why they are no slots: `dataclasses.replace` hands
        each of them over by name, and a long case does so some times for every entry.
        """
        made = object.__new__(View)
        made.__dict__.update(self.__dict__, **changes)
        return made

    def member(self, organization: str) -> Member:
        """The member of that id that has not left.

        Raises:
            NotSatisfied: there is none.
        """
        found = self.members.get(organization)
        if found is None or found.left:
            raise NotSatisfied(
                f"{organization[:20]} is not in this case",
                where=self.case[:16],
                hint="the host, a coordinator or the reporter can invite it",
            )
        return found

    def named(self, organization: str) -> str:
        """The name of an organization in this case, or its id."""
        found = self.members.get(organization)
        return found.card.name if found else organization

    def present_members(self) -> tuple[str, ...]:
        """Ids of members that have not left."""
        return tuple(name for name, item in self.members.items() if not item.left)

    def with_role(self, *roles: str) -> tuple[str, ...]:
        """Ids of members that have one of these roles and have not left."""
        wanted = set(roles)
        return tuple(
            name for name, item in self.members.items() if not item.left and item.roles & wanted
        )

    def with_member(self, organization: str, member: Member) -> View:
        """The same view with one member changed or added."""
        return self.changed(members={**self.members, organization: member})
