"""The published vectors of spec/disclosure-delivery.md: taken, or refused for their own reason."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import PublicKey, open_envelope, parse_public_key
from steelyard.attest.recipients import parse_identity
from steelyard.disclosure.delivery import (
    Receiver,
    mark,
    object_id,
    open_object,
    open_parcel,
    read_bundle,
    recipients_of,
    trace,
)
from steelyard.disclosure.delivery.sealed_object import check_revealed
from steelyard.kernel import errors, sha256_hex

FOLDER = Path(__file__).parents[4] / "spec" / "vectors"


def files(name: str) -> list[Path]:
    return sorted((FOLDER / f"disclosure-{name}").glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def expect_refusal(caught: pytest.ExceptionInfo[Exception], vector: dict[str, Any]) -> None:
    assert type(caught.value) is getattr(errors, vector["error"])
    assert isinstance(caught.value, errors.SteelyardError)
    assert caught.value.message.startswith(vector["message"])
    assert vector["message"]


@pytest.mark.parametrize("path", files("object"), ids=lambda path: path.stem)
def test_objects(path: Path) -> None:
    vector = read(path)
    data = base64.b64decode(vector["object"])
    identity = parse_identity(vector["identity"].encode(), None, where=path.name)
    if vector["error"]:
        with pytest.raises(errors.SteelyardError) as caught:
            open_object(data, vector["organization"], identity)
        expect_refusal(caught, vector)
        return
    opened = open_object(data, vector["organization"], identity)
    assert object_id(data) == opened.object_id == vector["object_id"]
    assert [list(row) for row in recipients_of(data)] == vector["recipients"]
    salt = bytes.fromhex(vector["salt"])
    revealed = check_revealed(vector["commitment"], salt, vector["media_type"], opened.plaintext)
    assert revealed == base64.b64decode(vector["plaintext"])
    assert (opened.salt, opened.media_type) == (salt, vector["media_type"])


@pytest.mark.parametrize("path", files("parcel"), ids=lambda path: path.stem)
def test_parcels(path: Path) -> None:
    vector = read(path)
    data = base64.b64decode(vector["parcel"])
    identity = parse_identity(vector["identity"].encode(), None, where=path.name)
    receiver = Receiver.of(vector["organization"], [identity])

    def keys(name: str) -> dict[str, PublicKey]:
        found = (parse_public_key(pem.encode(), where=name) for pem in vector["keys"].get(name, ()))
        return {key.key_id: key for key in found}

    if vector["error"]:
        with pytest.raises(errors.SteelyardError) as caught:
            open_parcel(data, receiver, keys)
        expect_refusal(caught, vector)
        return
    opened = open_parcel(data, receiver, keys)
    assert opened.parcel_id == vector["parcel_id"]
    statement = open_envelope(opened.envelope, keys(opened.parcel.sender))
    assert json.loads(statement.to_bytes()) == vector["statement"]
    found = [base64.b64encode(one).decode() for one in opened.parcel.attachments]
    assert found == vector["attachments"]


@pytest.mark.parametrize("path", files("bundle"), ids=lambda path: path.stem)
def test_bundles(path: Path) -> None:
    vector = read(path)
    data = base64.b64decode(vector["bundle"])
    if vector["error"]:
        with pytest.raises(errors.SteelyardError) as caught:
            read_bundle(data)
        expect_refusal(caught, vector)
        return
    assert [sha256_hex(parcel) for parcel in read_bundle(data)] == vector["parcels"]


@pytest.mark.parametrize("path", files("watermark"), ids=lambda path: path.stem)
def test_marks(path: Path) -> None:
    vector = read(path)
    secret = bytes.fromhex(vector["secret"])
    assert mark(vector["text"], secret, vector["organization"]) == vector["copy"]
    found = trace(vector["copy"], secret, vector["asked"], vector["text"])
    assert {score.organization: score.agree for score in found.scores} == vector["agree"]
    assert found.scores[0].organization == vector["organization"]


def test_there_is_a_vector_for_each_fault() -> None:
    counts = {name: len(files(name)) for name in ("object", "parcel", "bundle", "watermark")}
    assert counts == {"object": 25, "parcel": 28, "bundle": 9, "watermark": 3}
