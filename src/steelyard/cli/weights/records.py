"""Where the commands of `steelyard weights` keep what was done, and what was opened so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.places import state_file

Log = Annotated[Path | None, typer.Option(help="Access log; your own by default.")]


def access_log_place(log: Path | None) -> Path:
    """The access log that was named, or the user's own."""
    return log or state_file("weights-access.jsonl")


def release_marks_place() -> Path:
    """The user's file of the highest releases opened so far."""
    return state_file("weights-releases.json")
