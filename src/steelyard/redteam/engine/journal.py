"""The journal of a run: each record on disk before the next sample ends.

One canonical JSON line per record. A line cut short by a kill is dropped on
reading; the sample it belonged to runs again. Samples that ended in a technical
failure run again too, so that a resumed run equals an undisturbed one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from steelyard.evidence import Outcome, Record
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import StorageError
from steelyard.kernel.files import RESUME_HINT, storage_errors

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Append-only file of records."""

    def __init__(self, path: Path) -> None:
        """Open a journal, keeping its complete records.

        Raises:
            MalformedEvidence: a line before the last is no record.
            StorageError: the file cannot be opened.
        """
        self._path = path
        self.records: dict[tuple[str, str, str, int], Record] = {}
        self.failure: StorageError | None = None
        kept = self._read() if path.exists() else b""
        self._add(kept)
        with storage_errors(path, hint=RESUME_HINT):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("ab")
            self._stream.truncate(len(kept))

    def append(self, record: Record) -> None:
        """Write a record through to the operating system.

        Raises:
            StorageError: the disk is full; the failure is also remembered.
        """
        try:
            with storage_errors(self._path, hint=RESUME_HINT):
                self._stream.write(canonical_json(record.to_json()) + b"\n")
                self._stream.flush()
        except StorageError as error:
            self.failure = error
            raise
        self._remember(record)

    def done(self, protocol: str) -> frozenset[tuple[str, str, int]]:
        """Samples of a protocol that need no further run."""
        return frozenset(
            key[1:]
            for key, record in self.records.items()
            if key[0] == protocol and record.outcome is not Outcome.INFRASTRUCTURE_ERROR
        )

    def close(self) -> None:
        """Flush to the device and close."""
        with storage_errors(self._path, hint=RESUME_HINT):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

    def _read(self) -> bytes:
        data = self._path.read_bytes()
        return data[: data.rfind(b"\n") + 1]

    def _add(self, data: bytes) -> None:
        for number, line in enumerate(data.splitlines(), start=1):
            where = f"{self._path.name}:{number}"
            value = parse_json_object(line, where=where)
            self._remember(Record.from_json(value, where=where))

    def _remember(self, record: Record) -> None:
        self.records[(record.protocol, record.item, record.arm, record.epoch)] = record
