"""Entries and checkpoints for participants, files for everybody."""

from __future__ import annotations

import pytest
from tests.unit.server.web.machines.served import Served, problem

from steelyard.disclosure.case import replay
from steelyard.disclosure.case.checkpoint import open_checkpoint
from steelyard.kernel import canonical_json
from steelyard.server.node.letters import read_entries

NOT_HERE = (404, "there is nothing here, or not for you")


def test_a_participant_reads_a_case_that_verifies(served: Served) -> None:
    served.ask("POST", "/events", served.event())
    response = served.ask("GET", f"/cases/{served.case}/entries", by="lab")
    document = response.json()
    chain = replay(served.case, read_entries(canonical_json(document["entries"])))
    assert (document["size"], document["head"]) == (chain.size, chain.head) == (3, chain.head)


def test_reading_goes_on_from_an_index(served: Served) -> None:
    whole = served.ask("GET", f"/cases/{served.case}/entries", by="lab").json()
    rest = served.ask("GET", f"/cases/{served.case}/entries?from=1", by="lab").json()
    none = served.ask("GET", f"/cases/{served.case}/entries?from=99", by="lab").json()
    assert rest["entries"] == whole["entries"][1:]
    assert none["entries"] == []


@pytest.mark.parametrize("query", ["from=-1", "from=x", "from=1&from=2", "to=1", "from=01"])
def test_another_query_makes_no_sense(served: Served, query: str) -> None:
    response = served.ask("GET", f"/cases/{served.case}/entries?{query}", by="lab")
    assert problem(response) == (400, "expected ?from= and an index, or nothing")


@pytest.mark.parametrize("what", ["entries", "checkpoint"])
def test_a_case_that_is_not_ones_own_looks_like_none(served: Served, what: str) -> None:
    mine = served.ask("GET", f"/cases/{served.case}/{what}", by="other")
    none = served.ask("GET", f"/cases/{'a' * 64}/{what}", by="other")
    assert problem(mine) == problem(none) == NOT_HERE
    assert mine.content == none.content
    assert sorted(mine.headers) == sorted(none.headers)
    assert problem(served.ask("GET", f"/cases/{served.case}/{what}"))[0] == 401
    assert problem(served.ask("GET", f"/cases/{'a' * 64}/{what}"))[0] == 401


def test_the_checkpoint_is_the_hosts_and_of_what_stands(served: Served) -> None:
    response = served.ask("GET", f"/cases/{served.case}/checkpoint", by="lab")
    keys = served.host.identity.card.keys_at(served.host.now())
    shown = open_checkpoint(response.content, served.case, served.host.organization, keys)
    assert shown.size == served.size()


def test_published_files_are_served_and_nothing_beside_them(served: Served) -> None:
    folder = served.public / ".well-known"
    (folder / "csaf").mkdir(parents=True)
    (folder / "security.txt").write_text("Contact: x\n")
    (folder / "csaf" / "index.txt").write_text("a\n")
    (folder / ".secret").write_text("s")
    (folder / "link").symlink_to(served.federation.folder / "host" / "keys" / "root.key")
    (folder / "keys").symlink_to(served.federation.folder / "host" / "keys")
    found = served.ask("GET", "/.well-known/security.txt")
    assert (found.status_code, found.text) == (200, "Contact: x\n")
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert found.headers["cache-control"] == "public, max-age=300"
    assert served.ask("GET", "/.well-known/csaf/index.txt").text == "a\n"
    for name in (
        "link", "keys/root.key", ".secret", "csaf", "../x", "%2e%2e/x", "csaf/../x",
        "csaf/../../../host/card.json", "..%2f..%2fhost%2fcard.json", "no", "a%00b",
        "csaf\\index.txt",
    ):  # fmt: skip
        assert problem(served.ask("GET", f"/.well-known/{name}")) == NOT_HERE, name


def test_health_is_told_to_everybody(served: Served) -> None:
    assert served.ask("GET", "/health").json() == {"status": "ok"}


def test_a_node_that_cannot_write_says_so(served: Served) -> None:
    served.host.writer.close()
    response = served.ask("GET", "/health")
    assert problem(response) == (503, "the node cannot do this now")
    assert response.headers["retry-after"] == "5"
