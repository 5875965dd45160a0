"""From records of several models to an item bank, with what honest models look like.

Repeats of an item are averaged, so that a model counts once per item. Person fit of each
calibration model is measured with a bank fitted without it (in groups, where there are
many models). Flags follow `stats.irt.screening`; flagged items stay in the bank, marked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence.arms import SEPARATOR
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.risk.banks.item_bank import (
    CALIBRATED,
    DIGITS,
    PRESUMPTIVE,
    Bank,
    BankItem,
    Honest,
    Measured,
    Origin,
)
from steelyard.stats.irt import fit_2pl
from steelyard.stats.person_fit import LEAST_HONEST, ability, contrast, fit_index, shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steelyard.evidence import Evidence
    from steelyard.stats.irt import ItemBank

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

PUBLIC = "public"
"""Covariate of an item: 1 where it could be known before the run, 0 where not."""
CANARY = "canary"
"""Covariate of a planted item: rate at which an unknowing model gives the planted answer."""

_MOST_FITS = 50
_LEAST_MODELS = 2
_FEW = f"Fewer than {LEAST_HONEST} models: parameters are mostly prior."
_INTERCEPT_PRECISION = 0.01  # a weak prior, so that items without information keep an error
_SLOPE_PRECISION = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """A response matrix with its names.

    Attributes:
        scores: Mean over repeats, nan where missing; shape [models, items].
        repeats: Observed samples behind each mean; same shape.
        public: 1, 0, or nan where nobody says; shape [items].
        canary: Chance rates, nan for an item that is no canary; shape [items].
    """

    models: tuple[str, ...]
    items: tuple[str, ...]
    measured: Measured
    scores: Floats
    repeats: NDArray[np.int_]
    public: Floats
    canary: Floats


def responses_of(evidence: Evidence, arm: str | None = None) -> Responses:
    """The matrix of records of one protocol, indicator and arm.

    Items and models without any observed sample are left out.

    Raises:
        UsageError: several arms and none chosen, or an arm that does not occur.
        MalformedEvidence: several protocols or indicators, or fewer than two models or
            items with observed samples.
    """
    measured = _measured(evidence, arm)
    rows = evidence.where(arm=measured.arm)
    rows = rows.select(np.array([s is not None for s in rows.columns["score"]], dtype=bool))
    models, items = rows.values("model"), rows.values("item")
    if min(len(models), len(items)) < _LEAST_MODELS:
        message = f"{len(models)} models and {len(items)} items were observed; a bank needs 2 and 2"
        raise MalformedEvidence(message, hint="give responses of more models")
    at = ({m: k for k, m in enumerate(models)}, {i: k for k, i in enumerate(items)})
    totals, counts = np.zeros((len(models), len(items))), np.zeros((len(models), len(items)), int)
    exposed, planted = np.full(len(items), np.nan), np.full(len(items), np.nan)
    names = ("model", "item", "score", "covariates")
    for model, item, score, covariates in zip(*(rows.columns[n] for n in names), strict=True):
        where = at[0][model], at[1][item]
        totals[where] += score
        counts[where] += 1
        exposed[where[1]] = covariates.get(PUBLIC, exposed[where[1]])
        planted[where[1]] = covariates.get(CANARY, planted[where[1]])
    scores = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    return Responses(tuple(models), tuple(items), measured, scores, counts, exposed, planted)


def _measured(evidence: Evidence, arm: str | None) -> Measured:
    single: list[str] = []
    for name in ("protocol", "protocol_version", "indicator"):
        values = evidence.values(name)
        if len(values) != 1:
            message = f"a bank is of one {name}, found {len(values)}: {values[:4]}"
            raise MalformedEvidence(message)
        single.append(values[0])
    arms = [name for name in evidence.values("arm") if SEPARATOR not in name]
    if arm is None and len(arms) != 1:
        message = f"the records have {len(arms)} arms"
        raise UsageError(message, hint=f"choose one with --arm: {', '.join(arms)}")
    if arm is not None and arm not in arms:
        message = f"no record of arm {arm!r}"
        raise UsageError(message, hint=f"arms: {', '.join(arms)}")
    protocol, version, indicator = single
    return Measured(protocol, version, indicator, arm or arms[0])


def calibrate(responses: Responses, origin: Origin, *, marker: str = "") -> Bank:
    """Fit a bank and measure its honest models.

    A bank of few models is presumptive whatever `origin` says.
    """
    fitted = fit_2pl(responses.scores)
    theta = _abilities(responses, fitted)
    items = _items(responses, fitted, theta)
    order = sorted(range(len(items)), key=lambda k: items[k].item)
    honest = _honest(responses, np.array([item.measures for item in items]))
    if len(responses.models) < LEAST_HONEST and origin.status == CALIBRATED:
        facts = (origin.id, origin.version, origin.source, origin.licence)
        origin = Origin(*facts, PRESUMPTIVE, f"{origin.note} {_FEW}".strip())
    return Bank(
        origin, responses.measured, len(responses.models), honest,
        tuple(items[k] for k in order), marker,
    )  # fmt: skip


def _abilities(responses: Responses, bank: ItemBank) -> Floats:
    rows = responses.scores
    return np.array([ability(row, bank.discrimination, bank.intercept) for row in rows])


def _items(responses: Responses, bank: ItemBank, theta: Floats) -> list[BankItem]:
    calibration = bank.calibration
    if calibration is None:
        message = "a fit without its calibration"
        raise ValueError(message)
    errors = _standard_errors(responses.scores, bank, theta)
    flags, fit = calibration.screening, calibration.fit
    named = {"constant": flags.constant, "negative": flags.negative, "scarce": flags.scarce}
    return [
        BankItem(
            item=item,
            discrimination=round(float(bank.discrimination[k]), DIGITS),
            intercept=round(float(bank.intercept[k]), DIGITS),
            discrimination_error=round(float(errors[0][k]), DIGITS),
            intercept_error=round(float(errors[1][k]), DIGITS),
            infit=_finite(fit.infit[k]),
            outfit=_finite(fit.outfit[k]),
            models=int((responses.repeats[:, k] > 0).sum()),
            repeats=int(responses.repeats[:, k].sum()),
            flags=tuple(name for name, mask in named.items() if mask[k]),
            public=None if math.isnan(responses.public[k]) else bool(responses.public[k]),
            canary=_finite(responses.canary[k]),
        )
        for k, item in enumerate(responses.items)
    ]


def _finite(value: float) -> float | None:
    return round(float(value), DIGITS) if math.isfinite(value) else None


def _standard_errors(scores: Floats, bank: ItemBank, theta: Floats) -> tuple[Floats, Floats]:
    """Of slopes and intercepts, from the curvature at the estimates with abilities known."""
    p = bank.probabilities(theta)
    weight = np.where(np.isnan(scores), 0.0, p * (1.0 - p))
    level = weight.sum(axis=0) + _INTERCEPT_PRECISION
    curve = (weight * theta[:, None] ** 2).sum(axis=0) + _SLOPE_PRECISION
    determinant = curve * level - (weight * theta[:, None]).sum(axis=0) ** 2
    return np.sqrt(level / determinant), np.sqrt(curve / determinant)


def _honest(responses: Responses, measures: Mask) -> Honest:
    """Person-fit values of every model, by banks that were fitted without it."""
    count = len(responses.models)
    if count <= LEAST_HONEST:
        return Honest()
    fits, exposures = list[float](), list[float]()
    for group in np.array_split(np.arange(count), min(count, _MOST_FITS)):
        rest = np.delete(responses.scores, group, axis=0)
        kept = measures & ~np.isnan(rest).all(axis=0)
        bank = fit_2pl(rest[:, kept])
        for row in responses.scores[group]:
            values = PersonValues.of(row[kept], bank, responses.public[kept])
            fits.append(values.fit)
            exposures.append(values.exposure)
    return Honest(_sorted(fits), _sorted(exposures))


def _sorted(values: list[float]) -> tuple[float, ...]:
    return tuple(sorted(round(x, DIGITS) for x in values if math.isfinite(x)))


@dataclass(frozen=True, slots=True)
class PersonValues:
    """What a bank says of one model.

    Attributes:
        theta: Its ability.
        fit: lz.
        exposure: Contrast of public items with the rest; nan without both.
    """

    theta: float
    fit: float
    exposure: float

    @classmethod
    def of(cls, scores: Floats, bank: ItemBank, public: Floats) -> PersonValues:
        """Measure one model.

        Args:
            scores: In [0, 1], nan where missing; shape [items].
            bank: Parameters of the same items.
            public: 1, 0, or nan where nobody says; shape [items].
        """
        slope, intercept = bank.discrimination, bank.intercept
        theta = ability(scores, slope, intercept)
        expected = shares(theta, slope, intercept)
        told = np.where(np.isnan(public), np.nan, scores)
        return cls(theta, fit_index(scores, expected), contrast(told, expected, public == 1.0))
