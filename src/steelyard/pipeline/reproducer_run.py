"""Running samples of a reproducer through Inspect, a bounded wave at a time.

Records reach the journal as they arise; samples that are in it are not run again. An endpoint
that stops answering ends the run with what is there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from inspect_ai import eval as inspect_eval  # pyright: ignore[reportUnknownVariableType]

from steelyard.evidence import Outcome, Record
from steelyard.kernel.errors import StorageError, TargetUnreachable
from steelyard.pipeline.reproducer_task import reproducer_task
from steelyard.redteam.engine.models import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.pipeline.reproducer_task import PlannedShow, ShowSettings
    from steelyard.redteam.engine.journal import Journal
    from steelyard.redteam.engine.models import Subject

_WAVE_SAMPLES = 400
_FAILURES_IN_A_ROW = 25


@dataclass(slots=True)
class ShowRun:
    """A run in progress.

    Attributes:
        reproducer: What is run.
        settings: How.
        subject: The model under test.
        journal: Where records go.
        logs: Where the engine's logs go.
        on_record: Called with the number of records so far.
    """

    reproducer: Reproducer
    settings: ShowSettings
    subject: Subject
    journal: Journal
    logs: Path
    on_record: Callable[[int], None]
    _probed: bool = False
    _tried: set[str] = field(default_factory=set[str])
    _failures: int = 0
    _stop: TargetUnreachable | None = field(default=None)

    def play(self, planned: Sequence[PlannedShow]) -> None:
        """Run what the journal does not hold yet.

        Raises:
            TargetUnreachable: the model cannot be called, or stopped answering.
            UnknownName: the endpoint does not know the model.
            StorageError: the disk refused; complete samples are kept.
        """
        done = self.journal.done(self.settings.protocol)
        left = [
            show
            for show in planned
            if show.name not in self._tried and (show.item, show.arm, show.epoch) not in done
        ]
        # A look at further variants does not try what has just failed again; a resumed run does.
        self._tried.update(show.name for show in left)
        if left and not self._probed:
            asyncio.run(probe(self.subject))
            self._probed = True
        for start in range(0, len(left), _WAVE_SAMPLES):
            self._play_wave(left[start : start + _WAVE_SAMPLES])

    def _play_wave(self, wave: Sequence[PlannedShow]) -> None:
        task = reproducer_task(self.reproducer, self.settings, wave, self._take)
        try:
            logs = inspect_eval(
                task,
                model=self.subject.model,
                log_dir=str(self.logs),
                log_format="eval",
                log_realtime=False,
                log_header_only=True,
                display="none",
                log_level="error",
                fail_on_error=True,
                max_samples=self.subject.model.config.max_connections,
                score_display=False,
            )
        except OSError as error:
            message = f"cannot write logs: {error.strerror or error}"
            raise StorageError(message, where=str(self.logs)) from error
        failure = self._stop or self.journal.failure
        if failure is not None:
            raise failure
        if logs[0].status != "success":
            detail = logs[0].error.message if logs[0].error else logs[0].status
            message = f"the engine stopped: {detail.splitlines()[0][:300]}"
            raise TargetUnreachable(message, hint="complete samples are kept; use --resume")

    def _take(self, record: Record) -> None:
        if self.subject.kind == "reference":
            # A scripted target's wall time says something of this machine only.
            record = replace(record, seconds=None)
        self.journal.append(record)
        self.on_record(len(self.journal.records))
        dead = record.outcome is Outcome.INFRASTRUCTURE_ERROR and record.reason != "timeout"
        self._failures = self._failures + 1 if dead else 0
        if self._failures >= _FAILURES_IN_A_ROW:
            message = f"{self._failures} calls in a row failed, last: {record.reason}"
            hint = "complete samples are kept; mend the endpoint, then use --resume"
            self._stop = TargetUnreachable(message, hint=hint)
            raise self._stop
