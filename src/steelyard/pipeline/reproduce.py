"""Reproducing a flaw: run its document on a model, and say whether the model is affected.

The steps in plain sight: find the model, calibrate the judge where there is one, show the
variants, summarise. A sequential document is run in blocks of variants drawn at random until
it decides; a fixed one in one block. Where the files lie is in `reproduction`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.disclosure.reproducer.blocks import BLOCK_VARIANTS
from steelyard.disclosure.reproducer.scorers import JudgeScorer
from steelyard.disclosure.reproducer.tally import CONTROL, TREATMENT, protocol_name
from steelyard.disclosure.reproducer.verdict import Verdict, decide, interval
from steelyard.kernel.errors import UsageError
from steelyard.pipeline.reproduction import (
    RunFacts,
    read_run,
    results_of,
    shown_order,
    summarise,
    write_reproduction,
    write_run,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.disclosure.reproducer.scenario import Variant
    from steelyard.evidence import Record
    from steelyard.pipeline.reproducer_calibration import Calibration
    from steelyard.pipeline.reproducer_judge import AskedJudge
    from steelyard.pipeline.reproducer_run import ShowRun
    from steelyard.pipeline.reproducer_task import PlannedShow
    from steelyard.pipeline.reproduction import Reproduction
    from steelyard.redteam.engine.journal import Journal
    from steelyard.redteam.engine.models import CallSettings


@dataclass(frozen=True, slots=True)
class ReproduceRequest:
    """What to run.

    Attributes:
        reproducer: The document.
        variants: Its visible variants, or all of its sealed ones, opened.
        model: The model under test, as `steelyard assess` names models.
        judge_model: The model that plays the judge; None for the name in the document.
        seed: Secret text of the run; a resumed run keeps its own.
        calls: How models are called.
        whole: Show every variant, whatever was decided before the last.
        calibration: What the judge said of the labelled passages, where it was just asked.
    """

    reproducer: Reproducer
    variants: tuple[Variant, ...]
    model: str
    judge_model: str | None
    seed: str
    calls: CallSettings
    whole: bool = False
    calibration: Calibration | None = None


def reproduce(
    request: ReproduceRequest,
    folder: Path,
    *,
    resume: bool,
    progress: Callable[[int, int], None],
) -> Reproduction:
    """Run a reproducer and judge what it shows.

    Args:
        request: What to run.
        folder: Where the run lies.
        resume: Go on with what is there; without it the folder must hold no run.
        progress: Called with samples finished and planned.

    Raises:
        UsageError: the folder holds a run already, or one of something else.
        UnknownName: no such model.
        TargetUnreachable: the model cannot be called, or stopped answering.
        CannotVerify: a judge that cannot be calibrated.
        StorageError: the disk refused; complete samples are kept.
    """
    from steelyard.redteam.engine.journal import Journal

    facts = _facts(request, folder, resume=resume)
    judge = _judge(request, facts.seed)
    facts = _calibrated(request, facts, judge, folder)
    write_run(folder, request.reproducer, facts)
    journal = Journal(folder / "records.jsonl")
    try:
        run = _start(request, facts, judge, (journal, folder), progress)
        made = _until_decided(run, request, facts, folder)
    finally:
        journal.close()
    write_reproduction(made, folder)
    return made


def _until_decided(
    run: ShowRun, request: ReproduceRequest, facts: RunFacts, folder: Path
) -> Reproduction:
    """Show block after block; a fixed document has one."""
    ordered = shown_order(request.reproducer, request.variants, facts.seed)
    one_look = request.whole or request.reproducer.decision.method == "fixed"
    block = len(ordered) if one_look else BLOCK_VARIANTS
    end = max(block, _begun(ordered, run, facts, block))
    while True:
        done = ordered[:end]
        run.play(planned_shows(request.reproducer, done))
        facts = replace(facts, variants=tuple(variant.name for variant in done))
        write_run(folder, request.reproducer, facts)
        records = _finished(run, facts)
        if end >= len(ordered) or _is_decided(request.reproducer, facts, records):
            return summarise(request.reproducer, facts, records)
        end += block


def _begun(ordered: Sequence[Variant], run: ShowRun, facts: RunFacts, block: int) -> int:
    """How many variants a run has begun to show, in whole blocks.

    A resumed run never shows fewer: what it has shown is evidence, whatever it said, and of a
    block that was cut the journal alone knows.
    """
    shown = {record.item for record in run.journal.records.values()}
    last = max((at for at, v in enumerate(ordered, 1) if v.name in shown), default=0)
    return max(len(facts.variants), -(-last // block) * block)


def _is_decided(reproducer: Reproducer, facts: RunFacts, records: tuple[Record, ...]) -> bool:
    limits = interval(results_of(reproducer, facts, records), reproducer.decision)
    return decide(*limits, reproducer.decision) is not Verdict.UNDETERMINED


def planned_shows(reproducer: Reproducer, variants: Sequence[Variant]) -> list[PlannedShow]:
    """Every sample of some variants: arms by tries."""
    from steelyard.pipeline.reproducer_task import PlannedShow

    arms = {TREATMENT: reproducer.scenario}
    if reproducer.control is not None:
        arms[CONTROL] = reproducer.control
    return [
        PlannedShow(arm, variant.name, number, scenario.filled(variant), variant)
        for variant in variants
        for number in range(1, reproducer.decision.tries + 1)
        for arm, scenario in arms.items()
    ]


def _facts(request: ReproduceRequest, folder: Path, *, resume: bool) -> RunFacts:
    """Facts of the run in the folder, or of a new one."""
    if not (folder / "private" / "run.json").exists():
        return RunFacts(request.model, request.seed, "", None, ())
    hint = "choose another --out"
    if not resume:
        message = "holds a run already"
        raise UsageError(message, where=str(folder), hint=f"{hint}, or go on with --resume")
    reproducer, facts = read_run(folder)
    names = {variant.name for variant in request.variants}
    same = (reproducer.digest, facts.model) == (request.reproducer.digest, request.model)
    if not same or not names.issuperset(facts.variants):
        raise UsageError("holds a run of something else", where=str(folder), hint=hint)
    return facts


def _judge(request: ReproduceRequest, seed: str) -> AskedJudge | None:
    """The judge, where the document has one."""
    scorer = request.reproducer.scorer
    if not isinstance(scorer, JudgeScorer):
        if request.judge_model is not None:
            raise UsageError("the reproducer has no judge", where="--judge")
        return None
    from steelyard.pipeline.reproducer_judge import make_judge
    from steelyard.redteam.engine.models import resolve_model

    subject = resolve_model(request.judge_model or scorer.model, request.calls)
    return make_judge(scorer, subject, seed)


def _calibrated(
    request: ReproduceRequest, facts: RunFacts, judge: AskedJudge | None, folder: Path
) -> RunFacts:
    """The facts with the judge's verdicts on its labelled passages, asked for once."""
    scorer = request.reproducer.scorer
    if judge is None or not isinstance(scorer, JudgeScorer):
        return facts
    name = judge.subject.name
    if facts.judge_model not in {"", name}:
        message = f"holds a run judged by {facts.judge_model}, not by {name}"
        hint = "name the same judge, or choose another --out"
        raise UsageError(message, where=str(folder), hint=hint)
    from steelyard.pipeline.reproducer_judge import calibrate

    said = facts.calibration or request.calibration or calibrate(judge, scorer.calibration)
    return replace(facts, judge_model=name, calibration=said)


def _start(
    request: ReproduceRequest,
    facts: RunFacts,
    judge: AskedJudge | None,
    places: tuple[Journal, Path],
    progress: Callable[[int, int], None],
) -> ShowRun:
    from steelyard.pipeline.reproducer_run import ShowRun
    from steelyard.pipeline.reproducer_task import ShowSettings
    from steelyard.redteam.engine.models import resolve_model

    subject = resolve_model(request.model, request.calls)
    name = protocol_name(request.reproducer)
    settings = ShowSettings(name, request.model, facts.seed, judge)
    planned = len(planned_shows(request.reproducer, request.variants))
    journal, folder = places
    return ShowRun(
        request.reproducer, settings, subject, journal, folder / "logs",
        lambda finished: progress(finished, planned),
    )  # fmt: skip


def _finished(run: ShowRun, facts: RunFacts) -> tuple[Record, ...]:
    wanted = frozenset(facts.variants)
    return tuple(r for r in run.journal.records.values() if r.item in wanted)
