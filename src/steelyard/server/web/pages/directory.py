"""The directory of organizations: cards, keys, and names that could be taken for one another.

Decides what of a card a page shows. Whom to trust is decided by people, who compare the
fingerprint of a root key by another way than this page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.organization import look_alike_names
from steelyard.server.web import addresses
from steelyard.server.web.forms import Button, Field, Form
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.pages.cases.head import Party, short_id
from steelyard.server.web.words import role_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.organization import Card, SigningKey

DIGITS: Final = 8
"""Of a fingerprint, as somebody reads them out."""


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """An organization in the list."""

    party: Party
    address: str
    roles: str
    sequence: int
    made: Moment
    endpoint: str
    keys: int
    is_trusted: bool
    is_own: bool


@dataclass(frozen=True, slots=True)
class DirectoryPage:
    """Template `directory`.

    Attributes:
        alike: How many organizations have a name that resembles another one's.
        form: Takes in a card.
    """

    title: str
    rows: tuple[OrganizationRow, ...]
    alike: int
    form: Form


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A signing key.

    Attributes:
        state: `speaks now`, `not yet`, `expired` or `revoked`.
    """

    fingerprint: str
    state: str
    shape: str
    since: Moment
    until: Moment | None


@dataclass(frozen=True, slots=True)
class OrganizationPage:
    """Template `organization`.

    Attributes:
        fingerprint: Of the root key, which is the id.
        contacts: Pairs of duty and address.
        watches: What of the profile is not empty: label and values.
        form: Says that somebody compared the fingerprint; None for one's own card.
    """

    title: str
    party: Party
    fingerprint: str
    roles: str
    sequence: int
    made: Moment
    endpoint: str
    contacts: tuple[tuple[str, str], ...]
    watches: tuple[tuple[str, str], ...]
    policy: str
    keys: tuple[KeyRow, ...]
    recipients: tuple[str, ...]
    digest: str
    is_trusted: bool
    form: Form | None


def present(
    cards: Sequence[Card], me: str, now: datetime, trusted: Collection[str] = ()
) -> DirectoryPage:
    """The directory for `directory.html`.

    Its form sends the file `card` to `addresses.ORGANIZATIONS`.

    Args:
        cards: The latest card of each organization.
        me: Id of the reader's organization.
        now: The instant of the page.
        trusted: Ids of those whose fingerprint somebody compared.
    """
    alike = _alike(cards)
    rows = sorted(cards, key=lambda card: (card.name.casefold(), card.organization))
    take = Form(
        "card",
        "Take in a card",
        addresses.ORGANIZATIONS,
        (Field("card", "Card", "file", hint="A signed card that you were sent."),),
        (Button("Take it in"),),
        "A later card of the same organization takes the place of the one before.",
    )
    return DirectoryPage(
        title="Organizations",
        rows=tuple(
            OrganizationRow(
                party=_party(card, alike.get(card.organization, ())),
                address=addresses.organization(card.organization),
                roles=role_words(card.roles),
                sequence=card.sequence,
                made=moment(card.made, now),
                endpoint=card.endpoint or "",
                keys=sum(key.speaks_at(now) for key in card.keys),
                is_trusted=card.organization in trusted,
                is_own=card.organization == me,
            )
            for card in rows
        ),
        alike=len(alike),
        form=take,
    )


def present_one(
    card: Card, others: Iterable[Card], me: str, now: datetime, *, is_trusted: bool = False
) -> OrganizationPage:
    """One organization for `organization.html`.

    Its form sends `digits`, the last eight of the fingerprint, to the page's own address.

    Args:
        card: Its latest card.
        others: The directory, for names that resemble this one.
        me: Id of the reader's organization.
        now: The instant of the page.
        is_trusted: Whether somebody compared the fingerprint.
    """
    rest = [other for other in others if other.organization != card.organization]
    alike = _alike([card, *rest]).get(card.organization, ())
    compare = Form(
        "compare",
        "Say that you compared the fingerprint",
        addresses.organization(card.organization),
        (
            Field(
                "digits",
                f"Last {DIGITS} digits, as they were read to you",
                hint="Over the telephone or in person, never from this page or a mail.",
                limit=DIGITS,
            ),
        ),
        (Button("They agree"),),
    )
    labels = {"families": "Model families", "modalities": "Modalities", "techniques": "Techniques"}
    return OrganizationPage(
        title=card.name,
        party=_party(card, alike),
        fingerprint=card.organization.removeprefix("org:"),
        roles=role_words(card.roles),
        sequence=card.sequence,
        made=moment(card.made, now),
        endpoint=card.endpoint or "",
        contacts=card.contacts,
        watches=tuple(
            (label, ", ".join(card.profile[name]))
            for name, label in labels.items()
            if card.profile.get(name)
        ),
        policy=card.policy,
        keys=tuple(_key(key, now) for key in card.keys),
        recipients=tuple(item.key_id for item in card.recipients),
        digest=card.digest,
        is_trusted=is_trusted,
        form=None if is_trusted or card.organization == me else compare,
    )


def _alike(cards: Sequence[Card]) -> dict[str, tuple[str, ...]]:
    return look_alike_names({card.organization: card.name for card in cards})


def _party(card: Card, alike: Collection[str]) -> Party:
    return Party(card.organization, card.name, short_id(card.organization), tuple(sorted(alike)))


def _key(key: SigningKey, now: datetime) -> KeyRow:
    if key.revoked:
        state, shape = "revoked", "failed"
    elif now < key.since:
        state, shape = "not yet", "not-asked"
    elif not key.speaks_at(now):
        state, shape = "expired", "not-checked"
    else:
        state, shape = "speaks now", "done"
    until = moment(key.until, now) if key.until else None
    return KeyRow(key.key.key_id, state, shape, moment(key.since, now), until)
