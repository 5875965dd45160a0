"""`steelyard disclose deadlines`: which reports of a case are due, when, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write, write_json

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.deadlines import Board, Deadline, Facts, Rulebook

_FILE_LIMIT_BYTES = 1_000_000


def deadlines(
    facts: Annotated[Path, typer.Argument(help="YAML with the facts of the case.")],
    at: Annotated[str | None, typer.Option(help="Instant to ask about; now by default.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="File that keeps what was missed; made if absent.")
    ] = None,
    ics: Annotated[Path | None, typer.Option(help="Calendar file to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the deadlines as JSON.")] = False,
) -> None:
    """Compute the reporting deadlines of a case; exit with 1 if one was missed."""
    from steelyard.disclosure.deadlines import calendar_file, load_rules, read_facts
    from steelyard.disclosure.deadlines.report import board_document
    from steelyard.kernel import parse_instant, read_bytes, utc_now, write_atomically
    from steelyard.kernel.errors import ConfigurationError

    book, where = load_rules(), str(facts)
    try:
        text = read_bytes(facts, limit_bytes=_FILE_LIMIT_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8", where=where) from error
    known = read_facts(text, book, where=where)
    instant = parse_instant(at, where="--at") if at else utc_now()
    board = _settled(book, known, instant, record)
    if ics is not None:
        write_atomically(ics, calendar_file(board))
        say(f"calendar: {ics}")
    if as_json:
        write_json(board_document(board))
    else:
        _show(board)
    for warning in board.warnings:
        say(f"warning: {warning}")
    if board.failed:
        say(f"not satisfied: {len(board.failed)} missed or late")
        raise typer.Exit(1)


def _settled(book: Rulebook, facts: Facts, at: datetime, path: Path | None) -> Board:
    """The deadlines, held to the record where one is kept."""
    from steelyard.disclosure.deadlines import settle
    from steelyard.disclosure.deadlines.record import read_record
    from steelyard.kernel import canonical_json, read_bytes, write_atomically

    if path is None:
        return settle(book, facts, at)[0]
    before = None
    if path.exists():
        data = read_bytes(path, limit_bytes=_FILE_LIMIT_BYTES)
        before = read_record(data, where=str(path))
    board, after = settle(book, facts, at, before)
    write_atomically(path, canonical_json(after.to_json()) + b"\n")
    return board


def _show(board: Board) -> None:
    from steelyard.disclosure.deadlines.report import lines

    for line in lines(board):
        write(line)
    book = board.rulebook
    say(f"rules {book.id} {book.version}, digest {book.digest}")
    if any(not item.holidays_given for item in board.deadlines if item.period):
        say("note: no public holidays were declared; a period may end later than shown")
    if any(item.doubtful for item in board.deadlines):
        say("note: [UNCONFIRMED] was not read in the act itself; check it before relying on it")
    say(_totals(board.deadlines))


def _totals(items: tuple[Deadline, ...]) -> str:
    names = ("missed", "late", "open", "waiting", "met")
    certain = [item for item in items if not item.unstated]
    counts = {name: sum(item.status == name for item in certain) for name in names}
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    if len(items) > len(certain):
        parts.append(f"{len(items) - len(certain)} that apply only if something holds")
    return ", ".join(parts) or "no deadlines"
