"""Encrypted objects of a case and how dangerous each is, apart from any embargo.

Decides which of them a page lists: those that the reader can decrypt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.states.tables import load_tables
from steelyard.server.web import addresses
from steelyard.server.web.pages.cases.head import CaseHead, Party, case_head, naming
from steelyard.server.web.pages.cases.refusals import readable
from steelyard.server.web.words import TIERS, isolated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import Payload, View

PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """A sealed object.

    Attributes:
        approvals: Who agrees that it is lowered, with the role.
        still: How many approvals more it takes.
        act: Where its tier is changed.
    """

    id: str
    media_type: str
    size: str
    tier: str
    tier_id: str
    author: Party
    readers: int
    approvals: tuple[str, ...]
    still: int
    act: str


@dataclass(frozen=True, slots=True)
class PayloadsPage:
    """Template `payloads`.

    Attributes:
        unreadable: How many more the case knows that the reader cannot decrypt.
        legend: What each tier means.
    """

    title: str
    head: CaseHead
    rows: tuple[PayloadRow, ...]
    total: int
    unreadable: int
    newer: str
    older: str
    legend: tuple[tuple[str, str], ...]


def present(
    view: View, me: str, now: datetime, number: int = 1, warnings: Sequence[str] = ()
) -> PayloadsPage:
    """The payloads that a reader can decrypt, for `payloads.html`.

    Args:
        view: Where the case stands.
        me: Id of the reader's organization, a member.
        now: The instant of the page.
        number: Which page of them, the latest first.
        warnings: What the node found wrong with the case.
    """
    names, party = readable(view, me)[::-1], naming(view)
    pages = max(1, -(-len(names) // PER_PAGE))
    number = min(max(1, number), pages)
    listed = names[(number - 1) * PER_PAGE : number * PER_PAGE]
    shown = [view.payloads[name] for name in listed]
    base = addresses.case(view.case, "payloads")
    machine = load_tables().machine("HM")
    return PayloadsPage(
        title=f"{view.title}: payloads",
        head=case_head(view, me, now, "payloads", warnings),
        rows=tuple(_row(view, party(item.author), item) for item in shown),
        total=len(names),
        unreadable=len(view.payloads) - len(names),
        newer=addresses.with_query(base, page=str(number - 1)) if number > 1 else "",
        older=addresses.with_query(base, page=str(number + 1)) if number < pages else "",
        legend=tuple((TIERS[item.id], item.meaning) for item in machine.states),
    )


def _row(view: View, author: Party, item: Payload) -> PayloadRow:
    approving = sorted({approval.organization for approval in item.approvals})
    return PayloadRow(
        id=item.id,
        media_type=item.media_type,
        size=f"{item.size_bytes:,} bytes",
        tier=TIERS[item.tier],
        tier_id=item.tier,
        author=author,
        readers=len(item.recipients),
        approvals=tuple(isolated(view.named(name)) for name in approving),
        still=max(0, load_tables().lowering_approvals - len(approving)),
        act=addresses.act(view.case, "hazard", object=item.id),
    )
