"""Sharing out segments among threads: the ciphers release Python's lock."""

from __future__ import annotations

import os
import threading
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RUN_SEGMENTS: Final = 16


def for_segments(
    total: int, new_worker: Callable[[], Callable[[int, int], None]], threads: int | None
) -> None:
    """Have workers do `work(first, stop)` for runs of segments until `total` are done.

    Args:
        total: Number of segments.
        new_worker: Called once in every thread, so that each has buffers of its own; the worker
            gets runs, which come in any order.
        threads: None for one per core that this process may use.

    Raises:
        Exception: the first that a worker raised; no further run is begun after it.
    """
    wanted = threads or len(os.sched_getaffinity(0))
    workers = max(1, min(wanted, -(-total // _RUN_SEGMENTS)))
    runs, over = count(), threading.Event()
    failures: list[Exception] = []

    def loop() -> None:
        work = new_worker()
        while not over.is_set():
            first = next(runs) * _RUN_SEGMENTS
            if first >= total:
                return
            try:
                work(first, min(first + _RUN_SEGMENTS, total))
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                failures.append(error)
                over.set()

    others = [threading.Thread(target=loop) for _ in range(workers - 1)]
    try:
        for thread in others:
            thread.start()
        loop()
        for thread in others:
            thread.join()
    finally:
        # Also when the caller is interrupted: no thread may go on with files that are closed.
        over.set()
        for thread in others:
            if thread.ident is not None:
                thread.join()
    if failures:
        raise failures[0]
