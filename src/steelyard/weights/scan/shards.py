"""Models in several files: the index against the shards, and the tensors in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.configs import CONFIG_LIMIT_BYTES, as_object, parse_config
from steelyard.weights.scan.finding import Finding
from steelyard.weights.scan.model import opened
from steelyard.weights.scan.readers.names import name_fault
from steelyard.weights.scan.readers.safetensors_file import read_header
from steelyard.weights.scan.references import INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.model import Model

_SHARD: Final = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})\.(safetensors|bin|gguf)")


def shard_findings(model: Model) -> Iterator[Finding]:
    """Findings about every index, and about every series of numbered files."""
    named: set[str] = set()
    for name in sorted(model.files):
        if name.endswith(INDEX):
            shards = _index_of(model, name)
            named |= shards.keys()
            yield from _index_findings(model, name, shards)
    yield from _series_findings(model, named)


def _index_of(model: Model, name: str) -> dict[str, set[str]]:
    """Tensors of each shard that an index names; the scan of the file reports a broken one."""
    try:
        config = as_object(parse_config(model.read(name, CONFIG_LIMIT_BYTES)))
    except MalformedEvidence:
        return {}
    folder = name.rpartition("/")[0]
    shards: dict[str, set[str]] = {}
    for tensor, shard in as_object(config.get("weight_map")).items():
        place = f"{folder}/{shard}" if folder else str(shard)
        shards.setdefault(place, set()).add(tensor)
    return shards


def _index_findings(model: Model, index: str, shards: dict[str, set[str]]) -> Iterator[Finding]:
    for shard, tensors in sorted(shards.items()):
        if name_fault(shard):
            text = f"the shard {shard[:120]!r} {name_fault(shard)}"
            yield Finding("config-path", index, "", None, text)
        elif not model.has(shard):
            yield Finding("shard-missing", index, "", None, f"{shard[:120]!r} is not there")
        elif shard.endswith(".safetensors"):
            yield from _tensor_findings(model, index, shard, tensors)


def _tensor_findings(model: Model, index: str, shard: str, tensors: set[str]) -> Iterator[Finding]:
    try:
        with opened(model.files[shard].path) as source:
            header = read_header(source)
    except MalformedEvidence:
        return
    if header is None:
        return
    there = {tensor.name for tensor in header.tensors}
    if different := sorted(tensors ^ there):
        which = "is not in" if different[0] in tensors else "is not listed for"
        text = f"{different[0][:80]!r} {which} {shard[:80]!r}"
        more = f", and {len(different) - 1} more" if len(different) > 1 else ""
        yield Finding("shard-mismatch", index, "", None, text + more)


def _series_findings(model: Model, named: set[str]) -> Iterator[Finding]:
    series: dict[tuple[str, int, str], set[int]] = {}
    for name in sorted(model.files):
        if shard := _SHARD.fullmatch(name):
            key = shard[1], int(shard[3]), shard[4]
            series.setdefault(key, set()).add(int(shard[2]))
            indexed = f"{shard[1]}.{shard[4]}{INDEX}"
            if name not in named and model.has(indexed):
                text = f"{indexed[:120]!r} does not name it"
                yield Finding("shard-extra", name, "", None, text)
    for (stem, count, kind), numbers in series.items():
        missing = next((n for n in range(1, count + 1) if n not in numbers), None)
        if missing is not None:
            name = f"{stem}-{missing:05}-of-{count:05}.{kind}"
            present = f"{stem}-{min(numbers):05}-of-{count:05}.{kind}"
            yield Finding("shard-missing", present, "", None, f"{name[:120]!r} is not there")
