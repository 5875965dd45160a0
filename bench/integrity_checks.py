"""Power and false alarms of the checks that hold one model against an item bank.

    python bench/integrity_checks.py FOLDER [--seeds 5] [--write]

FOLDER holds the public response matrices `cyber_horizons_lyptus`, `livecodebench` and
`metr_runs_2025_02`. Every model is left out of the bank in turn and held against the
values of the others: as it is (false alarms), with 30 % of its passed items failed in
three ways (holding back), and with 30 % of its failed items among half of the bank
passed (a leak of those items). Scores are rounded to pass or fail where they are changed.
The half is the older one where items have dates, else drawn at random.

`--write` writes docs/reference/integrity-checks.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence import ImportOptions, read_evidence
from steelyard.evidence.integrity import Severity
from steelyard.risk.banks.calibration import PersonValues, Responses, responses_of
from steelyard.risk.banks.person_fit import ERROR_RATE, severity_of
from steelyard.stats.irt import ItemBank, fit_2pl, screen_items
from steelyard.stats.person_fit import anomaly

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TABLES = (
    "cyber_horizons_lyptus/responses",
    "livecodebench/gen_2024_04_400x45",
    "livecodebench/gen_2025_01_880x19",
    "metr_runs_2025_02/responses",
)
SHARE = 0.3
WIDE_RATE = 0.05
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "integrity-checks.md"
INTRO = """
Written by `python bench/integrity_checks.py FOLDER --write` from public response matrices: every
model is left out of the bank in turn and held against the others. *Alarms* are shares of models
called anomalous at a nominal rate of 5 % and of 1 %; *blocks* those that `steelyard evidence check`
calls blocking by default. In rows named `honest` these are false: honest models have heavier tails
than the nominal rates assume, and a table of few models cannot say which of them are.
AUC is the area under the ROC curve of honest against changed models, by distance from the honest
values on either side (person fit) or upwards (exposure).
"""


@dataclass(frozen=True, slots=True)
class Left:
    """One model left out: its responses and the bank of the others, by usable items."""

    scores: Floats
    bank: ItemBank
    public: Floats
    easiness: Floats

    def values(self, scores: Floats) -> PersonValues:
        """Person values of this model had it answered so."""
        return PersonValues.of(scores, self.bank, self.public)


def main() -> int:
    """Measure every table and print, or write, the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    wanted = parser.parse_args()
    text = page([(name, measure(wanted.folder, name, wanted.seeds)) for name in TABLES])
    if wanted.write:
        PAGE.write_text(text)
    print(text)
    return 0


def measure(folder: Path, name: str, seeds: int) -> list[str]:
    """Rows of the table of one matrix."""
    options = ImportOptions(domain="any", indicator="any", number_repeats=True)
    evidence = read_evidence(folder / f"{name}.parquet", options)
    evidence = evidence.select(evidence.columns["model"] != "human")
    left = leave_out(with_halves(responses_of(evidence), evidence.columns))
    honest = [one.values(one.scores) for one in left]
    fits, exposures = [v.fit for v in honest], [v.exposure for v in honest]
    rows = [row("person fit", "honest", fits, fits, two_sided=True)]
    for kind in ("random", "easiest", "hardest"):
        draws = range(seeds if kind == "random" else 1)
        changed = [[x.values(held_back(x, kind, seed)).fit for x in left] for seed in draws]
        rows.append(row("person fit", f"held back, {kind}", fits, *changed, two_sided=True))
    rows.append(row("exposure", "honest", exposures, exposures, two_sided=False))
    leaks = [[x.values(leaked(x, seed)).exposure for x in left] for seed in range(seeds)]
    rows.append(row("exposure", "half of the items leaked", exposures, *leaks, two_sided=False))
    return rows


def with_halves(responses: Responses, columns: object) -> Responses:
    """Call the older half of the items public, or a random half where there are no dates."""
    dates: dict[str, float] = {}
    for item, covariates in zip(columns["item"], columns["covariates"], strict=True):  # type: ignore[index]
        if "date" in covariates:
            dates.setdefault(item, covariates["date"])
    random = np.random.default_rng(0).random(len(responses.items))
    order = np.array([dates.get(item, random[k]) for k, item in enumerate(responses.items)])
    return replace(responses, public=(order < np.median(order)).astype(float))


def leave_out(responses: Responses) -> list[Left]:
    """Every model with the bank that the others give."""
    found: list[Left] = []
    for model, scores in enumerate(responses.scores):
        rest = np.delete(responses.scores, model, axis=0)
        answered = ~np.isnan(rest).all(axis=0)
        kept = answered.copy()
        kept[answered] = ~screen_items(rest[:, answered]).flagged
        means = np.nanmean(rest[:, kept], axis=0)
        found.append(Left(scores[kept], fit_2pl(rest[:, kept]), responses.public[kept], means))
    return found


def held_back(left: Left, kind: str, seed: int) -> Floats:
    """Responses with a share of the passed items failed."""
    scores = left.scores.copy()
    passed = np.flatnonzero(np.nan_to_num(scores) >= 0.5)  # noqa: PLR2004 - a pass
    count = round(SHARE * len(passed))
    if kind == "random":
        chosen = np.random.default_rng(seed).choice(passed, count, replace=False)
    else:
        ranked = passed[np.argsort(left.easiness[passed], kind="stable")]
        chosen = ranked[:count] if kind == "hardest" else ranked[len(ranked) - count :]
    scores[chosen] = 0.0
    return scores


def leaked(left: Left, seed: int) -> Floats:
    """Responses with a share of the failed public items passed."""
    scores = left.scores.copy()
    failed = np.flatnonzero((np.nan_to_num(scores, nan=1.0) < 0.5) & (left.public == 1.0))  # noqa: PLR2004
    count = round(SHARE * len(failed))
    scores[np.random.default_rng(seed).choice(failed, count, replace=False)] = 1.0
    return scores


def row(check: str, case: str, honest: list[float], *runs: list[float], two_sided: bool) -> str:
    """Alarms and area of one check in one case."""
    distances: list[float] = []
    base: list[float] = []
    alarms = np.zeros(3)
    for values in runs:
        for model, value in enumerate(values):
            others = honest[:model] + honest[model + 1 :]
            found, own = anomaly(value, others), anomaly(honest[model], others)
            if found is None or own is None:
                continue
            probability = found.two_sided if two_sided else found.high
            grave = severity_of(found, probability, ERROR_RATE) is Severity.BLOCKING
            alarms += [probability < WIDE_RATE, probability < ERROR_RATE, grave]
            distances.append(abs(found.distance) if two_sided else found.distance)
            base.append(abs(own.distance) if two_sided else own.distance)
    shares = [f"{alarm / len(distances):.2f}" for alarm in alarms]
    area = "" if case == "honest" else f"{wins(distances, base):.2f}"
    return f"| {check} | {case} | {shares[0]} | {shares[1]} | {shares[2]} | {area} |"


def wins(first: list[float], second: list[float]) -> float:
    """Share of pairs of which the first is larger, ties counted half."""
    one, other = np.array(first)[:, None], np.array(second)[None, :]
    return float(((one > other) + 0.5 * (one == other)).mean())


def page(tables: list[tuple[str, list[str]]]) -> str:
    """The page."""
    lines = ["# Power and false alarms of integrity checks", "", *INTRO.strip().splitlines()]
    for name, rows in tables:
        lines += ["", f"## {name.replace('/', ', ')}", "", "| check | case | alarms at 5 % "]
        lines[-1] += "| alarms at 1 % | blocks | AUC |"
        lines += ["|---|---|---|---|---|---|", *rows]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
