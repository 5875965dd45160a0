"""The vectors of a broker's requests and grants, written without the code that reads them here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import parse_public_key
from steelyard.attest.http_signatures import COMPONENTS, HttpRequest, signature_base, verify_request
from steelyard.kernel import errors, parse_instant
from steelyard.weights.broker import Approver
from steelyard.weights.broker.grants import open_grant

FOLDER = Path(__file__).parents[4] / "spec" / "vectors" / "broker"
REQUESTS = sorted(FOLDER.glob("request-*.json"))
GRANTS = sorted(FOLDER.glob("grant-*.json"))


def verified(vector: dict[str, Any]) -> str:
    keys = [parse_public_key(pem.encode(), where="key") for pem in vector["keys"]]
    fields = vector["request"]
    request = HttpRequest(**fields | {"body": fields["body"].encode()})
    verify_request(request, vector["fields"], {key.key_id: key for key in keys})
    values = (
        request.method, request.authority, request.path, f"?{request.query}",
        vector["fields"]["content-digest"],
    )  # fmt: skip
    parameters = vector["fields"]["signature-input"].removeprefix("sig1=")
    return signature_base(zip(COMPONENTS, values, strict=True), parameters).decode()


def granted(vector: dict[str, Any]) -> str:
    approvers = {
        key.key_id: Approver(one["name"], one["organization"], key)
        for one in vector["approvers"]
        for key in (parse_public_key(one["key"].encode(), where="key"),)
    }
    envelopes = [json.dumps(one).encode() for one in vector["envelopes"]]
    now = parse_instant(vector["at"], where="at")
    return open_grant(envelopes, approvers, vector["principals"], now).digest


@pytest.mark.parametrize("path", [*REQUESTS, *GRANTS], ids=lambda path: path.stem)
def test_every_vector_is_taken_or_refused_as_it_says(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    read = granted if "envelopes" in vector else verified
    if not vector["error"]:
        assert read(vector) == vector.get("base", vector.get("digest"))
        return
    with pytest.raises(getattr(errors, vector["error"])) as caught:
        read(vector)
    assert type(caught.value).__name__ == vector["error"]
    assert vector["message"] in caught.value.message


def test_there_is_a_vector_for_each_fault() -> None:
    assert (len(REQUESTS), len(GRANTS)) == (11, 10)
