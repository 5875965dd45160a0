"""Numbers and sentences of a card."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel.errors import UsageError
from steelyard.passport.report.indicators import DURATION_AXIS
from steelyard.passport.report.view import domain_view
from steelyard.passport.report.wording import (
    Level,
    day,
    distinct_quantities,
    duration,
    listed,
    percent,
    plain,
    quantity,
)

from .report_samples import FRAMEWORK, RESIDUAL, Measured, determination, thresholds

LEVELS = tuple(Level(n, name, "") for n, name in enumerate("abcd"))
MEASURED_WITH_SAFEGUARDS = Measured(
    "cyber.horizon", 1, "established", 6.5, (5.9, 7.2), (5.7, 7.1), 100, {},
    crossing=0.14, residual=RESIDUAL,
)  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0 %"), (0.004, "0.40 %"), (0.05, "5 %"), (0.0314, "3.1 %"), (0.314, "31 %"),
        (0.996, "99.6 %"), (1.0, "100 %"), (-0.012, "\u22121.2 %"), (-1e-9, "0.00 %"),
    ],
)  # fmt: skip
def test_percent(rate: float, text: str) -> None:
    assert percent(rate).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0.5, "30 s"), (1, "1 min"), (2.5, "2.5 min"), (59, "59 min"), (60, "1 h"), (90, "1.5 h"),
     (480, "8 h"), (10_080, "168 h"), (600_000, "10,000 h")],
)  # fmt: skip
def test_duration(minutes: float, text: str) -> None:
    assert duration(minutes).replace("\u00a0", " ") == text


def test_quantity_reads_log2_minutes_as_time_and_survives_extremes() -> None:
    assert quantity(math.log2(90), "log2_minutes") == "1.5\u00a0h"
    assert quantity(5000.0, "log2_minutes") == quantity(60.0, "log2_minutes")
    assert quantity(-5000.0, "log2_minutes") == "0\u00a0s"


@given(st.floats(0, 1), st.floats(0, 1))
def test_distinct_numbers_read_differently(first: float, second: float) -> None:
    texts = distinct_quantities(first, second, "rate")
    assert (texts[0] == texts[1]) == (first == second) or abs(first - second) < 1e-7


def test_a_bound_just_under_its_threshold_does_not_read_equal() -> None:
    assert distinct_quantities(0.04996, 0.05, "rate") == ("4.996\u00a0%", "5.000\u00a0%")


def test_day() -> None:
    assert day("2026-05-30T23:59:59Z") == "30\u00a0May 2026"
    assert day(None) == "not stated"
    with pytest.raises(UsageError) as caught:
        day("<script>")
    assert caught.value.message == "'<script>' is no date"


def test_plain_and_listed() -> None:
    assert plain({"b_c": [1, 2.5], "a": None, "d": True}) == "a not stated, b c 1, 2.5, d yes"
    assert [listed([]), listed([1]), listed([1, 2]), listed([1, 2, 3])] == [
        "", "1", "1 and 2", "1, 2 and 3",
    ]  # fmt: skip


def test_duration_ticks_are_working_time() -> None:
    ticks = {label.replace("\u00a0", " "): 2**value for value, label in DURATION_AXIS.ticks}
    assert ticks["1 week"] == pytest.approx(40 * 60)
    assert ticks["1 month"] == pytest.approx(
        FRAMEWORK["indicators"]["cyber.horizon"]["thresholds"][2]["human_minutes"]
    )


def test_ruled_out_is_taken_as_stated_and_never_computed_again() -> None:
    raw = determination(
        Measured("de1.lie", 0, "established", 0.01, (0.0, 0.02), (0.0, 0.03), 264,
                 {"incentive": (0, 264, 0, 0, 0, 0)})
    )  # fmt: skip
    for test in raw["error_budget"]["tests"]:
        test["ruled_out"] = test["level"] == 3
    card = domain_view(raw, 0, LEVELS)
    assert [row["ruled_out"] for row in card.tests] == [False, False, True]
    assert card.reason.replace("\u00a0", " ") == (
        "Level 3 ruled out, level 2 not: up to 3 % remains possible, and level 2 begins at 20 %."
    )


def test_margins_are_announced_only_where_they_moved_a_threshold() -> None:
    for effort, moved in (("E1", True), ("E3", False)):
        raw = determination(
            Measured("re1.compute", 3, "presumptive", None, None, (None, None), 0, {}, effort)
        )
        indicator = domain_view(raw, 0, LEVELS).indicators[0]
        assert indicator.has_margins is moved
        assert indicator.facts[0] == ("Estimate, 95\u00a0% interval", "no estimate")
        assert len(thresholds("re1.compute", effort)) == len(indicator.thresholds) == 3


def test_three_kinds_of_error_are_told_apart() -> None:
    measured = Measured("pe1.fabrication", 0, "established", 0.0, (0.0, 0.01), (0.0, 0.03), 240, {})
    raw = determination(measured)
    raw["error_budget"]["kinds"][1]["mixed_share"] = 0.125
    found = {
        row["kind"]: row["bound"].replace("\u00a0", " ")
        for row in domain_view(raw, 0, LEVELS).errors
    }
    assert found == {
        "Sampling of items": "at most 1 %",
        "Noise of repeats": "inside the limits; 12 % of repeated items ended differently",
        "Transfer to the threat": "argued, never guaranteed",
    }


def test_what_safeguards_leave_is_said_or_said_to_be_unknown() -> None:
    left = domain_view(determination(MEASURED_WITH_SAFEGUARDS), 0, LEVELS).safeguards
    assert left.level == LEVELS[1]
    assert left.text.endswith("Not tried, so taken as always succeeding: adaptive search.")
    rows = {row["attack"]: row for row in left.attacks}
    assert rows["adaptive search"]["estimate"] == "none"
    assert rows["adaptive search"]["upper"].replace("\u00a0", " ") == "100 %"
    assert rows["published prompts"]["three"].replace("\u00a0", " ") == "rule of three: 3 %"
    assert "no bound" in left.forecast
    unknown = determination(
        Measured("re1.compute", 3, "presumptive", None, None, (None, None), 0, {})
    )
    assert domain_view(unknown, 0, LEVELS).safeguards.level is None
    unknown["residual"] = {"status": "no_test"}
    assert "no safeguard test" in domain_view(unknown, 0, LEVELS).safeguards.text


def test_missing_answers_are_shown_at_their_best_and_worst() -> None:
    raw = determination(
        Measured("pe1.fabrication", 1, "presumptive", 0.1, (0.0, 0.2), (0.0, 0.3), 200, {},
                 imputed=(0.08, 0.25))
    )  # fmt: skip
    facts = dict(domain_view(raw, 0, LEVELS).indicators[0].facts)
    span = facts["Estimate, missing answers taken at their best and worst"]
    assert span.replace("\u00a0", " ") == "8 % to 25 %"


def test_a_trigger_that_already_holds_is_named() -> None:
    found = domain_view(determination(MEASURED_WITH_SAFEGUARDS), 0, LEVELS)
    assert found.fired == (
        "The chance of crossing the next level before the review is above 10 %.",
    )
