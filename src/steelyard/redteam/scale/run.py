"""A run in shards from end to end: settle the manifest, have it played, merge.

The manifest of an earlier start is kept: shards never move once they are planned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steelyard.kernel import canonical_json, write_atomically
from steelyard.kernel.errors import UsageError
from steelyard.kernel.files import RESUME_HINT
from steelyard.redteam.engine import Journal, planned_samples
from steelyard.redteam.kit import find_protocol
from steelyard.redteam.scale.executors import EXECUTORS, ShardsPending, open_shards
from steelyard.redteam.scale.manifest import SECRET_FILE, load_manifest, with_calls
from steelyard.redteam.scale.merge import merge_shards
from steelyard.redteam.scale.result import read_results
from steelyard.redteam.scale.worker import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from steelyard.redteam.scale.manifest import Manifest, Secret, Shard

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class ShardedRun:
    """A run to be played in shards.

    Attributes:
        folder: Folder of the manifest and the shards; workers must see it.
        fresh: The plan as this start would cut it.
        recut: Whether the number of shards was asked for; else an earlier cut is kept.
        journal: The run's journal; it receives what the shards showed.
        on_progress: Called with the number of records finished so far.
    """

    folder: Path
    fresh: Manifest
    secret: Secret
    journal: Journal
    on_progress: Callable[[int], None]
    recut: bool = True


def run_in_shards(run: ShardedRun, executor: str) -> None:
    """Have every shard played by the named executor and merge the results.

    Raises:
        ShardsPending: shards that others must play have no result yet.
        UsageError: an earlier start cut this run differently.
        SteelyardError: what stopped a shard; complete samples are kept.
    """
    path = run.folder / MANIFEST
    manifest = _settle(run, path)
    sizes = {i: shard.samples for i, shard in enumerate(manifest.shards)}
    left = set(open_shards(manifest, run.folder))

    def finished(index: int) -> None:
        left.discard(index)
        run.on_progress(sum(size for i, size in sizes.items() if i not in left))

    if left:
        EXECUTORS[executor](path, sorted(left), finished)
    pending = [
        index
        for index, shard in enumerate(manifest.shards)
        if not read_results(shard, run.folder / shard.folder_name)
    ]
    if pending:
        raise ShardsPending(path, pending, len(manifest.shards))
    merge_shards(manifest, run.secret, run.folder, run.journal)
    run.on_progress(len(run.journal.records))


def _settle(run: ShardedRun, path: Path) -> Manifest:
    """The manifest on disk, written at the first start."""
    if not path.exists():
        write_atomically(
            run.folder / SECRET_FILE, run.secret.to_bytes(), mode=0o600, hint=RESUME_HINT
        )
        for shard in run.fresh.shards:
            _hand_over(run, shard)
        manifest = run.fresh
    else:
        manifest = with_calls(load_manifest(path), run.fresh.calls)
        wanted = run.fresh if run.recut else replace(run.fresh, shards=manifest.shards)
        if wanted != manifest:
            message = "an earlier start cut this run into other shards"
            hint = "resume without --shards, or choose another --out"
            raise UsageError(message, where=str(path), hint=hint)
    write_atomically(path, canonical_json(manifest.to_json()) + b"\n", hint=RESUME_HINT)
    return manifest


def _hand_over(run: ShardedRun, shard: Shard) -> None:
    """Give a shard the records that the run has already, so that no answer is paid for twice."""
    known = [r for key, r in run.journal.records.items() if key[0] == shard.protocol]
    if not known:
        return
    settings = run.fresh.task_settings(shard, run.secret)
    samples = planned_samples(find_protocol(shard.protocol), settings)
    keys = {sample.key for sample in samples if shard.includes(sample)}
    journal = Journal(run.folder / shard.folder_name / JOURNAL)
    for record in known:
        key = (record.item, record.arm, record.epoch)
        if key in keys and (record.protocol, *key) not in journal.records:
            journal.append(record)
    journal.close()
