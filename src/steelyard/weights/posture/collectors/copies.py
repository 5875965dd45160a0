"""Copies of the weights outside the places meant for them.

Looks through folders for files of the size of one of the weights, and for other files that
weights are kept in; what is found is compared by `weights.inventory`: the same bytes, or the
same tensors in another container. Quantized or fine-tuned weights are no copies by that.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from steelyard.weights.inventory import take_inventory
from steelyard.weights.model_folder import entries
from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    many,
    satisfied,
    some,
    unknown,
)
from steelyard.weights.posture.collectors.links import links_among
from steelyard.weights.scan.formats import WEIGHT_ENDINGS, ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

FILE_LIMIT: Final = 500_000
"""A search through more files than this is given up, and said to be."""
_WEIGHTS_BYTES: Final = 1 << 20
"""Files below 1 MiB are configurations that many models share."""


class _TooManyError(Exception):
    """More files than the limit lie below the roots."""


def copies(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Files below the roots that hold the weights, or a part of them, once more."""
    own = _own(machine, scope)
    if why := _nothing_to_do(scope, own):
        return unknown(why)
    sizes = {path.lstat().st_size for path in own}
    try:
        listed = list(_walk(machine, scope))
    except _TooManyError:
        return unknown(f"more than {FILE_LIMIT} files lie below the folders named")
    candidates = [path for path, size in listed if size in sizes or _kept_in(path, size)]
    found = take_inventory([*own, *candidates])
    mine = {str(path) for path in own}
    groups = [*found.same_bytes(), *found.same_tensors()]
    again = sorted({p for group in groups if mine & set(group) for p in group} - mine)
    refused = [str(path) for path, size in listed if size < 0]
    refused += [problem.path for problem in found.problems]
    facts: JsonObject = {
        "roots": [str(root) for root in scope.roots],
        "files": len(listed),
        "compared": len(candidates),
        "refused": some(refused),
        "copies": some(again),
    }
    if again:
        return failing(f"{many(len(again), 'file')} with weights of this model elsewhere", facts)
    unseen = f"not everything could be read: {len(refused)} refused" if refused else ""
    if why := unseen or links_among(machine, scope):
        return unknown(why, facts)
    told = f"no copy among {many(len(listed), 'file')}, {len(candidates)} of them compared"
    return satisfied(told, facts)


def _nothing_to_do(scope: Scope, own: list[Path]) -> str:
    """Why there is nothing to compare; empty where there is."""
    if not scope.places:
        return "no weights were named"
    if not scope.roots:
        return "no folders were named to look for copies in"
    return "" if own else "no file of the weights is here to compare with"


def _kept_in(path: Path, size: int) -> bool:
    return size >= _WEIGHTS_BYTES and ending(path.name) in WEIGHT_ENDINGS


def _own(machine: Machine, scope: Scope) -> list[Path]:
    """Files of the weights; the small ones only where there are no others."""
    files = [
        entry
        for place in scope.places
        for entry in entries(machine.resolved(place))
        if entry.kind == "file" and entry.size_bytes
    ]
    large = [entry for entry in files if entry.size_bytes >= _WEIGHTS_BYTES]
    return [entry.path for entry in large or files]


def _walk(machine: Machine, scope: Scope) -> Iterator[tuple[Path, int]]:
    """Regular files with their size, each once; size -1 for what cannot be read."""
    own = {machine.resolved(place) for place in scope.places}
    refused: list[OSError] = []
    visited: set[Path] = set()
    count = 0
    for root in scope.roots:
        start = machine.resolved(root)
        for folder, below, names in os.walk(start, onerror=refused.append):
            here = Path(folder)
            if here in visited or here in own:
                below.clear()
                continue
            visited.add(here)
            count += len(names)
            if count > FILE_LIMIT:
                raise _TooManyError
            yield from ((here / name, _size(here / name)) for name in names)
        yield from ((Path(str(error.filename)), -1) for error in refused)
        refused.clear()


def _size(path: Path) -> int:
    """Size of a regular file; 0 for what is none, as no weights are empty."""
    try:
        status = path.lstat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


COLLECTORS: Final = (Collector("copies", "TEST", copies),)
