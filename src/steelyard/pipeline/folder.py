"""Where the files of a run lie, and which of them must stay private.

out/
evidence/records.parquet   the records (journal.jsonl while running)
classification.json        the claim in plain JSON
passport.zip               the signed, recomputable bundle
report.html                the same for people
statements/                signed statements, the intent first of all
logs/                      the engine's logs with full transcripts
regressions/               a run for each published flaw that was tested for
private/run.json           the request with its seed: keep it, never publish it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.kernel import (
    canonical_json,
    format_instant,
    parse_json_object,
    read_bytes,
    write_atomically,
)
from steelyard.kernel.errors import UsageError
from steelyard.kernel.files import RESUME_HINT, storage_errors
from steelyard.pipeline.request import Request

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def records(self) -> Path:
        """The records as Parquet."""
        return self.path / "evidence" / "records.parquet"

    @property
    def journal(self) -> Path:
        """The records as they arise."""
        return self.path / "evidence" / "journal.jsonl"

    @property
    def classification(self) -> Path:
        """The claim."""
        return self.path / "classification.json"

    @property
    def passport(self) -> Path:
        """The passport."""
        return self.path / "passport.zip"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def logs(self) -> Path:
        """The engine's logs."""
        return self.path / "logs"

    @property
    def certificate(self) -> Path:
        """The certificate of a proficiency round, where the run has one."""
        return self.path / "statements" / "round-certificate.json"

    def statement(self, kind: str) -> Path:
        """A signed statement."""
        return self.path / "statements" / f"{kind}.dsse.json"

    @property
    def request(self) -> Path:
        """The saved request; holds the seed."""
        return self.path / "private" / "run.json"

    def open(self, request: Request, *, resume: bool) -> None:
        """Make the folder ready for a run, or for going on with one.

        Raises:
            UsageError: it holds a run and `resume` is off, or another run.
            StorageError: it cannot be written.
        """
        if not self.request.exists():
            data = canonical_json(request.to_json())
            write_atomically(self.request, data, mode=0o600, hint=RESUME_HINT)
            return
        if not resume:
            message = f"{self.path} already holds a run"
            raise UsageError(message, hint="add --resume to go on with it, or choose another --out")
        request.require_same(self.saved_request())

    def note_start(self, now: datetime) -> int:
        """Note that the run is started, or resumed; returns how often it has been.

        Raises:
            StorageError: the note cannot be written.
        """
        path = self.request.with_name("starts.txt")
        with storage_errors(path, hint=RESUME_HINT):
            with path.open("a") as stream:
                stream.write(f"{format_instant(now)}\n")
            return len(path.read_text().splitlines())

    def saved_request(self) -> Request:
        """The request this folder was opened with.

        Raises:
            MalformedEvidence: the file is not one of ours.
        """
        value = parse_json_object(read_bytes(self.request), where=str(self.request))
        return Request.from_json(value)
