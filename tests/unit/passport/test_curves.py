"""Line charts: what they print, and that nothing escapes them."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from steelyard.passport.report.curves import CurveChart, Mark, Series, curve_chart, ticks


def chart(*series: Series, marks: tuple[Mark, ...] = ()) -> CurveChart:
    return CurveChart(
        "A <title>", "What & why", ticks(0.0, 10.0), ticks(0.0, 1.0), "x", "y", series, marks
    )


def test_a_chart_is_xml_with_its_names_escaped() -> None:
    drawn = curve_chart(
        chart(
            Series("<script>", ((0.0, 0.0), (10.0, 1.0))),
            Series("broken", ((0.0, 0.5), (5.0, None), (10.0, 0.5))),
            marks=(Mark("limit", 0.5), Mark("here", 5.0, upright=True)),
        ),
        chart_id="c",
    )
    root = ET.fromstring(drawn)  # noqa: S314 - our own text
    texts = [element.text for element in root.iter() if element.text]
    assert {"A <title>", "<script>", "broken", "limit", "here"} <= set(texts)
    curves = [p.get("d", "") for p in root.iter("path") if p.get("stroke-width") == "1.8"]
    assert sum(path.count("M") for path in curves if path.count("L")) == 1
    assert any(path.count("M") == 2 for path in curves)


def test_labels_of_curves_that_end_alike_do_not_cover_each_other() -> None:
    drawn = curve_chart(chart(*(Series(f"s{k}", ((0.0, 0.2), (10.0, 0.2))) for k in range(5))),
                        chart_id="c")  # fmt: skip
    places = [
        float(t.get("y", "0"))
        for t in ET.fromstring(drawn).iter("text")  # noqa: S314
        if (t.text or "").startswith("s")
    ]
    assert all(b - a >= 12 for a, b in pairwise(places))


@pytest.mark.parametrize(("stop", "most"), [(1.0, 7), (280.0, 7), (0.003, 7)])
def test_ticks_are_round_and_few(stop: float, most: int) -> None:
    axis = ticks(0.0, stop)
    assert 3 <= len(axis.ticks) <= most
    assert axis.ticks[0] == (0.0, "0")
