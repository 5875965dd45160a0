"""Running samples of a reproducer through Inspect, a bounded wave at a time.

Records reach the journal as they arise; samples that are in it are not run again. When a run
must stop is decided by the engine's own runner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steelyard.pipeline.reproducer_task import reproducer_task
from steelyard.redteam.engine.runner import WAVE_SAMPLES, Watch, probe_again, run_wave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.pipeline.reproducer_task import PlannedShow, ShowSettings
    from steelyard.redteam.engine.journal import Journal
    from steelyard.redteam.engine.models import Subject


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
    _tried: set[str] = field(default_factory=set[str])
    _watch: Watch | None = None

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
        for start in range(0, len(left), WAVE_SAMPLES):
            watch = self._probed()
            wave = left[start : start + WAVE_SAMPLES]
            task = reproducer_task(self.reproducer, self.settings, wave, watch.take)
            run_wave(task, watch, self.logs)

    def _probed(self) -> Watch:
        """What watches the run, once the model has answered."""
        if self._watch is None:
            probe_again(self.subject)
            self._watch = Watch(self.subject, self.journal, self.on_record)
        return self._watch
