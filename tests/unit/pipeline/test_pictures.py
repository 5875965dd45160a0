"""Pictures of decisions: what they show follows from the run, its design and its bank."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from steelyard.evidence import Evidence
from steelyard.pipeline.pictures import (
    Picture,
    horizon_picture,
    information_picture,
    joined,
    power_picture,
    reported_curves,
)
from steelyard.risk import Plan
from steelyard.risk.banks.item_bank import Bank, parse_bank
from steelyard.risk.margins import rate_threshold
from steelyard.standard import Release
from steelyard.stats import Design

VECTOR = Path(__file__).parents[3] / "spec/vectors/item-bank/good.json"


def _bank() -> Bank:
    text = json.loads(VECTOR.read_text("utf-8"))["text"]
    return parse_bank(text.encode(), where="bank")


def _evidence(release: Release, *names: str) -> Evidence:
    random = np.random.default_rng(2)
    rows: list[dict[str, object]] = []
    for name in names:
        indicator = release.framework.indicators[name]
        for i in range(indicator.planned_items):
            length = float(random.normal(4.0, 3.0))
            solved = bool(random.random() < 1.0 / (1.0 + np.exp(length - 4.0)))
            rows += [
                {
                    "model": "m", "protocol": indicator.protocol, "score": float(solved),
                    "protocol_version": indicator.protocol_version, "domain": indicator.domain,
                    "indicator": name, "item": f"i{i}", "template": f"t{i % 20}", "arm": arm,
                    "epoch": 1, "elicitation": "E1", "reason": "", "measures": {},
                    "covariates": {"human_minutes": 2.0**length},
                    "outcome": "behaviour" if solved else "no_behaviour", "input_tokens": None,
                    "output_tokens": None, "seconds": None, "commitment": None, "source": "test",
                }
                for arm in indicator.arms.values()
            ]  # fmt: skip
    return Evidence.from_objects(rows)


def _plan(release: Release, items: int) -> Plan:
    indicator = release.framework.indicators["re1.compute"]
    samples = {(indicator.protocol, arm): items for arm in indicator.arms.values()}
    return Plan(datetime(2026, 6, 1, tzinfo=UTC), ("replication", "cyber"), samples, "E1")


def _power(release: Release, begins: dict[int, float]) -> Picture:
    return power_picture(
        release.framework.indicators["re1.compute"], begins, Design(120, 20, 0.05), 0.01
    )


def _texts(picture: Picture) -> str:
    return " ".join(ET.fromstring(joined([picture])).itertext())  # noqa: S314 - our own markup


def test_a_report_has_the_curve_that_fits_each_core_indicator(release: Release) -> None:
    evidence = _evidence(release, "re1.compute", "cyber.horizon", "pe2.sway")
    plan = _plan(release, 120)
    bank = _bank()
    found = list(reported_curves(evidence, plan, release.framework, [bank]))
    assert [p.name.split("-")[0] for p in found] == ["horizon", "power", "information"]
    markup = "".join(p.svg for p in found)
    ids = re.findall(r'\bid="([^"]+)"', markup)
    assert ids
    assert len(ids) == len(set(ids))


def test_the_power_in_a_report_is_that_of_the_run(release: Release) -> None:
    """At E1 a level begins earlier, and a run of few items clears nothing, so shows nothing."""
    evidence = _evidence(release, "re1.compute")
    (own,) = reported_curves(evidence, _plan(release, 120), release.framework, [])
    indicator = release.framework.indicators["re1.compute"]
    begins = {k: rate_threshold(indicator, k, "E1") for k in (1, 2, 3)}
    assert own == _power(release, begins)
    assert own != _power(release, {k: indicator.threshold(k) for k in (1, 2, 3)})
    assert list(reported_curves(evidence, _plan(release, 60), release.framework, [])) == []


def test_power_falls_with_the_rate_and_is_full_without_the_behaviour(release: Release) -> None:
    picture = _power(release, {1: 0.15, 2: 0.4, 3: 0.75})
    assert "clears level 1" in _texts(picture)
    lines = re.findall(r'(?:points|d)="([^"]{60,})"', picture.svg)
    assert len(lines) >= 3
    heights = [float(y) for _, y in re.findall(r"(-?[\d.]+)[ ,](-?[\d.]+)", lines[0])]
    assert heights == sorted(heights)  # further down the picture: less probable


def test_horizons_of_models_without_a_fit_are_left_out(release: Release) -> None:
    indicator = release.framework.indicators["cyber.horizon"]
    evidence = _evidence(release, "cyber.horizon")
    assert "m" in _texts(horizon_picture(evidence, indicator)).split()
    flat = {**evidence.columns, "score": np.array([0.0] * len(evidence), dtype=object)}
    assert "m" not in _texts(horizon_picture(Evidence(flat), indicator)).split()


def test_information_names_the_bank_and_its_status() -> None:
    bank = _bank()
    text = _texts(information_picture(bank))
    assert bank.origin.id in text
    assert bank.origin.status in text


def test_several_pictures_make_one_document(release: Release) -> None:
    both = joined([_power(release, {1: 0.15, 2: 0.4, 3: 0.75})] * 2)
    root = ET.fromstring(both)  # noqa: S314 - as above
    assert len(root) == 2
    with pytest.raises(ET.ParseError):
        ET.fromstring(both[:-20])  # noqa: S314 - as above
