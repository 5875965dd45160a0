"""The board of a case: every participant in a row, readable with a hundred of them.

Decides what a row says, which rows a reader asked for, and their order. Only what everybody in
the case may see is shown; what was found is on the page of affectedness.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.organization import NAMES_MODELS, ROLES
from steelyard.disclosure.states.standing import Participant
from steelyard.server.web import addresses
from steelyard.server.web.forms import Option
from steelyard.server.web.moments import Moment, moment, span_words
from steelyard.server.web.pages.cases.chips import KINDS, Chip, chip, not_asked
from steelyard.server.web.pages.cases.head import (
    CaseHead,
    Party,
    case_head,
    naming,
)
from steelyard.server.web.words import CONSENT, FIX, REPORT, meanings, role_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.view import Member, Target, View

_CHIPS_SHOWN: Final = 3
_NONE: Final = "none"
SORTS: Final = ("attention", "name", "report", "fix", "consent", "affected", "heard")
_PARTICIPANT: Final = Participant("", "")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader asked the board for, as in its address; empty for everything.

    Attributes:
        text: Part of a name or id.
        role, report, fix, consent: One state or role each.
        affected: One of `chips.KINDS`.
        sort: One of `SORTS`, with `-` before it for the other way round.
        live: `1` to refresh by itself.
    """

    text: str = ""
    role: str = ""
    report: str = ""
    fix: str = ""
    consent: str = ""
    affected: str = ""
    sort: str = "attention"
    live: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A participant.

    Attributes:
        chips: Its targets, those that need somebody first.
        more: How many targets more there are.
        heard: When it last said something in the case.
        answer_by: Until when its invitation waits, while it has said nothing.
        late: For how long that is over; empty where it is not.
    """

    party: Party
    roles: str
    report: str
    report_state: str
    fix: str
    fix_state: str
    consent: str
    consent_state: str
    chips: tuple[Chip, ...]
    more: int
    heard: Moment | None
    answer_by: Moment | None
    late: str
    is_host: bool
    is_own: bool
    has_left: bool


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column that sorts.

    Attributes:
        sorted: As in the attribute `aria-sort`.
    """

    label: str
    address: str
    sorted: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many participants are in a kind, and where to see only them."""

    label: str
    shape: str
    count: int
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class BoardPage:
    """Template `board`.

    Attributes:
        counts: Participants by affectedness, before any filter.
        selects: Name, label and options of each filter.
        live: Address that refreshes by itself, or stops to.
    """

    title: str
    head: CaseHead
    abstract: str
    asked: Asked
    rows: tuple[Row, ...]
    total: int
    counts: tuple[Count, ...]
    columns: tuple[Column, ...]
    selects: tuple[tuple[str, str, tuple[Option, ...]], ...]
    address: str
    here: str
    live: str
    legends: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def read_asked(query: Mapping[str, str]) -> Asked:
    """What the query of an address asks for; what means nothing is left out."""
    allowed: dict[str, Iterable[str]] = {
        "role": ROLES,
        "report": REPORT,
        "fix": [*(name for name in FIX if name), _NONE],
        "consent": CONSENT,
        "affected": [*KINDS, _NONE],
        "sort": [*SORTS, *(f"-{name}" for name in SORTS)],
        "live": ["1"],
    }
    kept = {name: query[name] for name, known in allowed.items() if query.get(name) in set(known)}
    return Asked(text=query.get("text", "").strip()[:120], **kept)


def present(
    view: View,
    me: str,
    now: datetime,
    asked: Asked = Asked(),
    warnings: Sequence[str] = (),
) -> BoardPage:
    """The board of a case for `board.html`.

    Args:
        view: Where the case stands.
        me: Id of the reader's organization, a member.
        now: The instant of the page.
        asked: What the address asked for; see `read_asked`.
        warnings: What the node found wrong with the case.
    """
    rows = _rows(view, me, now)
    chosen = sorted((row for row in rows if _fits(row, view, asked)), key=_order(asked.sort))
    if asked.sort.startswith("-"):
        chosen.reverse()
    base = addresses.case(view.case)
    return BoardPage(
        title=f"{view.title}: board",
        head=case_head(view, me, now, "", warnings),
        abstract=view.abstract,
        asked=asked,
        rows=tuple(chosen),
        total=len(rows),
        counts=_counts(rows, base, asked),
        columns=tuple(_column(base, asked, name, label) for name, label in _COLUMNS),
        selects=_selects(asked),
        address=base,
        here=_address(base, asked),
        live=_address(base, replace(asked, live="" if asked.live else "1")),
        legends=tuple((label, meanings(machine)) for label, machine in _LEGENDS),
    )


_LEGENDS: Final = (("Report", "RM"), ("Fix", "VFD"), ("Embargo", "PEC"), ("Affected", "AM"))
_COLUMNS: Final = (
    ("name", "Participant"),
    ("report", "Report"),
    ("fix", "Fix"),
    ("consent", "Embargo"),
    ("affected", "Affected"),
    ("heard", "Last heard"),
)


def _rows(view: View, me: str, now: datetime) -> list[Row]:
    states = {item.organization: item for item in view.states.participants}
    targets: dict[str, list[Target]] = {}
    for item in view.targets.values():
        targets.setdefault(item.organization, []).append(item)
    party = naming(view)
    return [
        _row(
            view,
            party(name),
            states.get(name, _PARTICIPANT),
            tuple(_chips(member, targets.get(name, []), now)),
            (me, now),
        )
        for name, member in view.members.items()
    ]


def _row(
    view: View, who: Party, state: Participant, chips: tuple[Chip, ...], seen: tuple[str, datetime]
) -> Row:
    me, now = seen
    member = view.members[who.id]
    waits = member.heard is None and not member.left and member.answer_by is not None
    late = waits and member.answer_by is not None and member.answer_by <= now
    return Row(
        party=who,
        roles=role_words(member.roles),
        report=REPORT[state.rm],
        report_state=state.rm,
        fix=FIX[state.vfd],
        fix_state=state.vfd or _NONE,
        consent=CONSENT[state.pec],
        consent_state=state.pec,
        chips=chips[:_CHIPS_SHOWN],
        more=max(0, len(chips) - _CHIPS_SHOWN),
        heard=moment(member.heard, now) if member.heard else None,
        answer_by=moment(member.answer_by, now) if waits and member.answer_by else None,
        late=span_words(now - member.answer_by) if late and member.answer_by else "",
        is_host=who.id == view.host,
        is_own=who.id == me,
        has_left=member.left,
    )


def _chips(member: Member, targets: Sequence[Target], now: datetime) -> Iterable[Chip]:
    if not targets:
        return [not_asked(member.joined, now)] if member.roles & set(NAMES_MODELS) else []
    found = [chip(item, now) for item in targets]
    return sorted(found, key=lambda item: (KINDS.index(item.kind), item.handle))


def _kind(row: Row) -> str:
    return row.chips[0].kind if row.chips else _NONE


def _fits(row: Row, view: View, asked: Asked) -> bool:
    wanted = asked.text.casefold()
    if wanted and wanted not in f"{row.party.name} {row.party.id}".casefold():
        return False
    if asked.role and asked.role not in view.members[row.party.id].roles:
        return False
    if asked.affected and asked.affected not in {_kind(row), *(item.kind for item in row.chips)}:
        return False
    pairs = (
        (asked.report, row.report_state),
        (asked.fix, row.fix_state),
        (asked.consent, row.consent_state),
    )
    return all(not want or want == found for want, found in pairs)


def _order(sort: str) -> Callable[[Row], tuple[object, ...]]:
    name = sort.removeprefix("-")

    def by_name(row: Row) -> str:
        return row.party.name.casefold()

    orders: dict[str, Callable[[Row], tuple[object, ...]]] = {
        "attention": lambda row: (row.has_left, not row.late, _urgency(row), by_name(row)),
        "name": lambda row: (by_name(row), row.party.id),
        "report": lambda row: ([*REPORT].index(row.report_state), by_name(row)),
        "fix": lambda row: ([*FIX.values()].index(row.fix), by_name(row)),
        "consent": lambda row: ([*CONSENT].index(row.consent_state), by_name(row)),
        "affected": lambda row: (_urgency(row), by_name(row)),
        "heard": lambda row: (row.heard.iso if row.heard else "", by_name(row)),
    }
    return orders[name]


def _urgency(row: Row) -> int:
    return KINDS.index(row.chips[0].kind) if row.chips else len(KINDS)


def _address(base: str, asked: Asked) -> str:
    values = {name: value for name, value in asdict(asked).items() if value}
    if values.get("sort") == "attention":
        del values["sort"]
    return addresses.with_query(base, **values)


def _counts(rows: Sequence[Row], base: str, asked: Asked) -> tuple[Count, ...]:
    names = (*KINDS, _NONE)
    labels = {_NONE: "names no model"}
    return tuple(
        Count(
            label=labels.get(kind, kind),
            shape=kind.replace(" ", "-"),
            count=sum(_kind(row) == kind for row in rows),
            address=_address(base, replace(asked, affected="" if asked.affected == kind else kind)),
            is_current=asked.affected == kind,
        )
        for kind in names
    )


def _column(base: str, asked: Asked, name: str, label: str) -> Column:
    turned = asked.sort == name
    current = asked.sort.removeprefix("-") == name
    direction = ("ascending" if turned else "descending") if current else "none"
    return Column(
        label, _address(base, replace(asked, sort=f"-{name}" if turned else name)), direction
    )


def _selects(asked: Asked) -> tuple[tuple[str, str, tuple[Option, ...]], ...]:
    fixes = [(name or _NONE, text) for name, text in FIX.items()]
    rows: tuple[tuple[str, str, Iterable[tuple[str, str]], str], ...] = (
        ("role", "Role", ((role, role_words([role])) for role in ROLES), asked.role),
        ("report", "Report", REPORT.items(), asked.report),
        ("fix", "Fix", fixes, asked.fix),
        ("consent", "Embargo", CONSENT.items(), asked.consent),
        ("affected", "Affected", ((kind, kind) for kind in KINDS), asked.affected),
    )
    return tuple(
        (
            name,
            label,
            (
                Option("", "any", chosen=not now),
                *(Option(value, text, chosen=value == now) for value, text in options),
            ),
        )
        for name, label, options, now in rows
    )
