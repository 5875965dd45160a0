"""Who is affected: all verdicts for a coordinator, for others their own and what may be counted.

Decides what a reader sees of what was found; this is the one place where a page shows a verdict
of a case, and it shows none of another organization to anybody but a coordinator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.reproducer.counts import LEAST_COUNT
from steelyard.disclosure.states.tables import load_tables
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.pages.cases.acts import forms
from steelyard.server.web.pages.cases.chips import KINDS, Chip, chip, found_chip
from steelyard.server.web.pages.cases.head import (
    CaseHead,
    Party,
    case_head,
    is_coordinator,
    naming,
)
from steelyard.server.web.words import AFFECTED, isolated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from steelyard.disclosure.case.findings import Findings, Found
    from steelyard.disclosure.case.view import Query, Target, View
    from steelyard.disclosure.reproducer.query import Answer
    from steelyard.server.web.forms import Form

_CASE: Final = "steelyard disclose case"
_SHORT: Final = 16
_VERDICTS: Final = ("affected", "not_affected", "undetermined")


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query.

    Attributes:
        name: What a column of the matrix is headed with.
        level: The most that an answer tells.
        counts: What may be told: words and number, None where it is hidden.
        counted: How many answers the counts are of.
    """

    name: str
    digest: str
    reproducer: str
    level: str
    issued: Moment
    until: Moment
    asked: int
    answered: int
    counted: int
    counts: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """An answer of one target to one query.

    Attributes:
        verdict: In words; `not asked` or `no answer` where there is none.
        shape: Of the mark beside it.
        detail: Band, or counts and interval, as far as the answer tells them.
    """

    verdict: str
    shape: str
    detail: str


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target, its state, and its answers by query."""

    party: Party
    chip: Chip
    cells: tuple[Cell, ...]
    is_first: bool


@dataclass(frozen=True, slots=True)
class AffectednessPage:
    """Template `affectedness`.

    Attributes:
        sees_all: Whether the reader coordinates the case.
        totals: Targets by state, words and number; only where the reader sees all.
        problems: Sealed answers that are not believed, and why.
        unopened: How many sealed objects could not be opened.
        commands: What no page does, and the command that does it.
    """

    title: str
    head: CaseHead
    sees_all: bool
    queries: tuple[QueryRow, ...]
    rows: tuple[TargetRow, ...]
    totals: tuple[tuple[str, str, int], ...]
    problems: tuple[str, ...]
    unopened: int
    least: int
    legend: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    forms: tuple[Form, ...]


def present(
    view: View, me: str, now: datetime, findings: Findings, warnings: Sequence[str] = ()
) -> AffectednessPage:
    """The affectedness page for `affectedness.html`.

    Args:
        view: Where the case stands.
        me: Id of the reader's organization, a member.
        now: The instant of the page.
        findings: `findings.find` over what this organization could open. Of others' targets in
            it nothing is shown unless the reader coordinates the case.
        warnings: What the node found wrong with the case.
    """
    sees_all = is_coordinator(view, me)
    queries = sorted(view.queries.values(), key=lambda item: (item.issued, item.digest))
    shown = [
        item
        for item in sorted(view.targets.values(), key=lambda item: _order(view, item))
        if sees_all or item.organization == me
    ]
    found = [(item, findings.targets.get((item.organization, item.handle))) for item in shown]
    return AffectednessPage(
        title=f"{view.title}: affectedness",
        head=case_head(view, me, now, "affectedness", warnings),
        sees_all=sees_all,
        queries=tuple(_query(view, item, n, now) for n, item in enumerate(queries, 1)),
        rows=tuple(_rows(view, found, queries, now)),
        totals=_totals(found, now) if sees_all else (),
        problems=tuple(isolated(text) for text in findings.problems) if sees_all else (),
        unopened=len(findings.sealed) if sees_all else 0,
        least=LEAST_COUNT,
        legend=tuple(
            (AFFECTED[item.id], item.meaning) for item in load_tables().machine("AM").states
        ),
        commands=(*_answers(view, me, queries, now), *_counts(view, queries, sees_all=sees_all)),
        forms=forms(view, me, ("query", "target", "progress", "status"), now),
    )


def _answers(
    view: View, me: str, queries: Sequence[Query], now: datetime
) -> Iterator[tuple[str, str]]:
    """How each target of the reader answers what it was asked: from a run, which no page takes."""
    own = sorted(item.handle for item in view.targets.values() if item.organization == me)
    for number, query in enumerate(queries, 1):
        if me not in query.asked or query.until <= now:
            continue
        for handle in own:
            if (query.digest, f"{me}/{handle}") not in view.answered:
                target = handle or "TARGET"
                command = f"{_CASE} answer {view.case[:_SHORT]} {target} RUN"
                yield (
                    f"Answer query {number} for {handle or 'a target that you have named'}",
                    f"{command} --query {query.digest[:_SHORT]}",
                )


def _counts(view: View, queries: Sequence[Query], *, sees_all: bool) -> Iterator[tuple[str, str]]:
    for number, query in enumerate(queries, 1):
        if sees_all:
            yield (
                f"Tell everybody how many answered query {number}, and what",
                f"{_CASE} counts {view.case[:_SHORT]} --query {query.digest[:_SHORT]}",
            )


def _order(view: View, item: Target) -> tuple[str, str, str]:
    return view.named(item.organization).casefold(), item.organization, item.handle


def _query(view: View, item: Query, number: int, now: datetime) -> QueryRow:
    told = view.counts.get(item.digest, {})
    verdicts = told.get("by_verdict", {})
    return QueryRow(
        name=f"Query {number}",
        digest=item.digest,
        reproducer=item.reproducer,
        level=item.level,
        issued=moment(item.issued, now),
        until=moment(item.until, now),
        asked=len(item.asked),
        answered=sum(name == item.digest for name, _ in view.answered),
        counted=told.get("answers", 0),
        counts=tuple((AFFECTED[name], verdicts[name]) for name in _VERDICTS if name in verdicts),
    )


def _rows(
    view: View,
    found: Sequence[tuple[Target, Found | None]],
    queries: Sequence[Query],
    now: datetime,
) -> Iterable[TargetRow]:
    before, party = "", naming(view)
    for target, known in found:
        answers = known.answers if known else dict[str, "Answer"]()
        yield TargetRow(
            party=party(target.organization),
            chip=_chip(target, known, now),
            cells=tuple(_cell(target, query, answers.get(query.digest), view) for query in queries),
            is_first=target.organization != before,
        )
        before = target.organization


def _chip(target: Target, known: Found | None, now: datetime) -> Chip:
    return found_chip(known.state, target, now) if known else chip(target, now)


def _cell(target: Target, query: Query, answer: Answer | None, view: View) -> Cell:
    if answer is not None:
        verdict = answer.verdict.value
        return Cell(AFFECTED[verdict], verdict.replace("_", "-"), _detail(answer))
    if target.organization not in query.asked:
        return Cell("not asked", "not-asked", "")
    if (query.digest, f"{target.organization}/{target.handle}") in view.answered:
        return Cell("sealed answer, not opened", "answered", "")
    return Cell("no answer", "silent", "")


def _detail(answer: Answer) -> str:
    if answer.counts is not None and answer.interval is not None:
        counts, (low, high) = answer.counts, answer.interval
        return (
            f"{counts.k} of {counts.n} tries, {counts.variants} variants; {low:.1%} to {high:.1%}"
        )
    if answer.band is not None:
        low, high = answer.band
        return low if low == high else f"{low} to {high}"
    return ""


def _totals(
    found: Sequence[tuple[Target, Found | None]], now: datetime
) -> tuple[tuple[str, str, int], ...]:
    counted: dict[tuple[str, str, int], int] = {}
    for target, known in found:
        item = _chip(target, known, now)
        words = item.text if item.kind == "answered" else item.kind
        key = (words, item.shape, KINDS.index(item.kind))
        counted[key] = counted.get(key, 0) + 1
    rows = sorted(counted.items(), key=lambda row: (row[0][2], row[0][0]))
    return tuple((words, shape, count) for (words, shape, _), count in rows)
