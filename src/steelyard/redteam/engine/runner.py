"""Running protocols through Inspect, a bounded wave at a time.

Inspect keeps every sample of an evaluation in memory until it ends, so a long
run is cut into waves of a few hundred samples, each with its own log. Records
reach the journal as they arise; an endpoint that stops answering ends the run
with what is there, ready to be resumed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from inspect_ai import eval as inspect_eval  # pyright: ignore[reportUnknownVariableType]

from steelyard.evidence import Outcome, Record
from steelyard.kernel.errors import SteelyardError, StorageError, TargetUnreachable
from steelyard.kernel.files import RESUME_HINT
from steelyard.redteam.engine.arms import planned_samples
from steelyard.redteam.engine.models import probe
from steelyard.redteam.engine.task import protocol_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inspect_ai import Task

    from steelyard.redteam.engine.arms import PlannedSample, TaskSettings
    from steelyard.redteam.engine.journal import Journal
    from steelyard.redteam.engine.models import Subject
    from steelyard.redteam.kit import Protocol

WAVE_SAMPLES = 400
_FAILURES_IN_A_ROW = 25
JUDGE_FAILED = "judge."
"""What the reason of a sample begins with whose judge gave no verdict."""


def _everything(_: PlannedSample) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Run:
    """What to run.

    Attributes:
        log_folder: Where Inspect's logs go.
        on_progress: Called with the number of records finished so far.
        includes: Which planned samples to run; a shard runs some.
    """

    subject: Subject
    protocols: Sequence[tuple[Protocol, TaskSettings]]
    journal: Journal
    log_folder: Path
    on_progress: Callable[[int], None]
    includes: Callable[[PlannedSample], bool] = _everything


def run_protocols(run: Run) -> None:
    """Run everything that the journal does not hold yet.

    Raises:
        TargetUnreachable: the endpoint cannot be called, or stopped answering.
        UnknownName: the endpoint does not know the model.
        StorageError: the disk is full.
    """
    probe_again(run.subject)
    watch = Watch(run.subject, run.journal, run.on_progress)
    for protocol, settings in run.protocols:
        for wave in _waves(run, protocol, settings):
            run_wave(protocol_task(protocol, settings, wave, watch.take), watch, run.log_folder)


def probe_again(subject: Subject) -> None:
    """Probe as often as any other call may be tried: one lost connection is no dead endpoint.

    Raises:
        TargetUnreachable: no try reached it.
        UnknownName: the endpoint does not know the model.
    """
    asyncio.run(_probe_again(subject))


async def _probe_again(subject: Subject) -> None:
    for left in range(subject.model.config.max_retries or 0, -1, -1):
        try:
            await probe(subject)
        except TargetUnreachable:
            if not left:
                raise
        else:
            return


def _waves(run: Run, protocol: Protocol, settings: TaskSettings) -> Iterator[list[PlannedSample]]:
    """What is left of a protocol, a wave at a time; later items are not made before their turn."""
    done = run.journal.done(protocol.id)
    planned = planned_samples(protocol, settings)
    left = (s for s in planned if run.includes(s) and s.key not in done)
    while wave := list(islice(left, WAVE_SAMPLES)):
        yield wave


def run_wave(task: Task, watch: Watch, log_folder: Path) -> None:
    """Run one task whose records go to `watch.take`.

    Raises:
        TargetUnreachable: the endpoint stopped answering.
        StorageError: the disk is full.
    """
    model = watch.subject.model
    try:
        logs = inspect_eval(
            task,
            model=model,
            log_dir=str(log_folder),
            log_format="eval",
            log_realtime=False,
            log_header_only=True,
            display="none",
            log_level="error",
            fail_on_error=True,
            max_samples=model.config.max_connections,
            score_display=False,
            ctl_server=False,  # nobody steers a run from outside, so none listens
        )
    except OSError as error:
        raise _log_refused(error.strerror or str(error), log_folder) from error
    watch.raise_failure()
    if logs[0].status != "success":
        detail = logs[0].error.message if logs[0].error else logs[0].status
        # Endpoint failures never get this far, so an OSError here is the log's file system.
        if "OSError(" in detail:
            raise _log_refused(detail.splitlines()[0][:300], log_folder)
        message = f"the engine stopped: {detail.splitlines()[0][:300]}"
        raise TargetUnreachable(message, hint="complete samples are kept; run again with --resume")


def _log_refused(detail: str, log_folder: Path) -> StorageError:
    message = f"cannot write logs: {detail}"
    hint = RESUME_HINT
    return StorageError(message, where=str(log_folder), hint=hint)


class Watch:
    """Takes records as they arise and notices when a run must stop."""

    def __init__(
        self, subject: Subject, journal: Journal, on_progress: Callable[[int], None]
    ) -> None:
        """Watch a run of a subject.

        Args:
            subject: Whose records come.
            journal: Where they go.
            on_progress: Called with the number of records so far.
        """
        self.subject = subject
        self._journal = journal
        self._on_progress = on_progress
        self._failures = 0
        self._stop: SteelyardError | None = None

    def take(self, record: Record) -> None:
        """Journal a record; raise when the endpoint has stopped answering."""
        if self.subject.kind == "reference":
            # A scripted target's wall time says something of this machine only; without it
            # its records are the same bytes wherever and however they are made.
            record = replace(record, seconds=None)
        self._journal.append(record)
        self._on_progress(len(self._journal.records))
        self._failures = self._failures + 1 if _is_dead(record) else 0
        if self._failures >= _FAILURES_IN_A_ROW:
            message = f"{self._failures} calls in a row failed, last: {record.reason}"
            hint = "complete samples are kept; mend the endpoint, then run again with --resume"
            self._stop = TargetUnreachable(message, hint=hint)
            raise self._stop

    def raise_failure(self) -> None:
        """Raise what stopped the wave, if anything did."""
        failure = self._stop or self._journal.failure
        if failure is not None:
            raise failure


def _is_dead(record: Record) -> bool:
    """Whether a call got no answer at all; a judge that answered without a verdict was reached."""
    if record.outcome is not Outcome.INFRASTRUCTURE_ERROR:
        return False
    cause = record.reason.removeprefix(JUDGE_FAILED)
    if cause != record.reason:
        return cause.startswith(("http_", "endpoint_error"))
    return cause != "timeout"
