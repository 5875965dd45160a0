"""Detection: whose copy a suspect comes from, with the probability of naming somebody innocent.

Decides the verdict (spec/trace-mark.md, section Verdict). The statistic of a recipient is

    z = sum(chip * value) / sqrt(sum(value^2))

over the residual's values. They do not depend on any key, so for a recipient whose copy had no
part in the suspect the bounds of `tails` hold exactly, whatever the suspect is. Keys that do not
open the commitment are refused before anything is computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from steelyard.weights.trace.chips import BLOCK_CHIPS, correlate, keystream
from steelyard.weights.trace.residuals import Comparison
from steelyard.weights.trace.tails import log10_tail_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from steelyard.weights.trace.commitment import Commitment, Opening
    from steelyard.weights.trace.register import Evidence
    from steelyard.weights.trace.residuals import Residual
    from steelyard.weights.trace.tensor_files import Model

Verdict = Literal["traced", "nobody", "undecidable"]
SCREEN_CHIPS: Final = 200_000_000_000
"""Chips that are correlated at most before recipients are screened on a part of the carriers."""
_LEAST_KEPT: Final = 64
_KEPT_SHARE: Final = 64


@dataclass(frozen=True, slots=True)
class Score:
    """One recipient's evidence.

    Attributes:
        pseudonym: Name in the commitment.
        identity: Who that is, as bound before delivery.
        z: Normalized correlation over the whole residual.
        log10_p: Common logarithm of the bound on its probability for an innocent recipient.
        log10_family_p: The same for any innocent recipient of the commitment.
        is_traced: Whether z reaches the committed threshold.
    """

    pseudonym: str
    identity: str
    z: float
    log10_p: float
    log10_family_p: float
    is_traced: bool


@dataclass(frozen=True, slots=True)
class TensorNote:
    """What happened with one carrier of the suspect."""

    name: str
    found: float
    note: str


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found.

    Attributes:
        verdict: `undecidable` where even a mark that nobody removed could not be seen.
        scores: Recipients that were scored on the whole residual, highest z first.
        tested: Recipients tested, screened ones included.
        carriers_used: Share of the committed elements that were found.
        visible_z: z of an intact mark under the damage that the residual shows; where nobody is
            traced, on what of it every recipient was tested on.
        reachable_z: z of a perfect fit of chips to the residual.
        notes: Carriers that were not simply in their place.
        is_unchanged: The suspect equals the source wherever they were compared.
    """

    verdict: Verdict
    scores: tuple[Score, ...]
    tested: int
    carriers_used: float
    visible_z: float
    reachable_z: float
    notes: tuple[TensorNote, ...]
    is_unchanged: bool


@dataclass(slots=True)
class _Sums:
    """Sums over residuals, one of chips for each recipient."""

    chips: list[float]
    power: float = 0.0
    reach: float = 0.0
    visible: float = 0.0
    found: float = 0.0
    elements: int = 0


def detect(
    suspect: Model,
    source: Model | None,
    commitment: Commitment,
    evidence: Evidence,
    progress: Callable[[int, int], None] = lambda _done, _planned: None,
) -> Detection:
    """Test recipients against a suspect.

    Args:
        suspect: The leaked model.
        source: The unmarked model, or None to test without it, with much less power.
        commitment: As verified, with the method.
        evidence: Openings of the recipients to test, and the layout.
        progress: Called with carriers done and to do.

    Raises:
        BrokenSeal: an opening or the layout is not the one committed to.
    """
    openings = [commitment.require_opened_by(opening) for opening in evidence.openings]
    carriers = commitment.require_layout(evidence.salt, evidence.carriers)
    comparison = Comparison(suspect, source, carriers)
    chips = len(openings) * sum(carrier.elements for carrier in carriers)
    kept, screened = openings, math.inf
    if chips > SCREEN_CHIPS and len(openings) > _LEAST_KEPT:
        share = SCREEN_CHIPS / chips
        kept, screened = _screened(openings, comparison, share)
    notes: list[TensorNote] = []
    sums = _summed(kept, _noted(comparison.residuals(), notes, progress, len(carriers)), 1.0)
    found = _decided(commitment, kept, sums, tuple(notes), len(openings))
    return _unless_screened_out(found, screened, commitment.method.threshold)


def _unless_screened_out(found: Detection, screened: float, least: float) -> Detection:
    """Say `nobody` only where a mark would have shown on the part that everybody was tested on."""
    if found.verdict != "nobody" or screened >= found.visible_z:
        return found
    verdict: Verdict = "nobody" if screened >= least or found.is_unchanged else "undecidable"
    return replace(found, verdict=verdict, visible_z=screened)


def _screened(
    openings: list[Opening], comparison: Comparison, share: float
) -> tuple[list[Opening], float]:
    """The recipients that fit best on a part of every carrier, and what z a mark has there.

    Leaving recipients out names nobody, so the error of the final test is unchanged.
    """
    sums = _summed(openings, comparison.residuals(), share)
    keep = max(_LEAST_KEPT, len(openings) // _KEPT_SHARE)
    order = np.argsort(-np.asarray(sums.chips), kind="stable")[:keep]
    return [openings[index] for index in sorted(order)], math.sqrt(sums.visible)


def _summed(openings: Sequence[Opening], residuals: Iterable[Residual], share: float) -> _Sums:
    sums = _Sums([0.0] * len(openings))
    for residual in residuals:
        carrier = residual.carrier
        sums.elements += carrier.elements
        sums.found += carrier.elements * residual.found
        sums.power += residual.power
        sums.reach += residual.reach
        size = count = residual.values.size
        if share < 1.0:
            count = min(size, BLOCK_CHIPS * math.ceil(share * size / BLOCK_CHIPS))
        sums.visible += residual.visible * (count / size if size else share)
        if not count:
            continue
        values = residual.values[:count]
        for index, opening in enumerate(openings):
            shape = (carrier.rows, carrier.columns)
            bits = keystream(opening.key, carrier.name, shape, 0, count)
            sums.chips[index] += correlate(bits, values)
    return sums


def _noted(
    residuals: Iterable[Residual],
    notes: list[TensorNote],
    progress: Callable[[int, int], None],
    total: int,
) -> Iterable[Residual]:
    for done, residual in enumerate(residuals, 1):
        if residual.note or residual.found < 1.0:
            notes.append(TensorNote(residual.carrier.name, residual.found, residual.note))
        yield residual
        progress(done, total)


def _decided(
    commitment: Commitment,
    openings: Sequence[Opening],
    sums: _Sums,
    notes: tuple[TensorNote, ...],
    tested: int,
) -> Detection:
    norm = math.sqrt(sums.power)
    family = math.log10(len(commitment.recipients))
    least = commitment.method.threshold
    scores = [
        _score(opening, total / norm if norm else 0.0, family, least)
        for opening, total in zip(openings, sums.chips, strict=True)
    ]
    ranked = tuple(sorted(scores, key=lambda score: (-score.z, score.pseudonym)))
    visible = math.sqrt(sums.visible)
    verdict: Verdict = "nobody" if visible >= least else "undecidable"
    if any(score.is_traced for score in ranked):
        verdict = "traced"
    return Detection(
        verdict=verdict,
        scores=ranked,
        tested=tested,
        carriers_used=sums.found / sums.elements if sums.elements else 0.0,
        visible_z=visible,
        reachable_z=sums.reach / norm if norm else 0.0,
        notes=notes,
        is_unchanged=norm == 0.0 and sums.found > 0.0,
    )


def _score(opening: Opening, z: float, family: float, least: float) -> Score:
    bound = log10_tail_bound(z)
    return Score(
        opening.pseudonym,
        opening.identity,
        z,
        bound,
        min(0.0, bound + family),
        is_traced=z >= least,
    )
