"""The outbox: what is sent when, what is sent again, what is given up, and no storm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.delivery.outbox import (
    Attempt,
    Destination,
    Outgoing,
    admit,
    begin,
    due,
    finish,
    lapse,
    retry_after,
)
from steelyard.disclosure.delivery.sending_policy import load_policy, read_policy
from steelyard.kernel.errors import ConfigurationError, NotSatisfied, UsageError

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
POLICY = load_policy()
BOB = "org:" + "b" * 64
SECOND = timedelta(seconds=1)
TABLE = (files("steelyard.disclosure.delivery") / "data" / "outbox.yaml").read_text("utf-8")


def outgoing(number: int = 0, destination: str = BOB, **changes: object) -> Outgoing:
    fields: dict[str, object] = {"created": NOON, "next_at": NOON}
    return Outgoing(f"{number:064x}", destination, **(fields | changes))  # type: ignore[arg-type]


def attempted(
    item: Outgoing,
    result: str,
    destination: Destination | None = None,
    *,
    at: datetime = NOON,
    field: str = "",
    jitter: float = 1.0,
) -> tuple[Outgoing, Destination]:
    begun = begin(POLICY, item, destination or Destination(item.destination), at)
    return finish(POLICY, *begun, Attempt(at, result, field), jitter)


@pytest.mark.parametrize(
    ("result", "state", "reason"),
    [
        ("200", "delivered", ""),
        ("202", "delivered", ""),
        ("204", "delivered", ""),
        ("301", "dead", "redirects are not followed (301), attempt 1"),
        ("400", "dead", "the receiver refused the parcel (400), attempt 1"),
        ("401", "waiting", "the receiver does not accept our signature (401), attempt 1"),
        ("403", "waiting", "the receiver does not accept our signature (403), attempt 1"),
        ("404", "waiting", "there is no node at this address (404), attempt 1"),
        ("408", "waiting", "the receiver asked to send it again (408), attempt 1"),
        ("410", "dead", "the receiver left this address for good (410), attempt 1"),
        ("413", "dead", "the receiver takes no parcel of this length (413), attempt 1"),
        ("421", "waiting", "this address belongs to another node (421), attempt 1"),
        ("425", "waiting", "the receiver asked to send it again (425), attempt 1"),
        ("429", "waiting", "the receiver asked for fewer parcels (429), attempt 1"),
        ("500", "waiting", "the receiver failed (500), attempt 1"),
        ("501", "dead", "the receiver does not speak this protocol (501), attempt 1"),
        ("503", "waiting", "the receiver failed (503), attempt 1"),
        ("unreachable", "waiting", "the receiver cannot be reached (unreachable), attempt 1"),
        ("timed-out", "waiting", "the receiver cannot be reached (timed-out), attempt 1"),
        (
            "certificate",
            "waiting",
            "the receiver shows no valid certificate (certificate), attempt 1",
        ),
        ("999", "waiting", "the receiver answered with no status that HTTP knows (999), attempt 1"),
        ("101", "waiting", "the receiver answered with no status that HTTP knows (101), attempt 1"),
    ],
)
def test_each_result_has_one_meaning(result: str, state: str, reason: str) -> None:
    item, _ = attempted(outgoing(), result)
    assert (item.state, item.reason, item.attempts) == (state, reason, 1)


def test_a_failure_that_nobody_named_is_an_error_of_ours() -> None:
    with pytest.raises(ConfigurationError, match="no result of an attempt is called 'gremlins'"):
        attempted(outgoing(), "gremlins")


def test_delays_double_up_to_the_longest() -> None:
    item, at, delays = outgoing(), NOON, list[float]()
    for _ in range(12):
        item, _ = attempted(item, "503", at=at)
        delays.append((item.next_at - at) / SECOND)
        at = item.next_at
    assert delays[:4] == [30.0, 60.0, 120.0, 240.0]
    assert delays[-2:] == [21600.0, 21600.0]


@given(st.floats(0, 1), st.integers(1, 60))
def test_jitter_takes_at_most_half(jitter: float, attempts: int) -> None:
    item, _ = attempted(outgoing(attempts=attempts - 1), "503", jitter=jitter)
    longest = min(30.0 * 2.0 ** min(attempts - 1, 32), 21600.0)
    assert longest / 2 - 1e-5 <= (item.next_at - NOON) / SECOND <= longest + 1e-5


def test_retry_after_is_heeded_up_to_a_day() -> None:
    asked, _ = attempted(outgoing(), "429", field="7200")
    assert asked.next_at == NOON + timedelta(hours=2)
    parked, _ = attempted(outgoing(), "503", field="99999999999999999999")
    assert parked.next_at == NOON + timedelta(days=1)
    soon, _ = attempted(outgoing(), "503", field="1")
    assert soon.next_at == NOON + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("120", 120),
        (" 120 ", 120),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("\N{SUPERSCRIPT TWO}", 0),
        ("Mon, 04 May 2026 12:10:00 GMT", 600),
        ("Mon, 04 May 2026 11:00:00 GMT", 0),
        ("Mon, 04 May 2026 14:10:00 +0200", 600),
        ("Mon, 99 May 2026 12:10:00 GMT", 0),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: int) -> None:
    assert retry_after(text, NOON) == timedelta(seconds=seconds)


@given(st.text(max_size=80))
def test_no_field_breaks_the_outbox(text: str) -> None:
    assert retry_after(text, NOON) >= timedelta(0)


def test_a_parcel_lapses_with_its_history() -> None:
    item, _ = attempted(outgoing(), "503")
    last = NOON + timedelta(days=14) - SECOND
    assert lapse(POLICY, item, last) == item
    dead = lapse(POLICY, item, NOON + timedelta(days=14))
    assert dead.state == "dead"
    assert dead.reason == (
        "lapsed after 14 days and 1 attempts; last: the receiver failed (503), attempt 1"
    )
    assert lapse(POLICY, dead, last + timedelta(days=99)) == dead
    late, _ = attempted(outgoing(), "503", at=last)
    assert late.state == "dead"
    assert not due(POLICY, [replace(item, next_at=NOON)], {}, NOON + timedelta(days=14))


def test_some_results_are_final_after_a_number_of_attempts() -> None:
    item, at = outgoing(), NOON
    for _ in range(7):
        item, _ = attempted(item, "401", at=at)
        assert item.state == "waiting"
    item, _ = attempted(item, "401", at=at)
    assert item.state == "dead"
    assert item.reason == "the receiver does not accept our signature (401), attempt 8"


def test_to_a_destination_that_fails_one_parcel_goes_at_a_time() -> None:
    items = [outgoing(n) for n in range(100)]
    _, failing = attempted(items[0], "503")
    destinations = {BOB: failing}
    assert not due(POLICY, items[1:], destinations, NOON)
    later = NOON + timedelta(seconds=30)
    assert due(POLICY, items[1:], destinations, later) == (items[1],)
    sent, probing = begin(POLICY, items[1], failing, later)
    assert not due(POLICY, items[2:], {BOB: probing}, later)
    _, healthy = finish(POLICY, sent, probing, Attempt(later, "200"), 0.5)
    assert len(due(POLICY, items[2:], {BOB: healthy}, later)) == POLICY.under_way


def test_failures_in_a_row_keep_a_destination_quiet_for_longer() -> None:
    destination, at = Destination(BOB), NOON
    for number in range(6):
        _, destination = attempted(outgoing(number), "unreachable", destination, at=at)
        assert destination.failures == number + 1
        assert destination.not_before == at + timedelta(seconds=30 * 2**number)
        at = destination.not_before
    _, destination = attempted(outgoing(7), "400", destination, at=at)
    assert (destination.failures, destination.not_before) == (0, None)


def test_giving_a_parcel_up_does_not_make_a_destination_well() -> None:
    _, failing = attempted(outgoing(), "404")
    dead, still = attempted(outgoing(attempts=7), "404", failing)
    assert dead.state == "dead"
    assert (still.failures, still.not_before) == (1, NOON + timedelta(seconds=30))


def test_a_window_has_so_many_attempts_and_no_more() -> None:
    at, sent = NOON, list[datetime]()
    waiting = {n: outgoing(n) for n in range(500)}
    destination = Destination(BOB)
    while len(sent) < 200:
        for item in due(POLICY, waiting.values(), {BOB: destination}, at):
            begun = begin(POLICY, item, destination, at)
            done, destination = finish(POLICY, *begun, Attempt(at, "200"), 0.5)
            waiting[int(item.parcel_id, 16)] = done
            sent.append(at)
        at += SECOND
    for start in sent:
        assert sum(start <= instant < start + timedelta(seconds=60) for instant in sent) <= 60
    assert at - NOON < timedelta(minutes=4)


def test_the_oldest_go_first_and_nothing_goes_twice() -> None:
    old = [outgoing(n, created=NOON - n * SECOND) for n in range(30)]
    chosen = due(POLICY, old, {}, NOON)
    assert [int(item.parcel_id, 16) for item in chosen] == list(range(29, 21, -1))
    destination, begun = Destination(BOB), list[Outgoing]()
    for item in chosen:
        sent, destination = begin(POLICY, item, destination, NOON)
        begun.append(sent)
    assert not due(POLICY, old, {BOB: destination}, NOON + SECOND)
    lost = NOON + timedelta(seconds=POLICY.lease_s)
    assert due(POLICY, begun, {BOB: destination}, lost) == tuple(
        sorted(begun, key=lambda item: item.created)
    )


def test_destinations_do_not_wait_for_each_other() -> None:
    _, failing = attempted(outgoing(), "503")
    other = outgoing(1, "org:" + "c" * 64)
    assert due(POLICY, [outgoing(2), other], {BOB: failing}, NOON) == (other,)


def test_what_is_delivered_or_dead_is_not_sent() -> None:
    done, destination = attempted(outgoing(), "200")
    dead, _ = attempted(outgoing(1), "400")
    assert not due(POLICY, [done, dead], {}, NOON + timedelta(hours=1))
    with pytest.raises(UsageError, match="is delivered, for org:bbbb"):
        begin(POLICY, done, destination, NOON)
    with pytest.raises(UsageError) as caught:
        begin(POLICY, outgoing(2), Destination("org:" + "c" * 64), NOON)
    assert caught.value.hint == "it cannot be sent to org:cccccccccccccccc"


def test_a_destination_has_room_for_so_many() -> None:
    admit(POLICY, 9999, BOB)
    with pytest.raises(NotSatisfied) as caught:
        admit(POLICY, 10000, BOB)
    assert caught.value.message.startswith("10,000 parcels wait for org:bbbb")
    assert caught.value.hint == "export them to a file, or remove the destination from the case"


def test_every_parcel_ends_delivered_or_dead() -> None:
    """A destination that is down for good: bounded attempts, all with a reason, none lost."""
    items = {n: outgoing(n) for n in range(50)}
    destination, at, tries = Destination(BOB), NOON, 0
    while any(item.state == "waiting" for item in items.values()):
        for item in due(POLICY, items.values(), {BOB: destination}, at):
            begun = begin(POLICY, item, destination, at)
            item, destination = finish(POLICY, *begun, Attempt(at, "unreachable"), 0.5)  # noqa: PLW2901
            items[int(item.parcel_id, 16)] = item
            tries += 1
        at += timedelta(minutes=10)
        items = {n: lapse(POLICY, item, at) for n, item in items.items()}
    assert {item.state for item in items.values()} == {"dead"}
    assert all(item.reason.startswith("lapsed after 14 days and ") for item in items.values())
    assert 50 < tries < 150


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["410"]', '["413"]', "two rows name the result 413"),
        ('["other"]', '["strange"]', "no row is for other statuses"),
        ("lapse_days: 14", "lapse_days: 0", "lapse_days: 0 is less than the minimum of 1"),
        ("under_way: 8\n", "", "top level: 'under_way' is a required property"),
    ],
)
def test_a_table_with_holes_is_refused(old: str, new: str, message: str) -> None:
    assert old in TABLE
    with pytest.raises(ConfigurationError) as caught:
        read_policy(TABLE.replace(old, new), where="outbox.yaml")
    assert caught.value.message == message
