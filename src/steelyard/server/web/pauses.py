"""How long a serving process stands still while it looks after itself.

Decides what the interpreter's switches of threads and its collector may cost a request. What
survived a full collection is mostly cases that stay in memory for as long as the process runs:
were it looked through again and again, everybody would wait a tenth of a second each time.
"""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_SWITCH_S: Final = 0.001
_OLDEST: Final = 2


@contextmanager
def short_pauses() -> Generator[None]:
    """Collect what is garbage now, and look through each survivor once from here on."""
    # A switch of threads costs the event loop up to this long whenever another one computes.
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    gc.callbacks.append(_set_aside)
    gc.collect()
    try:
        yield
    finally:
        gc.callbacks.remove(_set_aside)
        gc.unfreeze()
        sys.setswitchinterval(interval_s)


def _set_aside(phase: str, info: dict[str, Any]) -> None:
    """Take what was found alive out of later collections; it goes when nothing refers to it."""
    if phase == "stop" and info["generation"] == _OLDEST:
        gc.freeze()
