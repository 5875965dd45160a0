"""A disk that refuses what it is told to refuse, under a node's real database."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from .federation import Federation


class Disk:
    """Refuses the statement whose turn it is, and every commit while it is told to."""

    def __init__(self) -> None:
        self.statements = 0
        self.fails_at = 0
        self.fails_to_commit = False

    def execute(self, *_args: object) -> None:
        self.statements += 1
        if self.statements == self.fails_at:
            raise sqlite3.OperationalError("disk I/O error")

    def commit(self, _connection: object) -> None:
        if self.fails_to_commit:
            full = sqlite3.OperationalError("database or disk is full")
            raise OperationalError("COMMIT", None, full)


@contextmanager
def failing(federation: Federation, name: str) -> Generator[Disk]:
    disk, engine = Disk(), federation[name].database.engine
    event.listen(engine, "before_cursor_execute", disk.execute)
    event.listen(engine, "commit", disk.commit)
    try:
        yield disk
    finally:
        event.remove(engine, "before_cursor_execute", disk.execute)
        event.remove(engine, "commit", disk.commit)
