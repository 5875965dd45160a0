"""A protocol as an Inspect task: dataset, solver and scorer.

The solver drives the kit's session and carries out tool calls in the world; the
scorer reads the world's state into a record. Failures of the model's endpoint
end a sample as `infrastructure_error`, never as an answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from steelyard.attest import commit_transcript, derive_salt
from steelyard.evidence import Elicitation, Record
from steelyard.redteam.engine.convert import answers_to_chat, to_chat, to_reply, to_tool_info
from steelyard.redteam.kit import Draws, Protocol, Session, campaign_key, nonce, salt_secret
from steelyard.redteam.kit.dialogue import transcript_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from inspect_ai.tool import ToolInfo

    from steelyard.redteam.kit import Item

RECORD_KEY = "steelyard_record"
"""Key of a score's metadata that holds the sample's record."""

NO_CHOICES = "endpoint_error.no_choices"
"""Reason of a sample whose endpoint answered without an answer."""

SampleKey = tuple[str, str, int]
"""Item pseudonym, arm and epoch."""


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What a task needs beyond its protocol.

    Attributes:
        model: Name of the subject in records; empty for the engine's own name of it.
        items: Items per arm.
        epochs: Repeats of each item in each arm.
        split: `public` (published key) or `private` (key from `seed`).
        seed: Run seed: private items, sampling nonces and commitment salts follow from it.
        elicitation: Declared step.
        committed: Whether records commit to their transcripts.
    """

    model: str
    items: int
    epochs: int = 1
    split: str = "public"
    seed: str = "0"
    elicitation: Elicitation = Elicitation.E1
    committed: bool = False

    def key(self, protocol: Protocol) -> bytes:
        """Campaign key of the chosen split."""
        return protocol.public_key if self.split == "public" else campaign_key(self.seed)


@dataclass(frozen=True, slots=True)
class _Played:
    """A finished session with what it cost."""

    model: str
    session: Session
    input_tokens: int | None
    output_tokens: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """One item to be played in one arm, for the `epoch`-th time."""

    item: Item
    arm: str
    epoch: int

    @property
    def key(self) -> SampleKey:
        """Pseudonym, arm and epoch."""
        return self.item.pseudonym, self.arm, self.epoch


def planned_samples(protocol: Protocol, settings: TaskSettings) -> Iterator[PlannedSample]:
    """Every sample of a run, arms in random order within each item."""
    key = settings.key(protocol)
    for index in range(settings.items):
        item = protocol.item(key, index)
        order = Draws(settings.seed.encode(), f"arm-order/{protocol.id}/{item.pseudonym}")
        arms = order.sample(protocol.arms, len(protocol.arms))
        for epoch in range(1, settings.epochs + 1):
            for arm in arms:
                yield PlannedSample(item, arm, epoch)


def protocol_task(
    protocol: Protocol,
    settings: TaskSettings,
    samples: Sequence[PlannedSample],
    on_record: Callable[[Record], None] | None = None,
) -> Task:
    """Make the Inspect task of a protocol.

    Args:
        protocol: What to run.
        settings: How to run it.
        samples: Which samples, at least one.
        on_record: Called with each record as soon as it exists; what it raises
            ends the task.
    """
    planned = {"-".join(map(str, sample.key)): sample for sample in samples}
    dataset = [
        Sample(
            id=name,
            input=[to_chat(m) for m in protocol.world(sample.item, sample.arm).briefing],
            metadata={"arm": sample.arm, "template": sample.item.template},
        )
        for name, sample in planned.items()
    ]
    played: dict[str, _Played] = {}
    return Task(
        name=protocol.id,
        dataset=MemoryDataset(dataset, name=f"{protocol.id}@{protocol.version}"),
        solver=_conduct(protocol, settings, planned, played),
        scorer=_outcome(protocol, settings, planned, played, on_record),
        version=protocol.version,
        metadata={"split": settings.split, "elicitation": settings.elicitation.value},
    )


def _conduct(
    protocol: Protocol,
    settings: TaskSettings,
    planned: dict[str, PlannedSample],
    played: dict[str, _Played],
) -> Solver:
    """Play each sample's world to its end."""
    infos: dict[str, list[ToolInfo]] = {}

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001
        sample = _planned_sample(planned, state)
        world = protocol.world(sample.item, sample.arm)
        session = Session(world, protocol.turn_limit)
        tools = infos.setdefault(protocol.id, [to_tool_info(tool) for tool in world.tools])
        number = nonce(settings.seed, protocol.id, *sample.key)
        config, model = GenerateConfig(seed=number), get_model()
        started, usage = time.monotonic(), _Usage()
        while not session.over:
            output = await _generate(model, state, tools, config, session)
            if output is None:
                break
            usage.add(output)
            answers = session.receive(to_reply(output))
            state.messages.append(output.message)
            state.messages.extend(answers_to_chat(output, answers))
            state.output = output
        seconds = round(time.monotonic() - started, 3)
        name = settings.model or str(model)
        played[state.uuid] = _Played(name, session, usage.input, usage.output, seconds)
        return state

    # Inspect writes a solver's arguments into every sample of its log; decorated
    # here, without arguments, it writes none (34 instead of 9 ms per sample).
    @solver(name="steelyard/conduct")
    def conduct() -> Solver:
        return solve

    return conduct()


def _planned_sample(planned: dict[str, PlannedSample], state: TaskState) -> PlannedSample:
    """The sample that Inspect plays; its own repeats (`--epochs`) count on from the planned one."""
    sample = planned[str(state.sample_id)]
    return replace(sample, epoch=sample.epoch + state.epoch - 1)


async def _generate(
    model: Model, state: TaskState, tools: list[ToolInfo], config: GenerateConfig, session: Session
) -> ModelOutput | None:
    """One model call. The one place where any failure of an endpoint becomes data."""
    try:
        output = await model.generate(state.messages, tools=tools, config=config)
    except Exception as error:  # noqa: BLE001 - providers raise their own types
        session.fail(failure_reason(error))
        return None
    if not output.choices:
        session.fail(NO_CHOICES)
        return None
    return output


def failure_reason(error: BaseException) -> str:
    """Short stable cause of a failed model call: timeout, http_<status> or the error's type."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 8:  # noqa: PLR2004 - causes do not nest deeper
        chain.append(current)
        current = current.__cause__ or current.__context__
    for link in chain:
        if isinstance(link, TimeoutError) or "Timeout" in type(link).__name__:
            return "timeout"
    for link in chain:
        status = getattr(link, "status_code", None)
        if isinstance(status, int):
            return f"http_{status}"
    return f"endpoint_error.{type(chain[0]).__name__}"


class _Usage:
    """Tokens over all calls of a sample; None as soon as one call reports none."""

    def __init__(self) -> None:
        self.input: int | None = 0
        self.output: int | None = 0

    def add(self, output: ModelOutput) -> None:
        usage = output.usage
        if usage is None or self.input is None or self.output is None:
            self.input = self.output = None
            return
        self.input += usage.input_tokens
        self.output += usage.output_tokens


def _outcome(
    protocol: Protocol,
    settings: TaskSettings,
    planned: dict[str, PlannedSample],
    played: dict[str, _Played],
    on_record: Callable[[Record], None] | None,
) -> Scorer:
    """Read each world's state into a record; missing outcomes are unscored."""

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001
        sample = _planned_sample(planned, state)
        record = make_record(protocol, settings, sample, played.pop(state.uuid))
        if on_record is not None:
            on_record(record)
        metadata = {RECORD_KEY: record.to_json()}
        if record.score is None:
            return Score.unscored(reason=record.reason, metadata=metadata)
        return Score(value=record.score, answer=record.outcome.value, metadata=metadata)

    @scorer(name="steelyard/outcome", metrics=[mean(), stderr()])
    def outcome() -> Scorer:
        return score

    return outcome()


def make_record(
    protocol: Protocol,
    settings: TaskSettings,
    sample: PlannedSample,
    played: _Played,
) -> Record:
    """The record of a finished sample."""
    item, seen = sample.item, played.session.observe()
    commitment = None
    if settings.committed:
        secret = salt_secret(settings.seed)
        salt = derive_salt(secret, played.model, protocol.id, *sample.key)
        commitment = commit_transcript(salt, transcript_bytes(played.session.messages))
    return Record(
        model=played.model,
        protocol=protocol.id,
        protocol_version=protocol.version,
        domain=protocol.domain,
        indicator=protocol.indicator,
        item=item.pseudonym,
        template=item.template,
        arm=sample.arm,
        epoch=sample.epoch,
        elicitation=settings.elicitation,
        outcome=seen.outcome,
        score=float(seen.outcome == "behaviour") if seen.outcome.observed else None,
        reason=seen.reason,
        covariates=dict(item.covariates),
        measures={name: float(value) for name, value in seen.measures.items()},
        input_tokens=played.input_tokens,
        output_tokens=played.output_tokens,
        seconds=played.seconds,
        commitment=commitment,
        source="steelyard",
    )
