"""The collectors by name, and running those that a catalogue asks for.

Decides nothing about levels. Every control with a collector gets exactly one observation; a
collector that cannot look gives `unknown` with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import CannotVerify
from steelyard.weights.posture.collectors import (
    access,
    confinement,
    content,
    copies,
    custody,
    hardening,
    keys,
    network,
    repository,
    storage,
)
from steelyard.weights.posture.collectors.finding import Collector, Finding, Scope, unknown
from steelyard.weights.posture.levels import MODEL, SubjectName
from steelyard.weights.posture.machine import Unreadable
from steelyard.weights.posture.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steelyard.weights.posture.catalogue import Catalogue, Control
    from steelyard.weights.posture.machine import Machine

_FAMILIES: Final = (
    access, confinement, content, copies, custody, hardening, keys, network, repository, storage,
)  # fmt: skip
COLLECTORS: Final[Mapping[str, Collector]] = {
    collector.name: collector for family in _FAMILIES for collector in family.COLLECTORS
}


def subjects(scope: Scope, host: str) -> tuple[SubjectName, ...]:
    """What a collection looks at: the host, the model where it lies in the clear, a checkout."""
    found = [SubjectName("host", f"host:{host}")]
    if scope.model is not None:
        found.append(MODEL)
    if scope.repository is not None:
        found.append(SubjectName("repository", f"repository:{scope.repository.name}"))
    return tuple(found)


def collect(
    machine: Machine,
    scope: Scope,
    host: str,
    catalogue: Catalogue,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[Observation, ...]:
    """Look at everything that the catalogue's controls ask for and the scope names."""
    names = {subject.kind: subject.id for subject in subjects(scope, host)}
    wanted = [c for c in catalogue.controls if c.collector and c.about in names]
    found: list[Observation] = []
    for number, control in enumerate(wanted):
        progress(number, len(wanted))
        collector = COLLECTORS[control.collector]
        finding = _look(collector, machine, scope, control)
        found.append(
            Observation(
                control=control.id,
                collector=collector.name,
                subject=names[control.about],
                method=collector.method,
                outcome=finding.outcome,
                summary=finding.summary,
                facts=finding.facts,
            )
        )
    return tuple(found)


def _look(collector: Collector, machine: Machine, scope: Scope, control: Control) -> Finding:
    try:
        return collector.look(machine, scope, control.parameters)
    except Unreadable as error:
        return unknown(f"could not look: {error.message}")
    except CannotVerify as error:
        # A name that is not portable, a folder too deep or too large: nothing is known then.
        return unknown("could not look through the files", {"why": str(error)})


__all__ = ["COLLECTORS", "Collector", "Finding", "Scope", "collect", "subjects"]
