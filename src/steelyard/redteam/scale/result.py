"""What a shard showed: one immutable file, named by the digest of its records.

The first line is a header, the rest are canonical records in key order. A shard
may come to have several such files, from workers that knew nothing of each other
or because failed samples were run again; `merge` decides what they add up to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from steelyard.evidence import Outcome, Record
from steelyard.evidence.compare import comparison_digest, differing_fields
from steelyard.kernel import (
    canonical_json,
    parse_json_object,
    read_bytes,
    sha256_hex,
    write_atomically,
)
from steelyard.kernel.errors import BrokenSeal, DuplicateRecord
from steelyard.kernel.files import RESUME_HINT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from steelyard.kernel import JsonObject
    from steelyard.redteam.scale.manifest import Shard

SCHEMA = "steelyard/shard-result/1"
_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The records of one shard, in key order.

    Attributes:
        path: The file they lie in.
    """

    shard: str
    records: tuple[Record, ...]
    path: Path

    @property
    def failures(self) -> int:
        """Samples that ended in a technical failure and may be run again."""
        return sum(r.outcome is Outcome.INFRASTRUCTURE_ERROR for r in self.records)


def write_result(shard: Shard, records: Iterable[Record], folder: Path) -> ShardResult:
    """Write the result of a shard; equal records give the same file.

    Raises:
        StorageError: the disk refused the write.
    """
    ordered = tuple(sorted(records, key=lambda record: record.key))
    body = _lines(ordered)
    digest = sha256_hex(body)
    header: JsonObject = {
        "schema": SCHEMA,
        "shard": shard.id,
        "count": len(ordered),
        "records": digest,
        "comparison": comparison_digest(ordered),
    }
    path = folder / f"result-{digest[:_NAME_DIGITS]}.jsonl"
    write_atomically(path, canonical_json(header) + b"\n" + body, hint=RESUME_HINT)
    return ShardResult(shard.id, ordered, path)


def read_results(shard: Shard, folder: Path) -> list[ShardResult]:
    """All results of a shard, by name.

    Raises:
        BrokenSeal: a file is not what its header says, or belongs to another shard.
        MalformedEvidence: a line is no record.
    """
    return [_read(shard, path) for path in sorted(folder.glob("result-*.jsonl"))]


def join_results(results: Sequence[ShardResult]) -> Mapping[tuple[object, ...], Record]:
    """The records that several results of one shard add up to, by key.

    A sample that one result observed and another failed to reach was run again.

    Raises:
        DuplicateRecord: two results observed one sample differently.
    """
    joined: dict[tuple[object, ...], Record] = {}
    for result in results:
        for record in result.records:
            joined[record.key] = prefer(joined.get(record.key), record, where=str(result.path))
    return joined


def prefer(known: Record | None, new: Record, *, where: str) -> Record:
    """The record to keep of two of one sample; technical failures give way.

    Raises:
        DuplicateRecord: both were observed, differently.
    """
    if known is None or known.outcome is Outcome.INFRASTRUCTURE_ERROR:
        return new
    if new.outcome is Outcome.INFRASTRUCTURE_ERROR:
        return known
    if fields := differing_fields(known, new):
        sample = f"{new.protocol} {new.item} {new.arm} {new.epoch}"
        message = f"two results of one shard differ on {sample} in: {', '.join(fields)}"
        hint = "it was played twice; keep the result that you trust and remove the other file"
        raise DuplicateRecord(message, where=where, hint=hint)
    return known


def _read(shard: Shard, path: Path) -> ShardResult:
    where = str(path)
    first, _, body = read_bytes(path).partition(b"\n")
    header = parse_json_object(first, where=f"{where}:1")
    if header.get("schema") != SCHEMA or header.get("shard") != shard.id:
        raise BrokenSeal("is no result of this shard", where=where)
    if header.get("records") != sha256_hex(body):
        message = "records are not those that the header names"
        raise BrokenSeal(message, where=where, hint="remove the file and run the shard again")
    lines = enumerate(body.splitlines(), start=2)
    records = tuple(
        Record.from_json(parse_json_object(line, where=f"{where}:{n}"), where=f"{where}:{n}")
        for n, line in lines
    )
    return ShardResult(cast("str", header["shard"]), records, path)


def _lines(records: Iterable[Record]) -> bytes:
    return b"".join(canonical_json(record.to_json()) + b"\n" for record in records)
