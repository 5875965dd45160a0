"""Writes the vectors of model signatures: good ones, and ones with one fault each.

    python spec/vectors/model-signature/build.py

`files` are those of a model in base64 and `bundle` the text of its signature, which `key` may
have made. `covered` are the names of the signed files where it verifies, else `error` is the
class of the refusal and `message` a part of it.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import copy
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent
KEY = ec.derive_private_key(2026, ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
FILES = {"config.json": b"{}\n", "weights.bin": bytes(range(25))}
PAYLOAD_TYPE = "application/vnd.in-toto+json"
Statement = dict[str, Any]


def files_statement() -> Statement:
    """A manifest of whole files."""
    listed = [(name, data) for name, data in sorted(FILES.items())]
    return _statement(listed, {"method": "files"})


def shards_statement() -> Statement:
    """A manifest of shards of ten bytes."""
    listed = [
        (f"{name}:{start}:{min(start + 10, len(data))}", data[start : start + 10])
        for name, data in FILES.items()
        for start in range(0, len(data), 10)
    ]
    return _statement(sorted(listed), {"method": "shards", "shard_size": 10})


def _statement(listed: list[tuple[str, bytes]], how: dict[str, Any]) -> Statement:
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "toy", "digest": {"sha256": ""}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": [
                {"name": name, "digest": hashlib.sha256(data).hexdigest(), "algorithm": "sha256"}
                for name, data in listed
            ],
            "serialization": {
                **how, "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [],
            },
        },
    }  # fmt: skip
    return _rooted(value)


def _rooted(statement: Statement) -> Statement:
    digests = [one["digest"] for one in statement["predicate"]["resources"]]
    root = hashlib.sha256(bytes.fromhex("".join(digests))).hexdigest()
    statement["subject"][0]["digest"]["sha256"] = root
    return statement


def changed(statement: Statement, change: Callable[[Statement], object]) -> Statement:
    """The statement after a change, with the root of its resources."""
    value = copy.deepcopy(statement)
    change(value)
    return _rooted(value)


def signed(statement: Statement) -> dict[str, Any]:
    """The bundle of a statement."""
    payload = json.dumps(statement, separators=(",", ":")).encode()
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode()
    signature = KEY.sign(head + payload, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": {"hint": hashlib.sha256(PEM).hexdigest()},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.standard_b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.standard_b64encode(signature).decode(), "keyid": ""}],
        },
    }


def _rename(index: int, name: str) -> Callable[[Statement], object]:
    return lambda value: value["predicate"]["resources"][index].update(name=name)


def _how(**fields: object) -> Callable[[Statement], object]:
    return lambda value: value["predicate"]["serialization"].update(fields)


def statements() -> dict[str, tuple[Statement, str, str]]:
    """Manifests with a valid signature, each with what becomes of it."""
    files, shards = files_statement(), shards_statement()
    form, name = "MalformedEvidence", "is no name of a file in a model"
    reverse = changed(files, lambda value: value["predicate"]["resources"].reverse())
    other_root = copy.deepcopy(files)
    other_root["subject"][0]["digest"]["sha256"] = "ab" * 32
    two_subjects = copy.deepcopy(files)
    two_subjects["subject"] *= 2
    upper = changed(
        files,
        lambda v: v["predicate"]["resources"][0].update(
            digest=v["predicate"]["resources"][0]["digest"].upper()
        ),
    )
    return {
        "good-files": (files, "", ""),
        "good-shards": (shards, "", ""),
        "good-shard-size-as-double": (changed(shards, _how(shard_size=10.0)), "", ""),
        "order-reversed": (reverse, form, "not in the order of their names"),
        "root-of-others": (other_root, "BrokenSeal", "the root is"),
        "two-subjects": (two_subjects, form, "exactly one subject"),
        "digest-in-capitals": (upper, form, "64 lower-case hex digits"),
        "name-leads-out": (changed(files, _rename(1, "x/../../weights.bin")), form, name),
        "name-absolute": (changed(files, _rename(0, "/config.json")), form, name),
        "name-of-a-drive": (changed(files, _rename(0, "C:config.json")), form, name),
        "name-twice": (changed(files, _rename(1, "config.json")), form, "two resources are named"),
        "names-collide": (changed(files, _rename(0, "Weights.bin")), form, "are one file on some"),
        "method-a-list": (changed(files, _how(method=["files"])), form, "unknown method"),
        "hash-unknown": (changed(files, _how(hash_type="sha1")), form, "unknown hash"),
        "ignored-a-pattern": (changed(files, _how(ignore_paths=["*"])), form, "is a pattern"),
        "signed-and-ignored": (
            changed(files, _how(ignore_paths=["weights.bin"])), form, "both signed and ignored",
        ),
        "shards-leave-a-gap": (
            changed(shards, _rename(2, "weights.bin:11:20")), form, "shards leave a gap",
        ),
        "shards-overlap": (
            changed(shards, _rename(2, "weights.bin:1:20")), form, "shards overlap",
        ),
        "shard-of-another-size": (changed(shards, _how(shard_size=12)), form, "a shard has 10"),
        "another-predicate": (
            changed(files, lambda v: v.update(predicateType="https://slsa.dev/provenance/v1")),
            form, "predicate type is",
        ),
    }  # fmt: skip


def bundles() -> dict[str, tuple[dict[str, Any], str, str]]:
    """Bundles of the good manifest with a change that no key has signed."""
    made: dict[str, tuple[dict[str, Any], str, str]] = {}

    def add(name: str, error: str, message: str, change: Callable[[Any], object]) -> None:
        bundle = signed(files_statement())
        change(bundle)
        made[name] = (bundle, error, message)

    form = "MalformedEvidence"
    add("good-key-named-by-der", "", "", lambda b: b["verificationMaterial"]["publicKey"].update(
        hint=hashlib.sha256(DER).hexdigest()))  # fmt: skip
    add("good-without-keyid", "", "", lambda b: b["dsseEnvelope"]["signatures"][0].pop("keyid"))
    add("keyid-of-text", form, "empty or null",
        lambda b: b["dsseEnvelope"]["signatures"][0].update(keyid="key"))  # fmt: skip
    add("key-unknown", "BrokenSeal", "not among the keys given",
        lambda b: b["verificationMaterial"]["publicKey"].update(hint="ab" * 32))  # fmt: skip
    add("payload-of-another", "BrokenSeal", "the signature does not verify",
        lambda b: b["dsseEnvelope"].update(
            payload=signed(shards_statement())["dsseEnvelope"]["payload"]))  # fmt: skip
    add("payload-with-line-break", form, "base64",
        lambda b: b["dsseEnvelope"].update(payload=b["dsseEnvelope"]["payload"] + "\n",
        ))  # fmt: skip
    add("two-signatures", form, "exactly one signature",
        lambda b: b["dsseEnvelope"].update(
            signatures=b["dsseEnvelope"]["signatures"] * 2))  # fmt: skip
    add("keyless", form, "Sigstore keyless signing",
        lambda b: b.update(verificationMaterial={"certificate": {"rawBytes": "AAAA"}}))  # fmt: skip
    add("field-unknown", form, "bundle has the fields", lambda b: b.update(extra=1))
    return made


def models() -> dict[str, tuple[dict[str, bytes], str, str]]:
    """Models that are not what the good signature says."""
    cut = FILES | {"weights.bin": b""}
    return {
        "byte-changed": (FILES | {"weights.bin": b"\xff" + FILES["weights.bin"][1:]},
                         "BrokenSeal", "1 files are not as signed"),
        "file-emptied": (cut, "BrokenSeal", "1 files are not as signed"),
        "file-missing": ({"config.json": b"{}\n"}, "BrokenSeal", "1 signed files are missing"),
        "file-added": (FILES | {"custom.py": b""}, "BrokenSeal", "1 files are not signed"),
        "file-that-collides": (FILES | {"CONFIG.json": b""}, "MalformedEvidence", "one file on"),
    }  # fmt: skip


def main() -> None:
    """Write every vector."""
    for name, (statement, error, message) in statements().items():
        _write(name, signed(statement), FILES, error, message)
    for name, (bundle, error, message) in bundles().items():
        _write(name, bundle, FILES, error, message)
    for name, (files, error, message) in models().items():
        _write(name, signed(files_statement()), files, error, message)


def _write(
    name: str, bundle: dict[str, Any], files: dict[str, bytes], error: str, message: str
) -> None:
    vector = {
        "bundle": json.dumps(bundle, separators=(",", ":")),
        "covered": [] if error else sorted(FILES),
        "error": error,
        "files": {path: base64.standard_b64encode(data).decode() for path, data in files.items()},
        "key": PEM.decode(),
        "message": message,
    }
    text = json.dumps(vector, indent=2, sort_keys=True) + "\n"
    (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
