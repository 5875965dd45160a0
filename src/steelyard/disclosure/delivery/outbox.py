"""The outbox: when a parcel is sent, sent again, or given up.

Decides spec/disclosure-delivery.md, section 5. Pure: instants and jitter are arguments, and what
is stored or put on a wire is for the caller. An attempt is begun before it is made and finished
after it, so that a crash between the two loses nothing and sends the same parcel again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal

from steelyard.kernel.errors import NotSatisfied, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from steelyard.disclosure.delivery.sending_policy import Policy, Rule

State = Literal["waiting", "delivered", "dead"]
_LONGEST_FIELD: Final = 64
_LONGEST_WAIT_S: Final = 10**9


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    Attributes:
        result: HTTP status in digits, or the name of a failure as in the policy.
        retry_after: The field `Retry-After`, as received; empty for none.
    """

    at: datetime
    result: str
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A parcel on its way to one destination.

    Attributes:
        attempts: How many were finished.
        next_at: Not to be sent before; of a dead one, when it was given up.
        reason: Why it is dead, or why the last attempt did not deliver it.
    """

    parcel_id: str
    destination: str
    created: datetime
    next_at: datetime
    attempts: int = 0
    state: State = "waiting"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """What is remembered of a destination.

    Attributes:
        failures: Attempts in a row that failed for a reason of the destination's.
        not_before: Nothing is sent before; None for no such instant.
        begun: When the attempts of the last window began.
        leases: Parcels under way, with the instant at which each counts as lost.
    """

    name: str
    failures: int = 0
    not_before: datetime | None = None
    begun: tuple[datetime, ...] = ()
    leases: Mapping[str, datetime] = field(default_factory=dict[str, datetime])


def admit(policy: Policy, waiting: int, destination: str) -> None:
    """Refuse one more parcel for a destination for which too many wait.

    Raises:
        NotSatisfied: with the number that wait.
    """
    if waiting >= policy.most_waiting:
        message = f"{waiting:,} parcels wait for {destination[:20]}, the most that may"
        hint = "export them to a file, or remove the destination from the case"
        raise NotSatisfied(message, hint=hint)


def due(
    policy: Policy,
    outgoing: Iterable[Outgoing],
    destinations: Mapping[str, Destination],
    at: datetime,
) -> tuple[Outgoing, ...]:
    """What to send now, the oldest first; to a destination that fails, one parcel at a time.

    Args:
        policy: The limits.
        outgoing: Parcels in any state and order.
        destinations: What is remembered of each; a destination that is not in it is a new one.
        at: Now.
    """
    ready: dict[str, list[Outgoing]] = {}
    for item in outgoing:
        if item.state == "waiting" and item.next_at <= at < _lapses(policy, item):
            ready.setdefault(item.destination, []).append(item)
    chosen = [
        item
        for name, items in ready.items()
        for item in _first(policy, items, destinations.get(name, Destination(name)), at)
    ]
    return tuple(sorted(chosen, key=_age))


def begin(
    policy: Policy, item: Outgoing, destination: Destination, at: datetime
) -> tuple[Outgoing, Destination]:
    """What is remembered while an attempt is under way; keep it in memory before it is made.

    Raises:
        UsageError: the parcel is no longer waiting, or is for another destination.
    """
    _require_match(item, destination)
    lost_at = at + timedelta(seconds=policy.lease_s)
    window = at - timedelta(seconds=policy.window_s)
    begun = (*(instant for instant in destination.begun if instant > window), at)
    leases = {**_alive(destination, at), item.parcel_id: lost_at}
    return replace(item, next_at=lost_at), replace(destination, begun=begun, leases=leases)


def finish(
    policy: Policy, item: Outgoing, destination: Destination, attempt: Attempt, jitter: float
) -> tuple[Outgoing, Destination]:
    """What follows from the end of an attempt.

    Args:
        policy: The delays and the table of results.
        item: As `begin` returned it.
        destination: As it is remembered now.
        attempt: How it ended.
        jitter: Drawn evenly from 0 to 1, so that nodes do not come back together.

    Raises:
        UsageError: the parcel is no longer waiting, or is for another destination.
        ConfigurationError: no rule knows the result.
    """
    _require_match(item, destination)
    rule = policy.rule(attempt.result)
    leases = {k: v for k, v in destination.leases.items() if k != item.parcel_id}
    destination = replace(destination, leases=leases)
    item = replace(item, attempts=item.attempts + 1)
    reason = f"{rule.reason} ({attempt.result}), attempt {item.attempts}"
    if rule.action == "delivered":
        return replace(item, state="delivered", reason=""), _after_answer(destination, rule)
    if rule.action == "dead" or item.attempts >= (rule.most_attempts or math.inf):
        dead = replace(item, state="dead", next_at=attempt.at, reason=reason)
        return dead, _after_answer(destination, rule)
    failures = destination.failures + 1 if rule.concerns == "destination" else 0
    turns = max(item.attempts, failures)
    next_at = attempt.at + max(_backoff(policy, turns, jitter), _asked(policy, attempt))
    item = lapse(policy, replace(item, next_at=next_at, reason=reason), next_at)
    if rule.concerns == "parcel":
        return item, _after_answer(destination, rule)
    latest = max(next_at, destination.not_before or next_at)
    return item, replace(destination, failures=failures, not_before=latest)


def lapse(policy: Policy, item: Outgoing, at: datetime) -> Outgoing:
    """Give a parcel up that has waited for too long; any other one as it is."""
    if item.state != "waiting" or at < _lapses(policy, item):
        return item
    last = f"; last: {item.reason}" if item.reason else ""
    reason = f"lapsed after {policy.lapse_days} days and {item.attempts} attempts{last}"
    return replace(item, state="dead", next_at=at, reason=reason)


def retry_after(text: str, at: datetime) -> timedelta:
    """How long a `Retry-After` field asks to wait (RFC 9110, section 10.2.3); zero if unreadable.

    Args:
        text: Seconds, or an HTTP date.
        at: When the response came.
    """
    text = text.strip()[:_LONGEST_FIELD]
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text), _LONGEST_WAIT_S))
    try:
        until = parsedate_to_datetime(text)
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
        return max(until - at, timedelta(0))
    except (ValueError, OverflowError):
        return timedelta(0)


def _first(
    policy: Policy, items: list[Outgoing], destination: Destination, at: datetime
) -> Iterator[Outgoing]:
    if destination.not_before is not None and destination.not_before > at:
        return
    leases = _alive(destination, at)
    window = at - timedelta(seconds=policy.window_s)
    begun = sum(instant > window for instant in destination.begun)
    at_a_time = 1 if destination.failures else policy.under_way
    room = min(policy.attempts_per_window - begun, at_a_time - len(leases))
    waiting = sorted((item for item in items if item.parcel_id not in leases), key=_age)
    yield from waiting[: max(room, 0)]


def _alive(destination: Destination, at: datetime) -> dict[str, datetime]:
    return {parcel: lost_at for parcel, lost_at in destination.leases.items() if lost_at > at}


def _age(item: Outgoing) -> tuple[datetime, str]:
    return item.created, item.parcel_id


def _backoff(policy: Policy, turns: int, jitter: float) -> timedelta:
    """Between half and all of a delay that doubles up to the longest."""
    doublings = min(turns - 1, 32)
    longest = min(policy.first_delay_s * 2.0**doublings, policy.longest_delay_s)
    return timedelta(seconds=longest * (1.0 + jitter) / 2.0)


def _asked(policy: Policy, attempt: Attempt) -> timedelta:
    asked = retry_after(attempt.retry_after, attempt.at)
    return min(asked, timedelta(seconds=policy.longest_retry_after_s))


def _lapses(policy: Policy, item: Outgoing) -> datetime:
    return item.created + timedelta(days=policy.lapse_days)


def _after_answer(destination: Destination, rule: Rule) -> Destination:
    if rule.concerns == "destination":
        return destination
    return replace(destination, failures=0, not_before=None)


def _require_match(item: Outgoing, destination: Destination) -> None:
    if item.state != "waiting" or item.destination != destination.name:
        message = f"parcel {item.parcel_id[:16]} is {item.state}, for {item.destination[:20]}"
        raise UsageError(message, hint=f"it cannot be sent to {destination.name[:20]}")
