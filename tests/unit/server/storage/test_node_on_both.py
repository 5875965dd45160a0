"""A node's work on SQLite and on PostgreSQL: events, parcels, reading, three nodes that agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.server.web.machines.served import Served

from steelyard.server.storage import cases


@pytest.fixture
def served(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Served]:
    url = new_database()
    # Every node of the federation has a database of its own.
    made = Served(tmp_path, urls={"host": url, "lab": new_database(), "other": new_database()})
    yield made
    made.close()


def test_events_are_ordered_and_read_back(served: Served) -> None:
    events = [served.event()]
    assert served.ask("POST", "/events", events[0]).status_code == 201
    events.append(served.event())
    assert served.ask("POST", "/events", events[1]).status_code == 201
    assert served.ask("POST", "/events", events[0]).status_code == 200
    with served.host.database.reading() as connection:
        stored = cases.entries(connection, served.case)
    assert [entry.event for entry in stored[-2:]] == events
    shown = served.ask("GET", f"/cases/{served.case}/entries?from=2", by="lab").json()
    assert (len(shown["entries"]), shown["head"]) == (2, stored[-1].hash)


def test_what_was_stored_is_replayed_after_a_restart(served: Served) -> None:
    served.ask("POST", "/events", served.event())
    head = served.federation.head("host", served.case)
    served.host.chains.drop_all()
    assert served.federation.head("host", served.case) == head


def test_nodes_agree_by_post(served: Served) -> None:
    served.ask("POST", "/events", served.event())
    served.federation.settle()
    heads = {served.federation.head(name, served.case) for name in ("host", "lab")}
    assert len(heads) == 1
    assert served.ask("POST", "/inbox", served.parcel(), by="lab").status_code == 202
