"""The broker: who asks is known, what leaves is budgeted, and written down before it leaves.

Joins request signatures, meter, grants and ledger in the one order that counts (spec/broker.md,
section 3): verify, decide, record, hand out. Knows no sockets; `service` does. The clock is
given, and a clock that runs backwards stands still here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from steelyard.attest.http_signatures import ReplayGuard, verify_request
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, Expired
from steelyard.weights.broker.grants import open_grant
from steelyard.weights.broker.ledger import Ledger
from steelyard.weights.broker.meter import REQUEST_SEGMENTS, Decision, Meter
from steelyard.weights.broker.store import span_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from steelyard.attest import PublicKey
    from steelyard.attest.http_signatures import HttpRequest
    from steelyard.weights.access_log import Head
    from steelyard.weights.broker.budget import Terms
    from steelyard.weights.broker.grants import Approver, Grant
    from steelyard.weights.broker.meter import Principal, Span
    from steelyard.weights.broker.store import Store


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may ask and approve, and how much may leave.

    Attributes:
        terms: Budgets.
        principals: By key id, each with its key.
        approvers: By key id.
    """

    terms: Terms
    principals: Mapping[str, tuple[Principal, PublicKey]]
    approvers: Mapping[str, Approver]


class Broker:
    """Hands out segments of one model.

    Args:
        store: The segments.
        policy: Who may have how much.
        ledger: File of the access log.
        clock: Seconds since 1970.
        kept: A head of the ledger that was kept elsewhere, so that one that was cut or begun
            anew is refused.

    Attributes:
        remembered: Entries that the ledger had at the start; 0 where it is new.

    Raises:
        BrokenSeal: the ledger is not whole, or is not the one that the kept head is of.
        UsageError: another broker has the ledger.
        ConfigurationError: a budget that no segment fits into.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        ledger: Path,
        clock: Callable[[], float],
        kept: Head | None = None,
    ) -> None:
        self.store = store
        self.policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        _require_room(policy.terms, store.segment_bytes)
        self._ledger = Ledger(ledger, store.model, store.artifact)
        started = self._now_s()
        self._meter = Meter(policy.terms, sum(store.stream_segments), store.segment_bytes, started)
        try:
            self.remembered = self._ledger.begin(self._meter, started, kept)
        except BaseException:
            self._ledger.close()
            raise
        # The ledger may be ahead of a clock that was set back: its time counts.
        self._meter.resume(self._now_s())
        self._guard = ReplayGuard(self._now_s())

    def close(self) -> None:
        """Release the ledger."""
        self._ledger.close()

    def authenticate(self, request: HttpRequest, fields: Mapping[str, str]) -> Principal:
        """Who made a request.

        Raises:
            BrokenSeal: not signed by a principal, or made before.
            Expired: too old.
        """
        keys = {key_id: key for key_id, (_, key) in self.policy.principals.items()}
        signed = verify_request(request, fields, keys)
        with self._lock:
            self._guard.accept(signed, self._now_s())
        return self.policy.principals[signed.key_id][0]

    def hand_out(
        self, principal: Principal, stream: int, first: int, count: int, grant: str = ""
    ) -> bytes | Decision:
        """Segments of a stream, recorded before they are read; or why a budget says no.

        Raises:
            UnknownName: no such segments.
            BrokenSeal: no such grant for this principal.
            Expired: the grant is over.
            StorageError: it could not be recorded, or read; nothing was handed out.
        """
        span = span_of(self.store, stream, first, count)
        if count > REQUEST_SEGMENTS:
            return Decision("too_much", "request")
        with self._lock:
            now = self._now_s()
            if grant:
                self._require_grant(grant, principal, now)
                self._ledger.segments(principal, span, grant, now)
            else:
                decision = self._spend(principal, span, now)
                if decision.verdict != "granted":
                    return decision
        return self.store.read(stream, first, count)

    def accept_grant(self, envelopes: Sequence[bytes]) -> Grant:
        """Take in a grant; a review lifts every alarm.

        Raises:
            BrokenSeal, Expired, NotSatisfied: as `open_grant`; or of another model.
            DuplicateRecord: handed in before.
        """
        organizations = {
            key_id: one.organization for key_id, (one, _) in self.policy.principals.items()
        }
        with self._lock:
            now = self._now_s()
            instant = datetime.fromtimestamp(now, UTC)
            grant = open_grant(envelopes, self.policy.approvers, organizations, instant)
            if (grant.model, grant.artifact) != (self.store.model, self.store.artifact):
                raise BrokenSeal("the grant is of another model", where="grant")
            self._ledger.granted(grant, now)
            if grant.purpose == "review":
                self._meter.review(now)
        return grant

    def status(self, principal: Principal) -> dict[str, object]:
        """What a principal has had and may have; nothing about the others."""
        with self._lock:
            coverage, alarms = self._meter.coverage, self._meter.alarms
        segment = self.store.segment_bytes
        own = principal.scopes[0]
        limit = self.policy.terms.coverage_bytes * self.policy.terms.principal_share
        return {
            "schema": "steelyard/broker-status/1",
            "model": self.store.model,
            "artifact": self.store.artifact,
            "coverage_bytes": coverage.get(own, 0) * segment,
            "coverage_limit_bytes": int(limit),
            "alarmed": own in alarms,
        }

    @property
    def alarms(self) -> tuple[str, ...]:
        """Budgets that were passed."""
        with self._lock:
            return self._meter.alarms

    def _spend(self, principal: Principal, span: Span, now: float) -> Decision:
        decision = self._meter.decide(principal, span, now)
        if decision.verdict == "alarm":
            self._ledger.alarm(principal, decision.scope, now)
            self._meter.alarm(decision.scope)
        if decision.verdict == "granted":
            self._ledger.segments(principal, span, "", now)
            self._meter.record(principal, span, now)
        return decision

    def _require_grant(self, grant: str, principal: Principal, now: float) -> None:
        holder, expires = self._ledger.grants.get(grant, ("", datetime.min.replace(tzinfo=UTC)))
        if holder != principal.key_id:
            raise BrokenSeal("no such grant for this principal", where="grant")
        if now >= expires.timestamp():
            raise Expired("the grant is over", where="grant")

    def _now_s(self) -> float:
        return max(self._clock(), self._ledger.latest_s)


def _require_room(terms: Terms, segment_bytes: int) -> None:
    """Refuse a budget that no segment fits into: the first request would be an alarm."""
    least = terms.coverage_bytes * terms.principal_share
    if least < segment_bytes:
        message = f"a principal may have {least:.0f} bytes, a segment has {segment_bytes}"
        hint = "name all parameters; raise principal_share, or lower safety"
        raise ConfigurationError(message, where="terms", hint=hint)
