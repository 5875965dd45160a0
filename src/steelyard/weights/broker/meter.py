"""What has left: distinct segments by principal, by organization, and by all together.

Decides whether a range of segments may be handed out (spec/broker.md, section 3). Coverage is
the alarm, not bytes: a segment that a scope has had already costs it nothing, a new one counts
for ever. The union over principals is counted too, so colluding gains nothing. A grant moves a
full load out of these budgets. Nothing here reads a clock or a disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from steelyard.weights.broker.budget import Bucket, Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_SCOPE: Final = "model"
REQUEST_SEGMENTS: Final = 64

Verdict = Literal["granted", "wait", "too_much", "alarm", "blocked"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        key_id: Of the key that signs its requests.
        name: For people.
        organization: Whose budget it shares.
    """

    key_id: str
    name: str
    organization: str

    @property
    def scopes(self) -> tuple[str, str, str]:
        """Every budget that this principal uses up, the narrowest first."""
        return (f"principal {self.key_id}", f"organization {self.organization}", MODEL_SCOPE)


@dataclass(frozen=True, slots=True)
class Span:
    """Segments of the whole model, counted over its streams.

    Attributes:
        first: Number of the first.
        count: How many.
    """

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a span may leave, and what it costs.

    Attributes:
        verdict: `granted`; `wait` for tokens; `too_much` for one request; `alarm` where this
            request would pass a budget of coverage; `blocked` where one was passed before.
        scope: The budget that decided, empty when granted.
        wait_s: For `wait`.
        new_segments: New to the scope that had the fewest of them.
    """

    verdict: Verdict
    scope: str = ""
    wait_s: float = 0.0
    new_segments: int = 0


@dataclass(slots=True)
class _Scope:
    """One budget: which segments were had, how many, and the bucket that slows new ones."""

    had: bytearray
    limit_bytes: float
    bucket: Bucket
    count: int = 0
    is_alarmed: bool = False


@dataclass(slots=True)
class Meter:
    """The counts of one model; whoever calls holds a lock.

    Attributes:
        terms: Of the model.
        segments: Of the whole model.
        segment_bytes: What one counts for.
        started_s: When counting goes on: buckets are empty then.
    """

    terms: Terms
    segments: int
    segment_bytes: int
    started_s: float
    _scopes: dict[str, _Scope] = field(default_factory=dict[str, _Scope])

    def decide(self, principal: Principal, span: Span, now_s: float) -> Decision:
        """Whether a span may leave under the budgets; changes no count."""
        scopes = [(name, self._scope(name)) for name in principal.scopes]
        if scopes[0][1].is_alarmed:
            return Decision("blocked", scopes[0][0])
        new = {name: _new(scope.had, span) for name, scope in scopes}
        for name, scope in scopes:
            # Before the budgets: a reader that asks for too much at once is no thief yet.
            if new[name] * self.segment_bytes > scope.bucket.burst_bytes:
                return Decision("too_much", name)
            if new[name] and scope.is_alarmed:
                return Decision("blocked", name)
        for name, scope in scopes:
            if (scope.count + new[name]) * self.segment_bytes > scope.limit_bytes and new[name]:
                return Decision("alarm", name)
        waits = [
            (scope.bucket.wait_s(new[name] * self.segment_bytes, now_s), name)
            for name, scope in scopes
        ]
        wait_s, name = max(waits)
        if wait_s > 0:
            return Decision("wait", name, wait_s)
        return Decision("granted", new_segments=min(new.values()))

    def record(self, principal: Principal, span: Span, now_s: float | None = None) -> None:
        """Count a span as gone; `now_s` is None when a ledger is read back."""
        for name in principal.scopes:
            scope = self._scope(name)
            new = _new(scope.had, span)
            _mark(scope.had, span)
            scope.count += new
            if now_s is not None:
                scope.bucket.take(new * self.segment_bytes, now_s)

    def resume(self, now_s: float) -> None:
        """Go on after a restart: buckets are empty at `now_s`, whatever the clock was before."""
        self.started_s = now_s
        for scope in self._scopes.values():
            scope.bucket.at_s, scope.bucket.tokens_bytes = now_s, 0.0

    def alarm(self, scope: str) -> None:
        """Latch a budget that was passed, until a review."""
        self._scope(scope).is_alarmed = True

    def review(self, now_s: float) -> None:
        """Begin to count anew, after people have looked; buckets begin empty."""
        self._scopes.clear()
        self.started_s = now_s

    @property
    def coverage(self) -> Mapping[str, int]:
        """Distinct segments that each scope has had."""
        return {name: scope.count for name, scope in self._scopes.items()}

    @property
    def alarms(self) -> tuple[str, ...]:
        """Budgets that were passed."""
        return tuple(name for name, scope in self._scopes.items() if scope.is_alarmed)

    def _scope(self, name: str) -> _Scope:
        if name not in self._scopes:
            share = self.terms.share_of(name.split(" ", 1)[0])
            rate = self.terms.rate_bytes_per_s * share
            # One segment must fit, or nothing could ever be read; a minute's worth is a burst.
            burst = max(float(self.segment_bytes), 60.0 * rate)
            bucket = Bucket(rate, burst, self.started_s)
            limit = self.terms.coverage_bytes * share
            self._scopes[name] = _Scope(bytearray(self.segments), limit, bucket)
        return self._scopes[name]


def _new(had: bytearray, span: Span) -> int:
    return had.count(0, span.first, span.first + span.count)


def _mark(had: bytearray, span: Span) -> None:
    had[span.first : span.first + span.count] = b"\x01" * span.count
