"""Calibrating item banks: from a table of responses, or from a protocol's own targets.

Responses of reference targets have a known truth and say nothing of real models: a bank
of them shows that items are sound and in what order of difficulty they stand for the
targets, and is presumptive for ever. Output follows `spec/bank-summary.schema.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard.evidence import Elicitation, Evidence, Outcome, Record
from steelyard.pipeline.integrity import read_as_is
from steelyard.risk.banks.calibration import PUBLIC, calibrate, responses_of
from steelyard.risk.banks.item_bank import PRESUMPTIVE, Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from steelyard.evidence import ImportOptions
    from steelyard.kernel import JsonObject
    from steelyard.redteam.kit import Item, Protocol
    from steelyard.redteam.targets import ReferenceTarget
    from steelyard.risk.banks.item_bank import Bank

SCHEMA = "steelyard/bank-summary/1"
TARGETS = 16
"""Reference targets that a protocol's items are played by."""
ITEMS = 60
"""Public items that they play by default."""
NOTE = (
    "Responses of reference targets, whose rates are set; no real model has calibrated this bank."
)
_SOURCE = "Steelyard reference targets"
_LICENCE = "Apache-2.0"
_THETA_REACH = 2.5  # logits on either side of 0
_CORRELATION = 0.1  # of behaviour within a template, so that templates differ


@dataclass(frozen=True, slots=True)
class TableRequest:
    """A table to calibrate on.

    Attributes:
        origin: What the bank says of itself.
        options: Facts that the table does not state; `number_repeats` where rows repeat.
        arm: The arm, where there are several.
        marker: Text planted in the items' files.
    """

    origin: Origin
    options: ImportOptions
    arm: str | None = None
    marker: str = ""


def calibrate_table(path: Path, request: TableRequest) -> Bank:
    """A bank from a file of responses.

    Raises:
        MalformedEvidence: unreadable, or too few models or items.
        DuplicateRecord: rows repeat a sample, and the request does not call them repeats.
        UsageError: several arms and none chosen.
    """
    evidence, uncounted = read_as_is(path, request.options)
    if uncounted:
        from steelyard.kernel.errors import DuplicateRecord

        hint = "add --repeats if these rows are repeats of their items"
        raise DuplicateRecord(uncounted[0].text, hint=hint)
    return calibrate(responses_of(evidence, request.arm), request.origin, marker=request.marker)


def calibrate_protocol(
    name: str, items: int, version: str, progress: Callable[[int, int], None]
) -> Bank:
    """A presumptive bank of a protocol's public items, from reference targets.

    Raises:
        UnknownName: no such protocol.
        IsolationUnavailable: its worlds need hosts, and this machine cannot isolate.
    """
    from steelyard.redteam.kit import find_protocol
    from steelyard.redteam.targets import ReferenceTarget, parse_target

    protocol = find_protocol(name)
    arm = protocol.measured.arms["treatment"]
    chosen = [protocol.item(protocol.public_key, index) for index in range(items)]
    records: list[Record] = []
    for number in range(TARGETS):
        target = ReferenceTarget(parse_target(target_name(protocol, number)))
        records += [_played(protocol, target, item, arm) for item in chosen]
        progress((number + 1) * items, TARGETS * items)
    origin = Origin(f"{name}.reference", version, _SOURCE, _LICENCE, PRESUMPTIVE, NOTE)
    responses = responses_of(Evidence.from_records(records))
    return calibrate(responses, origin)


def target_name(protocol: Protocol, number: int) -> str:
    """The reference target of a place on the scale, 0 the lowest.

    Abilities of a capability, and rates of a propensity, are spread evenly.
    """
    share = (number + 0.5) / TARGETS
    seed = f"seed=bank-{number}"
    if protocol.measured.claim == "capability":
        return f"organism?theta={_THETA_REACH * (2.0 * share - 1.0):g}&{seed}"
    return f"organism?p={share:g}&rho={_CORRELATION:g}&{seed}"


def _played(protocol: Protocol, target: ReferenceTarget, item: Item, arm: str) -> Record:
    from steelyard.redteam.kit import nonce, play
    from steelyard.redteam.sandbox import stage

    number = nonce(target.spec.seed, protocol.id, item.pseudonym, arm, 1)
    world = protocol.world(item, arm)
    with stage(protocol, world):
        session = play(world, lambda m, t: target.answer(m, t, number), protocol.turn_limit)
        outcome = session.observe().outcome
    return Record(
        model=f"steelyard/{target.spec.seed}",
        protocol=protocol.id,
        protocol_version=protocol.version,
        domain=protocol.domain,
        indicator=protocol.indicator,
        item=item.pseudonym,
        template=item.template,
        arm=arm,
        elicitation=Elicitation.E1,
        outcome=outcome,
        score=float(outcome is Outcome.BEHAVIOUR) if outcome.observed else None,
        reason="" if outcome.observed else "reference target",
        covariates={**item.covariates, PUBLIC: 1.0},
        source="reference_targets",
    )


def bank_summary(bank: Bank, out: Path) -> JsonObject:
    """What a bank holds, without its items."""
    items = bank.items
    flags = ("constant", "negative", "scarce")
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "id": bank.origin.id,
        "version": bank.origin.version,
        "status": bank.origin.status,
        "note": bank.origin.note,
        "digest": bank.digest,
        "models": bank.models,
        "items": len(items),
        "samples": sum(item.repeats for item in items),
        "flagged": {flag: sum(flag in item.flags for item in items) for flag in flags},
        "canaries": sum(item.canary is not None for item in items),
        "public": sum(item.public is True for item in items),
        "honest": len(bank.honest.fit),
        "out": str(out),
    }
    return value
