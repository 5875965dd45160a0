"""What people are told by mail or webhook: that something is due, never what it is about.

Decides what is worth a notice, to which addresses of one's own card, and what may stand in it:
mail is read by others on its way, so it names no flaw, no title and no participant. Each matter
is told an address once, however long it lasts, and no address more than so many in a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.acts.embargo import answer_until
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.kernel import format_instant
from steelyard.server.node import legal
from steelyard.server.storage import cases, facts, forgetting
from steelyard.server.storage import notices as rows
from steelyard.server.storage.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain
    from steelyard.server.node.node import Node

MOST_A_DAY: Final = 48
_SOON: Final = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that people must hear of.

    Attributes:
        id: The same for the same matter, however often it is found; begins with its case.
        duty: Whom of the card's contacts it is for.
        text: Without anything that is not for everybody.
    """

    id: str
    duty: str
    text: str


def write(node: Node, connection: Connection, chain: Chain) -> int:
    """Keep notices of what is due in a case, to be sent; how many are new."""
    contacts, now, new = node.identity.card.contacts, node.now(), 0
    since = now - timedelta(days=1)
    for matter in matters(node, connection, chain):
        for address in _addresses(contacts, matter.duty):
            if rows.count_since(connection, address, since) >= MOST_A_DAY:
                continue
            new += rows.add(connection, Notice(matter.id, address, matter.text), now)
    return new


def forget(
    node: Node, connection: Connection, case: str, told: Iterable[str], before: datetime
) -> None:
    """Forget notices of a case of before an instant whose matter is over.

    Of a matter that lasts they stay, as it would be told again otherwise.

    Args:
        node: Whose people were told.
        connection: In a transaction.
        case: Its id, also of one that is not here.
        told: Ids of matters.
        before: What was sent or given up later stays.
    """
    chain = node.chains.find(connection, case)
    lasting = set[str]()
    if chain is not None and node.organization in chain.view.members:
        lasting = {matter.id for matter in matters(node, connection, chain)}
    forgetting.forget_notices(connection, (item for item in told if item not in lasting), before)


def case_of(matter: str) -> str:
    """The case that a matter is of, by its id."""
    return matter.partition(":")[0]


def may_be_due(node: Node, connection: Connection, chain: Chain) -> bool:
    """Whether `write` may find something new; deadlines are answered, and kept, where it writes."""
    if facts.find(connection, chain.case).facts:
        return True
    contacts = node.identity.card.contacts
    return any(
        not rows.is_kept(connection, matter.id, address)
        for matter in _said(node, connection, chain)
        for address in _addresses(contacts, matter.duty)
    )


def matters(node: Node, connection: Connection, chain: Chain) -> Iterator[Matter]:
    """What of a case is worth a notice now."""
    yield from _said(node, connection, chain)
    yield from _deadlines(node, connection, chain)


def _said(node: Node, connection: Connection, chain: Chain) -> Iterator[Matter]:
    """What follows from what was said in a case."""
    view, now, case = chain.view, node.now(), chain.case[:16]
    own = view.states.participant(node.organization)
    for item in view.emergencies:
        at = format_instant(item.at)
        yield Matter(
            f"{chain.case}:emergency:{item.author[-16:]}:{at}",
            "emergency",
            f"An emergency was called in case {case} at {at}. Read the case on your node at once.",
        )
    if own.pec == "invited":
        until = format_instant(answer_until(view, node.organization))
        asked = view.table or view.terms
        about = asked.digest[:16] if asked else ""
        text = f"Case {case} asks for an answer until {until}."
        yield Matter(f"{chain.case}:asked:{about}", "general", text)
    terms = view.terms
    if terms is not None and view.states.em in IN_FORCE and terms.until <= now + _SOON:
        until = format_instant(terms.until)
        text = f"The embargo of case {case} ends at {until}."
        yield Matter(f"{chain.case}:embargo:{terms.digest[:16]}", "general", text)
    if now - view.ordered >= timedelta(days=view.policy.silent_days) and view.host != own.name:
        text = f"The host of case {case} is silent; another organization can take it over."
        yield Matter(f"{chain.case}:silent:{view.size}", "general", text)
    for fault in cases.faults(connection, chain.case):
        text = f"The host of case {case} signed what cannot both be true. Read the case."
        yield Matter(f"{chain.case}:fault:{fault.culprit[-16:]}:{fault.kind}", "general", text)


def _deadlines(node: Node, connection: Connection, chain: Chain) -> Iterator[Matter]:
    board = legal.followed(node, connection, chain.case)
    if board is None:
        return
    for item in board.deadlines:
        if item.period is None or item.status not in {"open", "missed"}:
            continue
        if item.period.act_by <= board.at + _SOON:
            act_by = format_instant(item.period.act_by)
            text = f"{item.rule.title}: act by {act_by} in case {chain.case[:16]}."
            yield Matter(f"{chain.case}:{item.key}:{item.status}:{act_by}", "general", text)


def _addresses(contacts: tuple[tuple[str, str], ...], duty: str) -> tuple[str, ...]:
    """Addresses of a duty; those of the other where the card names none."""
    named = tuple(address for name, address in contacts if name == duty)
    return named or tuple(address for _, address in contacts)
