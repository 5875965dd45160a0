"""Migrations, transactions and links, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text

from steelyard.kernel.errors import ConfigurationError, NotSatisfied, StorageError
from steelyard.server.storage import Database, Writer, open_database
from steelyard.server.storage.accounts import Link, add_link, find_link, take_link
from steelyard.server.storage.tables import METADATA, SETTINGS

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.fixture
def database(new_database: Callable[[], str]) -> Iterator[Database]:
    opened = open_database(new_database())
    yield opened
    opened.close()


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    made = Writer(database, lambda: None)
    yield made
    made.close()


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return sorted(connection.execute(select(SETTINGS.c.name)).scalars())


def add(name: str) -> Callable[[Connection], None]:
    def make(connection: Connection) -> None:
        connection.execute(insert(SETTINGS), {"name": name, "value": "x"})

    return make


def test_the_migrations_make_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_a_database_of_a_later_version_is_not_touched(new_database: Callable[[], str]) -> None:
    url = new_database()
    opened = open_database(url)
    with opened.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(ConfigurationError) as refused:
        open_database(url)
    assert refused.value.message.startswith(
        "the database is of a version that this program does not know"
    )
    assert refused.value.hint.endswith("update the program")


def test_a_database_is_opened_again(new_database: Callable[[], str]) -> None:
    url = new_database()
    first = open_database(url)
    with first.writing() as connection:
        add("kept")(connection)
    first.close()
    again = open_database(url)
    assert names(again) == ["kept"]
    again.close()


def test_a_change_that_fails_leaves_its_neighbours(database: Database, writer: Writer) -> None:
    def fail(connection: Connection) -> None:
        add("lost")(connection)
        raise NotSatisfied("no")

    def fail_inside(connection: Connection) -> None:
        connection.begin_nested()
        add("lost too")(connection)
        add("lost too")(connection)

    changes = [writer.submit(make) for make in (add("a"), fail, add("b"), fail_inside, add("c"))]
    errors = [type(change.exception()) for change in changes]
    assert errors == [type(None), NotSatisfied, type(None), StorageError, type(None)]
    assert names(database) == ["a", "b", "c"]


def test_a_lost_transaction_is_told_to_everybody_in_it(database: Database) -> None:
    lost: list[str] = []
    writer = Writer(database, lambda: lost.append("void"))
    begin = threading.Event()

    def cut(connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.close()

    writer.submit(lambda _: begin.wait())
    changes = [writer.submit(make) for make in (add("a"), cut)]
    begin.set()
    assert [type(change.exception()) for change in changes] == [StorageError, StorageError]
    assert lost == ["void"]
    assert names(database) == []
    assert writer.submit(add("after")).exception() is None
    writer.close()


def test_nothing_is_taken_after_closing(writer: Writer) -> None:
    before = writer.submit(add("before"))
    writer.close()
    assert before.exception() is None
    with pytest.raises(StorageError, match="shutting down"):
        writer.submit(add("after"))


def test_a_link_works_once_and_its_secret_is_not_kept(database: Database) -> None:
    link = Link("admin", "", NOW + timedelta(hours=1))
    with database.writing() as connection:
        add_link(connection, "secret", link)
        stored = connection.execute(text("SELECT * FROM links")).one()
        assert "secret" not in str(stored)
        assert take_link(connection, "other", ("admin",), NOW) is None
        assert take_link(connection, "secret", ("admin",), NOW) == link
        assert take_link(connection, "secret", ("admin",), NOW) is None


def test_a_link_of_another_kind_is_not_there_and_stays(database: Database) -> None:
    link = Link("admin", "", NOW + timedelta(hours=1))
    with database.writing() as connection:
        add_link(connection, "secret", link)
        assert find_link(connection, "secret", ("enrol", "sign-in"), NOW) is None
        assert take_link(connection, "secret", ("enrol", "sign-in"), NOW) is None
        assert find_link(connection, "secret", ("enrol", "admin"), NOW) == link


def test_a_link_expires(database: Database) -> None:
    with database.writing() as connection:
        add_link(connection, "secret", Link("admin", "", NOW))
        assert take_link(connection, "secret", ("admin",), NOW + timedelta(seconds=1)) is None
        assert connection.execute(text("SELECT count(*) FROM links")).scalar() == 0
