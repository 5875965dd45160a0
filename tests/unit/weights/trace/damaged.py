"""The damage that `bench/trace_damage.py` measures, for the tests of the detector."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[4] / "bench" / "weight_damage.py"
_SPEC = importlib.util.spec_from_file_location("bench_weight_damage", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_damage = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_damage)

PASSIVE = _damage.PASSIVE
average = _damage.average
int4_grouped = _damage.int4_grouped
int8_per_row = _damage.int8_per_row
noise = _damage.noise
random_extreme = _damage.random_extreme
