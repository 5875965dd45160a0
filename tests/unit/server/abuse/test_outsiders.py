"""Who is not in a case learns nothing of it, not even that it is here.

The attacker is an organization whose card is here and that has heard the id of a case. It is
answered alike for that case and for one that it made up; the victim keeps the true reasons.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.server.web.machines.served import Served

from steelyard.disclosure.delivery.parcel import Parcel, encrypt_parcel, sign_parcel
from steelyard.disclosure.delivery.sealed_object import object_id, seal_object
from steelyard.server.node.inbox import receive
from steelyard.server.node.letters import write_entries
from steelyard.server.storage import post

NOBODYS = "0" * 64


def parcel(served: Served, case: str, kind: str) -> bytes:
    """A parcel of an outsider about a case."""
    node, host = served.federation["other"], served.host.identity.card
    own = served.federation.open("other")
    chain = served.federation.chain("other", own)
    sealed = seal_object(
        b"x", media_type="text/plain", recipients={host.organization: host.recipient},
        random=node.random,
    )  # fmt: skip
    entries = write_entries([item.entry for item in chain.ordered])
    bodies: dict[str, tuple[dict[str, Any], tuple[bytes, ...]]] = {
        "fetch": ({"size": 0}, ()),
        "head": ({"size": 0, "head": NOBODYS}, ()),
        "refused": ({"digest": NOBODYS, "reason": "", "anew": False, "size": 0}, ()),
        "fault": ({"kind": "fork", "culprit": host.organization}, (b"x", b"x")),
        "object": ({"id": object_id(sealed)}, (sealed,)),
        "event": ({}, (served.event("other"),)),
        "entries": ({"size": 1}, (entries,)),
    }
    body, attachments = bodies[kind]
    made = Parcel(
        node.organization, host.organization, kind, case, body, served.federation.clock.at,
        attachments,
    )  # fmt: skip
    return encrypt_parcel(sign_parcel(made, node.identity.key), host.recipient)


@pytest.mark.parametrize(
    "kind", ["fetch", "head", "refused", "fault", "object", "event", "entries"]
)
def test_a_parcel_about_a_case_of_others_is_answered_like_one_about_none(
    served: Served, kind: str
) -> None:
    answers = []
    for case in (served.case, NOBODYS):
        for data in [parcel(served, case, kind)] * 2:
            answer = served.ask("POST", "/inbox", data, by="other")
            words = answer.json()
            answers.append((answer.status_code, words.get("detail"), words.get("hint")))
    assert answers[:2] == answers[2:]
    assert answers[0][0] == (202 if kind == "object" else 409)
    assert served.federation.chain("host", served.case).size == 2


def test_the_victim_keeps_the_reason_that_it_does_not_tell(served: Served) -> None:
    data = parcel(served, served.case, "fetch")
    outcome = served.host.run(lambda c: receive(served.host, c, data))
    assert outcome.reason == "there is nothing here, or not for you"
    with served.host.database.reading() as connection:
        [letter] = post.refused_letters(connection)
    assert "is not in this case" in letter.reason


@pytest.mark.parametrize("path", ["entries", "checkpoint"])
def test_a_case_of_others_reads_like_none(served: Served, path: str) -> None:
    found = [
        served.ask("GET", f"/cases/{case}/{path}", by="other")
        for case in (served.case, NOBODYS, "x")
    ]
    assert len({(item.status_code, item.content, str(item.headers)) for item in found}) == 1
    assert found[0].status_code == 404


def test_parcels_of_short_and_longer_words_have_one_size(served: Served) -> None:
    sizes = {len(parcel(served, served.case, kind)) for kind in ("fetch", "head", "refused")}
    assert len(sizes) == 1
