"""Counting time: hours and days, zones and clock changes, months, weekends, holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.deadlines.periods import (
    Counting,
    Duration,
    Unit,
    add_months,
    day_start,
    period,
)

BERLIN = ZoneInfo("Europe/Berlin")
EU = Counting(BERLIN, next_full_hour=True, rolls=True, least_working_days=2)
PLAIN = Counting(BERLIN)
ZONES = st.sampled_from(
    [
        "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
        "America/Santiago", "Africa/Cairo", "Pacific/Apia", "America/Havana", "Pacific/Chatham",
    ]
).map(ZoneInfo)  # fmt: skip
DURATIONS = st.builds(
    Duration,
    st.integers(1, 120),
    st.sampled_from(["hours", "working_days", "days", "weeks", "months"]),
)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
COUNTINGS = st.builds(
    Counting,
    ZONES,
    st.frozensets(st.dates(date(2025, 12, 20), date(2026, 1, 10)), max_size=12),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)


def local(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def ends(start: str, count: int, unit: Unit, counting: Counting = EU) -> str:
    found = period(local(start, counting.zone), Duration(count, unit), counting)  # type: ignore[arg-type]
    return found.expires.astimezone(counting.zone).strftime("%a %Y-%m-%d %H:%M %Z")


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        ("2026-09-14T10:20", 24, "Tue 2026-09-15 11:00 CEST"),
        ("2026-09-14T10:00", 24, "Tue 2026-09-15 11:00 CEST"),
        ("2026-09-14T10:59:59", 72, "Thu 2026-09-17 11:00 CEST"),
        ("2026-09-18T23:30", 24, "Sun 2026-09-20 00:00 CEST"),
        # The clock goes back on 25 October: 24 elapsed hours end an hour earlier by the wall.
        ("2026-10-24T10:20", 24, "Sun 2026-10-25 10:00 CET"),
        ("2027-03-27T10:20", 24, "Sun 2027-03-28 12:00 CEST"),
    ],
)
def test_hours_leave_out_the_hour_of_the_event_and_run_over_weekends(
    start: str, count: int, expected: str
) -> None:
    assert ends(start, count, "hours") == expected


@pytest.mark.parametrize(
    ("start", "count", "unit", "expected"),
    [
        ("2026-09-14T10:20", 14, "days", "Tue 2026-09-29 00:00 CEST"),
        ("2026-09-14T00:00", 14, "days", "Tue 2026-09-29 00:00 CEST"),
        ("2026-09-14T23:59", 14, "days", "Tue 2026-09-29 00:00 CEST"),
        # Ends on Saturday, so on Monday.
        ("2026-09-12T10:20", 14, "days", "Tue 2026-09-29 00:00 CEST"),
        # Two days from Friday: Sunday, so Monday; two working days, so Tuesday (Article 3(5)).
        ("2026-09-18T10:20", 2, "days", "Wed 2026-09-23 00:00 CEST"),
        ("2026-09-17T10:20", 2, "days", "Tue 2026-09-22 00:00 CEST"),
        # One day needs no two working days.
        ("2026-09-18T10:20", 1, "days", "Tue 2026-09-22 00:00 CEST"),
        ("2026-09-14T10:20", 4, "weeks", "Tue 2026-10-13 00:00 CEST"),
        ("2027-01-31T10:20", 1, "months", "Tue 2027-03-02 00:00 CET"),
        ("2028-01-31T10:20", 1, "months", "Wed 2028-03-01 00:00 CET"),
        ("2027-01-29T10:20", 1, "months", "Tue 2027-03-02 00:00 CET"),
        ("2026-12-15T10:20", 1, "months", "Sat 2027-01-16 00:00 CET"),
        ("2028-02-29T10:20", 12, "months", "Thu 2029-03-01 00:00 CET"),
        ("2026-09-18T10:20", 2, "working_days", "Wed 2026-09-23 00:00 CEST"),
        ("2026-09-19T10:20", 1, "working_days", "Tue 2026-09-22 00:00 CEST"),
    ],
)
def test_days_end_with_the_day_and_not_on_a_weekend(
    start: str, count: int, unit: Unit, expected: str
) -> None:
    assert ends(start, count, unit) == expected


def test_declared_holidays_move_the_end_and_are_not_invented() -> None:
    start, holidays = "2026-12-11T10:20", frozenset({date(2026, 12, 25), date(2027, 1, 1)})
    assert ends(start, 14, "days") == "Sat 2026-12-26 00:00 CET"
    declared = Counting(BERLIN, holidays, rolls=True, least_working_days=2)
    assert ends(start, 14, "days", declared) == "Tue 2026-12-29 00:00 CET"
    assert ends("2026-12-24T10:20", 2, "working_days", declared) == "Wed 2026-12-30 00:00 CET"


def test_without_extension_a_period_ends_on_a_weekend() -> None:
    assert ends("2026-09-12T10:20", 14, "days", PLAIN) == "Sun 2026-09-27 00:00 CEST"
    assert ends("2026-09-12T10:20", 24, "hours", PLAIN) == "Sun 2026-09-13 10:20 CEST"


def test_the_strictest_reading_is_the_same_time_of_day_and_never_extended() -> None:
    found = period(local("2026-09-12T10:20"), Duration(14, "days"), EU)
    assert found.act_by == local("2026-09-26T10:20").astimezone(UTC)
    assert found.extended_days == 2
    found = period(local("2026-09-14T10:20"), Duration(24, "hours"), EU)
    assert found.act_by == local("2026-09-15T10:20").astimezone(UTC)
    assert found.extended_days == 0


def test_an_hour_in_a_zone_of_half_hours_is_the_local_one() -> None:
    kolkata = Counting(ZoneInfo("Asia/Kolkata"), next_full_hour=True)
    assert ends("2026-09-14T10:20", 24, "hours", kolkata) == "Tue 2026-09-15 11:00 IST"


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00:00+00:00"),
        ("Europe/Berlin", date(2026, 3, 30), "2026-03-29T22:00:00+00:00"),
        # Midnight does not exist: the day begins at one o'clock.
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00:00+00:00"),
        # Midnight comes twice: the day begins with the first.
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00+00:00"),
    ],
)
def test_a_day_begins_where_the_clock_says(zone: str, day: date, expected: str) -> None:
    found = day_start(day, ZoneInfo(zone))
    assert found.isoformat() == expected
    before, after = (
        (found + timedelta(seconds=n)).astimezone(ZoneInfo(zone)).date() for n in (-1, 0)
    )
    assert (before, after) == (day - timedelta(days=1), day)


def test_a_time_that_comes_twice_is_read_as_the_earlier() -> None:
    found = period(local("2026-10-24T02:30"), Duration(1, "days"), PLAIN)
    assert found.act_by.isoformat() == "2026-10-25T00:30:00+00:00"


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 600))
def test_months_keep_the_date_or_take_the_last_one(day: date, months: int) -> None:
    found = add_months(day, months)
    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == months
    is_last = (found + timedelta(days=1)).month != found.month
    assert found.day == day.day or (is_last and found.day < day.day)


@given(INSTANTS, DURATIONS, COUNTINGS)
def test_a_period_never_ends_before_its_strictest_reading(
    start: datetime, duration: Duration, counting: Counting
) -> None:
    found = period(start, duration, counting)
    assert start < found.act_by <= found.expires
    if duration.unit == "hours":
        assert found.act_by - start == timedelta(hours=duration.count)
        assert found.expires - found.act_by <= timedelta(hours=1)
        return
    last = (found.expires - timedelta(seconds=1)).astimezone(counting.zone)
    following = found.expires.astimezone(counting.zone)
    assert following.date() > last.date()
    if counting.rolls or duration.unit == "working_days":
        assert counting.is_working_day(last.date())


@given(INSTANTS, DURATIONS, COUNTINGS, st.integers(0, 10**6))
def test_a_later_event_never_ends_earlier(
    start: datetime, duration: Duration, counting: Counting, seconds: int
) -> None:
    later = start + timedelta(seconds=seconds)
    assert period(later, duration, counting).expires >= period(start, duration, counting).expires


@given(INSTANTS, DURATIONS, COUNTINGS)
def test_more_holidays_never_end_a_period_earlier(
    start: datetime, duration: Duration, counting: Counting
) -> None:
    without = Counting(
        counting.zone, frozenset(), counting.next_full_hour, counting.rolls,
        counting.least_working_days,
    )  # fmt: skip
    found, plain = period(start, duration, counting), period(start, duration, without)
    assert found.expires >= plain.expires


def test_the_zone_in_which_an_instant_is_written_does_not_matter() -> None:
    start = local("2026-09-14T10:20")
    other = start.astimezone(ZoneInfo("Asia/Tokyo"))
    assert period(start, Duration(2, "days"), EU) == period(other, Duration(2, "days"), EU)


def test_durations_in_words() -> None:
    assert Duration(1, "months").text == "1 month"
    assert Duration(2, "working_days").text == "2 working days"
    assert time() == day_start(date(2026, 1, 1), UTC).time()
