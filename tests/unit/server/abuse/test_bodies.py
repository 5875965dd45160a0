"""Whatever is sent to any address of a node is answered, and nothing is told of what failed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.routing import Route
from tests.unit.disclosure.abuse.hostile import bent, damaged, huge_texts, signed_bent
from tests.unit.server.web.machines.served import Served

from steelyard.disclosure.case import Chain
from steelyard.disclosure.delivery.parcel import Parcel, encrypt_parcel, sign_parcel
from steelyard.kernel import canonical_json, parse_json
from steelyard.kernel.errors import SteelyardError
from steelyard.server.node.inbox import receive
from steelyard.server.node.letters import read_entries, write_entries
from steelyard.server.people.tickets import open_ticket, sign_ticket

SECONDS = float(os.environ.get("STEELYARD_FUZZ_SECONDS", "2"))
TYPES = (
    "application/json", "application/x-www-form-urlencoded", "text/html", "",
    "multipart/form-data; boundary=x", "multipart/form-data", "application/octet-stream",
)  # fmt: skip
NAMES = (
    "..",
    "%2e%2e%2fetc",
    "%00",
    "a" * 3000,
    "0" * 64,
    "%ff",
    "-1",
    "%e2%80%ae",
    "x\u00e9",
    "1",
)


def paths(served: Served) -> list[tuple[str, str]]:
    """Every method and path of the application, with names of its parts left open."""
    return [
        (method, route.path)
        for route in served.app.router.routes
        if isinstance(route, Route)
        for method in sorted(route.methods or ())
        if method in {"GET", "POST"}
    ]


def filled(path: str, case: str, drawn: random.Random) -> str:
    names = (*NAMES, case)
    while "{" in path:
        head, _, rest = path.partition("{")
        path = f"{head}{drawn.choice(names)}{rest.partition('}')[2]}"
    return path + drawn.choice(("", "?from=1", "?from=-1", "?" + "a=b&" * 500, "?%ff"))


def test_no_request_makes_the_node_fail(served: Served) -> None:
    drawn = random.Random("requests")  # noqa: S311 - the same ones every time
    known, good = paths(served), served.event()
    statuses: set[int] = set()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        method, path = drawn.choice(known)
        headers = {
            "content-type": drawn.choice(TYPES),
            "origin": "https://node.example",
            "cookie": drawn.choice(("", "a=b", "steelyard-session=x", "; ; =;")),
            "accept": drawn.choice(("text/html", "*/*", "")),
        }
        body = damaged(drawn.choice((good, b"a=b&c=%ff", b"--x\r\n\r\n--x--\r\n")), drawn)
        answer = served.ask(method, filled(path, served.case, drawn), body, headers=headers)
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (method, path, body[:200])
        assert b"Traceback" not in answer.content
        assert b"/src/steelyard" not in answer.content
    assert served.federation.chain("host", served.case).size == 2
    assert statuses & {401, 404, 422}


def test_an_event_bent_by_a_participant_is_refused_or_ordered_and_never_an_error(
    served: Served,
) -> None:
    drawn, key = random.Random("events"), served.federation["lab"].identity.key  # noqa: S311
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        answer = served.ask("POST", "/events", signed_bent(served.event(), key, drawn))
        assert answer.status_code in {200, 201, 400, 404, 409, 413, 422, 429}, answer.text
    replayed = Chain(served.case)
    chain = served.federation.chain("host", served.case)
    replayed.extend([item.entry for item in chain.ordered])
    assert replayed.head == chain.head


@pytest.mark.parametrize("kind", huge_texts(64))
def test_a_hostile_megabyte_is_refused_at_every_door(served: Served, kind: str) -> None:
    body = huge_texts(1_000_000)[kind]
    for path in ("/events", "/cards"):
        begun = time.process_time()
        answer = served.ask("POST", path, body)
        assert answer.status_code in {400, 404, 413, 422, 429}, (path, answer.text[:200])
        assert len(answer.content) < 12_000
        assert time.process_time() - begun < 2


def parcel(served: Served, kind: str, body: dict[str, Any]) -> bytes:
    lab, at = served.federation["lab"], served.federation.clock.at
    made = Parcel(lab.organization, served.host.organization, kind, served.case, body, at)
    signed = sign_parcel(made, lab.identity.key)
    return encrypt_parcel(signed, served.host.identity.card.recipient)


def test_a_parcel_of_a_participant_with_any_body_is_taken_or_refused(served: Served) -> None:
    drawn = random.Random("parcels")  # noqa: S311 - the same ones every time
    kinds = ("fetch", "head", "refused", "object", "entries", "fault", "vote", "recovery", "x")
    good = {"size": 1, "head": "0" * 64, "id": "0" * 64, "digest": "0" * 64, "reason": "no",
            "anew": True, "kind": "fork", "culprit": served.federation.id("host")}  # fmt: skip
    until, results = time.monotonic() + SECONDS, set[str]()
    while time.monotonic() < until:
        keys = drawn.sample(sorted(good), drawn.randrange(1, 4))
        body: dict[str, Any] = bent({name: good[name] for name in keys}, drawn)
        try:
            data = parcel(served, drawn.choice(kinds), {"size": 0, **body})
        except SteelyardError:
            continue  # no canonical form, so nobody can sign it
        found = served.host.run(lambda c, data=data: receive(served.host, c, data))
        results.add(found.result)
    assert "refused" in results
    assert served.federation.chain("host", served.case).size == 2


def fuzz(name: str, read: Callable[[bytes], object], make: Callable[[random.Random], bytes]) -> int:
    drawn, until, refused = random.Random(name), time.monotonic() + SECONDS / 2, 0  # noqa: S311
    while time.monotonic() < until:
        try:
            read(make(drawn))
        except SteelyardError:
            refused += 1
    return refused


def test_entries_are_read_or_refused_in_our_words(served: Served) -> None:
    chain = served.federation.chain("host", served.case)
    good = write_entries([item.entry for item in chain.ordered])
    assert len(read_entries(good)) == 2
    assert fuzz("entries", read_entries, lambda drawn: damaged(good, drawn)) > 3
    values: Any = parse_json(good)

    def made(drawn: random.Random) -> bytes:
        try:
            return canonical_json(bent(values, drawn))
        except SteelyardError:
            return b"[]"

    assert fuzz("bent entries", read_entries, made) > 3


def test_tickets_are_read_or_refused_in_our_words(served: Served) -> None:
    at, key = served.federation.clock.at, served.federation["lab"].identity.key
    good = sign_ticket(key, "https://node.example", "0" * 64, at).encode()

    def read(data: bytes) -> object:
        return open_ticket(data.decode("latin-1"), "https://node.example", at)

    assert read(good)
    assert fuzz("tickets", read, lambda drawn: damaged(good, drawn)) > 3
