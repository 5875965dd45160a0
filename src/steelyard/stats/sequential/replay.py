"""Replay a certification from its log: the same decision, without the model.

Anyone who holds the log and the bank repeats every draw, bet and decision. What the log
cannot show is that the answers are the model's; for that each is bound to a record.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, cast

from steelyard.stats.sequential.certifier import Certifier
from steelyard.stats.sequential.record import METHOD, Certification

if TYPE_CHECKING:
    from steelyard.stats.irt.bank import ItemBank

_TOLERANCE = 1e-6
"""Relative; sums on another processor differ by far less, a forgery that matters by more."""


class DrawLogError(ValueError):
    """A draw log that does not lead to what it claims."""


def verify_draws(certification: Certification, *, bank: ItemBank | None = None) -> Certification:
    """Repeat a certification from its log.

    Args:
        certification: What is claimed.
        bank: The bank that it names; None where it names none.

    Returns:
        The certification as recomputed here.

    Raises:
        TypeError: not a certification; a screening certifies nothing.
        DrawLogError: another method or bank, arguments out of range, or the first draw, the
            probability, evidence or decision that differs.
    """
    # Callers without a type checker must not pass a screening off as a certification.
    if not isinstance(certification, Certification):  # pyright: ignore[reportUnnecessaryIsInstance]
        message = f"only a certification can be verified, not a {type(certification).__name__}"
        raise TypeError(message)
    _require_whole(certification, bank)
    try:
        recomputed = _replay(certification, bank)
    except DrawLogError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        message = f"the log cannot be replayed: {error}"
        raise DrawLogError(message) from error
    _require_equal(certification, recomputed)
    return recomputed


def _require_whole(claim: Certification, bank: ItemBank | None) -> None:
    if claim.method != METHOD:
        message = f"the log is of method {claim.method!r}, this is {METHOD!r}"
        raise DrawLogError(message)
    digest = bank.digest if bank is not None else None
    if digest != claim.bank:
        message = f"the log names bank {str(claim.bank)[:16]}, given is {str(digest)[:16]}"
        raise DrawLogError(message)
    lengths = {len(claim.asked), len(claim.answers), len(claim.probabilities), sum(claim.waves)}
    if len(lengths) != 1 or any(wave < 1 for wave in claim.waves):
        message = "items, answers, probabilities and waves of the log differ in number"
        raise DrawLogError(message)


def _replay(claim: Certification, bank: ItemBank | None) -> Certification:
    test = Certifier(
        claim.n_items,
        claim.threshold,
        bank=bank,
        alpha=claim.alpha,
        seed=claim.seed,
        max_items=claim.max_items,
    )
    done = 0
    for wave in claim.waves:
        drawn = test.draw(wave)
        logged = claim.asked[done : done + wave]
        if drawn != logged:
            place = next(
                (
                    k
                    for k, pair in enumerate(zip(drawn, logged, strict=False))
                    if len(set(pair)) > 1
                ),
                len(drawn),
            )
            message = f"draw {done + place + 1} of the log is not the one that the seed makes"
            raise DrawLogError(message)
        for answer in claim.answers[done : done + wave]:
            test.record(answer)
        done += wave
    recomputed = test.certification()
    if not test.finished:
        message = f"the log ends after {done} draws, before the test did"
        raise DrawLogError(message)
    return recomputed


def _require_equal(claim: Certification, recomputed: Certification) -> None:
    for field in fields(Certification):
        mine, theirs = getattr(recomputed, field.name), getattr(claim, field.name)
        if not _agree(mine, theirs):
            message = f"{field.name} of the log does not follow from its draws"
            raise DrawLogError(message)


def _agree(mine: object, theirs: object) -> bool:
    if isinstance(mine, tuple) and isinstance(theirs, tuple):
        ours, others = cast("tuple[object, ...]", mine), cast("tuple[object, ...]", theirs)
        return len(ours) == len(others) and all(map(_agree, ours, others))
    if isinstance(mine, float) and isinstance(theirs, (int, float)):
        return math.isclose(mine, theirs, rel_tol=_TOLERANCE, abs_tol=1e-12)
    return mine == theirs
