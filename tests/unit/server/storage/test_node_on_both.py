"""A node's work on SQLite and on PostgreSQL: events, parcels, reading, three nodes that agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, func, select
from tests.unit.server.web.machines.served import Served

from steelyard.disclosure.delivery.outbox import Destination, Outgoing
from steelyard.server.node import ordering, timers
from steelyard.server.storage import cases, notices, post
from steelyard.server.storage.notices import Notice
from steelyard.server.storage.tables import CHECKPOINTS, INBOX, OUTBOX


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


def test_what_is_old_is_forgotten_and_what_is_due_is_found(served: Served) -> None:
    for _ in range(3):
        assert served.ask("POST", "/events", served.event()).status_code == 201
        served.federation.settle()
    assert served.ask("POST", "/inbox", served.parcel(), by="lab").status_code == 202
    notice = Notice("matter", "mailto:desk@host.example", "something is due")
    served.host.run(lambda c: [notices.add(c, notice, served.host.now()) for _ in range(2)])
    served.host.limits = replace(served.host.limits, checkpoints=1)
    before = count(served, CHECKPOINTS)
    served.federation.clock.forward(days=100)
    sum(timers.tick(served.host))
    assert count(served, INBOX) == 0
    assert 0 < count(served, CHECKPOINTS) < before
    with served.host.database.reading() as connection:
        assert notices.due(connection, served.host.now(), 4) == (notice,)


def test_what_was_sent_or_given_up_long_ago_is_forgotten(served: Served) -> None:
    host, at = served.host, served.host.now()
    sent, waits = (
        Notice(f"{served.case}:{name}", "mailto:desk@host.example", "due") for name in "ab"
    )
    host.run(lambda c: [notices.add(c, notice, at) for notice in (sent, waits)])
    host.run(lambda c: notices.save(c, sent, "sent", "", at))
    host.run(lambda c: ordering.pump(host, c))
    given_up = replace(waiting(served), state="dead", next_at=at)
    host.run(lambda c: post.save(c, given_up, Destination(given_up.destination), "refused"))
    served.federation.clock.forward(days=401)
    sum(timers.tick(host))
    assert count(served, OUTBOX) == 0
    with host.database.reading() as connection:
        assert notices.due(connection, host.now(), 4) == (waits,)
        assert not notices.is_kept(connection, sent.matter, sent.address)


def waiting(served: Served) -> Outgoing:
    with served.host.database.reading() as connection:
        [found] = post.waiting_for(connection, served.federation.id("lab"))
    return found.outgoing


def count(served: Served, table: Table) -> int:
    with served.host.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
