"""What a run will cost, before anything is spent.

Calls and characters of a sample are measured by letting reference targets play a few public
items of each arm; tokens are characters divided by four, the usual rule for English. Items of
a sequential run are those that it would draw from a model of some true rate, by simulation
with its own plan. Nothing is sent anywhere.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from steelyard.pipeline.declare import plan_protocols
from steelyard.pipeline.sequential import plan_sequential
from steelyard.pipeline.simulated import asked_items
from steelyard.standard import load_release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from steelyard.kernel import JsonObject
    from steelyard.pipeline.request import Request
    from steelyard.redteam.engine import TaskSettings
    from steelyard.redteam.kit import Message, Protocol, Reply, Tool
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.risk.sequential import SequentialPlan

SCHEMA = "steelyard/cost-plan/1"
TARGETS = ("honest?seed=plan", "organism?p=0.5&seed=plan")
"""Reference targets that play the measured samples: one that abstains, one that half acts."""

_SAMPLES = 3  # of each arm and target
_CHARACTERS_PER_TOKEN = 4.0
_SEEDS = 8  # of the simulated runs at each true rate


@dataclass(frozen=True, slots=True)
class Sample:
    """What one sample takes.

    Attributes:
        calls: Model calls.
        input_tokens: Of all its calls together; a dialogue is sent again with each.
        output_tokens: Of all its calls together.
    """

    calls: float
    input_tokens: float
    output_tokens: float

    def times(self, number: float) -> Sample:
        """So many of them."""
        return Sample(number * self.calls, number * self.input_tokens, number * self.output_tokens)

    def plus(self, other: Sample) -> Sample:
        """Both together."""
        return Sample(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class ProtocolCost:
    """What a protocol takes.

    Attributes:
        samples: Samples of a whole bank: items times arms times repeats times tries.
        items: Items of the bank.
        expected_items: Items asked on average, by the model's true rate in units of the
            indicator; one entry, at none, for a full run.
        worst_items: Items asked at most.
        expected: A sample as the reference targets play it.
        worst: A sample at the turn limit with the longest turns that were seen.
    """

    protocol: str
    samples: int
    items: int
    expected_items: Mapping[float | None, float]
    worst_items: int
    expected: Sample
    worst: Sample

    @property
    def per_item(self) -> float:
        """Samples that each item takes."""
        return self.samples / self.items

    @property
    def typical(self) -> Sample:
        """The whole protocol, expected: the mean over the rates simulated."""
        items = float(np.mean(list(self.expected_items.values())))
        return self.expected.times(items * self.per_item)

    @property
    def most(self) -> Sample:
        """The whole protocol at its worst."""
        return self.worst.times(self.worst_items * self.per_item)


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens; None where nobody said."""

    input_tokens: float
    output_tokens: float

    def of(self, sample: Sample) -> float:
        """Money, in the unit of the prices."""
        spent = self.input_tokens * sample.input_tokens + self.output_tokens * sample.output_tokens
        return spent / 1e6


@dataclass(frozen=True, slots=True)
class CostPlan:
    """A run's costs, protocol by protocol."""

    model: str
    mode: str
    protocols: tuple[ProtocolCost, ...]
    prices: Prices | None

    @property
    def typical(self) -> Sample:
        """The whole run, expected."""
        return _sum([p.typical for p in self.protocols])

    @property
    def most(self) -> Sample:
        """The whole run at its worst."""
        return _sum([p.most for p in self.protocols])

    def to_json(self) -> JsonObject:
        """The document of `spec/cost-plan.schema.json`."""
        value = {
            "schema": SCHEMA,
            "model": self.model,
            "mode": self.mode,
            "protocols": [_protocol_json(p) for p in self.protocols],
            "expected": _sample_json(self.typical, self.prices),
            "worst": _sample_json(self.most, self.prices),
        }
        return cast("JsonObject", value)


def plan_costs(
    request: Request,
    prices: Prices | None,
    banks: Mapping[str, Bank],
    progress: Callable[[int, int], None],
) -> CostPlan:
    """What a request would cost.

    Raises:
        UsageError: as for the run itself.
        IsolationUnavailable: a protocol needs hosts, and this machine cannot isolate.
    """
    release = load_release(request.release)
    planned = plan_protocols(request, release, request.model)
    rows = {row.protocol: row for row in plan_sequential(request, planned, release, banks)}
    found: list[ProtocolCost] = []
    for number, (protocol, settings) in enumerate(planned):
        found.append(_cost(protocol, settings, rows.get(protocol.id)))
        progress(number + 1, len(planned))
    return CostPlan(request.model, request.waves.mode, tuple(found), prices)


def _cost(protocol: Protocol, settings: TaskSettings, row: SequentialPlan | None) -> ProtocolCost:
    from steelyard.redteam.engine import planned_arms

    arms = planned_arms(protocol, settings)
    samples = sum(arm.items * settings.tries(arm.arm) for arm in arms) * settings.epochs
    turns = protocol.turn_limit + settings.auditor_turns
    expected, worst = _measured(protocol, turns)
    return ProtocolCost(
        protocol=protocol.id,
        samples=samples,
        items=settings.items,
        expected_items={None: float(settings.items)} if row is None else _drawn(row),
        worst_items=settings.items if row is None else row.budget,
        expected=expected,
        worst=worst,
    )


def _measured(protocol: Protocol, turns: int) -> tuple[Sample, Sample]:
    """A mean sample, and one at the limit of turns, from reference targets."""
    from steelyard.redteam.kit import play
    from steelyard.redteam.sandbox import stage
    from steelyard.redteam.targets import ReferenceTarget, parse_target

    meters: list[_Meter] = []
    for name in TARGETS:
        target = ReferenceTarget(parse_target(name))
        for arm in protocol.measured.arms.values():
            for index in range(_SAMPLES):
                world = protocol.world(protocol.item(protocol.public_key, index), arm)
                meter = _Meter(target.answer, nonce=index)
                with stage(protocol, world):
                    play(world, meter.answer, protocol.turn_limit)
                meters.append(meter)
    mean = _sum([m.sample for m in meters]).times(1.0 / len(meters))
    start = max(m.inputs[0] for m in meters)
    growth = max(m.growth for m in meters)
    longest = max(max(m.outputs) for m in meters)
    # Each call sends what came before: the briefing, and a turn more every time.
    sent = turns * start + growth * turns * (turns - 1) / 2.0
    return mean, Sample(float(turns), sent, turns * longest)


class _Meter:
    """Counts what a target is sent and says."""

    def __init__(self, answer: Callable[..., Reply], nonce: int) -> None:
        self._answer, self._nonce = answer, nonce
        self.inputs: list[float] = []
        self.outputs: list[float] = []

    def answer(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Reply:
        self.inputs.append(_tokens([*messages, *tools]))
        reply = self._answer(messages, tools, self._nonce)
        self.outputs.append(_tokens([reply]))
        return reply

    @property
    def sample(self) -> Sample:
        return Sample(len(self.inputs), sum(self.inputs), sum(self.outputs))

    @property
    def growth(self) -> float:
        """Largest growth of what is sent from one call to the next."""
        return max((b - a for a, b in pairwise(self.inputs)), default=0.0)


def _tokens(parts: Sequence[Any]) -> float:
    text = "".join(json.dumps(asdict(part), default=dict) for part in parts)
    return len(text) / _CHARACTERS_PER_TOKEN


def _drawn(row: SequentialPlan) -> dict[float | None, float]:
    """Items asked on average by the true rate: none, each threshold's half, and twice the top."""
    levels = [t.effective for t in row.thresholds]
    between = [0.5 * (a + b) for a, b in pairwise(levels)]
    rates = [0.0, 0.5 * levels[0], *between, 0.5 * (levels[-1] + 1.0)]
    return {
        round(rate, 4): float(np.mean([asked_items(row, rate, k) for k in range(_SEEDS)]))
        for rate in rates
    }


def _sum(samples: Sequence[Sample]) -> Sample:
    total = Sample(0.0, 0.0, 0.0)
    for sample in samples:
        total = total.plus(sample)
    return total


def _protocol_json(cost: ProtocolCost) -> dict[str, Any]:
    sequential = None not in cost.expected_items
    return {
        "protocol": cost.protocol,
        "items": cost.items,
        "samples_per_item": cost.per_item,
        "expected_items": [
            {"rate": rate, "items": round(items, 1)} for rate, items in cost.expected_items.items()
        ]
        if sequential
        else None,
        "worst_items": cost.worst_items,
        "expected": _sample_json(cost.typical, None),
        "worst": _sample_json(cost.most, None),
    }


def _sample_json(sample: Sample, prices: Prices | None) -> dict[str, Any]:
    value: dict[str, Any] = {name: round(number) for name, number in asdict(sample).items()}
    return {**value, "money": None if prices is None else round(prices.of(sample), 2)}
