"""Which deadlines a case has: status, repeats, conditions that nobody stated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from steelyard.disclosure.deadlines import Board, Deadline, Facts, evaluate, load_rules
from steelyard.kernel import format_instant, parse_instant
from steelyard.kernel.errors import ConfigurationError

Ask = Callable[[str, str], Board]


def by_rule(board: Board) -> dict[str, Deadline]:
    return {item.rule.id: item for item in board.deadlines}


def expiry(item: Deadline) -> str:
    assert item.period is not None
    return format_instant(item.period.expires)


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2026-09-14T08:20:00Z", "open"),
        ("2026-09-15T08:59:59Z", "open"),
        ("2026-09-15T09:00:00Z", "missed"),
        ("2030-01-01T00:00:00Z", "missed"),
    ],
)
def test_a_deadline_is_open_until_the_instant_it_ends(
    board: Ask, cra: str, at: str, status: str
) -> None:
    item = by_rule(board(cra, at))["cra-14-2-a"]
    assert (item.status, expiry(item)) == (status, "2026-09-15T09:00:00Z")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("2026-09-15T08:59:59Z", "met"),
        ("2026-09-15T09:00:00Z", "late"),
        ("2026-09-14T07:00:00Z", "met"),
    ],
)
def test_a_report_is_in_time_before_the_instant_and_late_at_it(
    board: Ask, cra: str, sent: str, status: str
) -> None:
    body = f'{cra}submissions:\n  - {{rules: [cra-14-2-a], at: "{sent}"}}\n'
    found = board(body, "2026-09-20T00:00:00Z")
    assert by_rule(found)["cra-14-2-a"].status == status
    failed = {item.rule.id for item in found.failed}
    assert failed == {"cra-14-2-b"} | ({"cra-14-2-a"} if status == "late" else set())


def test_one_report_may_serve_several_rules(board: Ask, cra: str) -> None:
    body = (
        f'{cra}submissions:\n  - {{rules: [cra-14-2-a, cra-14-2-b], at: "2026-09-14T12:00:00Z"}}\n'
    )
    found = by_rule(board(body, "2026-09-20T00:00:00Z"))
    assert [found[name].status for name in ("cra-14-2-a", "cra-14-2-b")] == ["met", "met"]


def test_the_final_report_waits_for_the_measure_and_counts_from_awareness_at_the_earliest(
    board: Ask, cra: str
) -> None:
    assert by_rule(board(cra, "2026-09-20T00:00:00Z"))["cra-14-2-c"].status == "waiting"
    after = f'{cra}  - {{event: corrective-measure-available, at: "2026-09-18T09:00:00Z"}}\n'
    item = by_rule(board(after, "2026-09-20T00:00:00Z"))["cra-14-2-c"]
    assert (item.status, expiry(item)) == ("open", "2026-10-02T22:00:00Z")
    before = f'{cra}  - {{event: corrective-measure-available, at: "2026-09-01T09:00:00Z"}}\n'
    item = by_rule(board(before, "2026-09-20T00:00:00Z"))["cra-14-2-c"]
    assert expiry(item) == "2026-09-28T22:00:00Z"


def test_what_was_sent_before_it_was_due_needs_no_waiting(board: Ask, cra: str) -> None:
    body = f'{cra}submissions:\n  - {{rules: [cra-14-2-c], at: "2026-09-15T12:00:00Z"}}\n'
    item = by_rule(board(body, "2026-09-20T00:00:00Z"))["cra-14-2-c"]
    assert (item.status, item.period) == ("met", None)
    assert item.submitted == parse_instant("2026-09-15T12:00:00Z")


def test_the_incident_report_is_due_a_month_after_the_notification_was_sent(board: Ask) -> None:
    body = """\
conditions: {eu-product-manufacturer: true}
zones: {eu-member-state: Europe/Berlin}
events:
  - {event: severe-incident-aware, at: "2027-01-29T10:20:00+01:00"}
submissions:
  - {rules: [cra-14-4-b], at: "2027-01-31T09:00:00+01:00"}
"""
    item = by_rule(board(body, "2027-02-01T00:00:00Z"))["cra-14-4-c"]
    # 31 January plus a month is 28 February, a Sunday, so Monday 1 March.
    assert (item.status, expiry(item)) == ("open", "2027-03-01T23:00:00Z")
    assert item.period is not None
    assert item.period.extended_days == 1


def test_a_condition_nobody_stated_is_neither_yes_nor_no(board: Ask, cra: str) -> None:
    body = cra.replace("eu-product-manufacturer: true", "")
    found = board(body, "2026-09-20T00:00:00Z")
    item = by_rule(found)["cra-14-2-a"]
    assert (item.status, item.unstated) == ("missed", ("eu-product-manufacturer",))
    assert found.failed == ()
    reasons = {row.rule.id: row.reason for row in found.set_aside}
    assert reasons["sb53-15-days"] == (
        "nothing has started it, and nobody stated: california-frontier-developer"
    )


def test_a_condition_that_does_not_hold_sets_the_rule_aside(board: Ask, cra: str) -> None:
    found = board(cra.replace("true", "false"), "2026-09-20T00:00:00Z")
    assert by_rule(found) == {}
    reasons = {row.rule.id: row.reason for row in found.set_aside}
    assert reasons["cra-14-2-a"] == "not so: eu-product-manufacturer"
    assert len(found.set_aside) == len(load_rules().rules)


def test_what_happened_before_a_rule_was_in_force_starts_nothing(board: Ask, cra: str) -> None:
    found = board(cra.replace("2026-09-14", "2026-09-10"), "2026-09-20T00:00:00Z")
    reasons = {row.rule.id: row.reason for row in found.set_aside}
    assert reasons["cra-14-2-a"] == "not in force before 2026-09-11"
    midnight = cra.replace("2026-09-14T10:20:00+02:00", "2026-09-10T22:00:00Z")
    assert "cra-14-2-a" in by_rule(board(midnight, "2026-09-20T00:00:00Z"))


def test_the_first_record_of_an_event_counts(board: Ask, cra: str) -> None:
    body = f'{cra}  - {{event: exploitation-aware, at: "2026-09-16T10:20:00+02:00"}}\n'
    assert expiry(by_rule(board(body, "2026-09-20T00:00:00Z"))["cra-14-2-a"]) == (
        "2026-09-15T09:00:00Z"
    )


CODE = """\
conditions: {gpai-code-signatory: true, cybersecurity-breach: true, death: false}
events:
  - {event: model-involvement-aware, at: "2026-09-14T08:00:00Z"}
"""


def chain(sent: list[str], resolved: str = "") -> str:
    body = CODE
    if resolved:
        body += f'  - {{event: serious-incident-resolved, at: "{resolved}"}}\n'
    rows = [f'  - {{rules: [gpai-9-3-interim], at: "{at}"}}\n' for at in sent]
    initial = '  - {rules: [gpai-9-3-breach], at: "2026-09-15T08:00:00Z"}\n'
    return f"{body}submissions:\n{initial}{''.join(rows)}"


def interims(board: Board) -> list[tuple[int, str, str]]:
    rows = [item for item in board.deadlines if item.rule.id == "gpai-9-3-interim"]
    return [(item.occurrence, item.status, expiry(item)[:10]) for item in rows]


def test_intermediate_reports_repeat_from_one_to_the_next(board: Ask) -> None:
    at = "2026-12-01T00:00:00Z"
    assert interims(board(chain([]), at)) == [(1, "missed", "2026-10-13")]
    sent = ["2026-10-10T08:00:00Z", "2026-11-20T08:00:00Z"]
    # The second was sent after the four weeks that the first began.
    assert interims(board(chain(sent), at)) == [
        (1, "met", "2026-10-13"),
        (2, "late", "2026-11-07"),
        (3, "open", "2026-12-18"),
    ]


def test_the_chain_ends_when_the_incident_is_resolved(board: Ask) -> None:
    at = "2026-12-01T00:00:00Z"
    assert interims(board(chain([], "2026-10-01T00:00:00Z"), at)) == []
    assert interims(board(chain([], "2026-10-20T00:00:00Z"), at)) == [(1, "missed", "2026-10-13")]
    final = by_rule(board(chain([], "2026-10-01T08:00:00Z"), at))["gpai-9-3-final"]
    assert (final.status, expiry(final)) == ("missed", "2026-11-30T23:00:00Z")


def test_the_edges_of_a_chain(board: Ask) -> None:
    at = "2026-12-01T00:00:00Z"
    # Sent at the very instant at which the period began: it is the initial report's, not the next.
    assert interims(board(chain(["2026-09-15T08:00:00Z"]), at)) == [(1, "missed", "2026-10-13")]
    # Resolved after the instant asked about: it does not end the chain yet.
    assert interims(board(chain([], "2026-10-01T00:00:00Z"), "2026-09-20T00:00:00Z")) == [
        (1, "open", "2026-10-13")
    ]
    # Resolved at the instant at which the period was over: too late to end it.
    assert interims(board(chain([], "2026-10-13T22:00:00Z"), at)) == [(1, "missed", "2026-10-13")]


def test_unconfirmed_rules_and_countings_are_in_doubt() -> None:
    book = load_rules()
    doubtful = {rule.id for rule in book.rules if book.doubt(rule)}
    sure = {rule.id for rule in book.rules} - doubtful
    assert sure == {r.id for r in book.rules if r.id.startswith(("cra-", "ai-act-"))}
    # SB 53 states its days; how California counts them was not confirmed.
    confidence = {rule.id: rule.confidence for rule in book.rules}
    assert confidence["sb53-15-days"] == "confirmed"


def test_what_is_dated_later_than_asked_is_told_and_a_report_not_counted(
    board: Ask, cra: str
) -> None:
    body = f'{cra}submissions:\n  - {{rules: [cra-14-2-a], at: "2026-09-14T12:00:00Z"}}\n'
    found = board(body, "2026-09-14T08:00:00Z")
    assert by_rule(found)["cra-14-2-a"].status == "open"
    assert found.warnings == (
        "event exploitation-aware is dated 2026-09-14T08:20:00Z, after the instant asked about",
        "report under cra-14-2-a is dated 2026-09-14T12:00:00Z, after the instant asked about",
    )


def test_a_period_without_zone_is_refused_and_a_rule_that_waits_is_not(
    board: Ask, cra: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        board(cra.replace("zones: {eu-member-state: Europe/Berlin}\n", ""), "2026-09-20T00:00:00Z")
    assert str(refused.value) == (
        "case-1: cra-14-2-a needs the zone of calendar eu-member-state "
        "(Union act, authority of a Member State)"
    )
    assert refused.value.hint == (
        "add to the facts: zones: {eu-member-state: Europe/Brussels}, with your own zone"
    )
    code = CODE.replace("conditions: {", "conditions: {eu-product-manufacturer: true, ")
    waiting = by_rule(board(code, "2026-09-20T00:00:00Z"))["cra-14-2-a"]
    assert waiting.status == "waiting"


def test_asking_twice_gives_the_same_answer_and_dates_sort_before_waiting(
    facts: Callable[[str], Facts], cra: str
) -> None:
    known, at = facts(cra), parse_instant("2026-09-20T00:00:00Z")
    first, second = (evaluate(load_rules(), known, at) for _ in range(2))
    assert first == second
    dated = [item.period is not None for item in first.deadlines]
    assert dated == sorted(dated, reverse=True)


EXPECTED = {
    "cra-14-2-a": "24 hours", "cra-14-2-b": "72 hours", "cra-14-2-c": "14 days",
    "cra-14-4-a": "24 hours", "cra-14-4-b": "72 hours", "cra-14-4-c": "1 month",
    "sb53-15-days": "15 days", "sb53-24-hours": "24 hours",
    "raise-72-hours": "72 hours", "raise-24-hours": "24 hours",
    "ai-act-73-2": "15 days", "ai-act-73-3-infrastructure": "2 days",
    "ai-act-73-3-widespread": "2 days", "ai-act-73-4": "10 days",
    "gpai-9-3-infrastructure": "2 days", "gpai-9-3-breach": "5 days",
    "gpai-9-3-death": "10 days", "gpai-9-3-other": "15 days",
    "gpai-9-3-interim": "4 weeks", "gpai-9-3-final": "60 days",
}  # fmt: skip


def test_the_rules_say_what_the_acts_say() -> None:
    book = load_rules()
    assert {rule.id: rule.duration.text for rule in book.rules} == EXPECTED
    unconfirmed = {rule.id for rule in book.rules if rule.confidence == "unconfirmed"}
    assert unconfirmed == {n for n in EXPECTED if n.startswith(("raise-", "gpai-"))}
