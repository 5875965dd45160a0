"""Charts are text: geometry, escaping and the cases at the edges are checked as text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.evidence.record import Outcome
from steelyard.passport.report.charts import (
    LEVEL_TINTS,
    OUTCOME_FILLS,
    Axis,
    IntervalChart,
    IntervalRow,
    ThresholdMark,
    interval_chart,
    outcome_chart,
    pattern_definitions,
    stack_labels,
)
from steelyard.passport.report.svg import INK, MUTED, PAPER, escape, text_width

PLAIN = Axis(0.0, 1.0, ((0.0, "none"), (1.0, "all")))
ESTIMATE = IntervalRow("estimate", "Estimate", "30 %", 0.2, 0.4, 0.3)
CHART = IntervalChart(
    title="Rate",
    description="A rate",
    axis=PLAIN,
    level_names=("floor", "tracked", "high", "critical"),
    thresholds=(
        ThresholdMark(1, 0.25, 0.25, "25 %", "25 %"),
        ThresholdMark(2, 0.5, 0.5, "50 %", "50 %"),
        ThresholdMark(3, 0.75, 0.75, "75 %", "75 %"),
    ),
    rows=(ESTIMATE,),
)


def draw(chart: IntervalChart = CHART, width: int = 760) -> ET.Element:
    return ET.fromstring(interval_chart(chart, chart_id="c", width=width))  # noqa: S314 - ours


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter("text")]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_axis_clips_and_stretches_small_values() -> None:
    stretched = Axis(0.0, 1.0, (), power=0.5)
    assert stretched.fraction(0.01) == pytest.approx(0.1)
    assert stretched.fraction(0.25) == pytest.approx(0.5)
    assert stretched.fraction(-3.0) == 0.0
    assert stretched.fraction(7.0) == 1.0


def test_estimate_stands_where_the_axis_says() -> None:
    circle = next(draw().iter("circle"))
    left, right = 222.0, 746.0
    assert float(circle.attrib["cx"]) == pytest.approx(left + 0.3 * (right - left), abs=0.01)


def test_bands_span_the_plot_between_thresholds() -> None:
    bands = [r for r in draw().iter("rect") if r.attrib["height"] == "42"]
    assert [band.attrib["fill"] for band in bands] == list(LEVEL_TINTS)
    assert [float(band.attrib["width"]) for band in bands] == [131.0] * 4


def test_title_and_description_name_the_image() -> None:
    root = draw()
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "c-title c-desc"
    assert [root.findtext("title"), root.findtext("desc")] == ["Rate", "A rate"]


def test_missing_estimate_draws_no_evidence_over_the_whole_scale() -> None:
    root = draw(replace(CHART, rows=(IntervalRow("estimate", "E", "none", None, None),)))
    frame = next(r for r in root.iter("rect") if r.attrib.get("stroke-dasharray"))
    assert float(frame.attrib["width"]) == 746 - 222 - 4
    assert "no evidence: anything is possible" in texts(root)
    assert list(root.iter("circle")) == []


def test_interval_beyond_the_scale_ends_in_an_arrow_not_a_cap() -> None:
    inside = interval_chart(CHART, chart_id="c", width=760)
    beyond = interval_chart(
        replace(CHART, rows=(replace(ESTIMATE, low=-0.2),)), chart_id="c", width=760
    )
    assert "M214 " not in inside
    assert "M214 " in beyond


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0)])
def test_bounds_at_the_edges_stay_inside(low: float, high: float) -> None:
    root = draw(replace(CHART, rows=(IntervalRow("bounds", "B", "b", low, high),)))
    positions = [
        float(x)
        for path in root.iter("path")
        for x in re.findall(r"[ML]([\d.-]+)", path.attrib["d"])
    ]
    assert min(positions) >= 0
    assert max(positions) <= 760


def test_a_moved_threshold_shows_both_values() -> None:
    marks = (ThresholdMark(1, 0.5, 0.25, "50 %", "25 %"), *CHART.thresholds[1:])
    root = draw(replace(CHART, thresholds=marks))
    assert "published 50 %" in texts(root)
    dashed = [p for p in root.iter("path") if p.attrib.get("stroke-dasharray") == "3 3"]
    assert {p.attrib["d"].split()[0] for p in dashed} == {"M484"}
    assert not any(p.attrib.get("stroke-dasharray") for p in draw().iter("path"))


def test_a_narrow_band_falls_back_to_its_number() -> None:
    marks = (ThresholdMark(1, 0.5, 0.5, "", ""), ThresholdMark(2, 0.53, 0.53, "", ""),
             ThresholdMark(3, 0.535, 0.535, "", ""))  # fmt: skip
    shown = texts(draw(replace(CHART, thresholds=marks)))
    assert "0 floor" in shown
    assert "1" in shown
    assert not {"2", "2 high"} & set(shown)


def test_narrow_charts_keep_every_caption_inside() -> None:
    for element in draw(width=320).iter("text"):
        start = float(element.attrib["x"])
        if element.attrib.get("text-anchor") != "middle":
            assert start >= 0
            assert start + 0.9 * text_width(element.text or "", 11) <= 320


@given(
    st.lists(st.tuples(st.floats(0, 300), st.text("0123456789 %", min_size=1, max_size=12)),
             max_size=9)
)  # fmt: skip
def test_stacked_labels_never_overlap(labels: list[tuple[float, str]]) -> None:
    places = stack_labels(labels, width=300, size=10)
    assert len(places) == len(labels)
    spans = [
        (row, left, left + text_width(text, 10))
        for (left, row), (_, text) in zip(places, labels, strict=True)
    ]
    for index, (row, left, right) in enumerate(spans):
        assert left >= 0
        assert right <= 300 + 1e-9
        for other_row, other_left, other_right in spans[index + 1 :]:
            assert row != other_row or right <= other_left or other_right <= left


def test_outcomes_follow_the_record_format() -> None:
    assert tuple(OUTCOME_FILLS) == tuple(outcome.value for outcome in Outcome)
    missing = [name for name in OUTCOME_FILLS if not Outcome(name).observed]
    assert re.findall(r'pattern id="outcome-(\w+)"', pattern_definitions()) == missing


def test_outcome_bar_widths_follow_counts_and_rare_ones_stay_visible() -> None:
    svg = outcome_chart(
        {"a": {"behaviour": 1, "no_behaviour": 999}}, ("t", "d"), chart_id="c", width=760
    )
    behaviour, other = ET.fromstring(svg).iter("rect")  # noqa: S314 - ours
    assert float(behaviour.attrib["width"]) == pytest.approx(4 + 516 / 1000, abs=0.01)
    assert float(behaviour.attrib["width"]) + float(other.attrib["width"]) == pytest.approx(524)
    assert texts(ET.fromstring(svg)) == ["a", "1,000 samples", "999"]  # noqa: S314 - ours


def test_an_arm_without_samples_says_so() -> None:
    svg = outcome_chart({"a": {"behaviour": 0}}, ("t", "d"), chart_id="c", width=320)
    assert "no samples recorded" in svg


@given(st.text())
def test_any_text_leaves_well_formed_xml(text: str) -> None:
    chart = replace(CHART, title=text, description=text, rows=(replace(ESTIMATE, caption=text),))
    assert draw(chart).tag == "svg"


def test_markup_in_labels_is_inert() -> None:
    assert escape("<script>'\"&\x00") == "&lt;script&gt;&#x27;&quot;&amp;\ufffd"
    svg = outcome_chart({"<script>": {"refusal": 3}}, ("<b>", "d"), chart_id='"x', width=760)
    assert "<script" not in svg
    assert "<b>" not in svg
    assert 'id="&quot;x-title"' in svg


def test_levels_darken_and_all_text_keeps_contrast() -> None:
    shades = [luminance(tint) for tint in LEVEL_TINTS]
    assert shades == sorted(shades, reverse=True)
    assert min(contrast(INK, tint) for tint in LEVEL_TINTS) >= 4.5
    assert contrast(MUTED, PAPER) >= 4.5
    assert contrast(PAPER, OUTCOME_FILLS["behaviour"]) >= 4.5
    assert contrast(INK, OUTCOME_FILLS["no_behaviour"]) >= 4.5
