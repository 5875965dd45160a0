"""The cases of a node in memory: each entry verified once, when it is first needed.

Decides whether what is held still is what is stored: another process, as a command beside a
running server, may have written to the same database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import Chain, replay
from steelyard.kernel.errors import BrokenSeal, CannotVerify, StorageError, UnknownName
from steelyard.server.storage import cases
from steelyard.server.storage.writer import CHANGING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_HELD: Final = 256
_HELD_ENTRIES: Final = 100_000
"""Each takes about 3.5 kB."""


class Chains:
    """Chains by case id, the most recently used ones."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Chain] = OrderedDict()
        self._lock = threading.Lock()
        self._in_changes: set[str] = set()

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
        """The chain of a case, or None.

        Raises:
            CannotVerify: what is stored was changed.
        """
        stands = cases.stands(connection, case)
        if stands is None:
            return None
        size, head = stands
        if connection.info.get(CHANGING):
            self._in_changes.add(case)
        with self._lock:
            held = self._held.get(case)
            if held is not None and _agrees(connection, held, size, head):
                self._held.move_to_end(case)
                return held
        chain = self._caught_up(connection, held, case, size)
        _require_whole(connection, chain, (size, head))
        with self._lock:
            self._held[case] = chain
            self._trim()
        return chain

    def find_or_put_off(self, connection: Connection, case: str) -> Chain | None:
        """The chain of a case that somebody else speaks of, or None.

        Raises:
            StorageError: what is stored was changed, which is no fault of who asks.
        """
        try:
            return self.find(connection, case)
        except CannotVerify as error:
            message = "this node has to be restored first"
            raise StorageError(message, hint="try again later") from error

    def _caught_up(self, connection: Connection, held: Chain | None, case: str, size: int) -> Chain:
        """What is stored, with as much of what is held as agrees with it."""
        if held is not None and held.size < size:
            chain = held.copied()
            try:
                for entry in cases.entries(connection, case, held.size):
                    chain.accept(entry)
            except CannotVerify:
                return replay(case, cases.entries(connection, case))
            return chain
        return replay(case, cases.entries(connection, case))

    def held(self, case: str) -> Chain | None:
        """The chain of a case, if it is in memory; some of its end may not be on disk yet."""
        with self._lock:
            return self._held.get(case)

    def put(self, chain: Chain) -> None:
        """Keep a chain that agrees with what is stored, unless a longer one is kept."""
        with self._lock:
            held = self._held.get(chain.case)
            if held is None or held.size <= chain.size:
                self._held[chain.case] = chain
            self._trim()

    def drop(self, case: str) -> None:
        """Read a case anew when it is needed next."""
        with self._lock:
            self._held.pop(case, None)

    def undo(self, connection: Connection) -> None:
        """Forget what a change that failed left in memory alone; readers would believe it."""
        for case in self._in_changes:
            held = self.held(case)
            if held is not None and cases.stands(connection, case) != (held.size, held.head):
                self.drop(case)
        self._in_changes.clear()

    def drop_all(self) -> None:
        """Read every case anew."""
        with self._lock:
            self._held.clear()

    def _trim(self) -> None:
        entries = sum(chain.size for chain in self._held.values())
        while len(self._held) > _HELD or (entries > _HELD_ENTRIES and len(self._held) > 1):
            _, oldest = self._held.popitem(last=False)
            entries -= oldest.size


def _require_whole(connection: Connection, chain: Chain, stands: tuple[int, str]) -> None:
    """Refuse entries that do not come to where the case is said to stand.

    Raises:
        BrokenSeal: its last entries were taken away or changed.
    """
    size, head = stands
    if chain.size >= size and chain.head_at(size) == head:
        return
    # Another history may have been taken between the two statements.
    if cases.stands(connection, chain.case) != (chain.size, chain.head):
        message = f"{chain.size} entries are stored, which do not come to where the case stands"
        raise BrokenSeal(message, where=chain.case[:16], hint="restore the database from a copy")


def _agrees(connection: Connection, held: Chain, size: int, head: str) -> bool:
    """Whether a chain is what is stored; a reader may see entries that are being committed."""
    if held.size < size or held.head_at(size) != head:
        return False
    # A change runs in a savepoint and sees its own rows: what it does not see was rolled back.
    return held.size == size or not connection.info.get(CHANGING)
