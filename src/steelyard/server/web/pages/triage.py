"""Reports that came in through the form, for who handles them.

Decides what of a report a page shows: of one that is sealed, title and abstract alone. A
reproducer is told by what could come of it; nothing here runs one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.bodies import PROSE_LIMIT, TITLE_LIMIT
from steelyard.server.desk.reports import MESSAGE_LIMIT, STATES
from steelyard.server.desk.triage import REPORTER
from steelyard.server.web import addresses
from steelyard.server.web.forms import Button, Field, Form, Option
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.words import TIERS, role_words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.intake import ClaimedTarget
    from steelyard.server.desk.reports import Report, Said
    from steelyard.server.desk.reproducers import Check


_NO_REPORTER: Final = (
    " Its card does not name the role of a reporter: it cannot send the report on as one."
)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report in the list.

    Attributes:
        runs: What its reproducers amount to, in words.
        shape: Of the mark beside that.
    """

    number: str
    title: str
    address: str
    received: Moment
    state: str
    tier: str
    tier_id: str
    runs: str
    shape: str
    attachments: int


@dataclass(frozen=True, slots=True)
class ReportsPage:
    """Template `reports`.

    Attributes:
        filters: Label and address of each choice, and whether it is this one.
        unopened: Numbers of reports that do not open.
    """

    title: str
    rows: tuple[ReportRow, ...]
    filters: tuple[tuple[str, str, bool], ...]
    unopened: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileRow:
    """An attachment.

    Attributes:
        address: Where it can be fetched; empty where nobody may.
        check: What was found of it as a reproducer; empty where it is none.
    """

    name: str
    kind: str
    sha256: str
    address: str
    check: str
    shape: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Template `report`.

    Attributes:
        texts: Label and text of what the reporter wrote.
        lines: Label and lines of lists.
        is_sealed: Whether details are not for this reader; of tier H3 they are for nobody.
        case: Address of its case; empty before there is one.
        open_case: Address of the form that opens one; empty where the reader may not.
    """

    title: str
    number: str
    received: Moment
    state: str
    tier: str
    tier_id: str
    digest: str
    texts: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    files: tuple[FileRow, ...]
    is_sealed: bool
    case: str
    open_case: str
    messages: tuple[tuple[Moment, bool, str], ...]
    forms: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class OpeningPage:
    """Template `opening`: the form that turns a report into a case."""

    title: str
    number: str
    back: str
    form: Form


def present(
    reports: Sequence[Report],
    now: datetime,
    state: str = "",
    unopened: Sequence[str] = (),
    *,
    is_all: bool = False,
) -> ReportsPage:
    """Reports for `reports.html`, the latest first.

    Args:
        reports: Those that the reader asked for.
        now: The instant of the page.
        state: Which were asked for, one of `STATES`.
        unopened: Numbers of reports that do not open.
        is_all: Whether all were asked for.
    """
    choices = [("Waiting", addresses.REPORTS, not state and not is_all)]
    choices += [
        (name, addresses.with_query(addresses.REPORTS, state=key), key == state)
        for key, name in (("out", "Out of scope"), ("duplicate", "Known already"), ("case", "Case"))
    ]
    choices.append(("All", addresses.with_query(addresses.REPORTS, state="all"), is_all))
    rows = tuple(_row(item, now) for item in reports)
    return ReportsPage("Reports", rows, tuple(choices), tuple(unopened))


def present_one(
    report: Report,
    said: Sequence[Said],
    now: datetime,
    typed: str = "",
    *,
    opens: bool = False,
    reads: bool = True,
) -> ReportPage:
    """One report for `report.html`; its forms send `state`, and `text`.

    Args:
        report: As this node reads it.
        said: Messages, in order.
        now: The instant of the page.
        typed: What was typed as an answer before.
        opens: Whether the reader may open a case.
        reads: Whether the reader may read what is of its tier.
    """
    sealed = report.tier == "h3" or not reads
    return ReportPage(
        title=report.content.title,
        number=report.number,
        received=moment(report.received, now),
        state=STATES[report.state],
        tier=TIERS[report.tier],
        tier_id=report.tier,
        digest=report.digest,
        texts=_texts(report, sealed=sealed),
        lines=() if sealed else _lines(report),
        files=tuple(_files(report, sealed=sealed)),
        is_sealed=sealed,
        case=addresses.case(report.case) if report.case else "",
        open_case=addresses.report(report.number, "case") if opens and not report.case else "",
        messages=tuple((moment(item.at, now), item.from_reporter, item.text) for item in said),
        forms=_forms(report, typed),
    )


def present_opening(
    report: Report, roles: Collection[str], title: str = "", abstract: str = ""
) -> OpeningPage:
    """The form that opens a case, for `opening.html`; it sends `title` and `abstract`.

    Args:
        report: That becomes the first object.
        roles: Of the organization, as its card names them.
        title: What was typed before; of the report without.
        abstract: The same.
    """
    hint = "Everybody who is invited reads it: no payload."
    words = abstract or report.content.summary or report.content.title
    title = (title or report.content.title)[:200]
    form = Form(
        "opening",
        "Open a case",
        addresses.report(report.number, "case"),
        (
            Field(
                "title",
                "Title",
                value=title or report.content.title[:TITLE_LIMIT],
                hint=hint,
                limit=TITLE_LIMIT,
            ),
            Field("abstract", "Abstract", "text", words[:PROSE_LIMIT], hint, limit=PROSE_LIMIT),
        ),
        (Button("Open the case"),),
        f"Your organization opens it as {role_words(roles)}. The report is sealed as its first "
        f"object; nobody is invited yet.{'' if REPORTER in roles else _NO_REPORTER}",
    )
    return OpeningPage(
        f"Open a case for {report.number}", report.number, addresses.report(report.number), form
    )


def _row(item: Report, now: datetime) -> ReportRow:
    runs, shape = _runs(item.checks)
    return ReportRow(
        number=item.number,
        title=item.content.title,
        address=addresses.report(item.number),
        received=moment(item.received, now),
        state=STATES[item.state],
        tier=TIERS[item.tier],
        tier_id=item.tier,
        runs=runs,
        shape=shape,
        attachments=len(item.attachments),
    )


def _runs(checks: Sequence[Check]) -> tuple[str, str]:
    valid = sum(not item.refused for item in checks)
    if valid:
        return "can be executed", "verified"
    return ("reproducer with errors", "failed") if checks else ("text alone", "not-asked")


def _texts(report: Report, *, sealed: bool) -> tuple[tuple[str, str], ...]:
    content, flaw = report.content, report.content.flaws[0]
    shown = [("Abstract", content.summary)]
    if not sealed:
        shown += [
            ("Description", flaw.description if flaw.description != content.summary else ""),
            ("How to reproduce it", flaw.reproduction),
            ("Impact", flaw.impact),
        ]
    shown += [("Who may be told", content.sharing), ("Contact", content.contact)]
    return tuple((label, text) for label, text in shown if text)


def _lines(report: Report) -> tuple[tuple[str, tuple[str, ...]], ...]:
    content, flaw = report.content, report.content.flaws[0]
    rows = (
        ("Models", tuple(_target(item) for item in flaw.targets)),
        ("Weakness", flaw.weaknesses),
        ("References", content.references),
        ("Credit", content.credits),
        ("Not taken over", content.dropped),
    )
    return tuple((label, lines) for label, lines in rows if lines)


def _target(item: ClaimedTarget) -> str:
    parts = (item.name, item.vendor, item.version, *item.identifiers)
    return ", ".join(part for part in parts if part)


def _files(report: Report, *, sealed: bool) -> list[FileRow]:
    checks: Mapping[str, Check] = {item.sha256: item for item in report.checks}
    found: list[FileRow] = []
    for item in report.attachments:
        check = checks.get(item.sha256)
        words, shape = _checked(check) if check else ("", "")
        where = "" if sealed else addresses.report(report.number, f"files/{item.sha256}")
        kind = f"{item.kind}, {item.size_bytes:,} bytes"
        found.append(FileRow(item.name, kind, item.sha256, where, words, shape))
    return found


def _checked(check: Check) -> tuple[str, str]:
    if check.refused:
        return f"Says that it is a reproducer, and is none: {check.refused}", "failed"
    seen = check.summary
    words = (
        f"A valid reproducer: {seen['variants']} variants, {seen['samples']} samples, scored by "
        f"{seen['scorer']}. It was not run."
    )
    return " ".join((words, *(f"Note: {text}." for text in seen["notes"]))), "verified"


def _forms(report: Report, typed: str) -> tuple[Form, ...]:
    text = Field("text", "Answer", "text", typed, "The reporter reads it.", limit=MESSAGE_LIMIT)
    here = addresses.report(report.number)
    answer = Form("answer", "Write to the reporter", f"{here}/answer", (text,))
    if report.case:
        return (answer,)
    options = tuple(
        Option(name, STATES[name], chosen=name == report.state)
        for name in ("scope", "out", "duplicate")
    )
    state = Field("state", "It is", "radios", options=options)
    sort = Form(
        "sort", "Sort it", f"{here}/sort", (state,), (Button("Say it"),), "The reporter sees it."
    )
    return (sort, answer)
