"""Archives and files of two formats that hide a pickle from a scanner, or a path from a reader."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib

from .assembling import HARMLESS, checkpoint, npy, safetensors, zipped

PICKLE = HARMLESS + b"."
BINARY_PICKLE = b"\x80\x02" + PICKLE
ZIP = zipped({"archive/data.pkl": BINARY_PICKLE})
CLEAN = checkpoint()


def _patched(data: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    assert old in data
    return data.replace(old, new, count)


def _flagged(bit: int) -> bytes:
    """A checkpoint whose headers both carry a flag."""
    return _patched(
        _patched(ZIP, b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0" + struct.pack("<H", bit)),
        b"PK\x01\x02\x14\x03\x14\0\0\0",
        b"PK\x01\x02\x14\x03\x14\0" + struct.pack("<H", bit),
    )


def _hidden_member() -> bytes:
    """A member between the others that the directory does not name."""
    at = ZIP.index(b"PK\x01\x02")
    hidden = CLEAN[: CLEAN.index(b"PK\x03\x04", 4)]
    end = bytearray(ZIP[at:])
    where = end.rindex(b"PK\x05\x06") + 16
    end[where : where + 4] = struct.pack("<L", at + len(hidden))
    return ZIP[:at] + hidden + bytes(end)


def _commented(comment: bytes) -> bytes:
    buffer = io.BytesIO(CLEAN)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment
    return buffer.getvalue()


def _twice(first: str, second: str) -> bytes:
    """Two members, the second renamed where both headers say its name."""
    stand_in = "z" * len(second)
    data = zipped({first: b"1", stand_in: BINARY_PICKLE})
    return data.replace(stand_in.encode(), second.encode())


def tarred(entries: list[tuple[str, bytes, bytes]]) -> bytes:
    """A tar of (name, kind, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, data in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/hostname" if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _nested(depth: int) -> bytes:
    data = BINARY_PICKLE
    for _ in range(depth):
        data = zipped({"inner.zip": data})
    return data


def _pickle_in_safetensors() -> bytes:
    """Length and header are the argument of the first opcode of a pickle."""
    # X, four bytes of length, then text: read as a number, the length of the header.
    for swallowed in range(400, 600):
        head = b"X" + struct.pack("<I", swallowed) + b"\0\0\0"
        length = int.from_bytes(head, "little")
        if length < 200_000:
            header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}'
            data = b"0" + PICKLE
            text = header % (len(data), len(data))
            body = (text + b" " * (length - len(text)) + data) if length > len(text) else b""
            inside = 5 + swallowed
            return head + body[: inside - 8] + b"0" + PICKLE + body[inside - 8 + len(PICKLE) + 1 :]
    raise AssertionError


ARCHIVES: dict[str, tuple[str, bytes, str]] = {
    "zip": ("m.pt", ZIP, "pickle-global"),
    "zip under another name": ("notes.md", ZIP, "pickle-global"),
    "member under another name": ("m.zip", zipped({"notes.txt": BINARY_PICKLE}), "pickle-global"),
    "member in protocol 0": ("m.zip", zipped({"m.pkl": PICKLE}), "pickle-global"),
    "member in protocol 0 as text": ("m.zip", zipped({"a.txt": PICKLE}), "polyglot"),
    "packed member": ("m.pt", zipped({"d.pkl": PICKLE}, method=8), "pickle-global"),
    "member packed by bzip2": ("m.pt", zipped({"d.pkl": PICKLE}, method=12), "pickle-global"),
    "member packed by lzma": ("m.pt", zipped({"d.pkl": PICKLE}, method=14), "archive-unknown"),
    "wrong checksum": ("m.pt", _patched(ZIP, b"STEELYARD", b"STEELWORK"), "zip-checksum"),
    "encrypted flag": ("m.pt", _flagged(0x1), "zip-encrypted"),
    "strongly encrypted flag": ("m.pt", _flagged(0x40), "zip-encrypted"),
    "masked directory flag": ("m.pt", _flagged(0x2000), "zip-encrypted"),
    "patched data flag": ("m.pt", _flagged(0x20), "pickle-global"),
    "flag in the local header alone": (
        "m.pt", _patched(ZIP, b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\x01\0"), "zip-encrypted"
    ),
    "name in the local header": ("m.pt", _patched(ZIP, b"data.pkl", b"datap.kl"), "zip-structure"),
    "method in the local header": (
        "m.pt", _patched(ZIP, b"PK\x03\x04\x14\0\0\0\0\0", b"PK\x03\x04\x14\0\0\0\x08\0"),
        "zip-structure",
    ),
    "bytes before": ("m.pt", b"\x80\x02N." + CLEAN, "polyglot"),
    "text before": ("m.txt", b"#!/bin/sh\n" + CLEAN, "polyglot"),
    "archive before": ("m.pt", CLEAN + ZIP, "zip-structure"),
    "bytes behind": ("m.pt", CLEAN + PICKLE, "zip-structure"),
    "hidden member": ("m.pt", _hidden_member(), "zip-structure"),
    "second end record": ("m.pt", _commented(b"PK\x05\x06" + b"\0" * 18), "zip-structure"),
    "name twice": ("m.pt", _twice("a/data.pkl", "a/data.pkl"), "zip-name"),
    "name twice but for case": ("m.pt", _twice("a/data.pkl", "a/DATA.pkl"), "zip-name"),
    "name that leads outside": ("m.zip", zipped({"../m.pkl": b""}), "zip-name"),
    "absolute name": ("m.zip", zipped({"/m.pkl": b""}), "zip-name"),
    "name with a drive": ("m.zip", zipped({"C:/m.pkl": b""}), "zip-name"),
    "name with a backslash": ("m.zip", _twice("a", "..\\m.pkl"), "zip-name"),
    "folder with content": ("m.zip", zipped({"a/": PICKLE}), "zip-structure"),
    "zip in a zip": ("m.zip", _nested(3), "pickle-global"),
    "zips beyond the limit": ("m.zip", _nested(12), "archive-limit"),
    "tar": ("m.tar", tarred([("pickle", tarfile.REGTYPE, PICKLE * 1 + b"")]), "polyglot"),
    "tar of a binary pickle": (
        "m.nemo", tarred([("m.ckpt", tarfile.REGTYPE, BINARY_PICKLE)]), "pickle-global"
    ),
    "zip in a tar": ("m.tar", tarred([("m.pt", tarfile.REGTYPE, ZIP)]), "pickle-global"),
    "link in a tar": ("m.tar", tarred([("m", tarfile.SYMTYPE, b"")]), "tar-entry"),
    "hard link in a tar": ("m.tar", tarred([("m", tarfile.LNKTYPE, b"")]), "tar-entry"),
    "device in a tar": ("m.tar", tarred([("m", tarfile.CHRTYPE, b"")]), "tar-entry"),
    "tar that leads outside": (
        "m.tar", tarred([("../../m", tarfile.REGTYPE, b"x")]), "tar-entry"
    ),
    "tar with a long name that leads outside": (
        "m.tar", tarred([("a/" * 80 + "../" * 90 + "m", tarfile.REGTYPE, b"x")]), "tar-entry"
    ),
    "bytes behind a tar": (
        "m.tar", tarred([("m", tarfile.REGTYPE, b"x")]) + PICKLE, "archive-trailing"
    ),
    "gzip": ("m.joblib", gzip.compress(BINARY_PICKLE), "pickle-global"),
    "second stream of gzip": (
        "m.pkl.gz", gzip.compress(b"\x80\x02N.") + gzip.compress(BINARY_PICKLE), "pickle-global"
    ),
    "bytes behind gzip": ("m.gz", gzip.compress(b"\x80\x02N.") + PICKLE, "archive-trailing"),
    "bzip2": ("m.joblib", bz2.compress(BINARY_PICKLE), "pickle-global"),
    "xz": ("m.joblib", lzma.compress(BINARY_PICKLE), "pickle-global"),
    "lzma": ("m.joblib", lzma.compress(BINARY_PICKLE, lzma.FORMAT_ALONE), "pickle-global"),
    "zlib": ("m.joblib", zlib.compress(BINARY_PICKLE), "pickle-global"),
    "gzip in bzip2 in xz": (
        "m", lzma.compress(bz2.compress(gzip.compress(BINARY_PICKLE))), "pickle-global"
    ),
    "tar in gzip": (
        "m.nemo", gzip.compress(tarred([("m.ckpt", tarfile.REGTYPE, ZIP)])), "pickle-global"
    ),
    "7z": ("m.7z", b"7z\xbc\xaf\x27\x1c" + b"\0" * 40, "archive-unknown"),
    "rar": ("m.bin", b"Rar!\x1a\x07\x01\0" + b"\0" * 40, "archive-unknown"),
    "lz4": ("m.joblib", b"\x04\x22\x4d\x18" + b"\0" * 40, "archive-unknown"),
    "zstd": ("m.zst", b"\x28\xb5\x2f\xfd" + b"\0" * 40, "archive-unknown"),
    "npz": ("m.npz", zipped({"a.npy": npy(PICKLE)}), "pickle-global"),
    "picture that is a pickle": ("m.png", BINARY_PICKLE, "pickle-global"),
    "text that is a pickle": ("README.md", PICKLE, "polyglot"),
    "configuration that is a pickle": ("config.json", BINARY_PICKLE, "pickle-global"),
    "safetensors that is a pickle": ("model.safetensors", BINARY_PICKLE, "polyglot"),
    "safetensors and zip": (
        "model.safetensors",
        safetensors(
            {"a": {"dtype": "U8", "shape": [len(ZIP)], "data_offsets": [0, len(ZIP)]}}, ZIP
        ),
        "polyglot",
    ),
    "safetensors and pickle": ("model.safetensors", _pickle_in_safetensors(), "polyglot"),
    "picture and zip": ("m.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 64 + ZIP, "polyglot"),
}  # fmt: skip
