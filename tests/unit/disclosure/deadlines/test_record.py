"""The record: no clock set back, and no fact changed later, un-misses a deadline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.deadlines import Board, Facts, Record, load_rules, read_facts, settle
from steelyard.disclosure.deadlines.record import read_record
from steelyard.kernel import canonical_json, format_instant, parse_instant
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.standard import check_schema

Read = Callable[[str], Facts]
LATE, EARLY = (parse_instant(f"2026-09-{day}T00:00:00Z") for day in (16, 15))
BODY = """\
schema: steelyard/disclosure-facts/1
subject: case-1
conditions: {eu-product-manufacturer: true}
zones: {eu-member-state: Europe/Berlin}
events:
  - {event: exploitation-aware, at: "2026-09-14T10:20:00+02:00"}
"""


def status(board: Board, name: str = "cra-14-2-a") -> str:
    return {item.rule.id: item.status for item in board.deadlines}[name]


def test_a_clock_set_back_does_not_open_what_was_missed(facts: Read, cra: str) -> None:
    board, record = settle(load_rules(), facts(cra), LATE)
    assert status(board) == "missed"
    board, again = settle(load_rules(), facts(cra), EARLY, record)
    assert (board.at, status(board)) == (LATE, "missed")
    assert again == record
    assert board.warnings == (
        "the record was asked about 2026-09-16T00:00:00Z already, later than 2026-09-15T00:00:00Z",
    )


def test_a_trigger_moved_later_does_not_open_it_either(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra), LATE)[1]
    moved = facts(cra.replace("09-14T10", "09-16T00"))
    board, kept = settle(load_rules(), moved, LATE + timedelta(hours=1), record)
    assert status(board) == "missed"
    assert board.failed
    assert board.warnings == (
        "event exploitation-aware was dated 2026-09-14T08:20:00Z before, now 2026-09-15T22:20:00Z",
    )
    assert format_instant(kept.events["exploitation-aware"]) == "2026-09-14T08:20:00Z"


def test_a_report_that_comes_to_light_meets_it_and_is_told(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra), LATE)[1]
    body = f'{cra}submissions:\n  - {{rules: [cra-14-2-a], at: "2026-09-15T01:00:00Z"}}\n'
    board, kept = settle(load_rules(), facts(body), LATE, record)
    assert status(board) == "met"
    assert board.warnings == (
        "cra-14-2-a@1#1 was seen as missed at 2026-09-16T00:00:00Z; its report came to light",
    )
    assert kept.missed == record.missed


def test_an_event_said_earlier_moves_nothing_later_and_is_no_warning(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra), LATE)[1]
    board, kept = settle(load_rules(), facts(cra.replace("T10:20", "T09:20")), LATE, record)
    assert board.warnings == ()
    assert format_instant(kept.events["exploitation-aware"]) == "2026-09-14T07:20:00Z"


def test_a_trigger_that_is_no_longer_stated_leaves_it_missed(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra), LATE)[1]
    board, _ = settle(
        load_rules(),
        facts(cra.replace("exploitation-aware", "severe-incident-aware")),
        LATE,
        record,
    )
    assert status(board) == "missed"
    assert board.warnings == (
        "event exploitation-aware was dated 2026-09-14T08:20:00Z before, now not at all",
    )


def test_what_is_no_longer_due_was_still_missed(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra), LATE)[1]
    board, kept = settle(load_rules(), facts(cra.replace("true", "false")), LATE, record)
    assert board.warnings == (
        "cra-14-2-a@1#1 was seen as missed at 2026-09-16T00:00:00Z, and is no longer due",
    )
    assert set(kept.missed) == {"cra-14-2-a@1#1"}


def test_a_deadline_that_may_not_apply_is_not_held_against_anybody(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra.replace("eu-product-manufacturer: true", "")), LATE)[1]
    assert record.missed == {}


def test_a_record_is_read_back_as_it_was_kept(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra), LATE)[1]
    check_schema(record.to_json(), "disclosure-deadline-record", where="record")
    assert read_record(canonical_json(record.to_json()), where="r") == record


def test_a_record_of_another_case_is_refused(facts: Read, cra: str) -> None:
    record = Record("case-2", LATE, {}, {})
    with pytest.raises(UsageError) as refused:
        settle(load_rules(), facts(cra), LATE, record)
    assert str(refused.value) == ("--record: the record is of 'case-2', the facts are of 'case-1'")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"schema": 1}', b"[]", b"\xff", b'{"a": NaN}', b"{" * 2000]
)
def test_a_broken_record_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvidence) as refused:
        read_record(data, where="r.json")
    assert refused.value.where.startswith("r.json")


def test_an_impossible_instant_in_a_record_is_refused(facts: Read, cra: str) -> None:
    kept = settle(load_rules(), facts(cra), LATE)[1].to_json()
    data = canonical_json(kept | {"latest": "2026-13-16T00:00:00Z"})
    with pytest.raises(MalformedEvidence, match=r"'2026-13-16T00:00:00Z' is no date"):
        read_record(data, where="r.json")


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12))
def test_once_missed_always_missed_in_any_order_of_asking(hours: list[int]) -> None:
    known = read_facts(BODY, load_rules(), where="f")
    start = parse_instant("2026-09-14T08:20:00Z")
    record, seen = None, set[str]()
    for hour in hours:
        board, record = settle(load_rules(), known, start + timedelta(hours=hour), record)
        missed = {item.key for item in board.deadlines if item.status == "missed"}
        assert seen <= missed
        seen |= missed
    assert record is not None
    assert record.latest == start + timedelta(hours=max(hours))
    assert set(record.missed) == seen


def test_a_trigger_moved_later_does_not_turn_late_into_met(facts: Read, cra: str) -> None:
    """Sent ten hours late; dating the awareness a day later would excuse it."""
    record = settle(load_rules(), facts(cra), LATE)[1]
    sent = f'{cra}submissions:\n  - {{rules: [cra-14-2-a], at: "2026-09-15T19:00:00Z"}}\n'
    moved = facts(sent.replace("09-14T10", "09-15T10"))
    assert status(settle(load_rules(), moved, LATE)[0]) == "met"
    board, _ = settle(load_rules(), moved, LATE, record)
    assert status(board) == "late"
    assert board.failed


def test_a_trigger_moved_before_the_law_leaves_it_missed(facts: Read, cra: str) -> None:
    record = settle(load_rules(), facts(cra), LATE)[1]
    moved = facts(cra.replace("09-14T10", "09-01T10"))
    board, kept = settle(load_rules(), moved, LATE, record)
    assert [(item.key, item.status) for item in board.failed] == [("cra-14-2-a@1#1", "missed")]
    again, _ = settle(load_rules(), moved, LATE, kept)
    assert again.failed == board.failed


INCIDENT = """\
conditions: {gpai-code-signatory: true}
events:
  - {event: model-involvement-aware, at: "2026-09-14T10:20:00+02:00"}
"""
FIRST = '\nsubmissions:\n  - {rules: [gpai-9-3-other], at: "2026-09-15T08:00:00Z"}\n'
RESOLVED = '  - {event: serious-incident-resolved, at: "2026-09-20T08:00:00Z"}'


def test_an_end_said_afterwards_leaves_a_missed_repeat_missed(facts: Read) -> None:
    at = parse_instant("2026-11-15T00:00:00Z")
    board, record = settle(load_rules(), facts(INCIDENT + FIRST), at)
    assert "gpai-9-3-interim@1#1" in {item.key for item in board.deadlines}
    assert "gpai-9-3-interim@1#1" in record.missed
    board, _ = settle(load_rules(), facts(INCIDENT + RESOLVED + FIRST), at, record)
    assert status(board, "gpai-9-3-interim") == "missed"


def test_an_end_that_was_taken_back_ends_nothing(facts: Read) -> None:
    at = parse_instant("2026-10-01T00:00:00Z")
    record = settle(load_rules(), facts(INCIDENT + RESOLVED + FIRST), at)[1]
    later = at + timedelta(days=60)
    board, _ = settle(load_rules(), facts(INCIDENT + FIRST), later, record)
    assert status(board, "gpai-9-3-interim") == "missed"


def test_a_first_report_moved_later_delays_nothing_that_follows_it(facts: Read) -> None:
    at = parse_instant("2026-10-01T00:00:00Z")
    record = settle(load_rules(), facts(INCIDENT + FIRST), at)[1]
    assert format_instant(record.events["submitted:gpai-9-3-other"]) == "2026-09-15T08:00:00Z"
    later = parse_instant("2026-10-20T00:00:00Z")
    moved = facts(INCIDENT + FIRST.replace("09-15", "09-30"))
    assert status(settle(load_rules(), moved, later)[0], "gpai-9-3-interim") == "open"
    board, _ = settle(load_rules(), moved, later, record)
    assert status(board, "gpai-9-3-interim") == "missed"
    assert (
        "event submitted:gpai-9-3-other was dated 2026-09-15T08:00:00Z before, "
        "now 2026-09-30T08:00:00Z"
    ) in board.warnings
