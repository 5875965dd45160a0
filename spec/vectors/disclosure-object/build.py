"""Writes the vectors of sealed objects: good ones, and objects with one fault each.

    python spec/vectors/disclosure-object/build.py

`object` is the file in base64, opened by `organization` with the private key `identity` (PEM).
Where it opens there are `object_id`, `media_type`, `plaintext` (base64), `salt`, `commitment` and
`recipients`; else `error` is the class of the refusal and `message` how it starts. HPKE draws
anew each time.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from steelyard.attest.recipients import Identity
from steelyard.disclosure.delivery import open_object, seal_object
from steelyard.disclosure.delivery.framing import join_parts, pad, split_parts
from steelyard.disclosure.delivery.object_header import (
    Container,
    Core,
    list_tag,
    read_container,
    wrap_key,
)
from steelyard.disclosure.delivery.sealed_object import commit_content
from steelyard.kernel import canonical_json

FOLDER = Path(__file__).parent
MAGIC = b"steelyard/disclosure-object/1\n"
ALICE, BOB, CAROL = (f"org:{number:064x}" for number in (1, 2, 3))
SALT, DATA_KEY = bytes(range(32)), bytes(range(32, 64))


def identity(number: int, *, hybrid: bool = True) -> Identity:
    """A private key that is the same every time."""
    x25519 = X25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return Identity(
        x25519, MLKEM768PrivateKey.from_seed_bytes(bytes([number]) * 64) if hybrid else None
    )


KEYS = {name: identity(number) for number, name in enumerate((ALICE, BOB, CAROL), 1)}
CLASSIC = identity(1, hybrid=False)


def sealed(*names: str, plaintext: bytes = b"Say please twice.") -> bytes:
    """A good object."""
    recipients = {name: KEYS[name].recipient for name in names}
    drawn = iter((DATA_KEY, SALT))
    return seal_object(
        plaintext, media_type="text/plain", recipients=recipients, random=lambda _: next(drawn)
    )


def from_content(content: bytes, commitment: str) -> bytes:
    """An object with any body, made by somebody who has the data key."""
    label = b"steelyard/disclosure-object/1 body"
    key = hmac.digest(DATA_KEY, len(label).to_bytes(4, "big") + label, "sha256")
    body = AESGCM(key).encrypt(bytes(12), content, label + b"\0" + bytes.fromhex(commitment))
    core = Core(commitment, hashlib.sha256(body).hexdigest())
    wraps = (wrap_key(DATA_KEY, core.object_id, ALICE, KEYS[ALICE].recipient),)
    tag = list_tag(DATA_KEY, core.object_id, wraps)
    return Container(core, core.object_id, wraps, tag, body).to_bytes()


def with_header(data: bytes, **changes: Any) -> bytes:  # noqa: ANN401
    """The same body under a header with other fields."""
    header, body = split_parts(data.removeprefix(MAGIC), most=2, where="")
    return MAGIC + join_parts((canonical_json(json.loads(header) | changes), body))


def header_faults(good: bytes) -> dict[str, tuple[bytes, str, str]]:
    """One fault each in what everybody can read."""
    container = read_container(good)
    entries = [wrap.to_json() for wrap in container.wraps]
    core = container.core.to_json()
    changed = "the list of recipients was changed by somebody without the data key"
    spelling = "the header has other fields or another spelling than the format"
    entry = "a recipient has organization, kind, id and the data key wrapped for that kind"
    header, body = split_parts(good.removeprefix(MAGIC), most=2, where="")
    spaced = MAGIC + join_parts((header.replace(b":", b": ", 1), body))
    other = wrap_key(DATA_KEY, container.object_id, BOB, KEYS[CAROL].recipient).to_json()
    moved = wrap_key(DATA_KEY, container.object_id, CAROL, KEYS[ALICE].recipient).to_json()
    return {
        "recipient-dropped": (with_header(good, recipients=entries[:1]), "BrokenSeal", changed),
        "recipient-added": (
            with_header(good, recipients=[*entries, entries[1] | {"organization": CAROL}]),
            "BrokenSeal",
            changed,
        ),
        "recipient-exchanged": (
            with_header(good, recipients=[entries[0], other]), "BrokenSeal", changed,
        ),
        "wrapped-for-another-organization": (
            with_header(good, recipients=[moved | {"organization": ALICE}, entries[1]]),
            "BrokenSeal",
            "not encrypted to key",
        ),
        "recipients-not-sorted": (
            with_header(good, recipients=entries[::-1]),
            "MalformedEvidence",
            "recipients are sorted by organization, each once",
        ),
        "recipient-twice": (
            with_header(good, recipients=[entries[0], *entries]),
            "MalformedEvidence",
            "recipients are sorted by organization, each once",
        ),
        "no-recipient": (
            with_header(good, recipients=[]),
            "MalformedEvidence",
            "a header has core, tag and 1 to 512 recipients",
        ),
        "unknown-kind": (
            with_header(good, recipients=[entries[0] | {"kind": "age"}, entries[1]]),
            "MalformedEvidence",
            entry,
        ),
        "wrapped-key-cut": (
            with_header(good, recipients=[entries[0] | {"wrapped": "AAAA"}, entries[1]]),
            "MalformedEvidence",
            entry,
        ),
        "field-added": (with_header(good, note="x"), "MalformedEvidence", spelling),
        "suite-changed": (
            with_header(good, core=core | {"suite": "AES-128-GCM"}), "MalformedEvidence", spelling,
        ),
        "header-respelled": (spaced, "MalformedEvidence", spelling),
        "tag-changed": (with_header(good, tag="0" * 64), "BrokenSeal", changed),
    }  # fmt: skip


def body_faults(good: bytes) -> dict[str, tuple[bytes, str, str]]:
    """One fault each in what is encrypted, or in how long it is."""
    flipped = bytearray(good)
    flipped[-1] ^= 1
    commitment = commit_content(SALT, "text/plain", b"promised")
    other = pad(join_parts((SALT, b"text/plain", b"delivered")), least=1024)
    right = join_parts((SALT, b"text/plain", b"promised"))
    unpadded = join_parts((right,))
    hiding = pad(right, least=1024)[:-1] + b"\1"
    return {
        "body-changed": (
            bytes(flipped), "BrokenSeal", "the body is not the one that the header names",
        ),
        "trailing-byte": (good + b"\0", "MalformedEvidence", "more than 2 parts, or trailing"),
        "cut-short": (good[:-1], "MalformedEvidence", "part 1 is cut short"),
        "no-object": (b"{}", "MalformedEvidence", "this is no sealed object"),
        "commitment-to-other-content": (
            from_content(other, commitment), "BrokenSeal", "the content does not open commitment",
        ),
        "not-padded": (
            from_content(unpadded, commitment), "MalformedEvidence", "padded otherwise than",
        ),
        "padding-not-zero": (
            from_content(hiding, commitment), "MalformedEvidence", "padded otherwise than",
        ),
        "media-type-in-capitals": (
            from_content(
                pad(join_parts((SALT, b"Text/Plain", b"promised")), least=1024), commitment
            ),
            "MalformedEvidence",
            "a body has a salt, a media type and content within the limit",
        ),
    }  # fmt: skip


def opened(data: bytes, organization: str, key: Identity) -> dict[str, Any]:
    """What a good object gives."""
    found = open_object(data, organization, key)
    return {
        "error": "",
        "object_id": found.object_id,
        "media_type": found.media_type,
        "plaintext": base64.b64encode(found.plaintext).decode(),
        "salt": found.salt.hex(),
        "commitment": found.commitment,
        "recipients": [list(row) for row in found.recipients],
    }


def with_recipient(data: bytes, name: str) -> bytes:
    """The same object for one more organization, by one who has its data key."""
    container = read_container(data)
    new = wrap_key(DATA_KEY, container.object_id, name, KEYS[name].recipient)
    wraps = tuple(sorted((*container.wraps, new), key=lambda wrap: wrap.organization))
    tag = list_tag(DATA_KEY, container.object_id, wraps)
    return replace(container, wraps=wraps, tag=tag).to_bytes()


def main() -> None:
    """Write every vector."""
    good = sealed(ALICE, BOB)
    alone = sealed(ALICE)
    classic = seal_object(
        b"",
        media_type="text/plain",
        recipients={ALICE: CLASSIC.recipient},
        random=bytes,
        allow_classic=True,
    )
    grown = with_recipient(alone, BOB)
    vectors: dict[str, tuple[bytes, str, Identity, dict[str, Any]]] = {}
    for name, data, who, key in (
        ("good", good, ALICE, KEYS[ALICE]),
        ("good-added", grown, BOB, KEYS[BOB]),
        ("good-classic-empty", classic, ALICE, CLASSIC),
    ):
        vectors[name] = (data, who, key, opened(data, who, key))
    refusals = header_faults(good) | body_faults(good)
    refusals["not-a-recipient"] = (sealed(BOB), "NotSatisfied", "not sealed to key")
    for name, (data, error, message) in refusals.items():
        vectors[name] = (data, ALICE, KEYS[ALICE], {"error": error, "message": message})
    for name, (data, who, key, expect) in vectors.items():
        content = {
            "object": base64.b64encode(data).decode(),
            "organization": who,
            "identity": key.pem(None).decode(),
            **expect,
        }
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
