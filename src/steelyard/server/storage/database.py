"""A node's database: opening it, bringing its tables up to date, transactions.

Decides how durable a write is (SQLite: WAL with synchronous FULL, so that what was committed
survives a loss of power) and that a database of a later version is not touched.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from steelyard.kernel.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator

    from sqlalchemy import Connection, Engine

_BUSY_MS: Final = 20_000
_HINT: Final = "free space, or choose another database"


class Database:
    """An opened database.

    Attributes:
        engine: Of SQLAlchemy.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Whether it is one file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A connection of which each statement sees what is committed by then."""
        with storage_failures(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction: all of it is kept, or nothing."""
        with storage_failures(), self.engine.begin() as connection:
            if self.is_sqlite:
                connection.execute(text("BEGIN IMMEDIATE"))
            yield connection

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a database and bring its tables up to date.

    Args:
        url: `sqlite:///FILE` or `postgresql://...`.

    Raises:
        ConfigurationError: no such kind of database, or one of a later version.
        StorageError: it cannot be reached or written.
    """
    database = Database(_engine(url))
    with storage_failures():
        if not _is_current(database.engine):
            from steelyard.server.storage.migrating import migrate  # noqa: PLC0415 - heavy

            migrate(database.engine)
    return database


def _is_current(engine: Engine) -> bool:
    """Whether the tables are of the version that the latest step makes."""
    steps = files("steelyard.server.storage") / "migrations" / "versions"
    latest = max(entry.name[:4] for entry in steps.iterdir() if entry.name[:4].isdigit())
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars()
        return list(found) == [latest]


@contextmanager
def storage_failures() -> Generator[None]:
    """Turn what the database refuses into a StorageError without the statement's values."""
    try:
        yield
    except DBAPIError as error:
        kind = type(error.orig).__name__
        raise StorageError(f"the database refused: {kind}: {error.orig}", hint=_HINT) from error
    except SQLAlchemyError as error:
        raise StorageError(f"the database refused: {type(error).__name__}", hint=_HINT) from error


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _no_url(url) from error
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise _no_url(url)
    try:
        if parsed.drivername == "sqlite":
            return _sqlite_engine(parsed.database or "")
        return create_engine(
            parsed, pool_size=4, pool_pre_ping=True, isolation_level="READ COMMITTED"
        )
    except (ImportError, NoSuchModuleError) as error:
        hint = "pip install 'steelyard[postgresql]'"
        raise ConfigurationError("PostgreSQL needs another package", hint=hint) from error


def _sqlite_engine(name: str) -> Engine:
    if name in {"", ":memory:"}:
        raise ConfigurationError("a node needs a file", hint="sqlite:///node/steelyard.db")
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    arguments = {"timeout": _BUSY_MS / 1000, "check_same_thread": False}
    engine = create_engine(f"sqlite:///{name}", connect_args=arguments, pool_size=8)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 - the pool's
    # The driver begins transactions late and only for some statements; we begin them ourselves.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MS}",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _no_url(url: str) -> ConfigurationError:
    shown = url.rpartition("@")[2][:80]
    hint = "sqlite:///node/steelyard.db or postgresql://host/name"
    return ConfigurationError(f"{shown!r} is no database that a node can use", hint=hint)
