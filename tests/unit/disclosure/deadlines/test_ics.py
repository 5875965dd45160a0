"""The calendar file against the grammar of RFC 5545, read by a reader of the test's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.deadlines import Board, calendar_file, evaluate, load_rules, read_facts
from steelyard.disclosure.deadlines.report import board_document, lines
from steelyard.kernel import parse_instant
from steelyard.standard import check_schema

Ask = Callable[[str, str], Board]
AT = "2026-09-15T12:00:00Z"
CODE = """\
conditions: {gpai-code-signatory: true, cybersecurity-breach: true}
events:
  - {event: model-involvement-aware, at: "2026-09-14T08:00:00Z"}
"""
_LINE = re.compile(r"([A-Z-]+)((?:;[A-Z-]+=[^;:]+)*):(.*)")
# One each, as section 3.6.1 has it for an event without end.
_EVENT = {"UID", "DTSTAMP", "DTSTART", "SUMMARY", "DESCRIPTION", "CATEGORIES", "TRANSP"}
_ALARM = {"ACTION", "DESCRIPTION", "TRIGGER"}


def parse(data: bytes) -> list[dict[str, str]]:
    """Events with their text unescaped; asserts the grammar."""
    assert data.endswith(b"\r\n")
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    assert b"\n" not in data.replace(b"\r\n", b"")
    for line in data.split(b"\r\n"):
        line.decode("utf-8")  # a fold never splits a character
    unfolded = data.decode("utf-8").replace("\r\n ", "").split("\r\n")[:-1]
    stack: list[str] = []
    events: list[dict[str, str]] = []
    for line in unfolded:
        found = _LINE.fullmatch(line)
        assert found, line
        name, value = found[1], found[3]
        if name == "BEGIN":
            stack.append(value)
            events += [{}] if value == "VEVENT" else []
        elif name == "END":
            assert stack.pop() == value
        elif stack[-1] == "VEVENT":
            assert name not in events[-1]
            events[-1][name] = unescaped(value)
        elif stack[-1] == "VALARM":
            assert name in _ALARM
            events[-1][f"ALARM-{name}"] = unescaped(value)
    assert stack == []
    return events


def unescaped(value: str) -> str:
    assert re.fullmatch(r"(?:[^\\;,\x00-\x1f\x7f]|\\[\\;,n])*", value), value
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)


def test_the_file_is_a_calendar_with_an_event_for_each_dated_deadline(board: Ask, cra: str) -> None:
    found = board(cra, AT)
    data = calendar_file(found)
    assert data.startswith(
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Steelyard//Disclosure deadlines//EN\r\n"
    )
    events = parse(data)
    assert len(events) == sum(item.period is not None for item in found.deadlines) == 2
    for event in events:
        assert set(event) >= _EVENT
        assert event["DTSTAMP"] == "20260915T120000Z"
        assert re.fullmatch(r"\d{8}T\d{6}Z", event["DTSTART"])
        assert re.fullmatch(r"[0-9a-f]{64}@steelyard", event["UID"])
    missed, still_open = events
    assert missed["SUMMARY"] == "CRA early warning, exploited vulnerability: missed"
    assert "ALARM-TRIGGER" not in missed
    assert still_open["DTSTART"] == "20260917T082000Z"
    assert still_open["ALARM-TRIGGER"] == "-PT4H"
    assert "expires 2026-09-17T09:00:00Z, counted in Europe/Berlin" in still_open["DESCRIPTION"]
    assert "public holidays were not declared" in still_open["DESCRIPTION"]


def test_a_deadline_keeps_its_name_when_it_moves_and_shares_it_with_no_other(
    board: Ask, cra: str
) -> None:
    names = {event["UID"] for event in parse(calendar_file(board(cra, AT)))}
    moved = board(cra.replace("T10:20", "T15:20"), AT)
    assert {event["UID"] for event in parse(calendar_file(moved))} == names
    other = replace(moved, subject="case-2")
    assert not {event["UID"] for event in parse(calendar_file(other))} & names
    assert len(names) == 2


def test_what_is_unconfirmed_or_may_not_apply_is_marked_in_every_form(board: Ask) -> None:
    found = board(CODE, AT)
    titles = [event["SUMMARY"] for event in parse(calendar_file(found))]
    assert "[UNCONFIRMED] GPAI Code initial report, breach: open" in titles
    assert "[UNCONFIRMED] [APPLIES ONLY IF] GPAI Code initial report, death: open" in titles
    text = "\n".join(lines(found))
    rows = {row["rule"]: row for row in board_document(found)["deadlines"]}  # type: ignore[index, union-attr]
    for item in found.deadlines:
        marked = f"[UNCONFIRMED] {'[APPLIES ONLY IF] ' if item.unstated else ''}{item.rule.title}"
        assert (marked in text) is item.doubtful
        row = rows[item.rule.id]
        in_doubt = "unconfirmed" in {row["confidence"], row["counting_confidence"]}  # type: ignore[index, call-overload]
        assert in_doubt is item.doubtful
    for event in parse(calendar_file(found)):
        assert "UNCONFIRMED: check the act before relying on this" in event["DESCRIPTION"]


def test_the_document_follows_its_schema(board: Ask, cra: str) -> None:
    for body in (cra, CODE):
        document = board_document(board(body, AT))
        check_schema(document, "disclosure-deadlines", where="deadlines")
        assert len(document["deadlines"]) + len(document["set_aside"]) >= 20  # type: ignore[arg-type]


@given(st.text(max_size=200))
def test_any_text_survives_folding_and_escaping(text: str) -> None:
    body = "schema: steelyard/disclosure-facts/1\nsubject: case-1\n" + CODE
    found = evaluate(load_rules(), read_facts(body, load_rules(), where="f"), parse_instant(AT))
    item = found.deadlines[0]
    strange = replace(item, rule=replace(item.rule, title=text))
    (event,) = parse(calendar_file(replace(found, deadlines=(strange,))))
    expected = "".join(c if c == "\n" or c.isprintable() else " " for c in text)
    assert expected in event["SUMMARY"]


@pytest.mark.parametrize("status", ["open", "missed"])
def test_only_what_is_open_rings(board: Ask, cra: str, status: str) -> None:
    at = AT if status == "open" else "2027-01-01T00:00:00Z"
    events = parse(calendar_file(board(cra, at)))
    assert ("ALARM-TRIGGER" in events[1]) is (status == "open")
