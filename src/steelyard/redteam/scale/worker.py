"""Playing one shard, on whatever machine was handed the manifest.

Idempotent: a finished shard is left alone, one cut short goes on from its own
journal, and samples that failed for technical reasons run again. A lock on the
shard's folder keeps two workers from paying for the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel.errors import SteelyardError, StorageError, UsageError
from steelyard.kernel.locks import locked
from steelyard.redteam.engine import Journal, Run, resolve_model, run_protocols
from steelyard.redteam.kit import find_protocol
from steelyard.redteam.scale.manifest import load_manifest, load_secret
from steelyard.redteam.scale.result import ShardResult, join_results, read_results, write_result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from steelyard.redteam.scale.manifest import Manifest, Shard

JOURNAL = "journal.jsonl"
LOCK_WAIT_SECONDS = 30.0


def run_shard(
    path: Path, index: int, on_progress: Callable[[int], None] = lambda _: None
) -> ShardResult:
    """Play shard `index` (from 0) of the manifest at `path`, or what is left of it.

    Raises:
        UsageError: no such shard, or planned for other versions than this machine has.
        TargetUnreachable: the endpoint cannot be called; complete samples are kept.
        StorageError: the disk is full, or another worker plays the shard.
    """
    manifest = load_manifest(path)
    shard = manifest.shard(index)
    folder = path.parent / shard.folder_name
    busy = StorageError(
        "another worker plays this shard",
        where=str(folder),
        hint="wait for it, or end it, then run the shard again",
    )
    with locked(folder, busy=busy, wait_s=LOCK_WAIT_SECONDS):
        results = read_results(shard, folder)
        join_results(results)
        for result in results:
            if not result.failures:
                return result
        _play(manifest, shard, path.parent, on_progress)
        journal = Journal(folder / JOURNAL)
        journal.close()
        return write_result(shard, journal.records.values(), folder)


def attempt_shard(path: Path, index: int) -> SteelyardError | None:
    """Play a shard for an executor: a failure is a value, as it crosses processes."""
    try:
        run_shard(path, index)
    except SteelyardError as error:
        return error
    return None


def _play(manifest: Manifest, shard: Shard, root: Path, on_progress: Callable[[int], None]) -> None:
    settings = manifest.task_settings(shard, load_secret(manifest, root))
    protocol = find_protocol(shard.protocol)
    if protocol.version != shard.protocol_version:
        message = f"{shard.protocol} is {protocol.version} here, planned {shard.protocol_version}"
        raise UsageError(message, hint="install the same versions everywhere")
    folder = root / shard.folder_name
    journal = Journal(folder / JOURNAL)
    try:
        run_protocols(
            Run(
                subject=resolve_model(manifest.model, manifest.calls),
                protocols=[(protocol, settings)],
                journal=journal,
                log_folder=folder / "logs",
                on_progress=on_progress,
                includes=shard.includes,
            )
        )
    finally:
        journal.close()
