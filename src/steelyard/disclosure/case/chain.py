"""The chain of a case: entries in the order that its host gave them, each bound to the last.

Takes entries one by one (spec/disclosure-case.md, section Chain). A host admits events and makes
entries of them; everybody else accepts entries and checks all that the host had to check. Storing
and sending them is for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from steelyard.disclosure.case.ahead import read_ahead
from steelyard.disclosure.case.entry import Entry
from steelyard.disclosure.case.event import FIRST, read_claim
from steelyard.disclosure.case.fold import AHEAD, apply_event, keys_of
from steelyard.kernel.clock import EARLIEST_YEAR, LATEST_YEAR
from steelyard.kernel.errors import BrokenSeal, CannotVerify, NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from steelyard.disclosure.case.event import Claim, Event
    from steelyard.disclosure.case.view import View
    from steelyard.disclosure.states.rules import Advice, Effect


@dataclass(frozen=True, slots=True)
class Ordered:
    """An entry that was taken, and what it did.

    Attributes:
        hash: Of the entry.
        effects: Machines that moved, in order.
        advice: What the rules advise.
    """

    entry: Entry
    event: Event
    hash: str
    effects: tuple[Effect, ...]
    advice: tuple[Advice, ...]


class Chain:
    """A case as one participant holds it.

    Args:
        case: Its id.
    """

    def __init__(self, case: str) -> None:
        self.case = case
        self._ordered: list[Ordered] = []
        self._view: View | None = None
        self._digests: dict[str, int] = {}

    @property
    def size(self) -> int:
        """How many entries it has."""
        return len(self._ordered)

    @property
    def head(self) -> str:
        """Hash of the last entry; the id of the case before the first."""
        return self._ordered[-1].hash if self._ordered else self.case

    @property
    def view(self) -> View:
        """Where the case stands.

        Raises:
            NotSatisfied: it has no entry.
        """
        if self._view is None:
            raise NotSatisfied("the case has no entry yet", where=self.case[:16])
        return self._view

    @property
    def ordered(self) -> tuple[Ordered, ...]:
        """Everything that was taken, in order."""
        return tuple(self._ordered)

    def head_at(self, size: int) -> str:
        """The head after so many entries.

        Raises:
            IndexError: it has fewer.
        """
        return self._ordered[size - 1].hash if size else self.case

    def index_of(self, digest: str) -> int | None:
        """Where an event stands, by its digest; None where it does not."""
        return self._digests.get(digest)

    def since(self, size: int) -> tuple[Ordered, ...]:
        """What was taken after so many entries."""
        return tuple(self._ordered[size:])

    def copied(self, size: int | None = None) -> Chain:
        """A chain of its own with the first `size` entries of this one, or with all of them."""
        if size is not None and size < self.size:
            return replay(self.case, [item.entry for item in self._ordered[:size]])
        twin = Chain(self.case)
        twin._ordered, twin._view = list(self._ordered), self._view
        twin._digests = dict(self._digests)
        return twin

    def admit(self, envelope: bytes, at: datetime, claim: Claim | None = None) -> Ordered:
        """As its host: order an event, or return the entry that it has.

        Args:
            envelope: The signed event.
            at: The time here.
            claim: What `read_claim` made of the envelope, where that is known already.

        Raises:
            NotSatisfied: role, states or rules forbid it.
            BrokenSeal: not signed by its author, or out of its author's order.
            MalformedEvidence: no event.
        """
        claim = claim or read_claim(envelope)
        known = self.index_of(claim.event.digest)
        if known is not None:
            return self._ordered[known]
        at = at.astimezone(UTC).replace(microsecond=0)
        latest = self._ordered[-1].entry.ordered if self._ordered else at
        # A clock set back must not stop the case: time stands still until it catches up.
        return self._take(Entry(self.size, self.head, max(at, latest), envelope), claim)

    def accept(self, entry: Entry, *, now: datetime | None = None) -> Ordered:
        """As a participant: take the next entry of the host.

        Args:
            entry: What the host ordered.
            now: The time here, where the entry is new: a host that runs ahead could end an
                embargo before its time. Left out where a case is replayed.

        Raises:
            BrokenSeal: it does not follow, lies in the future, or the host had to refuse its
                event.
            MalformedEvidence: no event.
        """
        return self._accept(entry, None, now)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Take many entries, reading ahead; those before one that is refused stay.

        Raises:
            CannotVerify: as for `accept`, naming the entry.
        """
        for entry, claim in read_ahead(entries):
            try:
                self._accept(entry, claim, None)
            except CannotVerify as error:
                where = f"{self.case[:16]} entry {entry.index}"
                raise type(error)(error.message, where=where, hint=error.hint) from error

    def _accept(self, entry: Entry, claim: Claim | None, now: datetime | None) -> Ordered:
        where = self.case[:16]
        if (entry.index, entry.previous) != (self.size, self.head):
            message = f"entry {entry.index} does not follow entry {self.size - 1}"
            raise BrokenSeal(message, where=where)
        ordered = entry.ordered
        if ordered.microsecond or not EARLIEST_YEAR <= ordered.year <= LATEST_YEAR:
            message = f"entry {entry.index} has no time in whole seconds"
            raise BrokenSeal(message, where=where)
        if now is not None and ordered > now + AHEAD:
            message = f"entry {entry.index} was ordered in the future"
            raise BrokenSeal(message, where=where, hint="compare clocks with the host")
        try:
            return self._take(entry, claim or read_claim(entry.event))
        except NotSatisfied as error:
            message = f"entry {entry.index} had to be refused: {error.message}"
            raise BrokenSeal(message, where=error.where, hint="the host broke the rules") from error

    def _take(self, entry: Entry, claim: Claim) -> Ordered:
        view, at = self._view, entry.ordered
        event = claim.verified(keys_of(view, claim.event, at))
        if event.digest in self._digests:
            raise BrokenSeal("this event stands in the case already", where=event.kind)
        self._require_seen(event)
        self._require_first(event)
        hashed = entry.hash
        applied = apply_event(view, event, at, hashed)
        ordered = Ordered(entry, event, hashed, applied.effects, applied.advice)
        self._view = applied.view
        self._digests[event.digest] = self.size
        self._ordered.append(ordered)
        return ordered

    def _require_first(self, event: Event) -> None:
        """Refuse a second event under a number of its author's, naming both."""
        member = self._view.members.get(event.author) if self._view else None
        if member is None or event.sequence > member.sequence:
            return
        for item in self._ordered:
            if (item.event.author, item.event.sequence) == (event.author, event.sequence):
                raise BrokenSeal(
                    f"event {event.sequence} of its author does not follow event "
                    f"{member.sequence}: here it is {item.event.digest}, this is {event.digest}",
                    where=event.kind,
                    hint="fetch the case, then sign the event anew",
                )

    def _require_seen(self, event: Event) -> None:
        """Refuse an event whose author was shown another history than this one."""
        if event.case != self.case:
            raise BrokenSeal("the event is of another case", where=event.kind)
        if event.seen_size <= self.size:
            expected = self.head_at(event.seen_size) if event.seen_size else FIRST
            if event.seen_head != expected:
                raise BrokenSeal(
                    f"the author saw head {event.seen_head[:16]} after {event.seen_size} entries, "
                    f"here it is {expected[:16]}: one of the two histories is forged",
                    where=event.kind,
                    hint="compare checkpoints with the author",
                )


def replay(case: str, entries: Iterable[Entry]) -> Chain:
    """A chain from entries, each verified.

    Raises:
        CannotVerify: as for `Chain.accept`, naming the entry.
    """
    chain = Chain(case)
    chain.extend(entries)
    return chain
