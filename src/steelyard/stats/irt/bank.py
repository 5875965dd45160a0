"""An item bank: parameters of items on one ability scale, and how they were obtained.

P(success) = sigmoid(discrimination * theta + intercept) with theta standard normal in
the models it was fitted to (Birnbaum 1968, in Lord and Novick, chapter 17). A bank says
nothing of which item is which: the order is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.kernel import digest_json
from steelyard.stats.irt.quadrature import log_odds, sigmoid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from steelyard.stats.irt.prior import ItemPrior

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_LARGEST = 1000.0  # log odds; far beyond what any data can tell from certainty
_DIGEST_SCALE = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Screening:
    """What a response matrix says of its items before any model of them; all [items].

    Attributes:
        responses: Observed responses.
        item_rest: Correlation of the score with the model's result on all other items;
            nan where nothing varies.
        constant: Every observed score is the same.
        negative: `item_rest` is below 0: better models do worse.
        scarce: Fewer responses than asked for.
    """

    responses: NDArray[np.int_]
    item_rest: Floats
    constant: Flags
    negative: Flags
    scarce: Flags

    @property
    def flagged(self) -> Flags:
        """Items that any of the three flags names."""
        return self.constant | self.negative | self.scarce


@dataclass(frozen=True, slots=True, eq=False)
class ItemFit:
    """Mean squares of an item's residuals, 1 where the model holds; all [items].

    Attributes:
        infit: Weighted by information; nan for an item without information.
        outfit: Unweighted, of standardised residuals.
    """

    infit: Floats
    outfit: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How a bank's parameters were estimated.

    Attributes:
        models: Models fitted to.
        log_likelihood: Marginal log likelihood at the estimates, nats, without priors.
        objective: Log likelihood plus log priors before each EM step; never falls.
        converged: Whether the last iteration gained less than the tolerance.
        screening: Flags of the items.
        fit: Residual mean squares of the items.
        prior: Of the items, as given or as estimated from the same responses.
    """

    models: int
    log_likelihood: float
    objective: tuple[float, ...]
    converged: bool
    screening: Screening
    fit: ItemFit
    prior: ItemPrior

    @property
    def iterations(self) -> int:
        """EM iterations made."""
        return len(self.objective)


@dataclass(frozen=True, slots=True, eq=False)
class ItemBank:
    """Items on one scale. Arrays are copied and made read-only.

    Attributes:
        discrimination: Slopes a, log odds per unit of ability; shape [items].
        intercept: Log odds of success at ability 0, d; shape [items].
        calibration: How they were estimated; None for a bank given by its parameters.

    Raises:
        ValueError: no item, shapes that differ, or a parameter that is not finite or
            beyond 1000.
    """

    discrimination: Floats
    intercept: Floats
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        for name in ("discrimination", "intercept"):
            object.__setattr__(self, name, _parameters(getattr(self, name), name))
        if len(self.discrimination) != len(self.intercept):
            message = (
                f"a bank needs one intercept for each discrimination, "
                f"found {len(self.intercept)} for {len(self.discrimination)}"
            )
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.discrimination)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the parameters in whole millionths.

        Only the two parameter lists in order enter, so a bank read from a file has the
        digest of the one that was written. Estimates from two machines may differ in the
        last bits and, rarely, in a millionth: ship the bank, not the recipe.
        """
        lists = {
            "discrimination": np.rint(self.discrimination * _DIGEST_SCALE).astype(int).tolist(),
            "intercept": np.rint(self.intercept * _DIGEST_SCALE).astype(int).tolist(),
        }
        return digest_json({"format": "steelyard/item-bank/1", "unit": "1e-6", **lists})

    def probabilities(self, theta: ArrayLike) -> Floats:
        """P(success) at abilities of any shape [...], shape [..., items]."""
        return sigmoid(log_odds(_abilities(theta), self.discrimination, self.intercept))

    def information(self, theta: ArrayLike) -> Floats:
        """Fisher information a^2 P (1 - P) of each item, shape [..., items]."""
        share = self.probabilities(theta)
        return np.square(self.discrimination) * share * (1.0 - share)

    def subset(self, items: ArrayLike) -> ItemBank:
        """The items at these positions (or of this mask), by parameters only."""
        chosen = np.asarray(items)
        return ItemBank(self.discrimination[chosen], self.intercept[chosen])


def _parameters(values: ArrayLike, name: str) -> Floats:
    checked = np.array(values, dtype=float)
    if checked.ndim != 1 or len(checked) == 0:
        message = f"{name} needs the shape items, at least 1, found {checked.shape}"
        raise ValueError(message)
    wrong = np.flatnonzero(~(np.abs(checked) <= _LARGEST))
    if len(wrong):
        message = f"{name} of item {wrong[0]} is {checked[wrong[0]]:g}, not within 1000 of 0"
        raise ValueError(message)
    checked.flags.writeable = False
    return checked


def _abilities(theta: ArrayLike) -> Floats:
    checked = np.asarray(theta, dtype=float)
    if not np.isfinite(checked).all():
        message = "an ability is not finite"
        raise ValueError(message)
    return checked
