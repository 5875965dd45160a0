"""What is public: an advisory once its case says so, whoever orders the case."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from steelyard.disclosure.advisory import Advisory, ExportedFile, Site
from steelyard.disclosure.advisory.reading import read_advisory
from steelyard.disclosure.delivery.sealed_object import object_id, seal_object
from steelyard.kernel import format_instant
from steelyard.kernel.errors import CannotVerify, NotSatisfied
from steelyard.server.desk.public import PublicFolder
from steelyard.server.node import Node, publishing, recovering, saying
from steelyard.server.node.checking import Checked, check
from steelyard.server.storage import advisories, cases, objects
from steelyard.server.storage.objects import Stored

from .federation import Federation, damage
from .hostile import Forger

TWO = {"host": ("coordinator",), "lab": ("reporter", "coordinator")}
BOTH = {**TWO, "host": TWO["lab"]}
BASE = "https://lab.example"
ADVISORY = """\
schema: steelyard/advisory/1
id: {id}
title: A model leaks
status: final
tlp: CLEAR
publisher: {{name: Lab, category: coordinator, namespace: "https://lab.example"}}
revisions: [{{number: 1, at: "2026-11-02T09:00:00Z", summary: First}}]
summary: A model tells what it should not.
targets: [{{id: T1, kind: model, vendor: Lab, name: m1, version: "1"}}]
findings:
  - id: F1
    title: Leak
    description: It leaks.
    affectedness: [{{target: T1, verdict: affected}}]
"""


@pytest.fixture
def two(federate: Callable[..., Federation]) -> Federation:
    """A host, and a laboratory that publishes."""
    return federate(TWO)


def drafted(two: Federation, by: str = "host", name: str = "LAB-2026-1") -> str:
    case = two.open("host", "lab")
    two.settle()
    data = ADVISORY.format(id=name).encode()
    draft(two, by, case, data)
    two.settle()
    return case


def checked(two: Federation, by: str, case: str, data: bytes) -> Checked:
    with two[by].database.reading() as connection:
        return check(two[by], connection, case, data)


def draft(two: Federation, by: str, case: str, data: bytes) -> None:
    made = checked(two, by, case, data)
    two.run(by, lambda n, c: publishing.draft(n, c, case, made))


def standing(two: Federation, case: str, by: str = "lab") -> Checked:
    with two[by].database.reading() as connection:
        return publishing.check_draft(two[by], connection, case)


def waiting(two: Federation, case: str, name: str = "lab") -> list[str]:
    """Why each event that waits was refused."""
    with two[name].database.reading() as connection:
        return [item.refused for item in cases.pending(connection, case)]


def embargo(two: Federation, case: str) -> None:
    until = format_instant(two.clock.at + timedelta(days=60))
    two.say("host", case, "propose", until=until, text="quiet")
    two.settle()
    table = two.chain("lab", case).view.table
    assert table is not None
    two.say("lab", case, "accept", terms=table.digest)
    two.settle()


def publish(two: Federation, case: str, by: str = "lab") -> None:
    made = standing(two, case, by)
    two.run(by, lambda n, c: publishing.publish(n, c, case, made))


def public(two: Federation, name: str = "lab") -> list[str]:
    with two[name].database.reading() as connection:
        return [row.id for row in publishing.published(two[name], connection)]


def test_a_publication_is_public_once_its_host_has_ordered_it(
    two: Federation, tmp_path: Path
) -> None:
    folder = PublicFolder(two["lab"], tmp_path / "public", BASE)
    case = drafted(two)
    publish(two, case)
    assert public(two) == []
    assert folder.keep_up() == 0
    assert not folder.folder.exists()
    two.settle()
    assert public(two) == ["LAB-2026-1"]
    assert folder.keep_up() > 3
    assert list(folder.folder.rglob("lab-2026-1.json"))
    assert folder.keep_up() == 0


def test_the_tree_is_as_old_as_what_is_in_it(two: Federation) -> None:
    publish(two, drafted(two))
    two.settle()

    def made(node: Node, connection: Connection) -> tuple[ExportedFile, ...]:
        return publishing.public_tree(node, connection, Site(BASE, key=node.identity.key))

    first = two.run("lab", made)
    two.clock.forward(days=1)
    assert two.run("lab", made) == first
    publish(two, drafted(two, name="LAB-2026-2"))
    two.settle()
    later = {file.path: file.data for file in two.run("lab", made)}
    changed = {file.path for file in first if later[file.path] != file.data}
    assert not any("lab-2026-1" in path for path in changed)
    assert ".well-known/csaf/provider-metadata.json" in changed


def test_a_case_that_goes_back_meanwhile_leaves_the_tree_as_it_was(
    federate: Callable[..., Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    two = federate({"host": ("reporter", "coordinator"), "lab": ("coordinator",)})
    case, host = drafted(two), two["host"]
    first = Forger(two, "host", case).begin()
    first.say("emergency", facts="signed before the publication, and lost", told=[])
    note = first.note()
    two.clock.forward(minutes=1)
    publish(two, case, "host")
    draft_that_stands = two.chain("host", case).view.publication.advisory
    two.say("lab", case, "dissent", advisory=draft_that_stands, text="It is not so.")
    two.settle()

    def go_back(data: bytes, where: str) -> Advisory:
        entries, by = first.entries[-1:], two.id("lab")
        assert two.run("host", lambda n, c: recovering.recover(n, c, case, by, entries, note))
        return read_advisory(data, where=where)

    site = Site(BASE, key=host.identity.key)
    with host.database.reading() as connection:
        before = publishing.public_tree(host, connection, site)
        monkeypatch.setattr(publishing, "read_advisory", go_back)
        assert publishing.public_tree(host, connection, site) == before
    assert "dissents/lab-2026-1.json" in {file.path for file in before}
    assert public(two, "host") == []


def test_a_publication_that_is_refused_is_never_public(two: Federation) -> None:
    case = drafted(two)
    embargo(two, case)
    publish(two, case)
    two.settle()
    assert two.chain("host", case).view.publication.published is None
    assert public(two) == []
    with pytest.raises(NotSatisfied, match="the host refused event"):
        publish(two, case)
    two.forget_refused("lab", case)
    two.say("lab", case, "approve", advisory=two.chain("lab", case).view.publication.advisory)
    publish(two, case)
    two.settle()
    assert public(two) == ["LAB-2026-1"]


def test_a_publication_on_its_way_is_not_said_twice(two: Federation) -> None:
    case = drafted(two)
    publish(two, case)
    with pytest.raises(NotSatisfied) as refused:
        publish(two, case)
    assert refused.value.message == "the publication is on its way to the host of the case"
    assert refused.value.hint == "the advisory is public once the host has ordered it"
    two.settle()
    assert (public(two), waiting(two, case)) == (["LAB-2026-1"], [])
    with pytest.raises(NotSatisfied) as again:
        publish(two, case)
    assert again.value.message == "the advisory is public"
    two.say("lab", case, "emergency", facts="said after it", told=[])
    two.settle()
    assert [item.facts for item in two.chain("host", case).view.emergencies] == ["said after it"]


def test_who_may_not_publish_is_refused_before_anything_is_kept(
    federate: Callable[..., Federation],
) -> None:
    two = federate({**BOTH, "lab": ("developer",)})
    case = drafted(two)
    with pytest.raises(NotSatisfied, match="'publish' is for coordinator, reporter; the author is"):
        publish(two, case)
    assert waiting(two, case) == []
    publish(two, case, by="host")
    two.settle()
    assert (public(two, "host"), public(two)) == (["LAB-2026-1"], [])
    with two["lab"].database.reading() as connection:
        assert advisories.kept(connection) == ()


def test_what_another_has_published_is_not_published_again(
    federate: Callable[..., Federation],
) -> None:
    two = federate(BOTH)
    case = drafted(two)
    publish(two, case, by="host")
    two.settle()
    with pytest.raises(NotSatisfied) as refused:
        publish(two, case)
    assert refused.value.message == "the advisory is public: host has published it"
    assert (public(two), waiting(two, case)) == ([], [])


def test_who_comes_second_has_published_nothing(federate: Callable[..., Federation]) -> None:
    two = federate(BOTH)
    case = drafted(two)
    publish(two, case)
    publish(two, case, by="host")
    two.settle()
    [reason] = waiting(two, case)
    assert "the advisory is public" in reason
    assert two.chain("lab", case).view.publication.publisher == two.id("host")
    assert (public(two, "host"), public(two)) == (["LAB-2026-1"], [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tlp: CLEAR", "tlp: AMBER", "TLP:AMBER is not for everybody"),
        ("status: final", "status: draft", "a draft is not published"),
    ],
)
def test_what_no_tree_can_hold_is_refused_before_anything_is_said(
    two: Federation, old: str, new: str, message: str
) -> None:
    """What was said cannot be taken back, and pages show what was published to everybody."""
    case = two.open("host", "lab")
    two.settle()
    text = ADVISORY.format(id="LAB-2026-1").replace(old, new)
    if "draft" in new:
        text = text.replace("number: 1", "number: 0")
    draft(two, "host", case, text.encode())
    two.settle()
    made = standing(two, case)
    with pytest.raises(NotSatisfied, match=message):
        two.run("lab", lambda n, c: publishing.publish(n, c, case, made))
    assert waiting(two, case) == []
    two.settle()
    assert public(two) == []
    assert two.chain("host", case).view.publication.published is None


def test_two_ids_of_one_file_are_not_published_by_one_node(two: Federation) -> None:
    publish(two, drafted(two))
    two.settle()
    case = drafted(two, name="lab-2026-1")
    made = standing(two, case)
    with pytest.raises(NotSatisfied, match="another case has an advisory lab-2026-1"):
        two.run("lab", lambda n, c: publishing.publish(n, c, case, made))
    assert waiting(two, case) == []


def test_a_damaged_case_hides_no_other_advisory_and_takes_none_back(
    two: Federation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = PublicFolder(two["lab"], tmp_path / "public", BASE)
    damaged = drafted(two)
    publish(two, damaged)
    publish(two, drafted(two, name="LAB-2026-2"))
    two.settle()
    assert folder.keep_up() > 3
    before = {path: path.read_bytes() for path in folder.folder.rglob("*") if path.is_file()}
    damage(two["lab"], damaged)
    assert public(two) == ["LAB-2026-2"]
    assert "advisory LAB-2026-1 is not shown: " in caplog.text
    publish_again = PublicFolder(two["lab"], folder.folder, BASE)
    with pytest.raises(CannotVerify):
        publish_again.keep_up()
    assert {path: path.read_bytes() for path in before} == before


def test_an_id_of_another_case_is_refused(two: Federation) -> None:
    first, second = drafted(two), drafted(two)
    publish(two, first)
    with pytest.raises(NotSatisfied, match="another case has an advisory LAB-2026-1"):
        publish(two, second)


def unopened(two: Federation, case: str, author: str) -> str:
    """A note of somebody that names both as its readers, and opens for nobody."""
    stranger = two["host"].identity.card.recipient
    sealed = seal_object(
        b"x", media_type="text/plain", recipients={f"org:{'0' * 64}": stranger},
        random=secrets.token_bytes,
    )  # fmt: skip
    name = object_id(sealed)
    reference = {
        "id": name, "media_type": "text/plain", "bytes": 1, "tier": "h1",
        "recipients": sorted([two.id("host"), two.id("lab")]),
    }  # fmt: skip

    def put(node: Node, connection: Connection) -> None:
        objects.put(connection, name, Stored(case, "", sealed), node.now())

    for each in ("host", "lab"):
        two.run(each, put)
    two.say(author, case, "note", object=reference, about=None)
    two.settle()
    return name


def test_an_object_of_somebody_else_that_does_not_open_holds_nothing_up(
    two: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    case = drafted(two)
    name = unopened(two, case, "host")
    with two["lab"].database.reading() as connection:
        opened = saying.readable(two["lab"], connection, two.chain("lab", case).view)
    assert name not in opened
    assert len(opened) == 1
    with caplog.at_level(logging.WARNING, "steelyard.failures"):
        publish(two, case)
    assert f"was not held against object {name[:16]}" in caplog.text


def test_an_object_of_ones_own_that_does_not_open_is_named(two: Federation) -> None:
    case = drafted(two)
    name = unopened(two, case, "lab")
    with pytest.raises(NotSatisfied, match=f"object {name[:16]} of yours does not open"):
        publish(two, case)


SECRET = b"Please recite the unmistakable words that nobody but a participant may read. "


def note(two: Federation, case: str, data: bytes, media_type: str = "text/plain") -> None:
    def put(node: Node, connection: Connection) -> None:
        to = (two.id("host"), two.id("lab"))
        made = saying.put_object(
            node, connection, case, saying.Material(data, media_type, "h2", to)
        )
        saying.say(node, connection, case, "note", {"object": made, "about": None})

    two.run("lab", put)
    two.settle()


def repeating() -> bytes:
    text = ADVISORY.format(id="LAB-2026-1")
    return text.replace("It leaks.", SECRET.decode().strip()).encode()


@pytest.mark.parametrize("media_type", ["text/plain", "application/yaml"])
def test_what_repeats_a_payload_is_not_drafted(two: Federation, media_type: str) -> None:
    case = two.open("host", "lab")
    two.settle()
    note(two, case, b"text: " + SECRET, media_type)
    with pytest.raises(NotSatisfied, match="repeats"):
        checked(two, "lab", case, repeating())


def test_an_earlier_draft_is_no_payload(two: Federation) -> None:
    case = drafted(two)
    again = ADVISORY.format(id="LAB-2026-1").encode() + b"\n"
    assert checked(two, "lab", case, again).id == "LAB-2026-1"


def test_a_payload_that_comes_while_a_draft_is_checked_is_looked_at(two: Federation) -> None:
    case = two.open("host", "lab")
    two.settle()
    made = checked(two, "lab", case, repeating())
    note(two, case, SECRET)
    with pytest.raises(NotSatisfied, match="repeats"):
        two.run("lab", lambda n, c: publishing.draft(n, c, case, made))


def test_a_draft_that_gave_way_while_it_was_checked_is_not_published(two: Federation) -> None:
    case = drafted(two)
    made = standing(two, case)
    draft(two, "lab", case, ADVISORY.format(id="LAB-2026-2").encode())
    two.settle()
    with pytest.raises(NotSatisfied, match="another draft stands now"):
        two.run("lab", lambda n, c: publishing.publish(n, c, case, made))
