"""Counting attempts: how often this evaluator has set out to assess a subject.

The number goes into the signed intent, before the run, so that a good result
after many tries says so. The count is kept by the evaluator; until intents are
logged in public it binds only those who keep it honestly, and the specification
says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel import canonical_json, format_instant, parse_json_object
from steelyard.kernel.files import storage_errors

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def next_attempt(ledger: Path, subject: str, scope: tuple[str, ...], now: datetime) -> int:
    """Number of this attempt against a subject, from 1, and note it down.

    Args:
        ledger: Append-only file of earlier attempts; made when absent.
        subject: Name of the model.
        scope: Domains of the run; an attempt counts where any domain is shared.
        now: The current instant.

    Raises:
        StorageError: the ledger cannot be written.
        MalformedEvidence: a line of it is no JSON object.
    """
    with storage_errors(ledger):
        ledger.parent.mkdir(parents=True, exist_ok=True)
        text = ledger.read_text("utf-8") if ledger.exists() else ""
    earlier = [parse_json_object(line, where=str(ledger)) for line in text.splitlines()]
    count = sum(
        entry.get("subject") == subject and bool(set(scope) & set(entry.get("scope") or []))  # type: ignore[arg-type]
        for entry in earlier
    )
    line = canonical_json(
        {"subject": subject, "scope": list(scope), "created": format_instant(now)}
    )
    with storage_errors(ledger), ledger.open("ab") as stream:
        stream.write(line + b"\n")
    return count + 1
