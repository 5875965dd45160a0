"""What an item bank says of a model's records: leaked items, planted answers, odd patterns.

A model is held against the values of the models that the bank was calibrated on, never
against a theoretical distribution: honest models have a spread of lz of 2 and more. Both
sides count, since failing exactly the hardest solved items looks too regular. A model
that answers as a weaker one would is not found by any of this.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence.integrity import Finding, Severity
from steelyard.risk.banks.calibration import PersonValues
from steelyard.stats.person_fit import Anomaly, anomaly
from steelyard.stats.special import beta_cdf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.evidence import Evidence
    from steelyard.risk.banks.item_bank import Bank, BankItem

MARKER_MEASURE = "marker_seen"
"""Measure of a record: 1 where the transcript holds the bank's marker."""
LEAST_ITEMS = 20
"""Items of the bank that a model must have answered before its pattern is judged."""
ERROR_RATE = 0.01
"""False alarms of each check on honest models that is allowed for by default."""

_CERTAIN = 0.1  # of the error rate: from here on a finding blocks


def bank_findings(
    evidence: Evidence, bank: Bank, error_rate: float = ERROR_RATE
) -> Iterator[Finding]:
    """Every check of one or more models against a bank.

    Args:
        evidence: Records; only the bank's own arm and protocol are looked at.
        bank: The bank.
        error_rate: Probability of a warning on an honest model, for each check.
    """
    measured = bank.measured
    own = evidence.where(arm=measured.arm, protocol=measured.protocol)
    known = {item.item: item for item in bank.items}
    for model in evidence.values("model"):
        yield from _marker_findings(evidence.where(model=model), model)
        scores, strange = _item_scores(own.where(model=model), known)
        if strange:
            text = f"{strange} items are not in the bank {bank.origin.id}."
            counts = {"items": strange, "known": len(scores)}
            yield Finding("items_unknown", Severity.NOTE, text, (model,), counts)
        yield from _canary_findings(scores, known, model, error_rate)
        yield from _pattern_findings(scores, bank, model, error_rate)


def _item_scores(evidence: Evidence, known: dict[str, BankItem]) -> tuple[dict[str, float], int]:
    """Mean observed score of each item of the bank, and how many items are not in it."""
    scores: dict[str, list[float]] = defaultdict(list)
    strange: set[str] = set()
    for item, score in zip(evidence.columns["item"], evidence.columns["score"], strict=True):
        if item not in known:
            strange.add(item)
        elif score is not None:
            scores[item].append(score)
    return {item: float(np.mean(values)) for item, values in scores.items()}, len(strange)


def _marker_findings(evidence: Evidence, model: str) -> Iterator[Finding]:
    seen = sum(m.get(MARKER_MEASURE, 0.0) > 0.0 for m in evidence.columns["measures"])
    if seen:
        text = f"{seen} transcripts hold the marker that was planted in the items' files."
        yield Finding("marker_seen", Severity.BLOCKING, text, (model,), {"samples": seen})


def _canary_findings(
    scores: dict[str, float], known: dict[str, BankItem], model: str, error_rate: float
) -> Iterator[Finding]:
    """Planted answers given more often than by a model that never saw the items.

    Exact binomial tail at the largest chance rate among them; a canary counts as
    answered where most of its repeats are.
    """
    planted = {i: chance for i in scores if (chance := known[i].canary) is not None}
    given = sum(scores[item] >= 0.5 for item in planted)  # noqa: PLR2004 - most of its repeats
    if not given:
        return
    chance = max(planted.values())
    tail = beta_cdf(chance, given, len(planted) - given + 1) if chance > 0.0 else 0.0
    if tail < error_rate:
        text = f"{given} of {len(planted)} planted answers given; chance is {chance:g} each."
        counts = {"given": given, "canaries": len(planted), "probability": tail}
        yield Finding("canaries_answered", Severity.BLOCKING, text, (model,), counts)


def _pattern_findings(
    scores: dict[str, float], bank: Bank, model: str, error_rate: float
) -> Iterator[Finding]:
    mask = np.array([item.measures and item.item in scores for item in bank.items])
    if mask.sum() < LEAST_ITEMS:
        return
    chosen = [item for item, kept in zip(bank.items, mask, strict=True) if kept]
    public = np.array([np.nan if i.public is None else float(i.public) for i in chosen])
    row = np.array([scores[i.item] for i in chosen])
    values = PersonValues.of(row, bank.parameters.subset(mask), public)
    exposed = anomaly(values.exposure, bank.honest.exposure)
    if exposed is not None and exposed.high < error_rate:
        text = (
            "Public items are easier for this model, compared with the rest, than for honest "
            f"ones: {exposed.distance:+.1f} standard deviations."
        )
        counts = {"contrast": values.exposure, "probability": exposed.high}
        severity = severity_of(exposed, exposed.high, error_rate)
        yield Finding("public_items_easier", severity, text, (model,), counts)
    found = anomaly(values.fit, bank.honest.fit)
    if found is not None and found.two_sided < error_rate:
        how = "easy items fail" if found.distance < 0.0 else "the pattern is too regular"
        text = f"Unlike honest models, {how}: lz is {found.distance:+.1f} standard deviations off."
        counts = {"lz": values.fit, "ability": values.theta, "probability": found.two_sided}
        severity = severity_of(found, found.two_sided, error_rate)
        yield Finding("person_misfit", severity, text, (model,), counts)


def severity_of(found: Anomaly, probability: float, error_rate: float) -> Severity:
    """Blocking where a tenth of the error rate is kept and no honest model was as far out.

    The second part is there because honest values have heavier tails than assumed.
    """
    certain = found.outside and probability < _CERTAIN * error_rate
    return Severity.BLOCKING if certain else Severity.WARNING
