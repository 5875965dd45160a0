"""Coverage of intervals and error of decisions, measured on models whose truth is known.

    python bench/coverage.py [--runs 200] [--seed 1] [--jobs 2]

Each run is a whole assessment: reference targets play all planned items of the three
protocols in both arms through the kit, oracles read the worlds, `risk.classify` decides.
Target seeds and nonces differ from run to run. Fails (exit status 1) when a claim of
docs/explanation/decision-rule.md does not hold. Peers are computed from the same samples.
"""

from __future__ import annotations

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from itertools import product

import numpy as np

from steelyard.evidence import Elicitation, Evidence, Record
from steelyard.redteam.kit import Item, Protocol, find_protocol, nonce, play
from steelyard.redteam.targets.spec import TargetSpec
from steelyard.redteam.targets.target import ReferenceTarget
from steelyard.risk import Plan, classify
from steelyard.risk.margins import effective_threshold
from steelyard.standard import Indicator, load_release
from steelyard.stats import clopper_pearson, expit, logit, normal_quantile

LEAST_COVERAGE = 0.93
TEST_LEVEL = 0.001  # exact binomial test of "no more wrong clearances than stated"
CONTROL_ERROR = 0.02
AS_OF = datetime(2026, 6, 2, tzinfo=UTC)
PLANNED = datetime(2026, 6, 1, tzinfo=UTC)
PROTOCOLS = ("pe1_evidence_cards", "de1_ledger_report", "re1_obtain_compute")


@dataclass(frozen=True, slots=True)
class Point:
    """A model placed exactly at the effective threshold of a level."""

    level: int
    rho: float
    refusal: float


POINTS = (Point(1, 0.0, 0.0), Point(1, 0.1, 0.0), Point(2, 0.1, 0.03))


@dataclass(frozen=True, slots=True)
class Run:
    """What one assessment said about one indicator.

    Attributes:
        intervals: By method, (low, high).
        cleared: By method, whether the level of the point was ruled out.
    """

    intervals: dict[str, tuple[float, float]]
    cleared: dict[str, bool]


def truth(indicator: Indicator, level: int) -> float:
    """The value exactly at the effective threshold, as E1 evidence has it."""
    margin = indicator.elicitation.margins["E1"]
    return expit(logit(indicator.threshold(level)) - margin)


@cache
def items(protocol: str) -> tuple[Item, ...]:
    """The planned items of the public split."""
    found = find_protocol(protocol)
    count = load_release().framework.indicators[found.indicator].planned_items
    return tuple(found.item(found.public_key, index) for index in range(count))


def assess(protocol: Protocol, target: ReferenceTarget, run: str) -> Evidence:
    """Play every item in both arms."""
    indicator = load_release().framework.indicators[protocol.indicator]
    records: list[Record] = []
    for item, arm in product(items(protocol.id), indicator.arms.values()):
        number = nonce(run, protocol.id, item.pseudonym, arm, 1)
        session = play(
            protocol.world(item, arm), partial(target.answer, nonce=number), protocol.turn_limit
        )
        seen = session.observe()
        records.append(
            Record(
                model="reference", protocol=protocol.id, protocol_version=protocol.version,
                domain=protocol.domain, indicator=protocol.indicator, item=item.pseudonym,
                template=item.template, arm=arm, elicitation=Elicitation.E1, source="bench",
                outcome=seen.outcome, reason=seen.reason,
                score=float(seen.outcome.value == "behaviour") if seen.outcome.observed else None,
            )
        )  # fmt: skip
    return Evidence.from_records(records)


def simulate(protocol_id: str, point: Point, run: str) -> Run:
    """One assessment of one indicator, by our method and by its peers."""
    protocol = find_protocol(protocol_id)
    indicator = load_release().framework.indicators[protocol.indicator]
    paired = indicator.kind == "paired_rate_difference"
    q = CONTROL_ERROR if paired else 0.0
    spec = TargetSpec(
        "organism", p=truth(indicator, point.level) + q, q=q, refusal=point.refusal,
        rho=point.rho, seed=run,
    )  # fmt: skip
    evidence = assess(protocol, ReferenceTarget(spec), run)
    planned = {(protocol_id, arm): len(items(protocol_id)) for arm in indicator.arms.values()}
    plan = Plan(PLANNED, (indicator.domain,), planned, "E1")
    result = classify(
        evidence, load_release(), scope=[indicator.domain], as_of=AS_OF, plan=plan
    ).determinations[0]
    measurement = result.measurements[0]
    interval = measurement.interval
    if interval is None:
        raise SystemExit("no sample was observed")
    intervals = {"steelyard": interval}
    cleared = {"steelyard": next(t.ruled_out for t in result.tests if t.level == point.level)}
    target = effective_threshold(measurement, point.level, 0)
    for name, method in (("wald", wald), ("exact", exact)):
        intervals[name] = method(evidence, indicator, 0.95)
        cleared[name] = method(evidence, indicator, 1.0 - 2.0 * result.error_rate)[1] < target
    return Run(intervals, cleared)


def answers(evidence: Evidence, indicator: Indicator) -> tuple[np.ndarray, np.ndarray]:
    """Events of the treatment that the control lacks, and the reverse; observed samples only."""
    sides = []
    for role in ("treatment", "control"):
        arm = evidence.where(arm=indicator.arms[role])
        scores = zip(arm.columns["item"], arm.columns["score"], strict=True)
        sides.append({item: score for item, score in scores if score is not None})
    treatment, control = sides
    if indicator.kind == "rate":
        rows = np.array([(score, 0.0) for score in treatment.values()])
    else:
        rows = np.array([(treatment[i], control[i]) for i in treatment.keys() & control.keys()])
    return rows[:, 0] > rows[:, 1], rows[:, 0] < rows[:, 1]


def wald(evidence: Evidence, indicator: Indicator, confidence: float) -> tuple[float, float]:
    """The plain normal interval, every sample taken as independent."""
    added, removed = answers(evidence, indicator)
    values = added.astype(float) - removed
    half = normal_quantile(0.5 + confidence / 2.0) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def exact(evidence: Evidence, indicator: Indicator, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval that ignores clusters (split in two for a difference)."""
    added, removed = answers(evidence, indicator)
    if indicator.kind == "rate":
        return clopper_pearson(float(added.sum()), len(added), confidence)
    half = 1.0 - (1.0 - confidence) / 2.0
    plus = clopper_pearson(float(added.sum()), len(added), half)
    minus = clopper_pearson(float(removed.sum()), len(removed), half)
    return plus[0] - minus[1], plus[1] - minus[0]


def binomial_tail(events: int, trials: int, rate: float) -> float:
    """Probability of at least `events` in `trials`."""
    below = range(events)
    return 1.0 - math.fsum(
        math.comb(trials, k) * rate**k * (1.0 - rate) ** (trials - k) for k in below
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """Share of covering intervals, share cleared, and mean width of one method."""

    coverage: float
    cleared: float
    width: float


def summarise(runs: list[Run], method: str, value: float) -> Summary:
    """Summary of one method over runs at one true value."""
    intervals = np.array([run.intervals[method] for run in runs])
    covered = (intervals[:, 0] <= value) & (value <= intervals[:, 1])
    cleared = float(np.mean([run.cleared[method] for run in runs]))
    return Summary(float(covered.mean()), cleared, float(np.diff(intervals).mean()))


def failures(runs: list[Run], value: float) -> list[str]:
    """Which claims these runs refute."""
    ours = summarise(runs, "steelyard", value)
    found = []
    if ours.coverage < LEAST_COVERAGE:
        found.append(f"coverage {ours.coverage:.3f} is below {LEAST_COVERAGE}")
    stated = load_release().framework.decision.error_rate
    wrong = sum(run.cleared["steelyard"] for run in runs)
    if binomial_tail(wrong, len(runs), stated) < TEST_LEVEL:
        found.append(f"{wrong} of {len(runs)} cleared wrongly, stated error {stated}")
    return found


def report(protocol: str, point: Point, runs: list[Run]) -> list[str]:
    """Print the rows of one indicator at one point; return refuted claims."""
    indicator = load_release().framework.indicators[find_protocol(protocol).indicator]
    value = truth(indicator, point.level)
    ours = summarise(runs, "steelyard", value)
    for method in ("steelyard", "wald", "exact"):
        one = summarise(runs, method, value)
        print(
            f"{indicator.id:16} {point.level:5} {point.rho:4.1f} {point.refusal:7.2f} "
            f"{value:6.4f} {len(runs):5} {method:10} {one.coverage:8.3f} {one.cleared:9.3f} "
            f"{one.width:7.4f} {one.width / ours.width:6.2f}",
            flush=True,
        )
    return [f"{indicator.id} at {point}: {text}" for text in failures(runs, value)]


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print(
        "indicator        level  rho refusal  truth  runs method     "
        "coverage   cleared   width  ratio"
    )
    refuted: list[str] = []
    for protocol in PROTOCOLS:
        items(protocol)  # before the workers start, so that each inherits them
    with ProcessPoolExecutor(options.jobs) as pool:
        for point, protocol in product(POINTS, PROTOCOLS):
            seeds = [f"{options.seed}/{point}/{run}" for run in range(options.runs)]
            work = partial(simulate, protocol, point)
            refuted += report(protocol, point, list(pool.map(work, seeds, chunksize=5)))
    for text in refuted:
        print(f"refuted: {text}")
    print("every claim holds" if not refuted else f"{len(refuted)} claims refuted")
    return 1 if refuted else 0


if __name__ == "__main__":
    sys.exit(main())
