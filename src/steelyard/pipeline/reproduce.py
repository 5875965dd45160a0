"""Reproducing a flaw: run its document on a model, and say whether the model is affected.

The steps in plain sight: find the model, calibrate the judge where there is one, show the
variants, summarise. A sequential document is run in blocks of variants drawn at random until
it decides; a fixed one in one block. Where the files lie is in `reproduction`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.disclosure.reproducer.scorers import JudgeScorer
from steelyard.disclosure.reproducer.tally import CONTROL, TREATMENT, protocol_name
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel.errors import UsageError
from steelyard.pipeline.reproduction import (
    BLOCK_VARIANTS,
    RunFacts,
    read_run,
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
    from steelyard.pipeline.reproducer_judge import AskedJudge
    from steelyard.pipeline.reproducer_run import ShowRun
    from steelyard.pipeline.reproducer_task import PlannedShow
    from steelyard.pipeline.reproduction import Reproduction
    from steelyard.redteam.engine.journal import Journal
    from steelyard.redteam.engine.models import CallSettings
    from steelyard.stats import JudgeErrors


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
    """

    reproducer: Reproducer
    variants: tuple[Variant, ...]
    model: str
    judge_model: str | None
    seed: str
    calls: CallSettings
    whole: bool = False


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
    judge, errors = _judge(request, facts.seed)
    facts = replace(facts, judge_model=judge.subject.name if judge else "", judge=errors)
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
    end = block = len(ordered) if one_look else BLOCK_VARIANTS
    while True:
        done = ordered[:end]
        run.play(planned_shows(request.reproducer, done))
        facts = replace(facts, variants=tuple(variant.name for variant in done))
        write_run(folder, request.reproducer, facts)
        made = summarise(request.reproducer, facts, _finished(run, facts))
        if made.finding.verdict is not Verdict.UNDETERMINED or end >= len(ordered):
            return made
        end += block


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
        judge = request.judge_model or ""
        return RunFacts(request.model, request.seed, judge, None, ())
    hint = "choose another --out"
    if not resume:
        message = "holds a run already"
        raise UsageError(message, where=str(folder), hint=f"{hint}, or go on with --resume")
    reproducer, facts = read_run(folder)
    if reproducer.digest != request.reproducer.digest or facts.model != request.model:
        raise UsageError("holds a run of something else", where=str(folder), hint=hint)
    return facts


def _judge(request: ReproduceRequest, seed: str) -> tuple[AskedJudge | None, JudgeErrors | None]:
    """The judge and its errors as they are here, where the document has one."""
    scorer = request.reproducer.scorer
    if not isinstance(scorer, JudgeScorer):
        if request.judge_model is not None:
            raise UsageError("the reproducer has no judge", where="--judge")
        return None, None
    from steelyard.pipeline.reproducer_judge import calibrate, make_judge
    from steelyard.redteam.engine.models import resolve_model

    subject = resolve_model(request.judge_model or scorer.model, request.calls)
    judge = make_judge(scorer, subject, seed)
    return judge, calibrate(judge, scorer.calibration)


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
