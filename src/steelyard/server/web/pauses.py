"""How long a serving process stands still while it looks after itself.

Decides what the interpreter's switches of threads and its collector may cost a request. What
survives a full collection is mostly cases that stay in memory for as long as the process runs:
were it looked through each time, everybody would wait a tenth of a second each time. It is set
aside, and looked through again once an hour, as a ring among it may have been let go since.
"""

from __future__ import annotations

import gc
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_SWITCH_S: Final = 0.001
_OLDEST: Final = 2
_THOROUGH_S: Final = 3600.0


@contextmanager
def short_pauses(now: Callable[[], float] = time.monotonic) -> Generator[None]:
    """Collect what is garbage now, and set aside what survives a full collection from here on.

    Args:
        now: A clock in seconds.
    """
    # A switch of threads costs the event loop up to this long whenever another one computes.
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    survivors = _Survivors(now, now())
    gc.callbacks.append(survivors.hear)
    gc.collect()
    try:
        yield
    finally:
        gc.callbacks.remove(survivors.hear)
        gc.unfreeze()
        sys.setswitchinterval(interval_s)


@dataclass(slots=True)
class _Survivors:
    """Hears of collections.

    Attributes:
        thorough: When everything was looked through last.
    """

    now: Callable[[], float]
    thorough: float

    def hear(self, phase: str, info: dict[str, Any]) -> None:
        """Before and after a collection."""
        if info["generation"] != _OLDEST:
            return
        if phase == "stop":
            gc.freeze()
        elif self.now() - self.thorough >= _THOROUGH_S:
            self.thorough = self.now()
            gc.unfreeze()
