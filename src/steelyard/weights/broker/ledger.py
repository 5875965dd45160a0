"""The broker's memory: every range that left, on disk before it leaves, in a chain.

Decides what a restart remembers (spec/broker.md, section 5): the counts are those of the
access log, read from its first entry to its last, so neither a crash nor a restart forgets
coverage, an alarm or a grant. The log itself is that of spec/access-log.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from steelyard.kernel import format_instant, parse_instant
from steelyard.kernel.errors import BrokenSeal
from steelyard.weights.access_log import AccessLog, Event, read_log
from steelyard.weights.broker.meter import Meter, Principal, Span

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.weights.access_log import LoggedEvent
    from steelyard.weights.broker.grants import Grant

SEGMENTS: Final = "segments"
ALARM: Final = "alarm"
GRANTED: Final = "granted"
REVIEWED: Final = "reviewed"


class Ledger:
    """What a broker writes down about one model.

    Args:
        path: The access log.
        model: Name of the model.
        artifact: Core digest of its sealed weights, hex.
    """

    def __init__(self, path: Path, model: str, artifact: str) -> None:
        self._path = path
        self._model = model
        self._artifact = artifact
        self._log = AccessLog(path)
        self.latest_s = 0.0
        self.grants: dict[str, tuple[str, datetime]] = {}

    def close(self) -> None:
        """Release the file."""
        self._log.close()

    def begin(self, meter: Meter, now_s: float) -> None:
        """Read everything back into `meter`, and record the start.

        Raises:
            BrokenSeal: the chain is broken, or the log is of another model.
            MalformedEvidence: a line that is no entry.
        """
        self._append(Event("started", self._model, self._artifact), now_s)
        for logged in read_log(self._path)[0]:
            self.latest_s = max(self.latest_s, logged.at.timestamp())
            self._repeat(logged, meter)

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
        """Record a grant, once; a review lifts all alarms."""
        if grant.digest in self.grants:
            raise BrokenSeal("this grant was handed in before", where="grant")
        detail = {"grant": grant.digest, "expires": format_instant(grant.expires)}
        name = REVIEWED if grant.purpose == "review" else GRANTED
        self._append(Event(name, self._model, self._artifact, grant.principal, detail), now_s)
        self.grants[grant.digest] = (grant.principal, grant.expires)

    def _append(self, event: Event, now_s: float) -> None:
        self.latest_s = max(self.latest_s, now_s)
        self._log.append(event, datetime.fromtimestamp(int(self.latest_s), UTC))

    def _repeat(self, logged: LoggedEvent, meter: Meter) -> None:
        event = logged.event
        if event.artifact != self._artifact:
            message = f"the log is of {event.model!r} {event.artifact[:16]}"
            raise BrokenSeal(message, where=str(self._path), hint="give this model its own log")
        if event.name == SEGMENTS:
            detail = event.detail
            principal = Principal(event.who, detail["name"], detail["organization"])
            span = Span(int(detail["first"]), int(detail["count"]))
            if "grant" in detail:
                meter.record_granted(detail["grant"], span)
            else:
                meter.record(principal, span)
        elif event.name == ALARM:
            meter.alarm(event.detail["scope"])
        elif event.name in {GRANTED, REVIEWED}:
            expires = parse_instant(event.detail["expires"], where=str(self._path))
            self.grants[event.detail["grant"]] = (event.who, expires)
            if event.name == REVIEWED:
                meter.review(self.latest_s)
