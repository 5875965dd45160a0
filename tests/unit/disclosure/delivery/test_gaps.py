"""The gap buffer: any order and any repetition release the same items in the same order."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.delivery import Buffer, Equivocation, Item, gaps, offer
from steelyard.disclosure.delivery.gaps import NO_PREVIOUS, Gap, Limits, Offered
from steelyard.kernel.errors import UsageError

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def chain(author: str, length: int, story: str = "") -> list[Item]:
    items: list[Item] = []
    previous = NO_PREVIOUS
    for number in range(1, length + 1):
        digest = hashlib.sha256(f"{author} {number} {story}".encode()).hexdigest()
        items.append(Item(author, number, digest, previous, f"{author}{number}{story}".encode()))
        previous = digest
    return items


class Receiving:
    """A caller that keeps what was released, as a case keeps its events."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.buffer = Buffer(limits=limits or Limits())
        self.released: list[Item] = []

    def known(self, author: str, number: int) -> Item:
        return next(i for i in self.released if (i.author, i.number) == (author, number))

    def take(self, item: Item, minute: int = 0) -> Offered:
        offered = offer(self.buffer, item, NOON + timedelta(minutes=minute), self.known)
        self.buffer = offered.buffer
        self.released += offered.released
        return offered

    def of(self, author: str) -> list[Item]:
        return [item for item in self.released if item.author == author]


@given(st.data())
def test_any_order_with_any_repetition_releases_the_same(data: st.DataObject) -> None:
    lines = {name: chain(name, data.draw(st.integers(1, 8))) for name in ("ada", "ben")}
    items = [item for line in lines.values() for item in line]
    again = data.draw(st.lists(st.sampled_from(items), max_size=10))
    receiving = Receiving()
    for item in data.draw(st.permutations(items + again)):
        assert not receiving.take(item).equivocations
    for name, line in lines.items():
        assert receiving.of(name) == line
    assert receiving.buffer.waiting == 0
    assert gaps(receiving.buffer) == ()


@given(st.data())
def test_what_is_missing_is_told_at_every_moment(data: st.DataObject) -> None:
    line = chain("ada", 9)
    receiving, came = Receiving(), set[int]()
    for minute, item in enumerate(data.draw(st.permutations(line))):
        receiving.take(item, minute)
        came.add(item.number)
        told = {n for gap in gaps(receiving.buffer) for n in range(gap.first, gap.last + 1)}
        assert told == set(range(1, max(came))) - came
        assert [item.number for item in receiving.released] == list(
            range(1, len(receiving.released) + 1)
        )


def test_gaps_say_since_when() -> None:
    one, two, three, four, five, six = chain("ada", 6)
    receiving = Receiving()
    assert receiving.take(one, 0).outcome == "released"
    assert receiving.take(six, 1).outcome == "waiting"
    assert receiving.take(three, 2).outcome == "waiting"
    minute = timedelta(minutes=1)
    assert gaps(receiving.buffer) == (
        Gap("ada", 2, 2, NOON + minute),
        Gap("ada", 4, 5, NOON + minute),
    )
    released = receiving.take(two, 3)
    assert (released.outcome, released.released) == ("released", (two, three))
    assert receiving.take(five, 4).outcome == "waiting"
    assert gaps(receiving.buffer) == (Gap("ada", 4, 4, NOON + minute),)
    assert receiving.take(four, 5).released == (four, five, six)


def test_an_item_that_comes_again_changes_nothing() -> None:
    one, _, three = chain("ada", 3)
    receiving = Receiving()
    for item in (one, three):
        receiving.take(item)
        before = receiving.buffer
        again = receiving.take(item, 5)
        assert (again.outcome, again.released, again.buffer) == ("known", (), before)


@pytest.mark.parametrize("place", [0, 2])
def test_a_second_item_under_a_number_is_equivocation_with_both_as_evidence(place: int) -> None:
    """Of a released item, and of one that waits."""
    line, other = chain("ada", 3), chain("ada", 3, "otherwise")
    receiving = Receiving()
    for item in (line[0], line[2]):
        receiving.take(item)
    before = receiving.buffer
    found = receiving.take(other[place])
    assert found.outcome == "equivocation"
    assert found.equivocations == (Equivocation("ada", place + 1, line[place], other[place]),)
    assert found.equivocations[0].second.evidence == f"ada{place + 1}otherwise".encode()
    assert receiving.buffer == before


def test_a_next_item_of_another_history_is_equivocation() -> None:
    line, other = chain("ada", 2), chain("ada", 2, "otherwise")
    receiving = Receiving()
    receiving.take(line[0])
    found = receiving.take(other[1])
    assert found.outcome == "equivocation"
    assert found.equivocations == (Equivocation("ada", 1, line[0], other[1]),)
    assert receiving.take(line[1]).outcome == "released"


def test_a_waiting_item_of_another_history_is_named_when_the_gap_closes() -> None:
    line, other = chain("ada", 3), chain("ada", 3, "otherwise")
    receiving = Receiving()
    receiving.take(line[0])
    receiving.take(other[2])
    closed = receiving.take(line[1])
    assert (closed.outcome, closed.released) == ("released", (line[1],))
    assert closed.equivocations == (Equivocation("ada", 2, line[1], other[2]),)
    assert receiving.take(line[2]).released == (line[2],)


def test_authors_do_not_wait_for_each_other() -> None:
    receiving = Receiving()
    receiving.take(chain("ada", 2)[1])
    assert receiving.take(chain("ben", 1)[0]).outcome == "released"
    assert [gap.author for gap in gaps(receiving.buffer)] == ["ada"]


def test_each_author_has_its_bound_and_so_have_all() -> None:
    receiving = Receiving(Limits(per_author=2, in_all=3))
    ada, ben = chain("ada", 6), chain("ben", 6)
    assert receiving.take(ada[1]).outcome == "waiting"
    far = receiving.take(ada[3])
    assert (far.outcome, far.reason) == (
        "refused",
        "number 4 is too far beyond 0, the last one released",
    )
    receiving.take(ada[2])
    receiving.take(ben[1])
    full = receiving.take(ben[2])
    assert (full.outcome, full.reason) == ("refused", "too many items wait for missing ones")
    assert receiving.buffer.waiting == 3
    assert receiving.take(ada[0]).released == tuple(ada[:3])
    assert receiving.take(ben[2]).outcome == "waiting"


def test_a_full_buffer_still_takes_what_closes_a_gap() -> None:
    receiving = Receiving(Limits(per_author=3, in_all=2))
    line = chain("ada", 4)
    for item in (line[3], line[2]):
        receiving.take(item)
    assert receiving.take(line[1]).outcome == "refused"
    assert receiving.take(line[0]).released == (line[0],)
    assert receiving.take(line[1]).released == tuple(line[1:])


def test_a_first_item_follows_nothing() -> None:
    first = replace(chain("ada", 1)[0], previous="a" * 64)
    offered = Receiving().take(first)
    assert (offered.outcome, offered.reason) == ("refused", "a first item has no previous one")


def test_numbers_begin_at_one() -> None:
    with pytest.raises(UsageError, match="items are numbered from 1, found 0"):
        Receiving().take(replace(chain("ada", 1)[0], number=0))
