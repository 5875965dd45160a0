"""The gap buffer: numbered items of authors, released in order whatever order they came in.

Decides spec/disclosure-delivery.md, section 6: which items are released, kept back, known already
or refused, which are missing, and when an author has told two stories. Every item must have been
verified before: a forged number would make an honest author a liar. Pure: a buffer in, a buffer
out; released items are kept by the caller, who lends them back for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from steelyard.kernel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

NO_PREVIOUS: Final = "0" * 64
Outcome = Literal["released", "waiting", "known", "equivocation", "refused"]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an author.

    Attributes:
        number: From 1, without holes.
        digest: Of the item; what makes it the same one.
        previous: Digest of the author's item before it; `NO_PREVIOUS` for the first.
        evidence: The signed bytes, which show to others what the author said.
    """

    author: str
    number: int
    digest: str
    previous: str
    evidence: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two items of one author that cannot both be of one history.

    Attributes:
        number: Where the histories part.
        first: The item that was known first.
        second: One of the same number with another digest, or the next one, which names another
            item as the one before it.
    """

    author: str
    number: int
    first: Item
    second: Item


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that are missing, both included.

    Attributes:
        since: When an item beyond them first came.
    """

    author: str
    first: int
    last: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept back: per author, and of all together."""

    per_author: int = 256
    in_all: int = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of one author.

    Attributes:
        released: Number of the last item that was released.
        head: Its digest.
        waiting: Items beyond a gap, with the instant at which each came.
    """

    released: int = 0
    head: str = NO_PREVIOUS
    waiting: Mapping[int, tuple[Item, datetime]] = field(
        default_factory=dict[int, tuple[Item, "datetime"]]
    )


@dataclass(frozen=True, slots=True)
class Buffer:
    """The lines of all authors."""

    lines: Mapping[str, Line] = field(default_factory=dict[str, Line])
    limits: Limits = field(default_factory=Limits)

    @property
    def waiting(self) -> int:
        """Number of items that are kept back."""
        return sum(len(line.waiting) for line in self.lines.values())


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of an item.

    Attributes:
        buffer: To go on with.
        released: Items to apply now, in this order.
        equivocations: What the author contradicted itself in; waiting items that do not follow
            from a released one are dropped and named here.
        reason: Why it was refused; else empty.
    """

    buffer: Buffer
    outcome: Outcome
    released: tuple[Item, ...] = ()
    equivocations: tuple[Equivocation, ...] = ()
    reason: str = ""


def offer(buffer: Buffer, item: Item, at: datetime, known: Callable[[str, int], Item]) -> Offered:
    """Take one verified item.

    Args:
        buffer: What was kept back so far.
        item: Of any author and number.
        at: When it came.
        known: Gives the item that was released under an author's number.

    Raises:
        UsageError: a number below 1.
    """
    if item.number < 1:
        raise UsageError(f"items are numbered from 1, found {item.number}")
    line = buffer.lines.get(item.author, Line())
    earlier = _earlier(line, item, known)
    if earlier is not None:
        if earlier.digest == item.digest:
            return Offered(buffer, "known")
        return _contradiction(buffer, earlier, item)
    if item.number > line.released + 1:
        return _keep_back(buffer, line, item, at)
    if item.previous != line.head:
        if line.released == 0:
            return Offered(buffer, "refused", reason="a first item has no previous one")
        return _contradiction(buffer, known(item.author, line.released), item)
    return _release(buffer, line, item)


def gaps(buffer: Buffer) -> tuple[Gap, ...]:
    """What is missing, by author and number."""
    return tuple(
        gap for author, line in sorted(buffer.lines.items()) for gap in _gaps(author, line)
    )


def _earlier(line: Line, item: Item, known: Callable[[str, int], Item]) -> Item | None:
    if item.number <= line.released:
        return known(item.author, item.number)
    waiting = line.waiting.get(item.number)
    return waiting[0] if waiting else None


def _contradiction(buffer: Buffer, first: Item, second: Item) -> Offered:
    found = Equivocation(first.author, first.number, first, second)
    return Offered(buffer, "equivocation", equivocations=(found,))


def _keep_back(buffer: Buffer, line: Line, item: Item, at: datetime) -> Offered:
    """Refuses what is too much: who sent it keeps it, and sends it again."""
    limits = buffer.limits
    if item.number > line.released + 1 + limits.per_author:
        reason = f"number {item.number} is too far beyond {line.released}, the last one released"
        return Offered(buffer, "refused", reason=reason)
    if len(line.waiting) >= limits.per_author or buffer.waiting >= limits.in_all:
        return Offered(buffer, "refused", reason="too many items wait for missing ones")
    waiting = MappingProxyType({**line.waiting, item.number: (item, at)})
    return Offered(_with(buffer, item.author, replace(line, waiting=waiting)), "waiting")


def _release(buffer: Buffer, line: Line, item: Item) -> Offered:
    """The item, and all that waited for it and follows from it."""
    waiting = dict(line.waiting)
    released = [item]
    contradictions: list[Equivocation] = []
    while (following := waiting.pop(released[-1].number + 1, None)) is not None:
        last, later = released[-1], following[0]
        if later.previous != last.digest:
            contradictions.append(Equivocation(item.author, last.number, last, later))
            break
        released.append(later)
    head = Line(released[-1].number, released[-1].digest, MappingProxyType(waiting))
    grown = _with(buffer, item.author, head)
    return Offered(grown, "released", tuple(released), tuple(contradictions))


def _with(buffer: Buffer, author: str, line: Line) -> Buffer:
    return replace(buffer, lines=MappingProxyType({**buffer.lines, author: line}))


def _gaps(author: str, line: Line) -> Iterator[Gap]:
    before = line.released
    numbers = sorted(line.waiting)
    for place, number in enumerate(numbers):
        if number > before + 1:
            since = min(line.waiting[beyond][1] for beyond in numbers[place:])
            yield Gap(author, before + 1, number - 1, since)
        before = number
