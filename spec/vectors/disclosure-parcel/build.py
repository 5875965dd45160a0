"""Writes the vectors of parcels and bundles: good ones, and ones with one fault each.

    python spec/vectors/disclosure-parcel/build.py

`parcel` is the file in base64, received by `organization` with the private key `identity`
(PEM); `keys` are the public keys (PEM) by organization that it knows. Where it opens there are
`parcel_id`, `statement`, and `attachments` (base64); else `error` is the class of the refusal and
`message` how it starts. The vectors of bundles lie in `disclosure-bundle`: `bundle` in base64, and
the ids of its parcels. HPKE draws anew each time.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from steelyard.attest import PrivateKey, Statement, open_envelope, sign_statement
from steelyard.attest.recipients import Identity
from steelyard.disclosure.delivery import Parcel, pack, sign_parcel, write_bundle
from steelyard.disclosure.delivery.framing import join_parts, pad
from steelyard.kernel import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
BUNDLES = FOLDER.parent / "disclosure-bundle"
MAGIC = b"steelyard/disclosure-parcel/1\n"
BUNDLE_MAGIC = b"steelyard/disclosure-bundle/1\n"
ALICE, BOB, CAROL = (f"org:{number:064x}" for number in (1, 2, 3))
SIGNERS = {name: PrivateKey.from_seed(bytes([n]) * 32) for n, name in enumerate((ALICE, CAROL), 1)}
KEY = Identity(
    X25519PrivateKey.from_private_bytes(bytes([9]) * 32),
    MLKEM768PrivateKey.from_seed_bytes(bytes([9]) * 64),
)
STRANGER = Identity(
    X25519PrivateKey.from_private_bytes(bytes([8]) * 32),
    MLKEM768PrivateKey.from_seed_bytes(bytes([8]) * 64),
)
GOOD = Parcel(
    ALICE,
    BOB,
    "event",
    "case-7",
    {"name": "EP", "days": 90},
    datetime(2026, 5, 4, 12, 0, tzinfo=UTC),
)
Refusals = dict[str, tuple[bytes, str, str]]


def statement_of(parcel: Parcel) -> Statement:
    """What the sender of a parcel signed."""
    public = SIGNERS[ALICE].public_key
    return open_envelope(sign_parcel(parcel, SIGNERS[ALICE]).envelope, {public.key_id: public})


def encrypted(content: bytes, *, info: str = BOB, least: int = 4096) -> bytes:
    """Any content, as everybody can encrypt it who knows the receiver's key."""
    key_id = KEY.recipient.key_id
    bound = f"steelyard/disclosure-parcel/1\0{info}\0{key_id}".encode()
    sealed = KEY.recipient.encrypt(pad(content, least=least), bound)
    return MAGIC + bytes.fromhex(key_id) + sealed


def framed(envelope: bytes, *attachments: bytes, sender: str = ALICE) -> bytes:
    """The content of a parcel."""
    return join_parts((bytes.fromhex(sender.removeprefix("org:")), envelope, *attachments))


def resigned(changes: Mapping[str, Any]) -> bytes:
    """A parcel whose signed predicate has other fields."""
    statement = statement_of(GOOD)
    changed = replace(statement, predicate=statement.predicate | dict(changes))
    return encrypted(framed(sign_statement(changed, SIGNERS[ALICE])))


def envelope_faults() -> Refusals:
    """One fault each in who signed what for whom."""
    envelope = sign_parcel(GOOD, SIGNERS[ALICE]).envelope
    document = json.loads(envelope)
    report = json.loads(sign_parcel(replace(GOOD, kind="report"), SIGNERS[ALICE]).envelope)
    swapped = json.dumps(document | {"payload": report["payload"]}, separators=(",", ":")).encode()
    other_type = replace(
        statement_of(GOOD), predicate_type="urn:steelyard:predicate:disclosure-event:1"
    )
    with_one = sign_parcel(replace(GOOD, attachments=(b"one",)), SIGNERS[ALICE]).envelope
    passed_on = sign_parcel(replace(GOOD, receiver=CAROL), SIGNERS[ALICE]).envelope
    posing = sign_parcel(replace(GOOD, sender=CAROL), SIGNERS[ALICE]).envelope
    by_carol = sign_parcel(GOOD, SIGNERS[CAROL]).envelope
    signed_by, others = "signed by key", "receiver or attachments are others than were signed"
    rows = {
        "made-for-another-receiver": (framed(passed_on), f"made for {CAROL[:20]}"),
        "signed-by-another": (framed(by_carol), signed_by),
        "signed-as-another": (framed(posing), f"signed as {CAROL[:20]}, delivered as from"),
        "delivered-as-another": (framed(envelope, sender=CAROL), signed_by),
        "stranger": (framed(envelope, sender=f"org:{9:064x}"), signed_by),
        "kind-exchanged": (framed(swapped), "the signature does not verify"),
        "other-predicate-type": (
            framed(sign_statement(other_type, SIGNERS[ALICE])),
            "the statement is of type",
        ),
        "attachment-dropped": (framed(with_one), others),
        "attachment-added": (framed(envelope, b"one"), others),
        "attachment-exchanged": (framed(with_one, b"two"), others),
    }
    return {
        name: (encrypted(data), "BrokenSeal", message) for name, (data, message) in rows.items()
    }


def form_faults() -> Refusals:
    """One fault each in the bytes."""
    good = pack(GOOD, SIGNERS[ALICE], KEY.recipient)
    envelope = sign_parcel(GOOD, SIGNERS[ALICE]).envelope
    flipped = bytearray(good)
    flipped[-1] ^= 1
    fields = "a parcel has sender, receiver, kind, case, body and made"
    canonical = "no envelope in canonical JSON"
    malformed = {
        "envelope-respelled": (encrypted(framed(envelope.replace(b",", b", ", 1))), canonical),
        "envelope-is-none": (encrypted(framed(b"[" * 100)), canonical),
        "field-added": (resigned({"note": 1}), fields),
        "body-is-a-list": (resigned({"body": []}), fields),
        "kind-in-capitals": (resigned({"kind": "Event"}), "'Event' is no identifier"),
        "case-with-line-break": (resigned({"case": "a\nb"}), "'a\\nb' is no printable label"),
        "instant-respelled": (
            resigned({"made": "2026-05-04T14:00:00+02:00"}),
            "'2026-05-04T14:00:00+02:00' is another spelling of an instant",
        ),
        "not-padded": (encrypted(framed(envelope), least=1), "padded otherwise than the format"),
        "no-envelope": (encrypted(join_parts((bytes(32),))), "a parcel holds a sender,"),
        "no-parcel": (b"{}", "this is no parcel"),
    }
    purpose = f"not encrypted to key {KEY.recipient.key_id[:16]} for this purpose"
    broken = {
        "bit-changed": bytes(flipped),
        "cut-short": good[:-1],
        "trailing-byte": good + b"\0",
        "encrypted-for-another-organization": encrypted(framed(envelope), info=CAROL),
    }
    rows: Refusals = {
        name: (data, "MalformedEvidence", text) for name, (data, text) in malformed.items()
    }
    rows |= {name: (data, "BrokenSeal", purpose) for name, data in broken.items()}
    other = pack(GOOD, SIGNERS[ALICE], STRANGER.recipient)
    return rows | {"another-key": (other, "NotSatisfied", "encrypted to key")}


def parcel_vectors() -> dict[str, dict[str, Any]]:
    """Every vector of a parcel, by name."""
    common: dict[str, Any] = {
        "organization": BOB,
        "identity": KEY.pem(None).decode(),
        "keys": {name: [key.public_key.pem.decode()] for name, key in SIGNERS.items()},
    }
    vectors: dict[str, dict[str, Any]] = {}
    for name, parcel in {
        "good": GOOD,
        "good-no-case": replace(GOOD, case=None, kind="report"),
        "good-attachments": replace(GOOD, attachments=(b"one", b"")),
    }.items():
        signed = sign_parcel(parcel, SIGNERS[ALICE])
        vectors[name] = common | {
            "parcel": base64.b64encode(pack(parcel, SIGNERS[ALICE], KEY.recipient)).decode(),
            "error": "",
            "parcel_id": signed.parcel_id,
            "statement": json.loads(statement_of(parcel).to_bytes()),
            "attachments": [base64.b64encode(data).decode() for data in parcel.attachments],
        }
    for name, (data, error, message) in (envelope_faults() | form_faults()).items():
        encoded = base64.b64encode(data).decode()
        vectors[name] = common | {"parcel": encoded, "error": error, "message": message}
    return vectors


def bundle_vectors() -> dict[str, dict[str, Any]]:
    """Every vector of a bundle, by name."""
    parcels = [pack(replace(GOOD, body={"n": n}), SIGNERS[ALICE], KEY.recipient) for n in range(2)]
    first, second = sorted(parcels, key=sha256_hex)
    foreign = pack(GOOD, SIGNERS[ALICE], STRANGER.recipient)
    good = write_bundle(parcels)

    def by_hand(*parts: bytes, trailing: bytes = b"") -> bytes:
        content = join_parts(parts) + trailing
        return BUNDLE_MAGIC + bytes.fromhex(sha256_hex(content)) + content

    order = "parcels are sorted by digest, each once"
    rows: Refusals = {
        "good": (good, "", ""),
        "not-sorted": (by_hand(second, first), "MalformedEvidence", order),
        "parcel-twice": (by_hand(first, first), "MalformedEvidence", order),
        "empty": (by_hand(), "MalformedEvidence", "0 parcels, need 1 to 4,096"),
        "two-destinations": (
            by_hand(*sorted((first, foreign), key=sha256_hex)),
            "MalformedEvidence",
            "parcels for 2 keys, need one",
        ),
        "no-parcel-inside": (by_hand(b"hello"), "MalformedEvidence", "this is no parcel"),
        "trailing-byte": (by_hand(first, trailing=b"\0"), "MalformedEvidence", "part 1 is cut"),
        "damaged": (good[:-1], "BrokenSeal", "the file was changed on its way"),
        "no-bundle": (b"", "MalformedEvidence", "this is no bundle of parcels"),
    }
    return {
        name: {
            "bundle": base64.b64encode(data).decode(),
            "error": error,
            "message": message,
            "parcels": [] if error else [sha256_hex(first), sha256_hex(second)],
        }
        for name, (data, error, message) in rows.items()
    }


def main() -> None:
    """Write every vector."""
    for folder, vectors in ((FOLDER, parcel_vectors()), (BUNDLES, bundle_vectors())):
        for name, content in vectors.items():
            text = json.dumps(content, indent=1, sort_keys=True) + "\n"
            (folder / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
