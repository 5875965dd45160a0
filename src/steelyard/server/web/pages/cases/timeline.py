"""The timeline of a case: every entry, what it said, and what it changed.

Decides the order (latest first), the pages, and how a machine's move is worded.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.permissions import load_kinds
from steelyard.server.web import addresses
from steelyard.server.web.forms import Option
from steelyard.server.web.moments import Moment, moment, span_words
from steelyard.server.web.pages.cases.head import CaseHead, Party, case_head, naming
from steelyard.server.web.pages.cases.sentences import said
from steelyard.server.web.words import MACHINES, state_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.chain import Chain, Ordered
    from steelyard.disclosure.case.view import View
    from steelyard.disclosure.states.rules import Effect

PER_PAGE: Final = 100
_APART_S: Final = 60
_EFFECTS_SHOWN: Final = 6
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """A machine that moved.

    Attributes:
        owner: Whose; empty for the case's own.
        follows: The rule that moved it; empty where the event itself did.
    """

    owner: str
    machine: str
    before: str
    after: str
    follows: str


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry of the case.

    Attributes:
        claimed: The author's own clock, where it is more than a minute off.
        apart: How far off.
        changes: What moved, the first of it.
        more: How many machines more moved.
        advice: What a rule says should have been done otherwise.
        opened: Text of the sealed object it brings, where the reader may read it.
        is_sealed: Whether it brings one that the reader cannot read.
    """

    index: int
    digest: str
    at: Moment
    day: str
    claimed: Moment | None
    apart: str
    author: Party
    kind: str
    text: str
    quote: str
    changes: tuple[Change, ...]
    more: int
    advice: tuple[str, ...]
    opened: str
    is_sealed: bool


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """Template `timeline`.

    Attributes:
        entries: Of this page, the latest first.
        total: How many fit what was asked.
        newer, older: Addresses of the pages beside this one; empty for none.
    """

    title: str
    head: CaseHead
    entries: tuple[EntryRow, ...]
    total: int
    number: int
    pages: int
    newer: str
    older: str
    kinds: tuple[Option, ...]
    authors: tuple[Option, ...]
    address: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries a reader asked for, as in the address; empty for all."""

    kind: str = ""
    author: str = ""
    number: int = 1


def read_asked(query: Mapping[str, str]) -> Asked:
    """What the query of an address asks for; what means nothing is left out."""
    kind, number = query.get("kind", ""), query.get("page", "")
    is_number = number.isascii() and number.isdigit() and len(number) < 8  # noqa: PLR2004 - digits
    return Asked(
        kind=kind if kind in load_kinds() else "",
        author=query.get("author", "")[:80],
        number=max(1, int(number)) if is_number else 1,
    )


def present(
    chain: Chain,
    me: str,
    now: datetime,
    asked: Asked = Asked(),
    texts: Mapping[str, str] = _NOTHING,
    warnings: Sequence[str] = (),
) -> TimelinePage:
    """The timeline of a case for `timeline.html`.

    Args:
        chain: The case as this node holds it.
        me: Id of the reader's organization, a member.
        now: The instant of the page.
        asked: What the address asked for; see `read_asked`.
        texts: Text of sealed objects that this reader may read, by object id.
        warnings: What the node found wrong with the case.
    """
    view, party = chain.view, naming(chain.view)
    found = [item for item in reversed(chain.ordered) if _fits(item, asked)]
    pages = max(1, -(-len(found) // PER_PAGE))
    number = min(asked.number, pages)
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    base = addresses.case(view.case, "timeline")

    def at(page: int) -> str:
        if not 1 <= page <= pages:
            return ""
        return addresses.with_query(base, kind=asked.kind, author=asked.author, page=str(page))

    return TimelinePage(
        title=f"{view.title}: timeline",
        head=case_head(view, me, now, "timeline", warnings),
        entries=tuple(_row(item, (view, party), now, texts) for item in shown),
        total=len(found),
        number=number,
        pages=pages,
        newer=at(number - 1),
        older=at(number + 1),
        kinds=_kinds(asked),
        authors=_authors(view, asked),
        address=base,
    )


def _fits(item: Ordered, asked: Asked) -> bool:
    event = item.event
    return asked.kind in {"", event.kind} and asked.author in {"", event.author}


def _row(
    item: Ordered,
    known: tuple[View, Callable[[str], Party]],
    now: datetime,
    texts: Mapping[str, str],
) -> EntryRow:
    view, party = known
    event, at = item.event, item.entry.ordered
    told = said(event, view, now)
    apart = abs(event.at - at)
    is_apart = apart.total_seconds() > _APART_S
    effects = item.effects
    opened = next((texts[name] for name in told.objects if name in texts), "")
    return EntryRow(
        index=item.entry.index,
        digest=event.digest,
        at=moment(at, now),
        day=f"{at:%A %d %B %Y}",
        claimed=moment(event.at, now) if is_apart else None,
        apart=span_words(apart) if is_apart else "",
        author=party(event.author),
        kind=event.kind,
        text=told.text,
        quote=told.quote,
        changes=tuple(_changes(effects[:_EFFECTS_SHOWN], view)),
        more=max(0, len(effects) - _EFFECTS_SHOWN),
        advice=tuple(row.text for row in item.advice),
        opened=opened,
        is_sealed=bool(told.objects) and not opened,
    )


def _changes(effects: Sequence[Effect], view: View) -> Iterator[Change]:
    for effect in effects:
        yield Change(
            owner=_owner(effect.owner, view),
            machine=MACHINES[effect.machine],
            before=state_words(effect.machine, effect.before),
            after=state_words(effect.machine, effect.after),
            follows=effect.rule.replace("-", " ").replace("_", " "),
        )


def _owner(owner: str, view: View) -> str:
    """Whose machine it is: the name of an organization, with the target where it is one."""
    organization, _, handle = owner.partition("/")
    name = view.named(organization) if organization else ""
    return f"{name} / {handle}" if handle else name


def _kinds(asked: Asked) -> tuple[Option, ...]:
    rows = [
        Option(name, name, kind.meaning, name == asked.kind) for name, kind in load_kinds().items()
    ]
    return (Option("", "any", chosen=not asked.kind), *rows)


def _authors(view: View, asked: Asked) -> tuple[Option, ...]:
    rows = [
        Option(name, member.card.name, chosen=name == asked.author)
        for name, member in view.members.items()
        if member.sequence
    ]
    rows.sort(key=lambda row: row.label.casefold())
    return (Option("", "anybody", chosen=not asked.author), *rows)
