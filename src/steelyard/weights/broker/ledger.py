"""The broker's memory: every range that left, on disk before it leaves, in a chain.

Decides what a restart remembers (spec/broker.md, section 5): the counts are those of the
access log, read from its first entry to its last, so neither a crash nor a restart forgets
coverage, an alarm or a grant. One broker at a time writes a ledger: another one would count
without these counts. The log itself is that of spec/access-log.md.
"""

from __future__ import annotations

import fcntl
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from steelyard.kernel import exact_instant, format_instant
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    DuplicateRecord,
    MalformedEvidence,
    StorageError,
    UsageError,
)
from steelyard.kernel.files import storage_errors
from steelyard.weights.access_log import AccessLog, Event, read_log
from steelyard.weights.broker.meter import Meter, Principal, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from steelyard.weights.access_log import Head, LoggedEvent
    from steelyard.weights.broker.grants import Grant

    _Repeat = Callable[["Ledger", Event, Meter, str], None]

SEGMENTS: Final = "segments"
ALARM: Final = "alarm"
GRANTED: Final = "granted"
REVIEWED: Final = "reviewed"
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")


class Ledger:
    """What a broker writes down about one model.

    Args:
        path: The access log.
        model: Name of the model.
        artifact: Core digest of its sealed weights, hex.

    Raises:
        UsageError: another broker has it.
        StorageError: it cannot be written.
    """

    def __init__(self, path: Path, model: str, artifact: str) -> None:
        self._path = path
        self._model = model
        self._artifact = artifact
        self._lock = _locked(path)
        try:
            self._log = AccessLog(path)
            self._file = path.stat()
        except BaseException:
            os.close(self._lock)
            raise
        self.entries = 0
        self.latest_s = 0.0
        self.grants: dict[str, tuple[str, datetime]] = {}

    def close(self) -> None:
        """Release the files."""
        self._log.close()
        os.close(self._lock)

    def begin(self, meter: Meter, now_s: float, kept: Head | None = None) -> int:
        """Read everything back into `meter`, and record the start.

        Args:
            meter: Counts nothing yet.
            now_s: The time, seconds since 1970.
            kept: A head of this ledger that somebody kept elsewhere; None for none.

        Returns:
            How many entries were there before; 0 for a new ledger, which remembers nothing.

        Raises:
            BrokenSeal: the chain is broken, is not the one that the kept head is of, or the
                log is of another model.
            MalformedEvidence: a line that is no entry, or none that a broker writes.
        """
        known, head = read_log(self._path, kept, allow_cut=True)
        for logged in known:
            self.latest_s = max(self.latest_s, logged.at.timestamp())
            self._repeat(logged, meter)
        # One more than expected where a crash cut the last line: its removal is an entry too.
        self.entries = self._write(Event("started", self._model, self._artifact), now_s)
        return head.entries

    def segments(self, principal: Principal, span: Span, grant: str, now_s: float) -> None:
        """Record that a span is about to leave."""
        detail = {
            "name": principal.name,
            "organization": principal.organization,
            "first": str(span.first),
            "count": str(span.count),
            **({"grant": grant} if grant else {}),
        }
        self._append(Event(SEGMENTS, self._model, self._artifact, principal.key_id, detail), now_s)

    def alarm(self, principal: Principal, scope: str, now_s: float) -> None:
        """Record that a budget would have been passed."""
        event = Event(ALARM, self._model, self._artifact, principal.key_id, {"scope": scope})
        self._append(event, now_s)

    def granted(self, grant: Grant, now_s: float) -> None:
        """Record a grant; a review lifts all alarms.

        Raises:
            DuplicateRecord: it was handed in before.
            StorageError: it could not be recorded.
        """
        if grant.digest in self.grants:
            raise DuplicateRecord("this grant was handed in before", where="grant")
        detail = {"grant": grant.digest, "expires": format_instant(grant.expires)}
        name = REVIEWED if grant.purpose == "review" else GRANTED
        self._append(Event(name, self._model, self._artifact, grant.principal, detail), now_s)
        self.grants[grant.digest] = (grant.principal, grant.expires)

    def _append(self, event: Event, now_s: float) -> None:
        """Write an entry down.

        Raises:
            StorageError: it could not be, or somebody else wrote, cut or moved the ledger.
        """
        expected = self.entries + 1
        try:
            follows = self._write(event, now_s) == expected and self._is_in_place()
        except CannotVerify as error:
            raise self._changed() from error
        if not follows:
            raise self._changed()
        self.entries = expected

    def _changed(self) -> StorageError:
        # Never counted on from here: every later entry differs from what is expected too.
        self.entries = -1
        message = "the ledger was changed by somebody else while this broker runs"
        hint = "find out who; then start the broker again, it reads all of it anew"
        return StorageError(message, where=str(self._path), hint=hint)

    def _write(self, event: Event, now_s: float) -> int:
        self.latest_s = max(self.latest_s, now_s)
        return self._log.append(event, datetime.fromtimestamp(int(self.latest_s), UTC)).entries

    def _is_in_place(self) -> bool:
        """Whether the file that is written still has the ledger's name, for the next start."""
        try:
            return os.path.samestat(self._path.stat(), self._file)
        except OSError:
            return False

    def _repeat(self, logged: LoggedEvent, meter: Meter) -> None:
        event, where = logged.event, f"{self._path}:{logged.seq + 1}"
        if event.artifact != self._artifact:
            message = f"the log is of {event.model!r} {event.artifact[:16]}"
            raise BrokenSeal(message, where=str(self._path), hint="give this model its own log")
        if event.name not in _COUNTED:
            return
        needed, repeat = _COUNTED[event.name]
        if not needed <= event.detail.keys():
            raise MalformedEvidence(f"this is no entry {event.name!r} of a broker", where=where)
        repeat(self, event, meter, where)


def _repeat_segments(_ledger: Ledger, event: Event, meter: Meter, where: str) -> None:
    span = _span(event.detail, meter.segments, where)
    if "grant" not in event.detail:
        name, organization = event.detail["name"], event.detail["organization"]
        meter.record(Principal(event.who, name, organization), span)


def _repeat_alarm(_ledger: Ledger, event: Event, meter: Meter, _where: str) -> None:
    meter.alarm(event.detail["scope"])


def _repeat_grant(ledger: Ledger, event: Event, _meter: Meter, where: str) -> None:
    expires = exact_instant(event.detail["expires"], where=where)
    ledger.grants[event.detail["grant"]] = (event.who, expires)


def _repeat_review(ledger: Ledger, event: Event, meter: Meter, where: str) -> None:
    _repeat_grant(ledger, event, meter, where)
    meter.review(ledger.latest_s)


_GRANT: Final = frozenset({"grant", "expires"})
_COUNTED: Final[Mapping[str, tuple[frozenset[str], _Repeat]]] = {
    SEGMENTS: (frozenset({"name", "organization"}), _repeat_segments),
    ALARM: (frozenset({"scope"}), _repeat_alarm),
    GRANTED: (_GRANT, _repeat_grant),
    REVIEWED: (_GRANT, _repeat_review),
}
"""By event that counts: the details that it has at least, and what it did."""


def _span(detail: Mapping[str, str], segments: int, where: str) -> Span:
    """The segments that an entry says have left.

    Raises:
        MalformedEvidence: no numbers, or segments that the model does not have.
    """
    texts = [detail.get(name, "") for name in ("first", "count")]
    if all(_NUMBER.fullmatch(text) for text in texts):
        first, count = map(int, texts)
        if count > 0 and first + count <= segments:
            return Span(first, count)
    message = f"{str(texts)[:80]} are no segments of this model"
    raise MalformedEvidence(message, where=where)


def _locked(path: Path) -> int:
    """A file beside the ledger, locked as long as this broker lives.

    Not the ledger itself, which its log locks for each entry.
    """
    place = path.resolve()
    lock = place.with_name(f"{place.name}.lock")
    with storage_errors(lock, hint="the ledger's folder must be writable"):
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        message = "another broker runs on this ledger"
        hint = "one model has one broker; stop the other one"
        raise UsageError(message, where=str(path), hint=hint) from error
    return descriptor
