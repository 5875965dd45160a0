"""`POST /events`."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest
from tests.unit.server.web.machines.begun import begin, send
from tests.unit.server.web.machines.served import Served, problem

from steelyard.disclosure.case.event import EVENT_LIMIT_BYTES
from steelyard.server.storage import cases
from steelyard.server.web.app import make_app
from steelyard.server.web.settings import Quotas, Settings

NOT_HERE = (404, "there is nothing here, or not for you")


def test_an_event_is_on_disk_when_it_is_acknowledged(served: Served) -> None:
    before = served.size()
    response = served.ask("POST", "/events", served.event())
    assert response.status_code == 201
    said = response.json()
    with served.host.database.reading() as connection:
        stored = cases.entries(connection, served.case)
    assert (said["index"], said["hash"], said["head"]) == (before, stored[-1].hash, stored[-1].hash)
    assert cases_head(served) == said["head"]


def cases_head(served: Served) -> str:
    with served.host.database.reading() as connection:
        found = cases.stands(connection, served.case)
    assert found is not None
    return found[1]


def test_the_same_event_again_is_told_where_it_stands(served: Served) -> None:
    event = served.event()
    first = served.ask("POST", "/events", event)
    served.ask("POST", "/events", served.event())
    again = served.ask("POST", "/events", event)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["index"] == first.json()["index"]
    assert again.json()["hash"] == first.json()["hash"]
    assert again.json()["head"] == cases_head(served)
    assert served.size() == first.json()["index"] + 2


def test_a_stranger_learns_nothing_of_a_case_that_is_here(served: Served) -> None:
    of_a_stranger = served.ask("POST", "/events", served.event("other"))
    unknown = json.loads(served.event())
    payload = base64.b64decode(unknown["payload"]).replace(served.case.encode(), b"a" * 64)
    unknown["payload"] = base64.b64encode(payload).decode()
    spelled = json.dumps(unknown, separators=(",", ":"), sort_keys=True).encode()
    of_no_case = served.ask("POST", "/events", spelled)
    assert problem(of_a_stranger) == problem(of_no_case) == NOT_HERE
    assert of_a_stranger.content == of_no_case.content


def test_no_more_is_read_than_an_event_may_have(served: Served) -> None:
    whole = served.ask("POST", "/events", b"x" * EVENT_LIMIT_BYTES)
    assert whole.status_code == 422
    larger = served.ask("POST", "/events", b"x" * (EVENT_LIMIT_BYTES + 1))
    assert problem(larger) == (413, "a body here has at most 262144 bytes")


def test_anonymous_events_of_one_address_leave_room_for_others(served: Served) -> None:
    async def go() -> None:
        part = b"x" * EVENT_LIMIT_BYTES
        held = [await begin(served.app, part, path="/events") for _ in range(65)]
        assert [one.status for one in held] == [0] * 64 + [503]
        event = served.event()
        assert await send(served.app, event, path="/events", address="192.0.2.8") == 201
        assert {await one.end() for one in held} == {422, 503}

    asyncio.run(go())


def test_a_forged_signature_is_nothing_here(served: Served) -> None:
    event = json.loads(served.event())
    other = json.loads(served.event("host", "leave", reason="x"))
    event["signatures"][0]["sig"] = other["signatures"][0]["sig"]
    forged = json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
    before = served.size()
    assert problem(served.ask("POST", "/events", forged)) == NOT_HERE
    assert served.size() == before


def test_what_the_rules_forbid_is_a_conflict_with_its_reason(served: Served) -> None:
    event = served.event(kind="world", event="A", evidence="seen")
    status, detail = problem(served.ask("POST", "/events", event))
    assert status == 409
    assert "only a participant that has the report" in detail


def test_an_event_out_of_its_authors_order_is_refused(served: Served) -> None:
    signed, other = served.event(), served.event(handle="another")
    served.ask("POST", "/events", other)
    status, detail = problem(served.ask("POST", "/events", signed))
    assert status == 422
    assert "event 1 of its author does not follow event 1" in detail


def test_who_has_left_is_told_again_that_it_has(served: Served) -> None:
    leaving = served.event(kind="leave", reason="done")
    assert served.ask("POST", "/events", leaving).status_code == 201
    assert served.ask("POST", "/events", leaving).status_code == 200
    changed = json.loads(leaving)
    changed["signatures"][0]["sig"] = "A" * 86 + "=="
    spelled = json.dumps(changed, separators=(",", ":"), sort_keys=True).encode()
    assert problem(served.ask("POST", "/events", spelled)) == NOT_HERE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 250_000,
        b'{"payload":"a","payload":"b"}',
        b'{"payload":NaN}',
        b"\xff\xfe{}",
        b'{"payload":"\\ud800","payloadType":"x","signatures":[]}',
        b'{"a":' * 50_000,
    ],
    ids=["empty", "bare", "deep", "twice", "nan", "no-utf8", "surrogate", "deep-objects"],
)
def test_hostile_json_is_malformed(served: Served, body: bytes) -> None:
    before = served.size()
    status, _ = problem(served.ask("POST", "/events", body))
    assert status == 422
    assert served.size() == before


def test_a_payload_that_nests_deeply_is_malformed(served: Served) -> None:
    event = json.loads(served.event())
    event["payload"] = base64.b64encode(b'{"a":' * 20_000).decode()
    spelled = json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
    assert problem(served.ask("POST", "/events", spelled))[0] == 422


def test_an_author_that_sends_too_often_waits(tmp_path: Path) -> None:
    served = Served(tmp_path, Quotas(events_per_minute=8))
    answers = [served.ask("POST", "/events", served.event()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 8
    served.close()


def test_a_case_that_another_node_orders_is_refused(served: Served) -> None:
    served.federation.settle()
    event = served.event()
    lab = served.federation["lab"]
    served.app = make_app(lab, Settings(served.federation.folder / "lab"))
    status, detail = problem(served.ask("POST", "/events", event))
    assert status == 409
    assert detail.endswith("orders this case, not this node")
