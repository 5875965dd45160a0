"""Print docs/reference/real-models.md: 16 real models under the current release.

python bench/real_models.py responses.parquet > docs/reference/real-models.md
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from steelyard.evidence import ImportOptions, read_evidence
from steelyard.risk import Classification, classify
from steelyard.standard import load_release

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = """# Sixteen real models: cyber horizons and levels

Written by `python bench/real_models.py responses.parquet > docs/reference/real-models.md`.

The responses are those of Offensive Cyber Task Horizons (Payne, Miller and Peters, Lyptus Research,
2026; data CC-BY-4.0), release of 27 May 2026, budget of 2M tokens. Horizons are in minutes of a
skilled person; the decision limit is one-sided at error rate 0.01. The evidence was imported and
states no elicitation, so 1.75 doublings are charged and every level is presumptive.
{release} as of {date:%Y-%m-%d}, domain cyber only.

| model | answers | horizon | 95 % interval | decision limit | level | status |
|---|---:|---:|---:|---:|---|---|"""


def row(result: Classification) -> str:
    """One line of the table."""
    found = result.determinations[0]
    measurement = found.measurements[0]
    if measurement.estimate is None or measurement.interval is None:
        raise SystemExit(f"{result.model}: no success curve fits")
    low, high = (2.0**x for x in measurement.interval)
    name = next(x.name for x in result.release.framework.levels if x.level == found.level)
    return (
        f"| {result.model} | {measurement.observed} | {2.0**measurement.estimate:.3g} "
        f"| {low:.3g} to {high:.3g} | {2.0**measurement.limits.upper:.3g} "
        f"| {found.level} {name} | {found.status} |"
    )


def main() -> None:
    """Classify every model of the table given as first argument."""
    release = load_release()
    options = ImportOptions(domain="cyber", indicator="cyber.horizon")
    evidence = read_evidence(Path(sys.argv[1]), options)
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
