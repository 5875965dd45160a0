"""The cases of a node in memory: each chain verified once, when it is first needed.

Decides nothing; reads a chain from storage and keeps it until it may differ from what is stored.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import Chain, replay
from steelyard.kernel.errors import UnknownName
from steelyard.server.storage import cases

if TYPE_CHECKING:
    from sqlalchemy import Connection

_HELD: Final = 256


class Chains:
    """Chains by case id, the most recently used ones."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Chain] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, connection: Connection, case: str) -> Chain:
        """The chain of a case.

        Raises:
            UnknownName: no such case.
            CannotVerify: what is stored was changed.
        """
        found = self.find(connection, case)
        if found is None:
            raise UnknownName(f"no case {case[:16]!r} here", hint="steelyard disclose case list")
        return found

    def find(self, connection: Connection, case: str) -> Chain | None:
        """The chain of a case, or None."""
        with self._lock:
            held = self._held.get(case)
            if held is not None:
                self._held.move_to_end(case)
                return held
        stored = cases.entries(connection, case)
        if not stored:
            return None
        self.put(replay(case, stored))
        with self._lock:
            return self._held[case]

    def put(self, chain: Chain) -> None:
        """Keep a chain that agrees with what is stored, unless a longer one is kept."""
        with self._lock:
            held = self._held.get(chain.case)
            if held is None or held.size <= chain.size:
                self._held[chain.case] = chain
            while len(self._held) > _HELD:
                self._held.popitem(last=False)

    def drop(self, case: str) -> None:
        """Read a case anew when it is needed next."""
        with self._lock:
            self._held.pop(case, None)

    def drop_all(self) -> None:
        """Read every case anew."""
        with self._lock:
            self._held.clear()
