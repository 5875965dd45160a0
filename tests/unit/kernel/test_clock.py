from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel import days_after, format_instant, parse_instant, utc_now
from steelyard.kernel.errors import UsageError

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
moments = st.datetimes(datetime(1970, 1, 3), datetime(9000, 12, 29), timezones=zones)  # noqa: DTZ001 - zones are drawn


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T13:30:00+01:30", NOON),
        ("2026-01-31", NOON.replace(hour=0)),
    ],
)
def test_instants_are_read_into_utc(text: str, instant: datetime) -> None:
    found = parse_instant(text)
    assert (found, found.tzinfo) == (instant, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-02-30",
        "2026-01-31T12:00:00",
        "2026-1-31",
        "12:00",
        "31.01.2026",
        "1969-12-31",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_instant(text, where="--as-of")
    assert str(caught.value) == f"--as-of: {text!r} is no date"
    assert caught.value.hint == "write 2026-01-31 or 2026-01-31T12:00:00Z"


def test_an_instant_without_zone_cannot_be_written() -> None:
    with pytest.raises(ValueError, match=r"^an instant needs a time zone$"):
        format_instant(NOON.replace(tzinfo=None))


def test_days_are_24_hours() -> None:
    assert days_after(NOON, 29) == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_now_has_a_zone_and_whole_seconds() -> None:
    before = datetime.now(UTC)
    now = utc_now()
    assert now.microsecond == 0
    assert timedelta(0) <= before - now < timedelta(seconds=2) or now >= before


@given(moments)
def test_writing_and_reading_keeps_the_second(moment: datetime) -> None:
    assert parse_instant(format_instant(moment)) == moment.replace(microsecond=0)
