from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from steelyard.attest import PrivateKey, open_envelope
from steelyard.disclosure.advisory import OpenPgp, Site, publish
from steelyard.disclosure.advisory.security_txt import SecurityText, security_txt
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, NotSatisfied, UsageError
from steelyard.standard import check_schema

from .samples import AT, REPRODUCER, Fields, advisory, full

_BASE = "https://coordination.example"
_KEY = PrivateKey.from_seed(b"\x07" * 32)
_CSAF = ".well-known/csaf"


def tree(*documents: Fields, site: Site | None = None) -> dict[str, bytes]:
    advisories = tuple(advisory(document) for document in documents or (full(),))
    return {file.path: file.data for file in publish(advisories, site or Site(_BASE), AT)}


def second() -> Fields:
    document = full() | {"id": "EX-SA-2025-0009"}
    document["revisions"] = [{"number": 1, "at": "2025-12-30T08:00:00Z", "summary": "First."}]
    return document


def test_documents_lie_in_the_year_of_their_first_release_with_their_hashes() -> None:
    files = tree(full(), second())
    name = f"{_CSAF}/2026/ex-sa-2026-0001.json"
    data = files[name]
    assert f"{_CSAF}/2025/ex-sa-2025-0009.json" in files
    for kind in ("sha256", "sha512"):
        digest = hashlib.new(kind, data).hexdigest()
        assert files[f"{name}.{kind}"] == f"{digest}  ex-sa-2026-0001.json\n".encode()
    references = json.loads(data)["document"]["references"]
    assert references[0] == {
        "category": "self",
        "summary": "This advisory as CSAF",
        "url": f"{_BASE}/{name}",
    }


def test_lists_are_sorted_with_the_latest_first() -> None:
    files = tree(second(), full())
    assert files[f"{_CSAF}/index.txt"] == (
        b"2026/ex-sa-2026-0001.json\n2025/ex-sa-2025-0009.json\n"
    )
    assert files[f"{_CSAF}/changes.csv"] == (
        b'"2026/ex-sa-2026-0001.json","2026-10-08T09:00:00Z"\n'
        b'"2025/ex-sa-2025-0009.json","2025-12-30T08:00:00Z"\n'
    )


def test_the_feed_lists_every_file_beside_a_document() -> None:
    openpgp = OpenPgp("A" * 40, b"public", lambda data: b"signature of %d" % len(data))
    files = tree(full(), site=Site(_BASE, openpgp=openpgp, key=_KEY))
    feed = json.loads(files[f"{_CSAF}/feed-tlp-white.json"])["feed"]
    [entry] = feed["entry"]
    links = [(link["rel"], link["href"].removeprefix(f"{_BASE}/")) for link in entry["link"]]
    name = f"{_CSAF}/2026/ex-sa-2026-0001.json"
    assert links == [
        ("self", name),
        ("hash", f"{name}.sha256"),
        ("hash", f"{name}.sha512"),
        ("signature", f"{name}.asc"),
    ]
    assert all(path in files for _, path in links)
    assert entry["updated"] == "2026-10-08T09:00:00Z"
    assert files[f"{_CSAF}/openpgp/{'A' * 40}.asc"] == b"public"


def test_a_signature_of_ours_is_over_the_bytes_of_the_document() -> None:
    files = tree(full(), site=Site(_BASE, key=_KEY))
    name = f"{_CSAF}/2026/ex-sa-2026-0001.json"
    keys = {_KEY.public_key.key_id: _KEY.public_key}
    statement = open_envelope(files[f"{name}.dsse"], keys)
    check_schema(statement.predicate, "advisory-signature", where="signature")
    assert statement.predicate == {
        "advisory": "EX-SA-2026-0001",
        "version": "2",
        "findings": [
            {"id": "F1", "flaw_class": "indirect prompt injection", "reproducer": REPRODUCER},
            {"id": "F2", "flaw_class": "", "reproducer": ""},
        ],
    }
    assert statement.subjects[0].sha256 == hashlib.sha256(files[name]).hexdigest()
    assert files[f"{_CSAF}/ed25519/{_KEY.public_key.key_id}.pub"] == _KEY.public_key.pem
    with pytest.raises(BrokenSeal):
        open_envelope(files[f"{name}.dsse"].replace(b'"sig":"', b'"sig":"A'), keys)


@pytest.mark.parametrize("trusted", [False, True])
def test_only_openpgp_makes_a_trusted_provider(*, trusted: bool) -> None:
    openpgp = OpenPgp("B" * 40, b"public", lambda _: b"signature") if trusted else None
    files = tree(full(), site=Site(_BASE, openpgp=openpgp))
    metadata = json.loads(files[f"{_CSAF}/provider-metadata.json"])
    assert metadata["role"] == ("csaf_trusted_provider" if trusted else "csaf_provider")
    assert [key["fingerprint"] for key in metadata["public_openpgp_keys"]] == (
        ["B" * 40] if trusted else []
    )
    assert metadata["canonical_url"] == f"{_BASE}/{_CSAF}/provider-metadata.json"
    assert metadata["last_updated"] == "2026-11-01T12:00:00Z"


def test_a_document_has_the_same_bytes_however_often_the_tree_is_made() -> None:
    later = {file.path: file.data for file in publish((advisory(),), Site(_BASE), AT)}
    first = {
        file.path: file.data for file in publish((advisory(),), Site(_BASE), AT - timedelta(days=9))
    }
    changed = {path for path in later if later[path] != first[path]}
    assert changed == {f"{_CSAF}/provider-metadata.json"}


def test_security_txt_points_at_the_metadata() -> None:
    site = Site(
        _BASE,
        contacts=("mailto:psirt@coordination.example", "https://coordination.example/report"),
        expires_at=AT + timedelta(days=90),
    )
    assert tree(full(), site=site)[".well-known/security.txt"].decode() == (
        "Contact: mailto:psirt@coordination.example\r\n"
        "Contact: https://coordination.example/report\r\n"
        "Expires: 2027-01-30T12:00:00Z\r\n"
        "Canonical: https://coordination.example/.well-known/security.txt\r\n"
        "CSAF: https://coordination.example/.well-known/csaf/provider-metadata.json\r\n"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contacts": ()}, "security.txt needs a contact"),
        ({"expires_at": AT}, "security.txt expires after it is made, and within a year"),
        (
            {"expires_at": AT + timedelta(days=400)},
            "security.txt expires after it is made, and within a year",
        ),
        (
            {"csaf": "http://coordination.example/metadata"},
            "CSAF needs an https address, found 'http://coordination.example/metadata'",
        ),
        (
            {"contacts": ("http://coordination.example/report",)},
            "Contact needs an https address, found 'http://coordination.example/report'",
        ),
    ],
)
def test_a_security_txt_that_misleads_is_refused(change: Fields, message: str) -> None:
    text = SecurityText(("mailto:psirt@coordination.example",), AT + timedelta(days=90))
    with pytest.raises(UsageError) as caught:
        security_txt(replace(text, **change), AT)
    assert caught.value.message == message


def test_a_contact_cannot_add_a_field() -> None:
    text = SecurityText(("mailto:a@b.example\r\nPolicy: x",), AT + timedelta(days=9))
    with pytest.raises(MalformedEvidence):
        security_txt(text, AT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tlp": "GREEN"}, "TLP:GREEN is not for everybody; only CLEAR is published"),
        (
            {"status": "draft", "revisions": [{"number": 0, "at": "2026-10-01", "summary": "x"}]},
            "a draft is not published",
        ),
    ],
)
def test_what_is_not_for_everybody_is_not_published(change: Fields, message: str) -> None:
    with pytest.raises(NotSatisfied) as caught:
        tree(full() | change)
    assert caught.value.message == message
    assert caught.value.where == "EX-SA-2026-0001"


def test_one_tree_has_one_publisher_and_different_names() -> None:
    other = second()
    other["publisher"]["name"] = "Another Centre"
    with pytest.raises(UsageError) as caught:
        tree(full(), other)
    assert caught.value.message == "advisories of two publishers do not share a provider's tree"
    with pytest.raises(UsageError) as caught:
        tree(full(), full() | {"id": "ex-sa-2026-0001"})
    assert caught.value.message == "two advisories are called 'ex-sa-2026-0001.json'"


@pytest.mark.parametrize("base", ["http://a.example", "https://a.example/x?y", "ftp://a", ""])
def test_a_base_that_is_no_https_folder_is_refused(base: str) -> None:
    with pytest.raises(UsageError) as caught:
        tree(full(), site=Site(base))
    assert caught.value.message == f"{base!r} is no https address of a folder"


def test_equal_advisories_give_an_equal_tree() -> None:
    site = Site(_BASE, key=_KEY)
    assert tree(full(), second(), site=site) == tree(second(), full(), site=site)
