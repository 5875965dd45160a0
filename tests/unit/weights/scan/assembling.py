"""Files put together byte by byte: pickles from opcodes, checkpoints, arrays, archives.

Nothing here is harmful when run: what is called reads an environment variable, and names of
dangerous functions are imported at most.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping

HARMLESS = b"cos\ngetenv\n(S'STEELYARD'\ntR"
"""A call of `os.getenv`, without PROTO and STOP."""
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


def text(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def stacked(module: str, name: str) -> bytes:
    """STACK_GLOBAL of two texts."""
    return text(module) + text(name) + b"\x93"


def called(module: str, name: str, *arguments: object, protocol: int = 4) -> bytes:
    """A whole pickle that calls a name; nothing is imported to make it."""
    body = pickle.dumps(arguments, protocol=2)[2:-1]
    head = b"" if protocol < 2 else b"\x80" + bytes([protocol])
    name_part = f"c{module}\n{name}\n".encode() if protocol < 4 else stacked(module, name)
    return head + name_part + body + b"R."


def framed(body: bytes, length: int | None = None) -> bytes:
    """A frame that claims a length."""
    return b"\x95" + struct.pack("<Q", len(body) if length is None else length) + body


def storage_id(key: str = "0", kind: str = "FloatStorage", elements: int = 4) -> bytes:
    """The persistent id of a storage, loaded."""
    return (
        b"(X\x07\0\0\0storage" + f"ctorch\n{kind}\n".encode()
        + text(key) + text("cpu") + b"K" + bytes([elements]) + b"tQ"
    )  # fmt: skip


def tensor(key: str = "0", hooks: bytes = b"ccollections\nOrderedDict\n)R") -> bytes:
    """A tensor of four numbers, rebuilt."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage_id(key)
        + b"K\x00K\x04\x85K\x01\x85\x89" + hooks + b"tR"
    )  # fmt: skip


def state_dict(*values: bytes) -> bytes:
    """A pickle of a state dict with these values."""
    items = b"".join(text(f"layer.{n}.weight") + value for n, value in enumerate(values))
    return b"\x80\x02}(" + items + b"u."


def zipped(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip as Python writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def checkpoint(pickled: bytes | None = None, **more: bytes) -> bytes:
    """A checkpoint as `torch.save` lays it out, with one storage."""
    members = {
        "archive/data.pkl": state_dict(tensor()) if pickled is None else pickled,
        "archive/byteorder": b"little",
        "archive/data/0": struct.pack("<4f", 1, 2, 3, 4),
        "archive/version": b"3\n",
    }
    return zipped(members | {f"archive/{name}": data for name, data in more.items()})


def legacy(pickled: bytes | None = None, *, magic: bytes | None = None, tail: bytes = b"") -> bytes:
    """A checkpoint in torch's legacy format, with one storage."""
    return (
        (pickle.dumps(MAGIC_NUMBER, protocol=2) if magic is None else magic)
        + pickle.dumps(1001, protocol=2)
        + pickle.dumps({"little_endian": True}, protocol=2)
        + (state_dict(tensor()) if pickled is None else pickled)
        + pickle.dumps(["0"], protocol=2)
        + struct.pack("<q4f", 4, 1, 2, 3, 4)
        + tail
    )


def safetensors(
    header: object | None = None, data: bytes = b"\0" * 16, *, text_of_header: bytes | None = None
) -> bytes:
    """A safetensors file with one tensor of 16 bytes, or with what is given."""
    default = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    written = json.dumps(default if header is None else header).encode()
    head = written if text_of_header is None else text_of_header
    return struct.pack("<Q", len(head)) + head + data


def npy(pickled: bytes) -> bytes:
    """An array of objects."""
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (117 - len(head)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + pickled


def gguf(
    pairs: Mapping[str, str], tensors: bytes = b"", *, count: int = 0, announced: int | None = None
) -> bytes:
    """A GGUF file with text values."""

    def counted(value: str) -> bytes:
        data = value.encode()
        return struct.pack("<Q", len(data)) + data

    body = b"".join(counted(k) + struct.pack("<I", 8) + counted(v) for k, v in pairs.items())
    number = len(pairs) if announced is None else announced
    return b"GGUF" + struct.pack("<IQQ", 3, count, number) + body + tensors


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    result = b""
    while value > 0x7F:
        result += bytes([value & 0x7F | 0x80])
        value >>= 7
    return result + bytes([value])


def onnx(*, place: str | None = None, domain: str = "") -> bytes:
    """An ONNX model with one node, and one initializer that lies elsewhere."""
    graph = field(1, field(4, b"Relu") + field(7, domain.encode()))
    if place is not None:
        entry = field(1, b"location") + field(2, place.encode())
        graph += field(5, field(13, entry))
    return b"\x08\x08" + field(7, graph)


def keras(config: object) -> bytes:
    """A Keras archive around a configuration."""
    return zipped({"metadata.json": b"{}", "config.json": json.dumps(config).encode()})


def layer(name: str, module: str | None = "keras.layers", **config: object) -> dict[str, object]:
    """A layer of a Keras model."""
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def wrapped(
    dtype: str, data: bytes, *, more: bytes = b"", shape: int | None = None, state: bytes = b""
) -> bytes:
    """A pickle of one array as joblib writes it: a wrapper, then the bytes of the array."""
    kind = b"cnumpy\ndtype\n" + text(dtype) + b"\x89\x88\x87R" + state
    extent = b"J" + struct.pack("<i", len(data) if shape is None else shape) + b"\x85"
    return (
        b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + text("subclass")
        + b"cnumpy\nndarray\n" + text("shape") + extent + text("order") + text("C")
        + text("dtype") + kind + text("allow_mmap") + b"\x89" + more + b"ub" + data + b"."
    )  # fmt: skip
