"""A serving process looks through what it holds once."""

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
    interval_s = sys.getswitchinterval()
    with short_pauses():
        assert sys.getswitchinterval() < interval_s
        held = [Ring() for _ in range(1000)]
        before = gc.get_freeze_count()
        gc.collect()
        assert gc.get_freeze_count() >= before + len(held)
        assert all(item is not held[0] for item in gc.get_objects())
    assert gc.get_freeze_count() == 0
    assert sys.getswitchinterval() == interval_s
    count = len(gc.callbacks)
    with short_pauses():
        assert len(gc.callbacks) == count + 1
    assert len(gc.callbacks) == count


def test_garbage_is_still_found() -> None:
    with short_pauses():
        gc.collect()
        seen = [weakref.ref(Ring()) for _ in range(1000)]
        gc.collect()
        assert not any(item() for item in seen)
