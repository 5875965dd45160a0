"""Feeds: which documents are believed, whom they name, and every way to forge one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from steelyard.attest import PrivateKey, Statement, Subject, predicate_type, sign_statement
from steelyard.disclosure.advisory import Site, publish
from steelyard.disclosure.advisory.feed import Feed, read_feed
from steelyard.disclosure.advisory.handles import endpoint_handle, subject_handle
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import UsageError

from .samples import AT, REPRODUCER, Fields, advisory, full

KEY = PrivateKey.from_seed(b"\x07" * 32)
OTHER = PrivateKey.from_seed(b"\x08" * 32)
FOLDER = ".well-known/csaf"
NAME = f"{FOLDER}/2026/ex-sa-2026-0001.json"
HANDLE = subject_handle("ab" * 32)
Files = dict[str, bytes]


def named(handle: str = HANDLE, namespace: str = "urn:steelyard:subject") -> Fields:
    document = full()
    document["targets"][0]["uris"] = [{"namespace": namespace, "uri": handle}]
    return document


def tree(document: Fields | None = None, key: PrivateKey | None = KEY) -> Files:
    site = Site("https://coordination.example", key=key)
    made = publish((advisory(document or named()),), site, AT)
    return {file.path: file.data for file in made}


def envelope(data: bytes, name: str = "ex-sa-2026-0001.json", **changes: Any) -> bytes:  # noqa: ANN401
    """An envelope over other bytes, by the publisher's own key."""
    findings = [
        {"id": "F1", "flaw_class": "", "reproducer": ""},
        {"id": "F2", "flaw_class": "", "reproducer": ""},
    ]
    said = {"advisory": "EX-SA-2026-0001", "version": "2", "findings": findings, **changes}
    kind = predicate_type("disclosure-advisory")
    return sign_statement(Statement((Subject(name, sha256_hex(data)),), kind, said), KEY)


def refused(feed: Feed) -> list[tuple[str, str]]:
    return [(row.file, row.why) for row in feed.not_believed]


def test_a_signed_advisory_is_believed_and_names_its_target() -> None:
    feed = read_feed(tree(), (frozenset({KEY.public_key.key_id}),))
    assert refused(feed) == []
    (one,) = feed.advisories
    assert (one.id, one.version, one.publisher) == (
        "EX-SA-2026-0001", 2, KEY.public_key.key_id,
    )  # fmt: skip
    assert (feed.publishers, feed.pinned) == ((KEY.public_key.key_id,), True)
    assert one.findings[0].statuses == {HANDLE: "affected"}
    assert (one.findings[0].flaw_class, one.findings[0].reproducer) == (
        "indirect prompt injection", REPRODUCER,
    )  # fmt: skip
    assert one.findings[0].affects


@pytest.mark.parametrize(
    ("handle", "namespace"),
    [
        (HANDLE.replace("a", "\u0430", 1), "urn:steelyard:subject"),  # a Cyrillic letter
        (HANDLE, "https://models.example"),
        (HANDLE, "urn:steelyard:endpoint"),
        (f"{HANDLE}0", "urn:steelyard:subject"),
    ],
)
def test_a_handle_that_only_looks_like_it_names_nothing(handle: str, namespace: str) -> None:
    files = tree()
    document = json.loads(files[NAME])
    version = document["product_tree"]["branches"][0]["branches"][0]["branches"][0]
    helper = version["product"]["product_identification_helper"]
    helper["x_generic_uris"] = [{"namespace": namespace, "uri": handle}]
    data = json.dumps(document).encode()
    files |= {NAME: data, f"{NAME}.dsse": envelope(data)}
    feed = read_feed(files)
    assert refused(feed) == []
    assert HANDLE not in feed.advisories[0].findings[0].statuses


def test_two_endpoints_never_share_a_handle() -> None:
    one = endpoint_handle("https://a.example/v1", "m")
    assert one != endpoint_handle("https://a.example/v1m", "")
    assert one != endpoint_handle("https://a.example/v1", "M")


def unsigned(files: Files) -> None:
    del files[f"{NAME}.dsse"]


def other_bytes(files: Files) -> None:
    files[NAME] = files[NAME].replace(b"known_affected", b"known_not_affected")


def by_a_stranger(files: Files) -> None:
    files[f"{NAME}.dsse"] = tree(key=OTHER)[f"{NAME}.dsse"]


def removed(files: Files) -> None:
    del files[NAME]


def removed_with_its_envelope(files: Files) -> None:
    del files[NAME], files[f"{NAME}.dsse"]


def under_another_name(files: Files) -> None:
    files[f"{NAME}.dsse"] = envelope(files[NAME], "ex-sa-2026-0002.json")


def of_another_kind(files: Files) -> None:
    statement = Statement((Subject("x", "00" * 32),), predicate_type("run-intent"), {})
    files[f"{NAME}.dsse"] = sign_statement(statement, KEY)


def another_version(files: Files) -> None:
    files[f"{NAME}.dsse"] = envelope(files[NAME], version="1")


def a_flaw_too_many(files: Files) -> None:
    rows = [{"id": f"F{n}", "flaw_class": "", "reproducer": ""} for n in (1, 2, 3)]
    files[f"{NAME}.dsse"] = envelope(files[NAME], findings=rows)


def a_flaw_too_few(files: Files) -> None:
    row = {"id": "F1", "flaw_class": "", "reproducer": ""}
    files[f"{NAME}.dsse"] = envelope(files[NAME], findings=[row])


def no_csaf(files: Files) -> None:
    files[NAME] = b'{"document": []}'
    files[f"{NAME}.dsse"] = envelope(files[NAME])


def a_key_under_anothers_name(files: Files) -> None:
    name = f"{FOLDER}/ed25519/{KEY.public_key.key_id}.pub"
    files[name] = OTHER.public_key.pem


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (unsigned, "is not signed: there is no envelope beside it"),
        (other_bytes, "is not the document that was signed"),
        (by_a_stranger, "which is not among the keys given"),
        (removed, "is listed, and is not there"),
        (removed_with_its_envelope, "is listed, and is not there"),
        (under_another_name, "was signed under another name"),
        (of_another_kind, "its signature is of something else"),
        (another_version, "says another id or version than its signature"),
        (a_flaw_too_many, "leaves out a flaw that its signature lists"),
        (a_flaw_too_few, "tells of a flaw that its signature does not list"),
        (no_csaf, "is no CSAF document of ours"),
        (a_key_under_anothers_name, "which is not among the keys given"),
    ],
)
def test_what_cannot_be_shown_is_not_believed(fault: Callable[[Files], None], why: str) -> None:
    files = tree()
    fault(files)
    feed = read_feed(files)
    assert feed.advisories == ()
    ((file, said),) = refused(feed)
    assert file == NAME
    assert said.endswith(why)


def test_a_publisher_that_is_not_pinned_is_not_believed() -> None:
    trusted = frozenset({OTHER.public_key.key_id})
    feed = read_feed(tree(), (trusted,))
    assert refused(feed) == [
        (NAME, f"is of key {KEY.public_key.key_id[:16]}, which is not trusted")
    ]
    both = frozenset({OTHER.public_key.key_id, KEY.public_key.key_id})
    assert read_feed(tree(), (both, trusted)).advisories == ()


def test_of_one_advisory_the_last_version_counts_and_only_of_its_publisher() -> None:
    first = named()
    first["revisions"] = first["revisions"][:1]
    old = {f"old/{path}": data for path, data in tree(first).items()}
    stranger = {f"other/{path}": data for path, data in tree(first, OTHER).items()}
    feed = read_feed({**tree(), **old, **stranger})
    assert refused(feed) == []
    assert sorted((one.publisher, one.version) for one in feed.advisories) == sorted(
        [(KEY.public_key.key_id, 2), (OTHER.public_key.key_id, 1)]
    )


def test_a_folder_without_an_advisory_is_no_feed() -> None:
    with pytest.raises(UsageError) as caught:
        read_feed({"provider-metadata.json": b"{}"})
    assert caught.value.message == "the folder holds no published advisory"
