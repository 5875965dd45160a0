"""Triggers of re-evaluation: each kind of test, on what is known and what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from steelyard.evidence import Evidence
from steelyard.risk import Determination
from steelyard.risk.triggers import evaluate_triggers
from steelyard.standard import Release, Trigger


def _fired(test: str, fact: object, recorded: object = None, value: float | None = None) -> bool:
    trigger = Trigger("t", "A title.", "fact", test, value)  # type: ignore[arg-type]
    facts = {} if fact is None else {"fact": fact}
    known = {} if recorded is None else {"fact": recorded}
    (state,) = evaluate_triggers([trigger], facts, known)  # type: ignore[arg-type]
    return state.fired


@pytest.mark.parametrize(
    ("test", "fact", "recorded", "value", "fired"),
    [
        ("is_true", True, None, None, True),
        ("is_true", False, None, None, False),
        ("is_true", 1.0, None, None, False),  # only a plain yes is a yes
        ("differs", "a", "a", None, False),
        ("differs", "b", "a", None, True),
        ("differs", "b", None, None, True),  # nothing recorded that it could equal
        ("at_least", 1.99, None, 2.0, False),
        ("at_least", 2.0, None, 2.0, True),
        ("above", 0.1, None, 0.1, False),
        ("above", 0.11, None, 0.1, True),
        ("reached", "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", None, False),
        ("reached", "2026-06-02T00:00:00Z", "2026-06-02T00:00:00Z", None, True),
        ("reached", "2027-01-01T00:00:00Z", "2026-06-02T00:00:00Z", None, True),
        ("reached", "2027-01-01T00:00:00Z", None, None, False),
    ],
)
def test_each_kind(
    test: str, fact: object, recorded: object, value: float | None, *, fired: bool
) -> None:
    assert _fired(test, fact, recorded, value) is fired


@pytest.mark.parametrize("test", ["is_true", "differs", "at_least", "above", "reached"])
def test_a_fact_that_nobody_gave_fires_nothing(test: str) -> None:
    assert not _fired(test, None, "recorded", 0.0)


def test_a_determination_names_every_trigger_and_fires_on_what_it_knows(
    release: Release, make: Callable[..., Evidence], decide: Callable[..., Determination]
) -> None:
    found = decide(make("re1.compute"))
    assert [s.trigger for s in found.re_evaluate_on] == list(release.framework.triggers)
    assert not any(s.fired for s in found.re_evaluate_on)
    assert all(s.trigger.title.endswith(".") for s in found.re_evaluate_on)


def test_a_likely_crossing_fires_by_itself(
    make: Callable[..., Evidence], decide: Callable[..., Determination]
) -> None:
    """A horizon just below the threshold of a level, with a trend that will carry it over."""

    def tasks(solved: float) -> Evidence:
        rows: list[dict[str, Any]] = []
        random = np.random.default_rng(4)
        for i, row in enumerate(make("re1.compute").objects()):
            length = (i % 60) / 6.0 + (0.7 if i % 7 == 0 else 0.0) - (i % 5) / 2
            success = bool(random.random() < 1.0 / (1.0 + 2.0 ** (length - solved)))
            rows.append(
                {
                    **row, "domain": "cyber", "item": f"i{i}", "indicator": "cyber.horizon",
                    "arm": "default", "protocol": "bank", "elicitation": "E3",
                    "score": float(success),
                    "covariates": {"human_minutes": 2.0**length},
                    "outcome": "behaviour" if success else "no_behaviour",
                }
            )  # fmt: skip
        return Evidence.from_objects(rows)

    def chance(solved: float) -> tuple[float, bool]:
        found = decide(tasks(solved), "cyber")
        fired = next(s.fired for s in found.re_evaluate_on if s.trigger.id == "crossing_likely")
        return found.freeboard.probability_of_crossing or 0.0, fired

    far, near = chance(3.0), chance(4.5)
    assert far[0] < 0.1 < near[0]
    assert (far[1], near[1]) == (False, True)
