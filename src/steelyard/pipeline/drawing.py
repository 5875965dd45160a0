"""Driving a sequential run: draw items, play them, take their answers, wave by wave.

Ends when every level is decided or the budget is spent. A resumed run repeats its draws from
the journal and goes on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.evidence import Evidence
from steelyard.kernel.errors import UsageError
from steelyard.risk.sequential import SequentialRun, item_answers

if TYPE_CHECKING:
    from steelyard.pipeline.declare import Declared
    from steelyard.pipeline.request import Surroundings
    from steelyard.redteam.engine import Journal, PlannedSample, TaskSettings
    from steelyard.redteam.kit import Protocol
    from steelyard.risk.sequential import ItemAnswer
    from steelyard.standard import Indicator


def run_sequential(declared: Declared, journal: Journal, around: Surroundings) -> None:
    """Draw, play and answer, protocol by protocol.

    Raises:
        UsageError: shards were asked for, whose items would have to be known beforehand.
        TargetUnreachable: the endpoint stopped answering; `--resume` goes on.
    """
    if around.executor != "local" or (around.shards or 1) > 1:
        message = "a sequential run cannot be cut into shards: its items depend on answers"
        raise UsageError(message, hint="leave out --executor and --shards, or --mode")
    plans = {plan.protocol: plan for plan in declared.intent.sequential}
    for protocol, settings in declared.planned:
        plan = plans[protocol.id]
        indicator = declared.release.framework.indicators[protocol.indicator]
        run = SequentialRun(plan)
        while items := run.next_items():
            answers = _answers(journal, protocol, indicator, settings.epochs)
            if not answers.keys() >= set(items):
                _play(declared, journal, around, (protocol, settings), frozenset(items))
                answers = _answers(journal, protocol, indicator, settings.epochs)
            for item in items:
                run.record(answers.get(item))


def _answers(
    journal: Journal, protocol: Protocol, indicator: Indicator, repeats: int
) -> dict[str, ItemAnswer]:
    own = [r for r in journal.records.values() if r.protocol == protocol.id]
    return item_answers(indicator, Evidence.from_records(own), repeats) if own else {}


def _play(
    declared: Declared,
    journal: Journal,
    around: Surroundings,
    one: tuple[Protocol, TaskSettings],
    items: frozenset[str],
) -> None:
    from steelyard.redteam.engine import Run, record_count, run_protocols

    def drawn(sample: PlannedSample) -> bool:
        return sample.item.pseudonym in items

    budgets = {plan.protocol: plan.budget for plan in declared.intent.sequential}
    most = sum(
        record_count(protocol, replace(settings, items=budgets[protocol.id]))
        for protocol, settings in declared.planned
    )
    run_protocols(
        Run(
            subject=declared.subject,
            protocols=[one],
            journal=journal,
            log_folder=declared.folder.logs,
            on_progress=lambda finished: around.progress(finished, most),
            includes=drawn,
        )
    )
