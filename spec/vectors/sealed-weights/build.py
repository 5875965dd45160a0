"""Writes the vectors of sealed weights: a good folder, and folders with one fault each.

    python spec/vectors/sealed-weights/build.py

`files` are the entries of the folder in base64, `signer` the public key of the publisher,
`identity` a private key to open with, both in PEM. `plain` are the files of the model in base64
where it opens; else `error` is the class of the refusal and `message` how it starts. `publisher`
says whether the publisher's content is asked for. Content keys and IVs are drawn anew each time.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from steelyard.attest import PrivateKey
from steelyard.attest.recipients import Identity
from steelyard.weights.sealed import Expect, SealedHeader, Sealing, read_header, seal_model
from steelyard.weights.sealed.header import Core
from steelyard.weights.sealed.recipients import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent
PUBLISHER, FORGER = (PrivateKey.from_seed(bytes([n]) * 32) for n in (1, 2))
IDENTITY, STRANGER = (
    Identity(X25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (3, 4)
)
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HEADER = '{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
PLAIN = {
    "config.json": b'{"hidden_size": 3}',
    "model.safetensors": len(HEADER).to_bytes(8, "little") + HEADER.encode() + bytes(range(24)),
}
Files = dict[str, bytes]


def sealed(release: int = 1) -> Files:
    """The files of a good folder."""
    with tempfile.TemporaryDirectory() as place:
        source, out = Path(place) / "plain", Path(place) / "sealed"
        source.mkdir()
        for name, data in PLAIN.items():
            (source / name).write_bytes(data)
        seal_model(source, out, Sealing("toy", release, [IDENTITY.recipient]), PUBLISHER, NOW)
        return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def header_of(files: Files) -> SealedHeader:
    """The header of a folder."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "sealed.json").write_bytes(files["sealed.json"])
        return read_header(Path(place), Expect(PUBLISHER.public_key))


def flipped(files: Files, name: str, at: int) -> Files:
    """One bit of one file changed."""
    data = bytearray(files[name])
    data[at] ^= 1
    return files | {name: bytes(data)}


def resigned(files: Files, header: SealedHeader, key: PrivateKey = PUBLISHER) -> Files:
    """Another header over the same streams."""
    return files | {"sealed.json": header.sign(key)}


def faults(good: Files) -> dict[str, tuple[Files, str, str]]:
    """Folder, error and message of each vector, by name."""
    newer, header = sealed(release=2), header_of(good)
    core, model = header.core, "000002.floe"
    other_core = Core("toy", 9, core.seal)
    second_key = wrap(b"\x07" * 32, core, IDENTITY.recipient)
    another = wrap(b"\x07" * 32, other_core, IDENTITY.recipient)
    strangers = wrap(bytes(32), core, STRANGER.recipient)
    not_named, broken = "the stream is not the one", "segment 0 was changed"
    return {
        "good": (good, "", ""),
        "segment-bit-flipped": (flipped(good, model, 200), "BrokenSeal", broken),
        "tag-bit-flipped": (flipped(good, model, -1), "BrokenSeal", broken),
        "length-marker-changed": (flipped(good, model, 77), "BrokenSeal", "segment 0 is marked"),
        "stream-header-changed": (flipped(good, model, 30), "BrokenSeal", not_named),
        "stream-cut": (good | {model: good[model][:-1]}, "BrokenSeal", "the stream is cut"),
        "stream-longer": (good | {model: good[model] + b"x"}, "BrokenSeal", "the stream is longer"),
        "stream-missing": (
            {name: data for name, data in good.items() if name != model},
            "BrokenSeal",
            "stream unreadable",
        ),
        "stream-of-another-release": (good | {model: newer[model]}, "BrokenSeal", not_named),
        "header-of-another-release": (
            good | {"sealed.json": newer["sealed.json"]},
            "BrokenSeal",
            not_named,
        ),
        "core-of-another-release": (
            resigned(good, replace(header, core=replace(core, release=2))),
            "BrokenSeal",
            "not encrypted to key",
        ),
        "signed-by-another": (resigned(good, header, FORGER), "BrokenSeal", "signed by key"),
        "another-content-key": (
            resigned(good, replace(header, recipients=(second_key,))),
            "BrokenSeal",
            "the stream is of another key",
        ),
        "content-key-of-another-core": (
            resigned(good, replace(header, recipients=(another,))),
            "BrokenSeal",
            "not encrypted to key",
        ),
        "no-recipient-of-this-key": (
            resigned(good, replace(header, recipients=(strangers,))),
            "NotSatisfied",
            "key",
        ),
        "nobody-can-open": (
            resigned(good, replace(header, recipients=())),
            "MalformedEvidence",
            "nobody could open",
        ),
        "leaves-changed": (flipped(good, "leaves", 0), "BrokenSeal", "the leaves are not those"),
        "plain-folder": (PLAIN, "BrokenSeal", "expected sealed weights"),
    }  # fmt: skip


def main(write: Callable[[str, str], None]) -> None:
    """Write every vector."""
    for name, (files, error, message) in faults(sealed()).items():
        vector = {
            "signer": PUBLISHER.public_key.pem.decode(),
            "identity": IDENTITY.pem(None).decode(),
            "publisher": name in {"good", "leaves-changed"},
            "files": _encoded(files),
            "plain": None if error else _encoded(PLAIN),
            "error": error,
            "message": message,
        }
        write(f"{name}.json", json.dumps(vector, indent=2, sort_keys=True) + "\n")


def _encoded(files: Files) -> dict[str, str]:
    return {name: base64.standard_b64encode(data).decode() for name, data in files.items()}


if __name__ == "__main__":
    main(lambda name, text: (FOLDER / name).write_text(text, "utf-8") and None)
