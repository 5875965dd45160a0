"""Machines that are not this one: a tree of files, and what commands once gave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from steelyard.weights.posture.collectors import COLLECTORS, Finding, Scope
from steelyard.weights.posture.machine import Machine, Output, Unreadable

from ..posture_scenes import AT, CATALOGUE  # noqa: TID252 - scenes of the folder above


def machine(
    root: Path,
    files: Mapping[str, str | bytes] | None = None,
    commands: Mapping[str, tuple[int, str]] | None = None,
) -> Machine:
    """A machine below `root`; a command is known by its first two words."""
    for name, content in (files or {}).items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def played(command: tuple[str, ...]) -> Output:
        known = commands or {}
        for words, (status, text) in known.items():
            if " ".join(command).startswith(words):
                return Output(status, text)
        message = f"the command {command[0]} is not installed"
        raise Unreadable(message)

    return Machine(root, played)


def look(name: str, where: Machine, scope: Scope | None = None, **parameters: int) -> Finding:
    """What one collector finds, with the catalogue's own numbers unless others are given."""
    own = next(c.parameters for c in CATALOGUE.controls if c.collector == name)
    return COLLECTORS[name].look(where, scope or Scope(at=AT), {**own, **parameters})


def said(finding: Finding) -> tuple[str, str]:
    """Outcome and summary."""
    return finding.outcome, finding.summary
