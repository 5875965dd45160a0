"""A reported score against its items: does their mean give it, could any count give it.

Decides whether a headline follows from the records beside it. The second question is
the GRIM test (Brown and Heathers, Social Psychological and Personality Science 8, 2017):
a share of n items is a whole number over n, whatever the items were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence.integrity.findings import Finding, Severity
from steelyard.kernel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.evidence.table import Evidence

_ROUNDING = 1e-9
_HINT = "write --headline 0.731, 73.1% or MODEL=0.731"


@dataclass(frozen=True, slots=True)
class Headline:
    """A score as somebody reported it.

    Attributes:
        text: The number as written.
        value: The number in [0, 1].
        tolerance: Half a unit of the last digit written.
        model: The model it is about; empty for the only one.
        items: Items it claims to rest on; None where nothing is claimed.
    """

    text: str
    value: float
    tolerance: float
    model: str = ""
    items: int | None = None

    @classmethod
    def parse(cls, text: str, items: int | None = None) -> Headline:
        """Read `0.731`, `73.1%` or `MODEL=0.731`.

        Raises:
            UsageError: no number, or one outside [0, 1].
        """
        model, _, written = text.rpartition("=")
        scale = Decimal("0.01") if written.endswith("%") else Decimal(1)
        try:
            number = Decimal(written.removesuffix("%"))
        except InvalidOperation as error:
            raise UsageError(f"headline {written!r:.80} is no number", hint=_HINT) from error
        if not number.is_finite() or not 0 <= number * scale <= 1:
            raise UsageError(f"headline {written!r:.80} is no share from 0 to 1", hint=_HINT)
        exponent = int(number.as_tuple().exponent)
        unit = Decimal(1).scaleb(min(exponent, 0)) * scale
        return cls(written, float(number * scale), float(unit / 2), model, items)

    def fits(self, share: float) -> bool:
        """Whether the headline is this share, rounded either way at a tie."""
        return abs(share - self.value) <= self.tolerance + _ROUNDING

    def reachable(self, items: int) -> bool:
        """Whether some whole number of `items` rounds to the headline."""
        return any(
            self.fits(count / items)
            for count in {math.floor(self.value * items), math.ceil(self.value * items)}
        )


def headline_findings(evidence: Evidence, headline: Headline) -> Iterator[Finding]:
    """Check one headline against the records of its model.

    The score of record is the mean over items of each item's mean over its repeats,
    observed samples only.

    Raises:
        UsageError: the model is unknown, or several are there and none is named.
    """
    model = _model(evidence, headline)
    shares, sizes = _item_means(evidence.where(model=model))
    if headline.items is not None and headline.items != len(shares):
        yield _claimed_items(headline, model, len(shares), int(sizes.sum()))
    if len(shares) == 0:
        text = f"The headline {headline.text} has no observed sample behind it."
        yield Finding("headline_without_items", Severity.BLOCKING, text, (model,))
        return
    totals = shares * sizes
    whole = bool((np.abs(totals - np.rint(totals)) < _ROUNDING).all())
    claimed = headline.items or len(shares)
    if whole and len(set(sizes.tolist())) == 1 and not headline.reachable(claimed * int(sizes[0])):
        text = f"No count of {claimed} items gives the headline {headline.text}."
        counts = {"headline": headline.value, "items": claimed}
        yield Finding("headline_impossible", Severity.BLOCKING, text, (model,), counts)
    yield from _mean_findings(headline, model, shares, sizes)


def _mean_findings(
    headline: Headline, model: str, shares: np.ndarray, sizes: np.ndarray
) -> Iterator[Finding]:
    by_item, by_sample = float(shares.mean()), float((shares * sizes).sum() / sizes.sum())
    if headline.fits(by_item):
        return
    counts = {"headline": headline.value, "mean": by_item, "items": len(shares)}
    if headline.fits(by_sample):
        text = (
            f"The headline {headline.text} is the mean of {int(sizes.sum())} samples; "
            f"the mean of {len(shares)} items is {by_item:.4f}."
        )
        yield Finding("headline_by_sample", Severity.WARNING, text, (model,), counts)
        return
    text = f"The headline is {headline.text}, the mean of {len(shares)} items {by_item:.4f}."
    yield Finding("headline_mismatch", Severity.BLOCKING, text, (model,), counts)


def _claimed_items(headline: Headline, model: str, items: int, samples: int) -> Finding:
    counts = {"claimed": headline.items or 0, "items": items, "samples": samples}
    if headline.items == samples:
        text = f"{samples} samples are claimed as items; they are repeats of {items} items."
        return Finding("repeats_counted_as_items", Severity.BLOCKING, text, (model,), counts)
    text = f"{headline.items} items are claimed, {items} were observed."
    return Finding("items_mismatch", Severity.BLOCKING, text, (model,), counts)


def _model(evidence: Evidence, headline: Headline) -> str:
    models = evidence.values("model")
    if headline.model:
        if headline.model not in models:
            message = f"no record of the headline's model {headline.model!r}"
            raise UsageError(message, hint=f"models: {', '.join(models)}")
        return headline.model
    if len(models) != 1:
        message = f"a headline for one of {len(models)} models"
        raise UsageError(message, hint="write --headline MODEL=X")
    return models[0]


def _item_means(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Mean score and observed samples of each item, both of shape [items]."""
    rows: dict[tuple[str, str, str], list[float]] = {}
    names = ("protocol", "arm", "item", "score")
    for protocol, arm, item, score in zip(*(evidence.columns[n] for n in names), strict=True):
        if score is not None:
            rows.setdefault((protocol, arm, item), []).append(score)
    sizes = np.array([len(scores) for scores in rows.values()])
    return np.array([np.mean(scores) for scores in rows.values()]), sizes
