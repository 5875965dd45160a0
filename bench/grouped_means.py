"""Means by group with clustered errors of ten million records, beside pandas.

The peer sums residuals by (group, cluster) with two `groupby` calls, which is what an
analyst would write; without pandas it is left out. Every case runs in a process of its
own, so that its peak memory is its own; memory is what the call adds to the records
themselves. Claim: at most 3 s and 300 MB for integer codes, no slower than the peer, and
the same errors.

    python bench/grouped_means.py [--records 10000000]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS_CLAIM, MEGABYTES_CLAIM = 3.0, 300.0
CASES = {"few": (300, 2_000), "many": (50, 10_000), "wide": (1_000, 3_000)}


def records(count: int, case: str, *, strings: bool) -> tuple[NDArray[Any], ...]:
    """Values, groups and clusters, each of shape [records]."""
    random = np.random.default_rng(20261)
    groups, clusters = CASES[case]
    values = np.empty(count)
    for start in range(0, count, 1 << 20):
        part = values[start : start + (1 << 20)]
        part[:] = random.random(len(part)) < 0.3  # noqa: PLR2004 - a rate
    keys = [random.integers(0, size, count, dtype=np.int32) for size in (groups, clusters)]
    if strings:
        names = [
            np.array([f"{name}-{k:05d}" for k in range(size)])
            for name, size in (("model", groups), ("item", clusters))
        ]
        return values, names[0][keys[0]], names[1][keys[1]]
    return values, *keys


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def by_pandas(values: NDArray[Any], groups: NDArray[Any], clusters: NDArray[Any]) -> NDArray[Any]:
    """CR1 standard errors, shape [groups]."""
    import pandas as pd  # noqa: PLC0415 - a peer, not a dependency

    frame = pd.DataFrame({"y": values, "g": groups, "c": clusters}, copy=False)
    pairs = frame.groupby(["g", "c"], sort=True)["y"].agg(["sum", "count"])
    totals = pairs.groupby(level="g").sum()
    means = totals["sum"] / totals["count"]
    own = means.reindex(pairs.index.get_level_values("g")).to_numpy()
    squares = ((pairs["sum"] - pairs["count"] * own) ** 2).groupby(level="g").agg(["sum", "count"])
    scale = squares["count"] / (squares["count"] - 1)
    return (np.sqrt(squares["sum"] * scale) / totals["count"]).to_numpy()


def measure(count: int, case: str, kind: str, tool: str) -> dict[str, float]:
    """Seconds, added megabytes, and a fingerprint of the errors."""
    from steelyard.stats import grouped_means  # noqa: PLC0415 - loaded before memory is read

    table = records(count, case, strings=kind == "strings")
    if tool == "pandas":
        by_pandas(*(column[:10] for column in table))
    before, start = peak_megabytes(), time.perf_counter()
    errors = by_pandas(*table) if tool == "pandas" else grouped_means(*table).standard_errors
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "megabytes": peak_megabytes() - before,
        "errors": float(np.sum(errors)),
    }


def main() -> int:
    """Print the table; 1 if a claim fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(options.records, *options.case)))
        return 0
    tools = ["steelyard", *(["pandas"] if importlib.util.find_spec("pandas") else [])]
    print(f"{options.records} records                       tool       seconds   added MB")
    held = True
    for kind in ("integers", "strings"):
        for case, (groups, clusters) in CASES.items():
            found = {}
            for tool in tools:
                done = subprocess.run(
                    [
                        sys.executable, __file__, "--records", str(options.records),
                        "--case", case, kind, tool,
                    ],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                row = found[tool] = json.loads(done.stdout)
                name = f"{kind}, {groups} groups x {clusters} clusters"
                print(
                    f"{name:<44} {tool:<10} {row['seconds']:6.2f} {row['megabytes']:10.0f}",
                    flush=True,
                )
            own, peer = found["steelyard"], found.get("pandas")
            if kind == "integers":
                held &= own["seconds"] <= SECONDS_CLAIM and own["megabytes"] <= MEGABYTES_CLAIM
            if peer:
                held &= own["seconds"] <= peer["seconds"]
                held &= abs(own["errors"] - peer["errors"]) <= 1e-9 * abs(peer["errors"])
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
