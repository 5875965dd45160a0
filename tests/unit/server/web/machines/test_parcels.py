"""`POST /inbox`, `POST /cards`, `GET /card`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.unit.server.web.machines.begun import begin, send
from tests.unit.server.web.machines.served import Served, problem

from steelyard.disclosure.case import open_card
from steelyard.disclosure.delivery.parcel import PARCEL_LIMIT_BYTES
from steelyard.server.node import About, create_identity, ordering
from steelyard.server.node.identity import load_root, rotate_keys
from steelyard.server.storage import followers
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.tables import ENTRIES
from steelyard.server.web import app
from steelyard.server.web.guard import Limits
from steelyard.server.web.settings import Quotas

UNSIGNED = (401, "not signed by an organization whose card is here, over this very request")


def test_a_parcel_is_taken_once(served: Served) -> None:
    parcel = served.parcel()
    first = served.ask("POST", "/inbox", parcel, by="lab")
    again = served.ask("POST", "/inbox", parcel, by="lab")
    assert (first.status_code, first.json()["result"]) == (202, "taken")
    assert (again.status_code, again.json()["result"]) == (202, "known")
    assert again.json()["parcel"] == first.json()["parcel"]


def test_a_parcel_that_cannot_be_taken_is_a_conflict_each_time(served: Served) -> None:
    parcel = served.parcel("other")
    first = problem(served.ask("POST", "/inbox", parcel, by="other"))
    again = problem(served.ask("POST", "/inbox", parcel, by="other"))
    assert first[0] == 409
    assert again == first


def test_an_unsigned_request_is_turned_away(served: Served) -> None:
    response = served.ask("POST", "/inbox", served.parcel())
    assert problem(response) == UNSIGNED
    assert response.headers["www-authenticate"] == "Signature"


@pytest.mark.parametrize("names", ["itself", "lab"])
def test_what_no_known_key_signed_is_turned_away_before_its_body_is_read(
    served: Served, names: str
) -> None:
    stranger = create_identity(
        served.federation.folder / "stranger", About("Stranger", ("observer",)), served.host.now()
    )
    headers = served.signature("POST", "/inbox", stranger.key, served.parcel())
    if names == "lab":
        known = served.federation["lab"].identity.key.public_key.key_id
        own = stranger.key.public_key.key_id
        headers["Signature-Input"] = headers["Signature-Input"].replace(own, known)

    async def too_large():  # noqa: ANN202
        for _ in range(1 + PARCEL_LIMIT_BYTES // 1_000_000):
            yield b"x" * 1_000_000

    assert problem(served.ask("POST", "/inbox", too_large(), headers=headers)) == UNSIGNED


def test_a_request_is_not_taken_twice(served: Served) -> None:
    body = served.parcel()
    headers = served.signature("POST", "/inbox", served.federation["lab"].identity.key, body)
    assert served.ask("POST", "/inbox", body, headers=headers).status_code == 202
    assert problem(served.ask("POST", "/inbox", body, headers=headers)) == UNSIGNED


@pytest.mark.parametrize(("ahead_s", "status"), [(-600, 425), (600, 401)])
def test_a_request_of_another_time_is_not_taken(served: Served, ahead_s: int, status: int) -> None:
    body = served.parcel()
    key = served.federation["lab"].identity.key
    headers = served.signature("POST", "/inbox", key, body, ahead_s=ahead_s)
    assert problem(served.ask("POST", "/inbox", body, headers=headers))[0] == status


def test_a_request_for_another_node_is_misdirected(served: Served) -> None:
    body = served.parcel()
    key = served.federation["lab"].identity.key
    headers = served.signature("POST", "/inbox", key, body, authority="elsewhere.example")
    answer = served.ask("POST", "/inbox", body, headers={**headers, "Host": "elsewhere.example"})
    assert problem(answer) == (421, "this node has another address")
    assert problem(served.ask("POST", "/inbox", body, headers=headers)) == UNSIGNED


def test_another_body_than_was_signed_is_turned_away(served: Served) -> None:
    body = served.parcel()
    headers = served.signature("POST", "/inbox", served.federation["lab"].identity.key, body)
    assert problem(served.ask("POST", "/inbox", body + b"x", headers=headers)) == UNSIGNED


def test_no_parcel_is_malformed(served: Served) -> None:
    status, detail = problem(served.ask("POST", "/inbox", b"nothing", by="lab"))
    assert (status, detail) == (422, "parcel: this is no parcel")


def test_a_revoked_key_is_not_known_any_more(served: Served) -> None:
    folder = served.federation.folder / "lab"
    old = served.federation["lab"].identity.key
    identity = rotate_keys(folder, load_root(folder), served.host.now(), revoke=True)
    assert served.ask("POST", "/cards", identity.card.envelope).status_code == 201
    served.federation.clock.forward(seconds=1)
    body = served.parcel()
    headers = served.signature("POST", "/inbox", old, body)
    assert problem(served.ask("POST", "/inbox", body, headers=headers)) == UNSIGNED


@pytest.fixture
def without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A node that has room for nobody's body but those of whom it knows."""
    monkeypatch.setattr(app, "Limits", partial(Limits, strangers_bytes=0))
    made = Served(tmp_path)
    yield made
    made.close()


def trust(served: Served, name: str, *, trusted: bool) -> None:
    card, at = served.federation[name].identity.card, served.host.now()
    served.host.run(lambda c: cards.keep(c, card, at, trusted=trusted))


def has_room(served: Served, name: str) -> bool:
    """Whether a parcel is read, whatever becomes of it."""
    status = served.ask("POST", "/inbox", served.parcel(name), by=name).status_code
    assert status in {202, 409, 503}
    return status != 503


def test_whose_fingerprint_was_compared_takes_no_room_of_strangers(without_room: Served) -> None:
    assert has_room(without_room, "other")
    trust(without_room, "other", trusted=False)
    assert not has_room(without_room, "other")
    trust(without_room, "other", trusted=True)
    assert has_room(without_room, "other")
    assert without_room.ask("POST", "/cards", b"x").status_code == 503


def test_a_member_of_a_case_of_this_node_takes_no_room_of_strangers(without_room: Served) -> None:
    trust(without_room, "lab", trusted=False)
    assert has_room(without_room, "lab")
    leaving = without_room.event(kind="leave", reason="done")
    node = without_room.host
    node.run(lambda c: ordering.admit(node, c, without_room.case, leaving))
    assert not has_room(without_room, "lab")


def test_a_stranger_is_not_introduced_by_a_case_of_its_own(without_room: Served) -> None:
    trust(without_room, "other", trusted=False)
    case = without_room.federation.open("other", "host")
    without_room.federation.settle()
    assert not has_room(without_room, "other")
    # As if the votes of others had made this node its host.
    other = without_room.federation.id("other")
    without_room.host.run(lambda c: followers.add(c, case, [other]))
    assert not has_room(without_room, "other")
    damaged = update(ENTRIES).where(ENTRIES.c.case_id == case).values(event=b"damaged")
    without_room.host.run(lambda c: c.execute(damaged))
    assert not has_room(without_room, "other")


def test_a_signed_head_holds_one_body_and_no_more_than_a_strangers_part(served: Served) -> None:
    trust(served, "other", trusted=False)
    key = served.federation["other"].identity.key
    part = b"x" * PARCEL_LIMIT_BYTES

    async def go() -> None:
        head = served.signature("POST", "/inbox", key)
        held = [await begin(served.app, part, path="/inbox", headers=head) for _ in range(4)]
        assert [one.status for one in held] == [0, 401, 401, 401]
        fresh = served.signature("POST", "/inbox", key)
        assert (await begin(served.app, b"x", path="/inbox", headers=fresh)).status == 503
        event = served.event()
        assert await send(served.app, event, path="/events", address="192.0.2.8") == 201
        assert await held[0].end() == 401

    asyncio.run(go())


def test_bodies_of_one_key_are_bounded_wherever_they_come_from(served: Served) -> None:
    key = served.federation["lab"].identity.key
    part = b"x" * PARCEL_LIMIT_BYTES

    async def go() -> None:
        first, second = [
            await begin(
                served.app,
                part,
                path="/inbox",
                address=address,
                headers=served.signature("POST", "/inbox", key),
            )
            for address in ("192.0.2.7", "192.0.2.8")
        ]
        assert [first.status, second.status] == [0, 503]
        assert await first.end() == 401

    asyncio.run(go())


@pytest.mark.parametrize("ahead_s", [-600, 600])
def test_no_body_is_read_after_a_head_of_another_time(served: Served, ahead_s: int) -> None:
    key = served.federation["lab"].identity.key

    async def go() -> int:
        head = served.signature("POST", "/inbox", key, ahead_s=ahead_s)
        return (await begin(served.app, b"x", path="/inbox", headers=head)).status

    assert asyncio.run(go()) == (425 if ahead_s < 0 else 401)


def test_no_body_is_read_of_a_key_that_sends_too_often(tmp_path: Path) -> None:
    served = Served(tmp_path, Quotas(parcels_per_minute=4))
    key = served.federation["lab"].identity.key

    async def go() -> list[int]:
        heads = [served.signature("POST", "/inbox", key) for _ in range(2)]
        begun = [await begin(served.app, b"x", path="/inbox", headers=head) for head in heads]
        statuses = [one.status for one in begun]
        await begun[0].end()
        return statuses

    try:
        assert asyncio.run(go()) == [0, 429]
    finally:
        served.close()


def stranger(served: Served, name: str) -> bytes:
    about = About(name, ("observer",))
    at = served.host.now() - timedelta(seconds=1)
    return create_identity(served.federation.folder / name, about, at).card.envelope


def test_a_stranger_makes_itself_known_and_is_not_trusted(served: Served) -> None:
    card = stranger(served, "new")
    first, again = served.ask("POST", "/cards", card), served.ask("POST", "/cards", card)
    organization = open_card(card).organization
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"organization": organization, "sequence": 1}
    with served.host.database.reading() as connection:
        known = cards.find(connection, organization)
    assert known is not None
    assert not known.trusted


def test_a_card_that_its_root_key_did_not_sign_is_refused(served: Served) -> None:
    card = stranger(served, "new")
    status, _ = problem(served.ask("POST", "/cards", card.replace(b"A", b"B", 1)))
    assert status == 422


def test_an_address_that_sends_many_cards_waits(tmp_path: Path) -> None:
    served = Served(tmp_path, Quotas(cards_per_minute=4))
    card = stranger(served, "new")
    statuses = [served.ask("POST", "/cards", card).status_code for _ in range(2)]
    assert statuses == [201, 429]
    served.close()


def test_only_so_many_strangers_are_kept(tmp_path: Path) -> None:
    served = Served(tmp_path, Quotas(strangers=2, cards_per_minute=400))
    answers = [served.ask("POST", "/cards", stranger(served, f"s{n}")) for n in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2].headers["retry-after"] == "3600"
    with served.host.database.reading() as connection:
        assert cards.count_strangers(connection) == 2
    served.close()


def test_the_nodes_own_card_is_public(served: Served) -> None:
    response = served.ask("GET", "/card")
    assert response.content == served.host.identity.card.envelope
