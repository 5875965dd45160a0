"""Vectors of sealed weights, quorums and access logs: each taken, or refused for its reason."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import parse_public_key
from steelyard.attest.recipients import parse_identity
from steelyard.kernel import errors, exact_instant
from steelyard.standard import require_schema
from steelyard.weights.access_log import Head, read_log
from steelyard.weights.quorum import Custody, QuorumOpening, open_half, open_request
from steelyard.weights.sealed import Expect, Opening, TensorReader

VECTORS = Path(__file__).parents[3] / "spec/vectors"
SEALED = sorted((VECTORS / "sealed-weights").glob("*.json"))
LOGS = sorted((VECTORS / "access-log").glob("*.json"))
QUORUMS = sorted((VECTORS / "weights-quorum").glob("*.json"))


def opened(vector: dict[str, Any], folder: Path) -> dict[str, bytes]:
    for name, data in vector["files"].items():
        (folder / name).write_bytes(base64.b64decode(data))
    signer = parse_public_key(vector["signer"].encode(), where="signer")
    identity = parse_identity(vector["identity"].encode(), None, where="identity")
    how = Opening(publisher=vector["publisher"])
    reader = TensorReader(folder, identity, expect=Expect(signer), how=how)
    return {file.path: bytes(reader.read(file.path)) for file in reader.index.files}


@pytest.mark.parametrize("path", SEALED, ids=lambda path: path.stem)
def test_every_sealed_vector_opens_or_is_refused_as_it_says(path: Path, tmp_path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if not vector["error"]:
        plain = {name: base64.b64decode(data) for name, data in vector["plain"].items()}
        assert opened(vector, tmp_path) == plain
        return
    with pytest.raises(getattr(errors, vector["error"])) as caught:
        opened(vector, tmp_path)
    assert type(caught.value).__name__ == vector["error"]
    assert caught.value.message.startswith(vector["message"])


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_every_log_verifies_or_is_refused_as_it_says(path: Path, tmp_path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    (tmp_path / "log").write_text(vector["log"], "utf-8")
    kept = Head(**vector["kept"]) if vector["kept"] else None
    if not vector["error"]:
        assert read_log(tmp_path / "log", kept)[1] == Head(**vector["head"])
        return
    with pytest.raises(getattr(errors, vector["error"])) as caught:
        read_log(tmp_path / "log", kept)
    assert type(caught.value).__name__ == vector["error"]
    assert vector["message"] in caught.value.message


def content_key(vector: dict[str, Any]) -> str:
    require_schema(vector["custody"], "weights-quorum", where="custody")
    custody = Custody.from_json(vector["custody"])
    requester = parse_public_key(vector["requester"].encode(), where="requester")
    request = open_request(vector["request"].encode(), requester)
    identity = parse_identity(vector["identity"].encode(), None, where="identity")
    sealed = vector["half"]
    half = open_half(base64.b64decode(sealed), request, identity) if sealed else b""
    approvals = [text.encode() for text in vector["approvals"]]
    now = exact_instant(vector["now"], where="now")
    opening = QuorumOpening(request, approvals, identity, now, half)
    return opening.content_key(custody, bytes.fromhex(vector["core"])).hex()


@pytest.mark.parametrize("path", QUORUMS, ids=lambda path: path.stem)
def test_every_quorum_opens_or_is_refused_as_it_says(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if not vector["error"]:
        assert content_key(vector) == vector["content_key"]
        return
    with pytest.raises(getattr(errors, vector["error"])) as caught:
        content_key(vector)
    assert type(caught.value).__name__ == vector["error"]
    assert vector["message"] in caught.value.message


def test_there_is_a_vector_for_each_fault() -> None:
    assert (len(SEALED), len(LOGS), len(QUORUMS)) == (18, 14, 28)
