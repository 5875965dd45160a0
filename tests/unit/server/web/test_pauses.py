"""A serving process looks through what it holds once, and once an hour."""

from __future__ import annotations

import gc
import sys
import weakref

from steelyard.server.web.pauses import short_pauses


class Ring:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.own = self


def test_what_survived_a_collection_is_looked_through_no_more() -> None:
    interval_s, count = sys.getswitchinterval(), len(gc.callbacks)
    with short_pauses():
        assert sys.getswitchinterval() < interval_s
        assert len(gc.callbacks) == count + 1
        held = [Ring() for _ in range(1000)]
        gc.collect()
        assert gc.get_freeze_count() >= len(held)
        assert all(item is not held[0] for item in gc.get_objects())
    assert gc.get_freeze_count() == 0
    assert sys.getswitchinterval() == interval_s
    assert len(gc.callbacks) == count


def test_garbage_is_still_found() -> None:
    with short_pauses():
        gc.collect()
        seen = [weakref.ref(Ring()) for _ in range(1000)]
        gc.collect()
        assert not any(item() for item in seen)


def test_a_ring_that_was_set_aside_is_found_within_an_hour() -> None:
    at = [0.0]
    with short_pauses(lambda: at[0]):
        held = [Ring()]
        gc.collect()
        seen = weakref.ref(held.pop())
        gc.collect()
        assert seen() is not None
        at[0] = 3600.0
        gc.collect()
        assert seen() is None
        assert gc.get_freeze_count() > 0
