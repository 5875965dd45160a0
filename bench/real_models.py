"""Print docs/reference/real-models.md: 16 real models under the current release.

python bench/real_models.py responses.parquet > docs/reference/real-models.md
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from pathlib import Path

from steelyard.evidence import ImportOptions, read_evidence
from steelyard.evidence.bank import complete_bank
from steelyard.risk import Classification, classify
from steelyard.standard import load_release

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = """# Sixteen real models: cyber horizons and levels

Written by `python bench/real_models.py responses.parquet > docs/reference/real-models.md`.

The responses are those of Offensive Cyber Task Horizons (Payne, Miller and Peters, Lyptus Research,
2026; data CC-BY-4.0), release of 27 May 2026, budget of 2M tokens. Horizons are in minutes of a
skilled person; the decision limit is one-sided at error rate 0.01. The evidence was imported and
states no elicitation, so 1.75 doublings are charged and every level is presumptive. The bank is
every task with a human length that any of the models answered; a task that a model lacks counts as
solved in the decision limit, and *observed only* is the level if such gaps were ignored. `none`
means that nothing is ruled out. `steelyard classify responses.parquet --domain cyber` gives the
same.
{release} as of {date:%Y-%m-%d}, domain cyber only.

| model | answers | horizon | 95 % interval | decision limit | level | observed only |
|---|---:|---:|---:|---:|---|---:|"""


def row(result: Classification) -> str:
    """One line of the table."""
    found = result.determinations[0]
    measurement = found.measurements[0]
    if measurement.estimate is None or measurement.interval is None:
        raise SystemExit(f"{result.model}: no success curve fits")
    low, high = (2.0**x for x in measurement.interval)
    name = next(x.name for x in result.release.framework.levels if x.level == found.level)
    upper = measurement.limits.upper
    limit = f"{2.0**upper:.3g}" if math.isfinite(upper) else "none"
    return (
        f"| {result.model} | {measurement.observed} of {measurement.planned} "
        f"| {2.0**measurement.estimate:.3g} | {low:.3g} to {high:.3g} | {limit} "
        f"| {found.level} {name} | {found.observed_only_level} |"
    )


def main() -> None:
    """Classify every model of the table given as first argument."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the script and its one argument
        print("skipped: name the table of responses")
        return
    release = load_release()
    options = ImportOptions(domain="cyber", indicator="cyber.horizon")
    evidence = complete_bank(read_evidence(Path(sys.argv[1]), options))
    results = [
        classify(evidence, release, scope=["cyber"], as_of=AS_OF, model=model)
        for model in evidence.values("model")
    ]
    title = f"Standard release {release.version} ({release.framework.status}),"
    print(HEAD.format(release=title, date=AS_OF))
    for result in sorted(results, key=lambda r: r.determinations[0].measurements[0].estimate or 0):
        print(row(result))


if __name__ == "__main__":
    main()
