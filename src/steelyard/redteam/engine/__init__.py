"""The Inspect adapter: protocols as tasks, reference targets as a provider.

The only room that imports Inspect. `task` makes tasks, `provider` registers
reference targets, `models` resolves the model under test, `runner` runs waves
and `journal` keeps each record as it arises.
"""

from steelyard.redteam.engine.journal import Journal
from steelyard.redteam.engine.models import CallSettings, Subject, resolve_model
from steelyard.redteam.engine.runner import Run, run_protocols
from steelyard.redteam.engine.task import TaskSettings, planned_samples, protocol_task

__all__ = [
    "CallSettings",
    "Journal",
    "Run",
    "Subject",
    "TaskSettings",
    "planned_samples",
    "protocol_task",
    "resolve_model",
    "run_protocols",
]
