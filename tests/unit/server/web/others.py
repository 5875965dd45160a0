"""Other organizations of a case, who sign for themselves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from steelyard.disclosure.case import Draft, sign_event
from steelyard.disclosure.delivery.sealed_object import object_id, seal_object
from steelyard.disclosure.reproducer.commitment import Root
from steelyard.disclosure.reproducer.query import (
    Counts,
    Ran,
    make_answer,
    open_query,
    sign_answer,
)
from steelyard.disclosure.reproducer.verdict import Finding, Verdict
from steelyard.server.node import About, Identity, create_identity, ordering, saying
from steelyard.server.storage import objects
from steelyard.server.storage import organizations as cards

from .visits import START, Site


@dataclass
class Other:
    """An organization without a node; its host hands in what it signs."""

    identity: Identity

    @property
    def id(self) -> str:
        return self.identity.organization


def join(site: Site, folder: Path, name: str, *roles: str) -> Other:
    """An organization whose card is here, and compared."""
    identity = create_identity(folder, About(name, roles), START - timedelta(days=1))
    site.node.run(lambda c: cards.keep(c, identity.card, START, trusted=True))
    return Other(identity)


def open_case(site: Site, *guests: Other, title: str = "a title", abstract: str = "x") -> str:
    """A case of this node with others in it."""
    node = site.node
    opening = saying.Opening(title, abstract, node.identity.card.roles)
    case = node.run(lambda c: saying.open_case(node, c, opening)).case
    for guest in guests:
        invitation = saying.Invitation(guest.id, guest.identity.card.roles)
        node.run(lambda c, i=invitation: saying.invite(node, c, case, i))
    return case


def answer(site: Site, other: Other, case: str, verdict: Verdict) -> None:
    """A sealed answer to the latest query of a case, about the target `m1`."""
    node, now = site.node, site.clock.at
    with node.database.reading() as connection:
        view = node.chains.get(connection, case).view
    keys = {item.key.key_id: item.key for item in node.identity.card.keys}
    asked = open_query(next(iter(view.queries.values())).envelope, keys, now=now)
    finding = Finding(verdict, 0.5, 0.3, 0.7, 20, 0.0, None, "")
    ran = Ran(
        asked.reproducer, "m1", "steelyard/1", finding, Counts(10, 20, 20), Root("b" * 64, 40)
    )
    plaintext = sign_answer(make_answer(asked, ran, level=asked.level, now=now), other.identity.key)
    sealed = seal_object(
        plaintext,
        media_type="application/vnd.in-toto+json",
        recipients={
            node.organization: node.identity.card.recipient,
            other.id: other.identity.card.recipient,
        },
        random=secrets.token_bytes,
    )
    name = object_id(sealed)
    node.run(lambda c: objects.put(c, name, objects.Stored(case, other.id, sealed), now))
    reference = {
        "id": name,
        "media_type": "application/vnd.in-toto+json",
        "bytes": len(plaintext),
        "tier": "h1",
        "recipients": sorted([node.organization, other.id]),
    }
    say(site, other, case, "answer", target="m1", query=asked.digest, object=reference)


def say(site: Site, other: Other, case: str, kind: str, **body: Any) -> None:  # noqa: ANN401
    """An event of another organization, ordered by this node."""
    node = site.node
    with node.database.reading() as connection:
        view = node.chains.get(connection, case).view
    member = view.members[other.id]
    draft = Draft(
        case, other.id, member.sequence + 1, member.previous, view.size, view.head,
        site.clock.at, kind, body,
    )  # fmt: skip
    envelope = sign_event(draft, other.identity.key)
    node.run(lambda c: ordering.admit(node, c, case, envelope))
