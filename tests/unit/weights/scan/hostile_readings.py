"""Files that two readers read differently: what one passes over, the other runs.

The call in them reads an environment variable. Each holds the name of a file, its bytes, and a
code that must be among the findings.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping

from .assembling import HARMLESS, field, keras, layer, onnx, safetensors, text, wrapped, zipped

CALL = HARMLESS + b"0"
PICKLE = b"\x80\x02" + HARMLESS + b"."
LAMBDA = layer("Sequential", "keras", layers=[layer("Lambda", function="x")])


def elsize(size: int, letter: str = "|") -> bytes:
    """A state of an element type that gives elements a size."""
    number = b"J" + struct.pack("<i", size)
    return b"(K\x03" + text(letter) + b"NNN" + number + b"K\x01K\x00tb"


def tarred(*members: tuple[str, bytes], whole: bool = True) -> bytes:
    """A tar of files, without the end that makes it whole if wished."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    length = sum(512 + -(-len(data) // 512) * 512 for _, data in members)
    return buffer.getvalue() if whole else buffer.getvalue()[:length]


def entry(name: str, kind: bytes, data: bytes, size: int | None = None) -> bytes:
    """One entry of a tar as its header and its blocks."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + data + b"\0" * (-len(data) % 512)


def records(pairs: Mapping[str, str]) -> bytes:
    """The content of a pax header."""
    result = b""
    for key, value in pairs.items():
        body = f" {key}={value}\n".encode()
        length = len(body) + 1
        while len(str(length)) + len(body) != length:
            length = len(str(length)) + len(body)
        result += str(length).encode() + body
    return result


def sparse() -> bytes:
    """A tar whose member is `weights` to one reader and `pickle` to the other."""
    said = {
        "path": "weights", "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
        "GNU.sparse.name": "pickle", "GNU.sparse.realsize": str(len(PICKLE)),
    }  # fmt: skip
    chart = f"1\n0\n{len(PICKLE)}\n".encode().ljust(512, b"\0")
    return entry("x", b"x", records(said)) + entry("weights", b"0", chart + PICKLE) + b"\0" * 1024


def uncounted(data: bytes) -> bytes:
    """A zip whose end record announces no members."""
    at = data.rindex(b"PK\x05\x06")
    return data[: at + 8] + b"\0" * 4 + data[at + 12 :]


def found_by_offset() -> bytes:
    """A picture and a zip whose directory does not lie before its end, but where that says."""
    start = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
    data = zipped({"m.pkl": PICKLE})
    at = data.rindex(b"PK\x05\x06")
    where = len(start) + data.index(b"PK\x01\x02")
    end = data[at : at + 16] + struct.pack("<L", where) + data[at + 20 :]
    return start + data[:at] + b"\0" * 40 + end


def held_by_safetensors(data: bytes) -> bytes:
    """Any bytes as the one tensor of a safetensors file."""
    tensor = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    return safetensors({"a": tensor}, data)


def tar_that_is_json() -> bytes:
    """A configuration with a chat template, whose start is a right header of a tar."""
    body = b'", "chat_template": "{{ self }}"}'
    head = bytearray(b'{"a": "'.ljust(512, b" "))
    head[100:108] = head[108:116] = head[116:124] = b"0000000 "
    head[124:136] = b"%011o " % len(body)
    head[136:148] = b"00000000000 "
    head[156:157], head[257:265] = b"0", b"ustar  0"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o  " % sum(head)
    return bytes(head) + body


def _commented(data: bytes, comment: bytes) -> bytes:
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment
    return buffer.getvalue()


_ALIGNED = text("numpy_array_alignment_bytes")
_CLEAN_ZIP = zipped({"a.txt": b"x"})

ARRAYS: dict[str, tuple[str, bytes, str]] = {
    "array that other unpicklers run": ("m.pkl", wrapped("u1", CALL), "pickle-global"),
    "array of joblib that others run": ("m.joblib", wrapped("u1", CALL), "pickle-global"),
    "array in a file of another name": ("m.txt", wrapped("u1", CALL), "pickle-global"),
    "elements smaller than their name": (
        "m.joblib", wrapped("V8", b"\0" * 8 + CALL, shape=8, state=elsize(1)), "pickle-state"
    ),
    "elements larger than their name": (
        "m.joblib", wrapped("V1", CALL, shape=len(CALL), state=elsize(8)), "pickle-state"
    ),
    "size of an element that is no number": (
        "m.joblib",
        wrapped("V8", b"\0" * 8, shape=1, state=elsize(1).replace(b"J\1\0\0\0", b"N")),
        "pickle-state",
    ),
    "element type whose state is set twice": (
        "m.joblib", wrapped("V8", b"\0" * 8, shape=1, state=elsize(8) * 2), "pickle-state"
    ),
    "padding that is none": (
        "m.joblib",
        wrapped("u1", bytes([len(CALL) - 1]) + CALL, more=_ALIGNED + b"N", shape=1),
        "pickle-global",
    ),
    "padding that old readers do not know": (
        "m.joblib",
        wrapped("u1", bytes([len(CALL)]) + CALL + b"\0", more=_ALIGNED + b"K\x10", shape=1),
        "pickle-global",
    ),
    "padding that is an object": (
        "m.joblib", wrapped("u1", b"\0\0", more=_ALIGNED + b"}", shape=1), "pickle-state"
    ),
    "attribute whose name is made": (
        "m.joblib", wrapped("u1", b"\0", more=b"K\x01K\x02", shape=1), "pickle-state"
    ),
    "wrapper whose state is set twice": (
        "m.joblib",
        wrapped("u1", b"\0", shape=1)[:-1] + b"}" + text("shape") + b"K\x02\x85sb\0\0.",
        "pickle-state",
    ),
}  # fmt: skip
TEXTS: dict[str, tuple[str, bytes, str]] = {
    "blank in a later name": ("m.txt", HARMLESS + b"0ca b\nc\n.", "polyglot"),
    "blank in a later name of a pickle": ("m.sav", HARMLESS + b"0ca b\nc\n.", "pickle-global"),
    "storage in a module that is none": (
        "notes.txt", b"ca b\nFloatStorage\n0" + HARMLESS + b".", "polyglot"
    ),
    "import of a standard module alone": ("notes.txt", b"cthis\ns\n0!", "polyglot"),
    "import of a module in a package alone": ("notes.txt", b"ca.b\nc\n0!", "polyglot"),
    "import alone in a pickle": ("m.sav", b"cat\ns\n0!", "pickle-global"),
    "import and end": ("notes.txt", b"cat\ns\n.", "polyglot"),
    "faults that hide another": ("notes.txt", b"NNb" * 300 + HARMLESS + b".", "polyglot"),
    "names that hide another": (
        "notes.txt",
        b"".join(b"ca b\nStorage%d\n0" % n for n in range(300)) + HARMLESS + b".", "polyglot",
    ),
    "call of an allowed name": (
        "notes.txt", b"c_codecs\nencode\n(Vx\nVzip\ntR.", "polyglot"
    ),
    "state of an allowed name": ("notes.txt", b"ctorch\nSize\n(Vx\nNdb.", "polyglot"),
    "second pickle of a text": ("notes.txt", b"N." + HARMLESS + b".", "polyglot"),
    "persistent id first": ("notes.txt", b"Pk\n0" + HARMLESS + b".", "polyglot"),
    "member that is a pickle in text": (
        "m.tar", tarred(("pickle", HARMLESS + b"0ca b\nc\n.")), "polyglot"
    ),
    **{
        f"pickle under {ending}": (f"m{ending}", HARMLESS + b".", "pickle-global")
        for ending in (".sav", ".pck", ".model", ".ot", ".data")
    },
}  # fmt: skip
STREAMS: dict[str, tuple[str, bytes, str]] = {
    "zeros between two streams": (
        "m.pkl.gz", gzip.compress(b"\x80\x02N.") + b"\0" * 6 + gzip.compress(PICKLE),
        "pickle-global",
    ),
    "many zeros between two streams": (
        "m.pkl.gz", gzip.compress(b"\x80\x02N.") + b"\0" * 3_000_000 + gzip.compress(PICKLE),
        "archive-trailing",
    ),
    "zeros before other bytes": (
        "m.gz", gzip.compress(b"x") + b"\0" * 99 + PICKLE, "archive-trailing"
    ),
    "member of a later stream": (
        "m.nemo",
        gzip.compress(tarred(("a", b"x"), whole=False)) + b"\0" * 8
        + gzip.compress(tarred(("m.ckpt", PICKLE))),
        "pickle-global",
    ),
    "sparse member": ("m.pt", sparse(), "tar-entry"),
    "size said before a name": (
        "m.tar",
        entry("x", b"x", records({"size": "512"})) + entry("@", b"L", b"m\0")
        + entry("m", b"0", b"x"),
        "tar-entry",
    ),
    "two sizes of a member": (
        "m.tar", entry("x", b"x", records({"size": "3"})) + entry("m", b"0", b"xxxx"), "tar-entry"
    ),
    "name said of the whole archive": (
        "m.tar", entry("x", b"g", records({"path": "pickle"})) + entry("m", b"0", b"x") * 2,
        "tar-entry",
    ),
    "another encoding of names": (
        "m.tar", entry("x", b"x", records({"hdrcharset": "BINARY"})) + entry("m", b"0", b"x"),
        "tar-entry",
    ),
    "name said twice": (
        "m.tar", entry("@", b"L", b"a\0") + entry("@", b"L", b"b\0") + entry("m", b"0", b"x"),
        "tar-entry",
    ),
    "folder with content": ("m.tar", entry("d", b"5", entry("pickle", b"0", PICKLE)), "tar-entry"),
    "file with the name of a folder": (
        "m.tar", entry("d/", b"\0", entry("pickle", b"0", PICKLE)), "tar-entry"
    ),
    "number that is not octal": (
        "m.tar", entry("m", b"0", b"x").replace(b"00000000001", b"0000000_001", 1),
        "archive-broken",
    ),
    "bytes far behind a tar": (
        "m.tar", tarred(("m", b"x")) + b"\0" * 3_000_000 + PICKLE, "archive-trailing"
    ),
    "zip that announces no members": (
        "m.keras", held_by_safetensors(uncounted(keras(LAMBDA))), "polyglot"
    ),
    "zip behind a cut end record": (
        "m.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 64 + zipped({"m.pkl": PICKLE}) + b"PK\x05\x06\0\0",
        "polyglot",
    ),
    "zip found by its offset alone": ("m.png", found_by_offset(), "polyglot"),
    "cut end record in a comment": (
        "m.zip", _commented(_CLEAN_ZIP, b"PK\x05\x06\0"), "zip-structure"
    ),
    "cut end record behind a zip": ("m.zip", _CLEAN_ZIP + b"PK\x05\x06\0", "zip-structure"),
    "name that says another format": ("m.gguf", safetensors(), "format-mismatch"),
    "configuration that is a tar": (
        "tokenizer_config.json", tar_that_is_json(), "format-mismatch"
    ),
}  # fmt: skip
PROGRAMS: dict[str, tuple[str, bytes, str]] = {
    "exported program": (
        "m.pt2", zipped({"m/archive_format": b"pt2", "m/models/model.json": b"{}"}), "archive-code"
    ),
    "exported program of before": (
        "m.pt2", zipped({"serialized_exported_program.json": b"{}"}), "archive-code"
    ),
    "expression of a graph": (
        "model.json", b'{"a": [{"as_expr": {"expr_str": "s0 + 1"}}]}', "config-code"
    ),
    "package of torch": (
        "m.pt", zipped({"m/.data/extern_modules": b"os\n", "m/m.pkl": b"\x80\x02N."}),
        "archive-code",
    ),
    "module in an archive": (
        "m.pt", zipped({"m/collections/__init__.py": b"x = 1\n"}), "archive-code"
    ),
    "handler in an archive": (
        "m.mar", zipped({"MAR-INF/MANIFEST.json": b"{}", "h": b"#!/bin/sh\n"}), "archive-code"
    ),
    "module of MLflow": (
        "MLmodel", b"flavors:\n  python_function:\n    loader_module: own\n", "config-code"
    ),
    "code of MLflow": (
        "MLmodel", b"flavors:\n  python_function:\n    code: src\n", "config-code"
    ),
    "graph in text": ("saved_model.pbtxt", b'meta_graphs { node { op: "W" } }', "unknown-format"),
    "graph that starts like text": ("saved_model.pb", b"x" * 5000 + b"\x12", "unknown-format"),
    "compiled engine of ONNX": (
        "m.onnx", b"\x08\x08" + field(7, field(1, field(4, b"EPContext"))) + onnx()[2:],
        "onnx-external",
    ),
    "Lambda layer behind a million numbers": (
        "m.keras", keras(LAMBDA | {"zz": [0] * 1_000_001}), "keras-code"
    ),
    "base model behind many numbers": (
        "adapter_config.json",
        json.dumps({"a": [{"base_model_name_or_path": "/base"}], "zz": [[]] * 200_001}).encode(),
        "config-path",
    ),
}  # fmt: skip
READINGS = ARRAYS | TEXTS | STREAMS | PROGRAMS
