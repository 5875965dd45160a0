"""Planning sequential runs: everything that steers the draws, fixed before it is signed.

How such a run is driven stands in `drawing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from steelyard.kernel import keyed_digest
from steelyard.kernel.errors import UsageError
from steelyard.pipeline.waves import FULL, Waves
from steelyard.risk.levels import parts_of_showing
from steelyard.risk.margins import rate_threshold
from steelyard.risk.selection import ruling_error_rate
from steelyard.risk.sequential import (
    HALF,
    KINDS,
    LARGEST_BANK,
    LevelThresholds,
    SequentialPlan,
    bank_design,
    level_thresholds,
)

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from steelyard.pipeline.request import Request
    from steelyard.redteam.engine import TaskSettings
    from steelyard.redteam.kit import Protocol
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.risk.sequential import Mode
    from steelyard.standard import Framework, Indicator, Release
    from steelyard.stats import ItemBank

_SEED_BYTES = 16
_LEAST_SCREENED, _SCREENED_SHARE = 20, 0.1


def plan_sequential(
    request: Request,
    planned: Sequence[tuple[Protocol, TaskSettings]],
    release: Release,
    banks: Mapping[str, Bank],
) -> tuple[SequentialPlan, ...]:
    """What a sequential run commits to, one row for each protocol; empty for a full run.

    Raises:
        UsageError: a protocol whose indicator is no mean over items, a bank of other items, or
            fewer items than the standard asks for.
    """
    if request.waves.mode == FULL:
        return ()
    used = {protocol.id for protocol, _ in planned}
    if foreign := sorted(banks.keys() - used):
        message = f"the bank is of {foreign[0]}, which this run does not play"
        raise UsageError(
            message, where="--bank", hint=f"banks may be of: {', '.join(sorted(used))}"
        )
    return tuple(
        _row(request, protocol, settings, release, banks.get(protocol.id), used)
        for protocol, settings in planned
    )


def _row(
    request: Request,
    protocol: Protocol,
    settings: TaskSettings,
    release: Release,
    bank: Bank | None,
    used: Container[str],
) -> SequentialPlan:
    indicator = release.framework.indicators[protocol.indicator]
    if indicator.kind not in KINDS:
        message = f"{indicator.id} is no mean over items, so it cannot be decided item by item"
        raise UsageError(message, hint="leave out --mode, or name other domains")
    key = settings.key(protocol)
    items = tuple(protocol.item(key, index).pseudonym for index in range(settings.items))
    waves = request.waves
    return SequentialPlan(
        protocol=protocol.id,
        kind=indicator.kind,
        mode=cast("Mode", waves.mode),
        alpha=HALF * ruling_error_rate(indicator, release.framework),
        seed=draw_seed(request.salt, protocol.id),
        wave=waves.wave,
        budget=min(len(items), _budget(waves, len(items))),
        items=items,
        thresholds=_thresholds(request, settings, indicator, release.framework, used),
        bank=_parameters(bank, indicator, items) if bank is not None else None,
    )


def _thresholds(
    request: Request,
    settings: TaskSettings,
    indicator: Indicator,
    framework: Framework,
    used: Container[str],
) -> tuple[LevelThresholds, ...]:
    """Means over the bank that decide each level; in a screening, those of the model."""
    levels = sorted(t.level for t in indicator.thresholds)
    effective = {k: rate_threshold(indicator, k, request.elicitation) for k in levels}
    least = indicator.planned_items
    if not least <= settings.items <= LARGEST_BANK:
        message = f"draws for {indicator.id} are from {least} to {LARGEST_BANK} items"
        hint = f"{settings.items} were asked for; leave out --samples, or --mode"
        raise UsageError(message, where="--samples", hint=hint)
    if request.waves.mode == "screen":
        return tuple(LevelThresholds(k, effective[k], indicator.threshold(k)) for k in levels)
    domain = framework.domains[indicator.domain]
    further = [n for n in domain.supporting if framework.indicators[n].protocol in used]
    parts = parts_of_showing(len(domain.indicators) + len(further), domain.rules)
    return level_thresholds(
        indicator,
        effective,
        bank_design(indicator, settings.items, settings.epochs),
        ruling_error_rate=ruling_error_rate(indicator, framework),
        showing_error_rate=framework.decision.error_rate / parts,
    )


def _budget(waves: Waves, items: int) -> int:
    if waves.budget is not None:
        return waves.budget
    if waves.mode == "screen":
        return max(_LEAST_SCREENED, round(_SCREENED_SHARE * items))
    return items


def draw_seed(salt: str, protocol: str) -> int:
    """Seed of a protocol's draws: public, follows from the run's secret, and does not reveal it."""
    digest = keyed_digest(bytes.fromhex(salt), "steelyard/draws/1", protocol)
    return int.from_bytes(digest[:_SEED_BYTES], "big")


def _parameters(bank: Bank, indicator: Indicator, items: Sequence[str]) -> ItemBank:
    """A bank's parameters in the order of the run's items, shifted to a score's own scale."""
    places = {item.item: k for k, item in enumerate(bank.items)}
    missing = [item for item in items if item not in places]
    if missing:
        message = f"the bank lacks {len(missing)} of the {len(items)} items that this run may ask"
        hint = f"calibrate it on the same split, or with --samples of at most {len(bank.items)}"
        raise UsageError(message, where="--bank", hint=hint)
    if indicator.kind != "rate":
        message = f"{indicator.id} is a difference of two arms, and a bank is of one"
        raise UsageError(message, where="--bank", hint="leave the bank out for this protocol")
    return bank.parameters.subset([places[item] for item in items])
