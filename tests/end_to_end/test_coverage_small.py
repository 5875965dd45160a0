"""A small run of bench/coverage.py: one protocol at the threshold of level 1."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "bench/coverage.py"
    spec = importlib.util.spec_from_file_location("bench_coverage", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_intervals_cover_and_clearances_keep_their_error_rate(bench: ModuleType) -> None:
    point = bench.Point(level=1, rho=0.1, refusal=0.0)
    runs = [bench.simulate("re1_obtain_compute", point, f"small/{run}") for run in range(40)]
    value = 0.0805681  # 0.15 less a margin of 0.7 log odds
    covered = sum(low <= value <= high for low, high in (r.intervals["steelyard"] for r in runs))
    # Exact binomial bounds at 0.001: 40 intervals of 93 % miss 10 times or more in one of 2,000;
    # 40 decisions that err with 1 % err 4 times or more in one of 1,400.
    assert covered >= 31
    assert sum(run.cleared["steelyard"] for run in runs) <= 4
    assert (
        bench.summarise(runs, "steelyard", value).width
        > bench.summarise(runs, "exact", value).width
    )


def test_the_bench_refutes_a_method_that_errs(bench: ModuleType) -> None:
    wrong = bench.Run({"steelyard": (0.2, 0.3)}, {"steelyard": True})
    assert bench.failures([wrong] * 20, 0.1) == [
        "coverage 0.000 is below 0.93",
        "20 of 20 cleared wrongly, stated error 0.01",
    ]
