"""Databases of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.unit.server.storage import postgresql

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server; skips where none is installed."""
    with postgresql.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes databases of one kind and returns their URLs."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path / f'node-{next(_NUMBERS)}.db'}"
    server: str = request.getfixturevalue("postgresql_server")
    return lambda: postgresql.make_database(server, f"node_{next(_NUMBERS)}")
