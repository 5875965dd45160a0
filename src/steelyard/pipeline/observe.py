"""Observing: run what was declared and is not in the journal yet, here or in shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.evidence import Evidence, write_records
from steelyard.kernel import digest_file
from steelyard.pipeline.drawing import run_sequential

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.pipeline.declare import Declared
    from steelyard.pipeline.request import Surroundings
    from steelyard.redteam.engine import Journal


def observe(declared: Declared, imported: Evidence, around: Surroundings) -> Evidence:
    """Run the protocols, join imported evidence, and write the records.

    Raises:
        TargetUnreachable: the endpoint stopped answering; `--resume` goes on.
        StorageError: the disk is full; complete samples are kept.
        CannotVerify: shards that others play have no result yet.
    """
    evidence = Evidence.concatenate([_run(declared, around), imported]).in_key_order()
    write_records(evidence, declared.folder.records)
    return evidence


def _run(declared: Declared, around: Surroundings) -> Evidence:
    """All records of the plan: those of an earlier start, and the rest run now."""
    from steelyard.redteam.engine import Journal

    if not declared.planned:
        return Evidence.from_records([])
    journal = Journal(declared.folder.journal)
    try:
        if declared.intent.sequential:
            run_sequential(declared, journal, around)
        elif _in_one_piece(declared, around):
            _run_here(declared, journal, around)
        else:
            _run_in_shards(declared, journal, around)
    finally:
        journal.close()
    return Evidence.from_records(journal.records.values())


def _run_here(declared: Declared, journal: Journal, around: Surroundings) -> None:
    from steelyard.redteam.engine import Run, run_protocols

    total = _planned_samples(declared)
    run_protocols(
        Run(
            subject=declared.subject,
            protocols=declared.planned,
            journal=journal,
            log_folder=declared.folder.logs,
            on_progress=lambda finished: around.progress(finished, total),
        )
    )


def _run_in_shards(declared: Declared, journal: Journal, around: Surroundings) -> None:
    from steelyard.redteam.engine import CallSettings
    from steelyard.redteam.scale import Secret, ShardedRun, plan_shards, run_in_shards

    total = _planned_samples(declared)
    secret = Secret(declared.request.seed, declared.request.salt)
    calls = CallSettings(around.call_timeout_seconds, around.call_retries, around.connections)
    manifest = plan_shards(
        declared.planned,
        around.shards or 1,
        secret,
        intent=digest_file(declared.folder.statement("run-intent")),
        calls=calls,
    )
    run_in_shards(
        ShardedRun(
            folder=_shard_folder(declared),
            fresh=manifest,
            secret=secret,
            journal=journal,
            on_progress=lambda finished: around.progress(finished, total),
            recut=around.shards is not None,
        ),
        around.executor,
    )


def _in_one_piece(declared: Declared, around: Surroundings) -> bool:
    """Whether this process runs everything: nothing else was asked for, now or before."""
    cut_before = _shard_folder(declared).exists()
    return around.executor == "local" and (around.shards or 1) == 1 and not cut_before


def _shard_folder(declared: Declared) -> Path:
    return declared.folder.path / "shards"


def _planned_samples(declared: Declared) -> int:
    from steelyard.redteam.engine import record_count

    return sum(record_count(protocol, settings) for protocol, settings in declared.planned)
