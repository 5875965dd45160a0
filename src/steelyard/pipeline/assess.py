"""Assess a model: the main job in five steps. Start reading here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.pipeline.declare import declare
from steelyard.pipeline.issue import issue
from steelyard.pipeline.observe import observe
from steelyard.pipeline.regress import regress
from steelyard.standard import load_release

if TYPE_CHECKING:
    from steelyard.disclosure.reproducer.regression import Shown
    from steelyard.evidence import Evidence
    from steelyard.pipeline.folder import RunFolder
    from steelyard.pipeline.request import Request, Surroundings
    from steelyard.risk import Classification


@dataclass(frozen=True, slots=True)
class Assessed:
    """What an assessment leaves behind."""

    classification: Classification
    folder: RunFolder
    regressions: tuple[Shown, ...]


def assess(request: Request, imported: Evidence, around: Surroundings) -> Assessed:
    """Assess a model and issue its passport.

    Args:
        request: What to do.
        imported: Evidence from files, already about this model; may be empty.
        around: Folder, key, clock and the user's screen.

    Raises:
        SteelyardError: nothing complete is lost; `--resume` goes on.
    """
    release = load_release(request.release)
    declared = declare(request, release, imported, around)
    evidence = observe(declared, imported, around)
    regressions = regress(declared, around)
    classification = issue(declared, evidence, regressions, around)
    return Assessed(classification, declared.folder, regressions)
