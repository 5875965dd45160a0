"""Measuring rates and paired differences of rates from multinomial outcomes.

A sample is 1 (behaviour), 0 (no behaviour) or missing (the other outcomes, and
samples planned but absent). Decision limits count every missing sample in the
direction that hurts the claim being made. Equations and coverage:
docs/explanation/decision-rule.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence import Outcome
from steelyard.risk.measurement import (
    Condition,
    Limits,
    Measurement,
    Request,
    lowest_elicitation,
    missing_conditions,
    unbounded,
)
from steelyard.stats import (
    Design,
    clustered_interval,
    design_effect,
    monotone_lower_limit,
    monotone_upper_limit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from steelyard.evidence import Evidence


@dataclass(frozen=True, slots=True)
class _Tally:
    """Yes/no answers by cluster, some unknown, some absent altogether.

    Attributes:
        certain: Certain events per cluster, shape [clusters].
        possible: Certain events and unknown answers per cluster, shape [clusters].
        sizes: Samples per cluster, shape [clusters].
        absent: Planned samples that belong to no known cluster.
    """

    certain: NDArray[np.int_]
    possible: NDArray[np.int_]
    sizes: NDArray[np.int_]
    absent: int

    def upper(self, design: Design, error_rate: float) -> float:
        events = _with_absent(self.possible, self.absent)
        return monotone_upper_limit(events, design, error_rate)

    def lower(self, design: Design, error_rate: float) -> float:
        non_events = _with_absent(self.sizes - self.certain, self.absent)
        return monotone_lower_limit(non_events, design, error_rate)


def measure_rate(request: Request) -> Measurement:
    """Measure the rate of the behaviour in the treatment arm.

    Where the indicator has a control floor, a control arm below it means that
    nothing was measured: the limits then rule nothing out.
    """
    indicator = request.indicator
    arm = indicator.arms["treatment"]
    evidence = request.evidence.where(arm=arm)
    planned = max(request.planned.get(arm, 0), len(evidence))
    answers = _answers(evidence)
    known = answers >= 0
    clusters = evidence.columns["template"]
    design = _design(request, planned)
    tally = _tally(clusters, answers == 1, answers != 0, planned)
    seen = _tally(clusters[known], (answers == 1)[known], (answers == 1)[known], int(known.sum()))
    seen_design = _observed_design(request, seen)
    control_failed = _control_conditions(request)
    limits = Limits(
        tally.lower(design, request.showing_error_rate), tally.upper(design, request.error_rate)
    )
    return Measurement(
        indicator=indicator,
        estimate=float(np.mean(answers[known])) if known.any() else None,
        interval=clustered_interval(seen.certain, seen_design, request.interval_level)
        if known.any()
        else None,
        limits=unbounded(indicator) if control_failed else limits,
        observed_limits=unbounded(indicator)
        if control_failed or not known.any()
        else Limits(
            seen.lower(seen_design, request.showing_error_rate),
            seen.upper(seen_design, request.error_rate),
        ),
        observed=int(known.sum()),
        planned=planned,
        elicitation=lowest_elicitation(_compared(request)),
        complete=_complete(request),
        outcomes=_outcomes_by_arm(request.evidence),
        conditions=(
            *missing_conditions(evidence.outcomes(), planned - len(evidence)),
            *control_failed,
        ),
        design_effect=design_effect(seen.certain, seen_design) if known.any() else None,
        imputed=_imputed(tally, planned),
    )


def measure_paired_difference(request: Request) -> Measurement:
    """Measure P(behaviour in treatment) - P(behaviour in control) over paired items.

    The difference is P(1,0) - P(0,1) over pairs; each discordant share gets
    half of the error rate (Bonferroni), which keeps the limits valid for any
    dependence between the arms.
    """
    indicator, arms = request.indicator, request.indicator.arms
    pairs = _pairs(request)
    planned = max(*_arm_sizes(request), *(request.planned.get(a, 0) for a in arms.values()))
    added, removed = _discordant(pairs, planned)
    complete = (pairs.treatment >= 0) & (pairs.control >= 0)
    seen_pairs = pairs.select(complete)
    seen_added, seen_removed = _discordant(seen_pairs, int(complete.sum()))
    design, seen_design = _design(request, planned), _observed_design(request, seen_added)
    observed = bool(complete.any())
    return Measurement(
        indicator=indicator,
        estimate=float(np.mean(seen_pairs.treatment - seen_pairs.control)) if observed else None,
        interval=_difference_interval(seen_added, seen_removed, seen_design, request)
        if observed
        else None,
        limits=_difference_limits(added, removed, design, request),
        observed_limits=_difference_limits(seen_added, seen_removed, seen_design, request)
        if observed
        else unbounded(indicator),
        observed=int(complete.sum()),
        planned=planned,
        elicitation=lowest_elicitation(_compared(request)),
        complete=_complete(request),
        outcomes=_outcomes_by_arm(request.evidence),
        conditions=missing_conditions(
            _compared(request).outcomes(),
            sum(max(0, planned - n) for n in _arm_sizes(request)),
        ),
        design_effect=design_effect(seen_added.certain, seen_design) if observed else None,
        imputed=_imputed_difference(added, removed, planned),
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Answers of both arms by item and epoch: 1, 0, or -1 where missing."""

    treatment: NDArray[np.int_]
    control: NDArray[np.int_]
    clusters: NDArray[np.object_]

    def select(self, mask: NDArray[np.bool_]) -> _Pairs:
        return _Pairs(self.treatment[mask], self.control[mask], self.clusters[mask])


def _pairs(request: Request) -> _Pairs:
    """The items and epochs that have a record in both arms.

    One record without its partner is no pair: what it shows must not count, or
    leaving out its partner would make the rest look larger.
    """
    treatment, control = (
        _answers_by_sample(request.evidence.where(arm=request.indicator.arms[role]))
        for role in ("treatment", "control")
    )
    order = sorted(treatment.keys() & control.keys())
    labels = np.empty(len(order), dtype=object)
    labels[:] = [control[key][1] for key in order]
    return _Pairs(
        treatment=np.array([treatment[key][0] for key in order], dtype=int),
        control=np.array([control[key][0] for key in order], dtype=int),
        clusters=labels,
    )


def _answers_by_sample(arm: Evidence) -> dict[tuple[str, str, int], tuple[int, str]]:
    """Answer and template by protocol, item and epoch."""
    columns = [arm.columns[name].tolist() for name in ("protocol", "item", "epoch", "template")]
    rows = zip(*columns, _answers(arm).tolist(), strict=True)
    return {(*sample, epoch): (answer, label) for *sample, epoch, label, answer in rows}


def _discordant(pairs: _Pairs, planned: int) -> tuple[_Tally, _Tally]:
    """Tallies of pairs where the treatment added the behaviour, and removed it."""
    added = (pairs.treatment == 1) & (pairs.control == 0)
    may_add = (pairs.treatment != 0) & (pairs.control != 1)
    removed = (pairs.treatment == 0) & (pairs.control == 1)
    may_remove = (pairs.treatment != 1) & (pairs.control != 0)
    return (
        _tally(pairs.clusters, added, may_add, planned),
        _tally(pairs.clusters, removed, may_remove, planned),
    )


def _difference_limits(added: _Tally, removed: _Tally, design: Design, request: Request) -> Limits:
    ruling, showing = request.error_rate / 2.0, request.showing_error_rate / 2.0
    return Limits(
        lower=added.lower(design, showing) - removed.upper(design, showing),
        upper=added.upper(design, ruling) - removed.lower(design, ruling),
    )


def _difference_interval(
    added: _Tally, removed: _Tally, design: Design, request: Request
) -> tuple[float, float]:
    level = 1.0 - (1.0 - request.interval_level) / 2.0
    plus = clustered_interval(added.certain, design, level)
    minus = clustered_interval(removed.certain, design, level)
    return plus[0] - minus[1], plus[1] - minus[0]


def _imputed(tally: _Tally, planned: int) -> tuple[float, float] | None:
    """Rate if no missing answer were the behaviour, and if every one were."""
    if planned == 0:
        return None
    best = int(tally.certain.sum())
    return best / planned, (int(tally.possible.sum()) + tally.absent) / planned


def _imputed_difference(added: _Tally, removed: _Tally, planned: int) -> tuple[float, float] | None:
    """Difference if every gap spoke for the model, and if every one spoke against it.

    A pair with one answer can move by one step only: a gap beside the behaviour in the
    control can hide nothing worse than no difference.
    """
    if planned == 0:
        return None
    plus, minus = _imputed_counts(added), _imputed_counts(removed)
    return (plus[0] - minus[1]) / planned, (plus[1] - minus[0]) / planned


def _imputed_counts(tally: _Tally) -> tuple[int, int]:
    return int(tally.certain.sum()), int(tally.possible.sum()) + tally.absent


def _answers(evidence: Evidence) -> NDArray[np.int_]:
    """1 for the behaviour, 0 for its absence, -1 for missing; shape [samples]."""
    codes = {Outcome.BEHAVIOUR.value: 1, Outcome.NO_BEHAVIOUR.value: 0}
    outcomes = evidence.columns["outcome"].tolist()
    return np.array([codes.get(outcome, -1) for outcome in outcomes], dtype=int)


def _tally(
    clusters: NDArray[np.object_],
    certain: NDArray[np.bool_],
    possible: NDArray[np.bool_],
    planned: int,
) -> _Tally:
    names, index = _cluster_index(clusters)
    count = len(names)
    return _Tally(
        certain=np.bincount(index[certain], minlength=count),
        possible=np.bincount(index[possible], minlength=count),
        sizes=np.bincount(index, minlength=count),
        absent=max(0, planned - len(clusters)),
    )


def _cluster_index(clusters: NDArray[np.object_]) -> tuple[list[str], NDArray[np.intp]]:
    labels = clusters.tolist()
    names = sorted(set(labels))
    position = {name: i for i, name in enumerate(names)}
    return names, np.array([position[label] for label in labels], dtype=np.intp)


def _with_absent(events: NDArray[np.int_], absent: int) -> NDArray[np.int_]:
    """Add absent samples to the cluster with most events: the assignment that hurts most."""
    if absent == 0:
        return events
    if len(events) == 0:
        return np.array([absent])
    result = events.copy()
    result[int(np.argmax(result))] += absent
    return result


def _design(request: Request, planned: int) -> Design:
    indicator = request.indicator
    floor = indicator.intracluster_correlation_floor
    return Design(planned, indicator.planned_templates, floor, request.repeats)


def _observed_design(request: Request, seen: _Tally) -> Design:
    floor = request.indicator.intracluster_correlation_floor
    return Design(int(seen.sizes.sum()), max(2, len(seen.sizes)), floor, request.repeats)


def _arm_sizes(request: Request) -> list[int]:
    arms: list[str] = request.evidence.columns["arm"].tolist()
    counts = Counter(arms)
    return [counts[arm] for arm in request.indicator.arms.values()]


def _compared(request: Request) -> Evidence:
    """Records of the indicator's own arms; further arms are reported, never decided on."""
    arms = request.evidence.columns["arm"]
    return request.evidence.select(np.isin(arms.astype(str), list(request.indicator.arms.values())))


def _complete(request: Request) -> bool:
    """Whether every planned record of every arm is there, whatever its outcome."""
    wanted: Sequence[int] = [request.planned.get(a, 0) for a in request.indicator.arms.values()]
    return all(n >= w for n, w in zip(_arm_sizes(request), wanted, strict=True))


def _outcomes_by_arm(evidence: Evidence) -> dict[str, dict[str, int]]:
    return {arm: evidence.where(arm=arm).outcomes() for arm in evidence.values("arm")}


def _control_conditions(request: Request) -> tuple[Condition, ...]:
    floor = request.indicator.control_floor
    if floor is None:
        return ()
    arm = request.indicator.arms["control"]
    control = request.evidence.where(arm=arm)
    planned = max(request.planned.get(arm, 0), len(control), 1)
    successes = control.outcomes()[Outcome.BEHAVIOUR.value]
    if successes >= floor * planned:
        return ()
    text = (
        f"Only {successes} of {planned} control samples succeeded although nothing stood in the "
        f"way (at least {floor:.0%} required): the capability was not measured, and holding back "
        "is not excluded."
    )
    return (Condition("control_failed", text),)
