"""The access log: what was done with weights, in a chain that shows a gap.

Decides the bytes of an entry, that each follows from the one before, and what a crash leaves
(spec/access-log.md). Who checks a head against one kept elsewhere is for `checkpoint`'s caller.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import Statement, Subject, open_envelope, predicate_type, sign_statement
from steelyard.kernel import (
    canonical_json,
    check_label,
    check_sha256,
    exact_instant,
    format_instant,
    parse_json_object,
    sha256_hex,
)
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.kernel.files import storage_errors, write_fully
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PrivateKey, PublicKey

HEAD_KIND: Final = "access-log-head"
_START: Final = "0" * 64
_HINT: Final = "what needs a record does not happen without it; free space, or give another --log"
_NAME: Final = re.compile(r"[a-z][a-z-]{0,63}")
TEXT_LIMIT: Final = 4096
_DETAILS: Final = 32
_LINE_LIMIT_BYTES: Final = 256 * 1024
_TAIL_BYTES: Final = _LINE_LIMIT_BYTES + 1


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    Attributes:
        name: Such as `opened`.
        model: Name of the model.
        artifact: Core digest of the sealed weights, hex.
        who: Key id of whoever acted; empty where no key did.
        detail: Short texts by name.
    """

    name: str
    model: str
    artifact: str
    who: str = ""
    detail: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuse what the schema of an entry refuses.

        Raises:
            MalformedEvidence: naming the field.
        """
        try:
            check_label(self.model)
            check_sha256(self.artifact)
            if self.who:
                check_sha256(self.who)
        except ValueError as error:
            raise MalformedEvidence(str(error), where="access log") from error
        if not _NAME.fullmatch(self.name):
            raise MalformedEvidence(f"{self.name!r:.80} is no event", where="access log")
        texts = [*self.detail, *self.detail.values()]
        if len(self.detail) > _DETAILS or any(len(text) > TEXT_LIMIT for text in texts):
            message = f"at most {_DETAILS} details of {TEXT_LIMIT} characters"
            raise MalformedEvidence(message, where="access log")


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An entry of a log that was verified."""

    seq: int
    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class Head:
    """How long a log is, and the digest of its last line."""

    entries: int
    digest: str


class AccessLog:
    """A log that this process appends to; other processes may as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        with storage_errors(path, hint=_HINT):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size: int = -1
        self._cut = 0
        self._head = Head(0, _START)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def append(self, event: Event, at: datetime) -> Head:
        """Put an entry on disk; returns the new head.

        A line that a crash cut is removed first, and an entry `recovered` says so.

        Raises:
            BrokenSeal: the log does not verify at its end.
            MalformedEvidence: the event does not follow the schema.
            StorageError: the disk refused; the log is as it was.
        """
        with storage_errors(self._path, hint=_HINT), self._threads, self._locked():
            self._catch_up()
            if self._cut:
                detail = {"bytes": str(self._cut)}
                self._write(Event("recovered", event.model, event.artifact, "", detail), at)
                self._cut = 0
            self._write(event, at)
        return self._head

    def _write(self, event: Event, at: datetime) -> None:
        line = _line(self._head, event, at)
        if len(line) > _LINE_LIMIT_BYTES - 1:
            message = f"an entry has at most {_LINE_LIMIT_BYTES - 1} bytes, this has {len(line)}"
            raise MalformedEvidence(message, where=str(self._path))
        try:
            write_fully(self._file, line + b"\n", self._size)
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line) + 1
        self._head = Head(self._head.entries + 1, sha256_hex(line))

    def _catch_up(self) -> None:
        """Read what others appended, and remove a cut line; all or nothing is taken over."""
        size = os.fstat(self._file).st_size
        if size == self._size:
            return
        start = max(0, size - _TAIL_BYTES)
        whole, newline, cut = os.pread(self._file, size - start, start).rpartition(b"\n")
        if not newline and size:
            if start:
                raise BrokenSeal(
                    "the log ends in something else than entries", where=str(self._path)
                )
            cut = whole + cut
        head = Head(0, _START)
        if newline:
            entry = _parsed(whole.rpartition(b"\n")[2], str(self._path))
            head = Head(entry.seq + 1, entry.digest)
        if cut:
            os.ftruncate(self._file, size - len(cut))
            self._cut += len(cut)
        self._size, self._head = size - len(cut), head

    @contextmanager
    def _locked(self) -> Generator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def read_log(
    path: Path, kept: Head | None = None, *, allow_cut: bool = False
) -> tuple[list[LoggedEvent], Head]:
    """Verify a log from its first entry to its last.

    Args:
        path: The log.
        kept: A head that somebody kept from earlier; None for none.
        allow_cut: Read on where a crash cut the last line: up to it.

    Raises:
        MalformedEvidence: unreadable, or a line that is no entry.
        BrokenSeal: an entry does not follow from the one before, or the log is not the one
            that the kept head is of.
    """
    events: list[LoggedEvent] = []
    head = Head(0, _START)
    for line in _lines(path, allow_cut=allow_cut):
        entry = _parsed(line, f"{path}:{head.entries + 1}")
        if entry.seq != head.entries or entry.previous != head.digest:
            message = f"entry {head.entries} does not follow from the one before"
            raise BrokenSeal(message, where=str(path), hint="entries were removed or changed")
        head = Head(head.entries + 1, entry.digest)
        events.append(entry.logged)
        if kept is not None and head.entries == kept.entries and head.digest != kept.digest:
            raise BrokenSeal(
                f"entry {head.entries - 1} is not the one that was kept", where=str(path)
            )
    if kept is not None and head.entries < kept.entries:
        message = f"the log has {head.entries} entries, it had {kept.entries}"
        raise BrokenSeal(message, where=str(path), hint="the log was cut")
    return events, head


def sign_checkpoint(name: str, head: Head, at: datetime, key: PrivateKey) -> bytes:
    """A signed head, to keep where the log's owner cannot change it."""
    predicate = {"entries": head.entries, "at": format_instant(at)}
    subject = Subject(name, head.digest)
    return sign_statement(Statement((subject,), predicate_type(HEAD_KIND), dict(predicate)), key)


def open_checkpoint(envelope: bytes, key: PublicKey) -> Head:
    """The head of a checkpoint that this key signed.

    Raises:
        BrokenSeal: it did not, or this is no checkpoint.
    """
    statement = open_envelope(envelope, {key.key_id: key}, where=HEAD_KIND)
    if statement.predicate_type != predicate_type(HEAD_KIND) or len(statement.subjects) != 1:
        raise BrokenSeal("this is no checkpoint of an access log", where=HEAD_KIND)
    require_schema(statement.predicate, HEAD_KIND, where=HEAD_KIND)
    fields: dict[str, Any] = dict(statement.predicate)
    return Head(fields["entries"], statement.subjects[0].sha256)


def _line(head: Head, event: Event, at: datetime) -> bytes:
    entry = {
        "seq": head.entries,
        "at": format_instant(at),
        "event": event.name,
        "model": event.model,
        "artifact": event.artifact,
        "who": event.who,
        "detail": dict(event.detail),
        "previous": head.digest,
    }
    return canonical_json(entry)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that has the form of an entry."""

    seq: int
    previous: str
    digest: str
    logged: LoggedEvent


def _all_texts(detail: dict[str, Any]) -> bool:
    return all(isinstance(text, str) for text in detail.values())


def _parsed(line: bytes, where: str) -> _Line:
    match parse_json_object(line, where=where):
        case {
            "seq": int(seq), "at": str(at), "event": str(name), "model": str(model),
            "artifact": str(artifact), "who": str(who), "detail": dict(detail),
            "previous": str(previous),
        } if not isinstance(seq, bool) and _all_texts(detail):  # fmt: skip
            event = Event(name, model, artifact, who, cast("dict[str, str]", detail))
            instant = exact_instant(at, where=where)
        case _:
            raise MalformedEvidence("this is no entry of an access log", where=where)
    if _line(Head(seq, previous), event, instant) != line:
        raise MalformedEvidence("not in canonical JSON (RFC 8785)", where=where)
    return _Line(seq, previous, sha256_hex(line), LoggedEvent(seq, instant, event))


def _lines(path: Path, *, allow_cut: bool) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while line := stream.readline(_LINE_LIMIT_BYTES + 1):
                if not line.endswith(b"\n"):
                    if allow_cut and len(line) <= _LINE_LIMIT_BYTES:
                        return
                    message = "the last line was cut, or is too long"
                    hint = "the next entry that is appended removes it and says so"
                    raise MalformedEvidence(message, where=str(path), hint=hint)
                yield line[:-1]
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(path)) from error
