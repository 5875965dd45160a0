"""One thread that writes, many changes to a transaction: group commit.

Decides in which order changes are made and when their callers hear of it: after the commit that
holds them, never before. A change that fails leaves no trace and does not touch its neighbours.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from steelyard.kernel.errors import StorageError
from steelyard.server.storage.database import storage_failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from steelyard.server.storage.database import Database

T = TypeVar("T")
_BATCH: Final = 256
_WAITING: Final = 4096
CHANGING: Final = "changing"
"""In the `info` of a connection: whether it is making a change, and sees its own rows."""


@dataclass(frozen=True, slots=True)
class _Change:
    make: Callable[[Connection], Any]
    result: Future[Any] = field(default_factory=Future[Any])


class Writer:
    """Makes changes one after the other, and commits those that wait together.

    Args:
        database: Where they are made.
        on_rollback: Called after a transaction was lost, before anybody hears of it: what was
            kept in memory of its changes is void.
        on_undo: Called after one change failed, in the transaction, before anybody hears of it.
    """

    def __init__(
        self,
        database: Database,
        on_rollback: Callable[[], None],
        on_undo: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._on_rollback = on_rollback
        self._on_undo = on_undo
        self._changes: queue.Queue[_Change | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._closed = threading.Lock()
        self._is_closed = False
        self._thread.start()

    def submit(self, make: Callable[[Connection], T]) -> Future[T]:
        """Have a change made; the future ends with its result once it is on disk.

        Raises:
            StorageError: too many wait already, or the writer was closed.
        """
        change = _Change(make)
        with self._closed:
            if self._is_closed:
                raise StorageError("the node is shutting down", hint="try again")
            try:
                self._changes.put_nowait(change)
            except queue.Full:
                message = f"{_WAITING} changes wait already"
                raise StorageError(message, hint="try again later") from None
        return change.result

    def close(self) -> None:
        """Make what was submitted, then stop."""
        with self._closed:
            if self._is_closed:
                return
            self._is_closed = True
        self._changes.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._changes.get()
            if first is None:
                return
            batch, last = self._gather(first)
            self._commit(batch)
            if last:
                return

    def _gather(self, first: _Change) -> tuple[list[_Change], bool]:
        """What waits now, up to a limit, and whether it is the end."""
        batch = [first]
        while len(batch) < _BATCH:
            try:
                change = self._changes.get_nowait()
            except queue.Empty:
                return batch, False
            if change is None:
                return batch, True
            batch.append(change)
        return batch, False

    def _commit(self, batch: list[_Change]) -> None:
        # Whoever gave up waiting before this gets nothing made; from here on nobody can.
        batch = [change for change in batch if change.result.set_running_or_notify_cancel()]
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._database.writing() as connection:
                done = [(change.result, *self._make(connection, change)) for change in batch]
        except Exception as error:  # noqa: BLE001 - every caller must hear of a lost transaction
            self._on_rollback()
            for change in batch:
                change.result.set_exception(error)
            return
        for future, value, error in done:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

    def _make(self, connection: Connection, change: _Change) -> tuple[Any, BaseException | None]:
        """Make one change in a savepoint of its own; what goes wrong is its caller's."""
        # Not by `begin_nested`, which costs as much as inserting an event.
        connection.exec_driver_sql("SAVEPOINT change")
        connection.info[CHANGING] = True
        try:
            with storage_failures():
                value = change.make(connection)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for the change
            while (inner := connection.get_nested_transaction()) is not None:
                inner.rollback()
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT change")
            self._on_undo(connection)
            return None, error
        finally:
            connection.info[CHANGING] = False
        connection.exec_driver_sql("RELEASE SAVEPOINT change")
        return value, None
