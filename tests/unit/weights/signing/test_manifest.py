from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.weights.signing import generate_model_key, open_signature
from steelyard.weights.signing.manifest import (
    Manifest,
    Resource,
    Serialization,
    parse_manifest,
)

from .models import TRUST, resigned

A, B = b"\x0a" * 32, b"\x0b" * 32
FILES = Manifest(
    "scale-1",
    Serialization("files", "sha256", ignored=frozenset({".git"})),
    (Resource("config.json", 0, -1, A), Resource("w/model.safetensors", 0, -1, B)),
)
SHARDS = Manifest(
    "scale-1",
    Serialization("shards", "blake3", 100),
    (
        Resource("ww:1", 0, 100, A),
        Resource("ww:1", 100, 200, B),
        Resource("ww:1", 200, 250, A),
        Resource("x", 0, 7, B),
    ),
)

Change = Callable[[dict[str, Any]], object]


def changed(manifest: Manifest, change: Change, *, keep_root: bool = True) -> bytes:
    value = copy.deepcopy(json.loads(manifest.to_bytes()))
    change(value)
    if keep_root:
        resources = value["predicate"]["resources"]
        if isinstance(resources, list):
            digests = [str(one.get("digest", "")) for one in resources if isinstance(one, dict)]
            joined = "".join(d for d in digests if len(d) % 2 == 0)
            root = hashlib.sha256(bytes.fromhex(joined)) if _is_hex(joined) else hashlib.sha256()
            value["subject"] = value["subject"] or []
            if value["subject"]:
                value["subject"][0]["digest"] = {"sha256": root.hexdigest()}
    return json.dumps(value).encode()


def _is_hex(text: str) -> bool:
    return all(character in "0123456789abcdef" for character in text)


@pytest.mark.parametrize("manifest", [FILES, SHARDS])
def test_a_manifest_is_read_as_written(manifest: Manifest) -> None:
    assert parse_manifest(manifest.to_bytes()) == manifest


def test_the_root_is_computed_as_the_specification_says() -> None:
    assert FILES.root == hashlib.sha256(A + B).hexdigest()


def test_a_published_bundle_has_its_published_root() -> None:
    # Figures of the bundle that model_signing 1.1.0 was released with.
    digests = (
        "bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc",
        "32dcb1f8e1ae52d5963e56a6ba06ab58b424c15ed2a6b70d2feca1d089370028",
    )
    resources = (Resource(n, 0, -1, bytes.fromhex(d)) for n, d in zip("ab", digests, strict=True))
    manifest = Manifest("m", Serialization("files", "sha256"), tuple(resources))
    assert manifest.root == "92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4"


def test_covered_names_are_those_of_files_not_of_shards() -> None:
    assert SHARDS.covered == {"ww:1", "x"}


def test_other_fields_of_a_resource_are_ignored() -> None:
    payload = changed(FILES, lambda v: v["predicate"]["resources"][0].update(annotations={"a": 1}))
    assert parse_manifest(payload) == FILES


def test_a_shard_size_may_be_written_as_a_double() -> None:
    def change(value: dict[str, Any]) -> None:
        value["predicate"]["serialization"]["shard_size"] = 100.0

    assert parse_manifest(changed(SHARDS, change)) == SHARDS


def test_algorithms_may_be_named_as_model_signing_1_1_does() -> None:
    def change(value: dict[str, Any]) -> None:
        for one in value["predicate"]["resources"]:
            one["algorithm"] = "blake3-sharded-100"

    assert parse_manifest(changed(SHARDS, change)) == SHARDS


def test_ignore_paths_may_be_absent() -> None:
    payload = changed(FILES, lambda v: v["predicate"]["serialization"].pop("ignore_paths"))
    assert parse_manifest(payload).serialization.ignored == frozenset()


@pytest.mark.parametrize("names", [["a-b/y", "a/x"], ["a/x", "a-b/y"]])
def test_either_order_of_names_is_an_order(names: list[str]) -> None:
    manifest = Manifest(
        "m", Serialization("files", "sha256"), tuple(Resource(n, 0, -1, A) for n in names)
    )
    assert [one.name for one in parse_manifest(manifest.to_bytes()).resources] == names


def _set(path: str, value: object) -> Change:
    def change(document: dict[str, Any]) -> None:
        *way, last = path.split("/")
        inner: Any = document
        for step in way:
            inner = inner[int(step)] if step.isdigit() else inner[step]
        inner[int(last) if last.isdigit() else last] = value

    return change


NAME = "predicate/resources/0/name"
SERIALIZATION = "predicate/serialization"
NOT_NORMAL = "it is not normal"
UNPRINTABLE = "a backslash or an unprintable character"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("/etc/passwd", "it is absolute"),
        ("C:/weights.bin", "it is absolute"),
        ("C:weights.bin", "it is absolute"),
        ("C:", "it is absolute"),
        ("../outside", NOT_NORMAL),
        ("a/../../outside", NOT_NORMAL),
        ("./config.json", NOT_NORMAL),
        ("a//b", NOT_NORMAL),
        ("folder/", NOT_NORMAL),
        ("a\\b", UNPRINTABLE),
        ("a\x00b", UNPRINTABLE),
        ("a\u202eb", UNPRINTABLE),
        ("", "need 1 to 4096 characters"),
        ("a" * 4097, "need 1 to 4096 characters"),
        (7, "need 1 to 4096 characters"),
    ],
)
def test_a_name_that_leads_astray_is_refused(name: object, fault: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_manifest(changed(FILES, _set(NAME, name)))
    expected = f"{str(name)[:80]!r} is no name of a file in a model: {fault}"
    assert caught.value.message == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("_type", "https://in-toto.io/Statement/v0.1"), "not an in-toto Statement v1"),
        (
            _set("predicateType", "https://slsa.dev/provenance/v1"),
            (
                "predicate type is 'https://slsa.dev/provenance/v1', need "
                "'https://model_signing/signature/v1.0'"
            ),
        ),
        (
            _set("extra", 1),
            (
                "statement has the fields ['_type', 'predicate', 'predicateType', 'subject'], "
                "found ['_type', 'extra', 'predicate', 'predicateType', 'subject']"
            ),
        ),
        (
            _set("subject", []),
            "a manifest has exactly one subject, with a name and a sha256 digest",
        ),
        (_set("predicate/resources", []), "a manifest has 1 to 1000000 resources, found 0"),
        (_set("predicate/resources", {}), "a manifest has 1 to 1000000 resources, found no list"),
        (_set("predicate/resources/0", "x"), "resource must be an object"),
        (
            _set(NAME, "w/model.safetensors"),
            "two resources are named 'w/model.safetensors'",
        ),
        (_set(NAME, "z"), "resources are not in the order of their names"),
        (
            _set(NAME, "W/Model.safetensors"),
            "'w/model.safetensors' and 'W/Model.safetensors' are one file on some systems",
        ),
        (
            _set("predicate/resources/0/algorithm", "md5"),
            "algorithm is 'md5', the manifest's is 'sha256'",
        ),
        (
            _set("predicate/resources/0/digest", "0a" * 31),
            "a sha256 digest has 64 lower-case hex digits",
        ),
        (
            _set("predicate/resources/0/digest", "0A" * 32),
            "a sha256 digest has 64 lower-case hex digits",
        ),
        (
            _set(f"{SERIALIZATION}/method", "chunks"),
            "unknown method 'chunks', need files or shards",
        ),
        (
            _set(f"{SERIALIZATION}/hash_type", "sha1"),
            "unknown hash 'sha1', need sha256, blake2b, blake3",
        ),
        (_set(f"{SERIALIZATION}/method", []), "unknown method '[]', need files or shards"),
        (
            _set(f"{SERIALIZATION}/hash_type", {}),
            "unknown hash '{}', need sha256, blake2b, blake3",
        ),
        (
            _set("predicate/resources/0/algorithm", ["sha256"]),
            "algorithm is \"['sha256']\", the manifest's is 'sha256'",
        ),
        (_set(f"{SERIALIZATION}/allow_symlinks", "false"), "allow_symlinks is true or false"),
        (_set(f"{SERIALIZATION}/ignore_paths", "a"), "ignore_paths is a list of paths"),
        (
            _set(f"{SERIALIZATION}/ignore_paths", ["*"]),
            "'*' is a pattern; ignored paths are exact",
        ),
        (
            _set(f"{SERIALIZATION}/ignore_paths", ["."]),
            "'.' is no name of a file in a model: it is not normal",
        ),
        (_set(f"{SERIALIZATION}/ignore_paths", ["w"]), "the file is both signed and ignored"),
        (
            _set(f"{SERIALIZATION}/shard_size", 5),
            (
                "serialization has the fields ['allow_symlinks', 'hash_type', 'method'], found "
                "['allow_symlinks', 'hash_type', 'ignore_paths', 'method', 'shard_size']"
            ),
        ),
        (
            _set(NAME, "."),
            "'.' names the file of a single-file model, found 2 files",
        ),
    ],
)
def test_a_manifest_that_is_none_is_refused(change: Change, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_manifest(changed(FILES, change))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _set("predicate/resources/1/name", "ww:1:110:200"),
            "shards leave a gap: one starts at 110, expected 100",
        ),
        (
            _set("predicate/resources/1/name", "ww:1:90:200"),
            "shards overlap: one starts at 90, expected 100",
        ),
        (
            _set("predicate/resources/0/name", "ww:1:0:90"),
            "a shard has 90 bytes, shard_size is 100",
        ),
        (
            _set("predicate/resources/2/name", "ww:1:200:350"),
            "a shard has 150 bytes, shard_size is 100",
        ),
        (_set("predicate/resources/3/name", "x:0:0"), "a shard is named PATH:START:STOP"),
        (_set("predicate/resources/3/name", "x:00:7"), "a shard is named PATH:START:STOP"),
        (_set("predicate/resources/3/name", "x:0:\u0667"), "a shard is named PATH:START:STOP"),
        (_set("predicate/resources/3/name", "x"), "a shard is named PATH:START:STOP"),
        (_set(f"{SERIALIZATION}/shard_size", 0), "shard_size is no size: 0"),
        (_set(f"{SERIALIZATION}/shard_size", [1]), "shard_size is no size: [1]"),
        (_set(f"{SERIALIZATION}/shard_size", 1.5), "shard_size is no size: 1.5"),
        (_set(f"{SERIALIZATION}/shard_size", 99), "a shard has 100 bytes, shard_size is 99"),
    ],
)
def test_shards_that_do_not_fit_together_are_refused(change: Change, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_manifest(changed(SHARDS, change))
    assert caught.value.message == message


def test_a_root_of_other_resources_is_refused() -> None:
    payload = changed(FILES, _set("subject/0/digest", {"sha256": "ab" * 32}), keep_root=False)
    with pytest.raises(BrokenSeal) as caught:
        parse_manifest(payload)
    expected = f"the root is {'ab' * 8}, the resources give {FILES.root[:16]}"
    assert caught.value.message == expected


def test_names_equal_but_for_normalization_are_refused() -> None:
    resources = tuple(Resource(n, 0, -1, A) for n in ("e\u0301.bin", "\u00e9.bin"))
    manifest = Manifest("m", Serialization("files", "sha256"), resources)
    with pytest.raises(MalformedEvidence, match="are one file on some systems"):
        parse_manifest(manifest.to_bytes())


def test_a_duplicate_key_is_refused() -> None:
    payload = FILES.to_bytes().replace(b'{"_type"', b'{"_type":"x","_type"', 1)
    with pytest.raises(MalformedEvidence, match="duplicate key '_type'"):
        parse_manifest(payload)


def test_the_format_that_was_given_up_is_named() -> None:
    payload = b'{"predicateType":"https://model_signing/Digests/v0.1"}'
    with pytest.raises(MalformedEvidence) as caught:
        open_signature(resigned(payload, generate_model_key("p256")), TRUST, where="old.sig")
    assert str(caught.value) == (
        "old.sig: a signature of model_signing 0.2, whose format was given up"
    )
