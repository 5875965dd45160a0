"""Verifying a mitigation: sealed variants, visible ones, and benign requests before and after.

out/visible   out/sealed     the mitigated model on both sets, as `reproduce` leaves them
out/before    out/after      benign requests on the model before and after
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from steelyard.disclosure.reproducer.mitigation import compare_refusals, verify_mitigation
from steelyard.disclosure.reproducer.scenario import Scenario
from steelyard.kernel.errors import UsageError
from steelyard.pipeline.reproduce import ReproduceRequest, reproduce

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from steelyard.disclosure.reproducer.document import Benign
    from steelyard.disclosure.reproducer.mitigation import Mitigated
    from steelyard.disclosure.reproducer.scenario import Variant
    from steelyard.evidence import Outcome

BENIGN = "benign"


def verify_fix(
    request: ReproduceRequest,
    before: str,
    sealed: tuple[Variant, ...],
    folder: Path,
    *,
    resume: bool,
    progress: Callable[[int, int], None],
) -> Mitigated:
    """Run all that a verification needs, and judge it.

    Args:
        request: The document on the mitigated model.
        before: The model without the mitigation, asked benign requests only.
        sealed: All sealed variants, opened and checked.
        folder: Where the runs lie.
        resume: Go on with what is there; without it the folder must hold no run.
        progress: Called with samples finished and planned, anew for each part.

    Raises:
        UsageError: the document has no benign requests, or the folder is in use or holds runs
            of something else.
        TargetUnreachable: a model cannot be called, or stopped answering.
    """
    benign = request.reproducer.benign
    if benign is None:
        message = "the reproducer has no benign requests"
        raise UsageError(message, hint="without them a model that refuses everything would pass")
    visible = reproduce(request, folder / "visible", resume=resume, progress=progress)
    # A resumed verification goes on with the seed and the judge that it began with.
    request = replace(request, seed=visible.facts.seed, calibration=visible.facts.calibration)
    held = replace(request, variants=sealed, whole=True)
    kept_back = reproduce(held, folder / "sealed", resume=resume, progress=progress)
    asked = [
        _ask_benign(replace(request, model=model), benign, folder / name, progress)
        for name, model in (("before", before), ("after", request.model))
    ]
    decision = request.reproducer.decision
    refusals = compare_refusals(asked[0], asked[1], decision.beta)
    return verify_mitigation(decision, benign.margin, kept_back.results, visible.results, refusals)


def _ask_benign(
    request: ReproduceRequest, benign: Benign, folder: Path, progress: Callable[[int, int], None]
) -> dict[str, Outcome]:
    """Outcome of each benign request on a model."""
    from steelyard.pipeline.reproducer_run import ShowRun
    from steelyard.pipeline.reproducer_task import PlannedShow, ShowSettings
    from steelyard.redteam.engine.journal import Journal
    from steelyard.redteam.engine.models import resolve_model

    planned = [
        PlannedShow(BENIGN, name, 1, Scenario(benign.system, (text,), ()), None)
        for name, text in benign.requests
    ]
    name = f"benign/{request.reproducer.name}"
    settings = ShowSettings(name, request.model, request.seed, None)
    journal = Journal(folder / "records.jsonl")
    if {record.model for record in journal.records.values()} - {request.model}:
        hint = "choose another --out"
        raise UsageError("holds a run of something else", where=str(folder), hint=hint)
    try:
        run = ShowRun(
            request.reproducer, settings, resolve_model(request.model, request.calls), journal,
            folder / "logs", lambda finished: progress(finished, len(planned)),
        )  # fmt: skip
        run.play(planned)
        return {record.item: record.outcome for record in journal.records.values()}
    finally:
        journal.close()
