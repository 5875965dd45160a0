"""Writes the vectors of a broker: signed requests, and grants, good ones and with one fault each.

    python spec/vectors/broker/build.py

A vector of a request has `fields` as they were signed and `request` as it arrives; one of a grant
has `envelopes`, the keys that may approve, and the instant. `error` is the class of the refusal and
`message` a part of it, both empty where it is taken; `base` and `digest` are what is signed and by
what a grant is named.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FOLDER = Path(__file__).parent
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 5)]
CREATED = 1_800_000_000
REQUEST = {
    "method": "POST",
    "authority": "broker.example:8766",
    "path": "/v1/grants",
    "query": "",
    "body": '{"approvals":[]}',
}
LISTED = '("@method" "@authority" "@path" "@query" "content-digest")'


def pem(key: Ed25519PrivateKey) -> str:
    """The public half."""
    spki = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, spki).decode()


def key_id(key: Ed25519PrivateKey) -> str:
    """SHA-256 of the DER form."""
    spki = PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_key().public_bytes(Encoding.DER, spki)).hexdigest()


def _base64(data: bytes) -> str:
    return base64.standard_b64encode(data).decode()


def signed(listed: str = LISTED, algorithm: str = "ed25519") -> tuple[dict[str, str], str]:
    """Header fields of the request, and the text that was signed."""
    digest = f"sha-256=:{_base64(hashlib.sha256(REQUEST['body'].encode()).digest())}:"
    parameters = (
        f'{listed};created={CREATED};nonce="{bytes(16).hex()}";keyid="{key_id(KEYS[0])}"'
        f';alg="{algorithm}"'
    )
    values = {
        "@method": REQUEST["method"],
        "@authority": REQUEST["authority"],
        "@path": REQUEST["path"],
        "@query": f"?{REQUEST['query']}",
        "content-digest": digest,
    }
    names = listed.strip("()").replace('"', "").split()
    base = "\n".join([f'"{name}": {values[name]}' for name in names])
    base += f'\n"@signature-params": {parameters}'
    fields = {
        "content-digest": digest,
        "signature-input": f"sig1={parameters}",
        "signature": f"sig1=:{_base64(KEYS[0].sign(base.encode()))}:",
    }
    return fields, base


def requests() -> None:
    """Write the vectors of requests."""
    fields, base = signed()
    fault, form = "BrokenSeal", "the request is not signed as this server asks"
    wrong = "the signature does not verify with key"
    _request("request-good", fields, {}, "", "", base)
    _request("request-to-another-broker", fields, {"authority": "other.example"}, fault, wrong)
    _request("request-other-path", fields, {"path": "/v1/header"}, fault, wrong)
    _request("request-other-query", fields, {"query": "a=1"}, fault, wrong)
    _request("request-other-method", fields, {"method": "GET"}, fault, wrong)
    _request("request-other-body", fields, {"body": "{}"}, fault, "content digest is not that")
    later = fields["signature-input"].replace(str(CREATED), str(CREATED + 1))
    _request("request-dated-later", fields | {"signature-input": later}, {}, fault, wrong)
    unknown = fields["signature-input"].replace(key_id(KEYS[0]), key_id(KEYS[1]))
    _request("request-of-an-unknown-key", fields | {"signature-input": unknown}, {}, fault,
             "which is not known here")  # fmt: skip
    short = LISTED.replace(' "@query"', "")
    _request("request-signs-no-query", signed(short)[0], {}, fault, form)
    _request("request-other-algorithm", signed(algorithm="hs2019")[0], {}, fault, form)
    _request("request-unsigned", {}, {}, fault, form)


def _request(
    name: str, fields: dict[str, str], changes: dict[str, str], error: str, message: str,
    base: str = "",
) -> None:  # fmt: skip
    _write(name, {
        "base": base, "error": error, "fields": fields, "keys": [pem(KEYS[0])],
        "message": message, "request": REQUEST | changes,
    })  # fmt: skip


GRANT = {
    "purpose": "full-load",
    "principal": key_id(KEYS[0]),
    "issued": "2027-01-15T08:00:00Z",
    "expires": "2027-01-16T08:00:00Z",
    "nonce": "ab" * 16,
}
KIND = "urn:steelyard:predicate:broker-grant:1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def approval(key: Ed25519PrivateKey, grant: dict[str, Any], model: str = "toy") -> dict[str, Any]:
    """One approval: a statement in its envelope."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": model, "digest": {"sha256": "cd" * 32}}],
        "predicateType": KIND,
        "predicate": grant,
    }
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode()
    return {
        "payload": _base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id(key), "sig": _base64(key.sign(head + payload))}],
    }


def grants() -> None:
    """Write the vectors of grants."""
    one, two = KEYS[1], KEYS[2]
    good = [approval(one, GRANT), approval(two, GRANT)]
    named = json.dumps({"model": "toy", "artifact": "cd" * 32, **GRANT},
                       sort_keys=True, separators=(",", ":"))  # fmt: skip
    digest = hashlib.sha256(named.encode()).hexdigest()
    few = "approved by 1 organizations other than the principal's, need 2"
    later = GRANT | {"expires": "2027-01-23T08:00:00Z"}
    nobody = GRANT | {"principal": key_id(KEYS[3])}
    _grant("grant-good", good, "", "", digest)
    _grant("grant-of-one-approver", good[:1], "NotSatisfied", few)
    _grant("grant-of-one-approver-twice", [good[0], good[0]], "NotSatisfied", few)
    _grant("grant-approved-by-its-own-organization", [good[0], approval(KEYS[3], GRANT)],
           "NotSatisfied", few)  # fmt: skip
    _grant("grant-of-two-nonces", [good[0], approval(two, GRANT | {"nonce": "ef" * 16})],
           "BrokenSeal", "the approvals are of 2 grants")  # fmt: skip
    _grant("grant-of-two-models", [good[0], approval(two, GRANT, "other")],
           "BrokenSeal", "the approvals are of 2 grants")  # fmt: skip
    _grant("grant-of-a-stranger", [good[0], approval(KEYS[0], GRANT)],
           "BrokenSeal", "which is not among the keys given")  # fmt: skip
    _grant("grant-of-eight-days", [approval(key, later) for key in (one, two)],
           "BrokenSeal", "a grant lasts at most 7 days")  # fmt: skip
    _grant("grant-to-nobody-known", [approval(key, nobody) for key in (one, two)],
           "NotSatisfied", "the principal is not known here")  # fmt: skip
    _grant("grant-over", good, "Expired", "the grant is valid from", at="2027-01-16T08:00:00Z")


def _grant(
    name: str, envelopes: list[dict[str, Any]], error: str, message: str, digest: str = "",
    at: str = "2027-01-15T12:00:00Z",
) -> None:  # fmt: skip
    organizations = ["Trust One", "Trust Two", "Example Lab"]
    _write(name, {
        "approvers": [
            {"name": organization, "organization": organization, "key": pem(key)}
            for organization, key in zip(organizations, KEYS[1:], strict=True)
        ],
        "at": at, "digest": digest, "envelopes": envelopes, "error": error, "message": message,
        "principals": {key_id(KEYS[0]): "Example Lab"},
    })  # fmt: skip


def _write(name: str, vector: dict[str, Any]) -> None:
    text = json.dumps(vector, indent=2, sort_keys=True) + "\n"
    (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    requests()
    grants()
