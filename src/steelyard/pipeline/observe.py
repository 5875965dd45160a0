"""Observing: run what was declared and is not in the journal yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.evidence import Evidence, write_records

if TYPE_CHECKING:
    from steelyard.pipeline.declare import Declared
    from steelyard.pipeline.request import Surroundings


def observe(declared: Declared, imported: Evidence, around: Surroundings) -> Evidence:
    """Run the protocols, join imported evidence, and write the records.

    Raises:
        TargetUnreachable: the endpoint stopped answering; `--resume` goes on.
        StorageError: the disk is full; complete samples are kept.
    """
    evidence = Evidence.concatenate([_run(declared, around), imported]).in_key_order()
    write_records(evidence, declared.folder.records)
    return evidence


def _run(declared: Declared, around: Surroundings) -> Evidence:
    """All records of the plan: those of an earlier start, and the rest run now."""
    from steelyard.redteam.engine import Journal, Run, run_protocols

    if not declared.planned:
        return Evidence.from_records([])
    total = sum(s.items * s.epochs * len(p.arms) for p, s in declared.planned)
    journal = Journal(declared.folder.journal)
    try:
        run_protocols(
            Run(
                subject=declared.subject,
                protocols=declared.planned,
                journal=journal,
                log_folder=declared.folder.logs,
                on_progress=lambda finished: around.progress(finished, total),
            )
        )
    finally:
        journal.close()
    return Evidence.from_records(journal.records.values())
