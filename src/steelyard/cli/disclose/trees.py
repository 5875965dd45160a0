"""Writing what an export made: many files below one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.cli.output import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from steelyard.disclosure.advisory import ExportedFile


def write_tree(out: Path, files: Iterable[ExportedFile]) -> None:
    """Write files below a folder, and say where each is."""
    from steelyard.kernel import write_atomically

    for file in files:
        write_atomically(out / file.path, file.data)
        write(str(out / file.path))
