"""Headers of safetensors: what describes its file exactly, and everything that does not."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights import TensorHeader, header_length, parse_header
from steelyard.weights.tensors import DTYPE_BITS, HEADER_LIMIT_BYTES, element_counts

ONE = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


def written(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def parsed(data: bytes) -> TensorHeader:
    return parse_header(data, file_bytes=len(data), where="m")


def refusal(data: bytes) -> str:
    with pytest.raises(MalformedEvidence) as caught:
        parsed(data)
    return str(caught.value)


def test_a_header_that_the_library_wrote() -> None:
    arrays = {"b": np.ones((2, 3), np.float16), "a": np.zeros((), np.int64), "c": np.ones((0, 4))}
    data = save(arrays, metadata={"format": "np"})
    header = parsed(data)
    assert header.metadata == {"format": "np"}
    assert header.header_bytes + header.data_bytes == len(data)
    found = {t.name: (t.dtype, t.shape, t.parameters, t.size_bytes) for t in header.tensors}
    assert found == {
        "b": ("F16", (2, 3), 6, 12), "a": ("I64", (), 1, 8), "c": ("F64", (0, 4), 0, 0)
    }  # fmt: skip
    assert element_counts(header.tensors) == {"F16": 6, "I64": 1, "F64": 0}


def test_tensors_come_in_the_order_of_their_data() -> None:
    header = {"z": ONE, "a": ONE | {"data_offsets": [16, 32]}, "e": ONE | {
        "shape": [0], "data_offsets": [16, 16]}}  # fmt: skip
    assert [t.name for t in parsed(written(header, b"\0" * 32)).tensors] == ["z", "e", "a"]


def test_types_narrower_than_a_byte() -> None:
    header = {"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}
    assert parsed(written(header, b"\0\0")).tensors[0].parameters == 4
    header = {"a": {"dtype": "F6_E2M3", "shape": [3], "data_offsets": [0, 2]}}
    assert refusal(written(header, b"\0\0")) == (
        "m: a: F6_E2M3 of shape (3,) has 18 bits, offsets are (0, 2)"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "m: a safetensors file has at least 8 bytes, found 0"),
        (b"\x01" * 7, "m: a safetensors file has at least 8 bytes, found 7"),
        (
            struct.pack("<Q", HEADER_LIMIT_BYTES + 1),
            "m: the header claims 100000001 bytes, the limit is 100000000",
        ),
        (struct.pack("<Q", 9) + b"{}", "m: the header claims 9 bytes, the file has 10"),
        (written(b" {}"), "m: the header does not start with '{'"),
        (written(b"[]"), "m: the header does not start with '{'"),
        (written(b""), "m: the header does not start with '{'"),
        (written(b'{"a":1'), "m: not strict JSON: Expecting ',' delimiter: line 1 column 7"),
        (written(b'{"a":1,"a":2}'), "m: not strict JSON: duplicate key 'a'"),
        (written(b'{"\xff":1}'), "m: not strict JSON: 'utf-8' codec can't decode byte 0xff"),
        (written({"a": 1}), "m: a: a tensor has exactly dtype, shape, data_offsets"),
        (written({"a": ONE | {"x": 1}}), "m: a: a tensor has exactly dtype, shape, data_offsets"),
        (written({"a": ONE | {"dtype": "PY"}}), "m: a: unknown element type 'PY'"),
        (written({"a": ONE | {"dtype": 4}}), "m: a: unknown element type 4"),
        (
            written({"a": ONE | {"shape": [-4]}}),
            "m: a: a shape lists whole numbers of at least 0, found -4",
        ),
        (
            written({"a": ONE | {"shape": [True]}}),
            "m: a: a shape lists whole numbers of at least 0, found True",
        ),
        (
            written({"a": ONE | {"shape": [1] * 65}}),
            "m: a: a shape has at most 64 entries, found 65",
        ),
        (
            written({"a": ONE | {"data_offsets": [0, 1.5]}}),
            "m: a: data_offsets lists whole numbers of at least 0, found 1.5",
        ),
        (
            written({"a": ONE | {"data_offsets": [0]}}),
            "m: a: F32 of shape (4,) has 128 bits, offsets are (0,)",
        ),
        (
            written({"a": ONE | {"data_offsets": [16, 0]}}),
            "m: a: F32 of shape (4,) has 128 bits, offsets are (16, 0)",
        ),
        (written({"__metadata__": []}), "m: __metadata__ must map text to text"),
        (written({"__metadata__": {"a": 1}}), "m: __metadata__ must map text to text"),
        (
            written({"a": ONE, "b": ONE | {"data_offsets": [8, 24]}}, b"\0" * 24),
            "m: b: overlaps the tensor before it: starts at 8, expected 16",
        ),
        (
            written({"a": ONE, "b": ONE}, b"\0" * 16),
            "m: b: overlaps the tensor before it: starts at 0, expected 16",
        ),
        (
            written({"a": ONE | {"data_offsets": [8, 24]}}, b"\0" * 24),
            "m: a: leaves a hole: starts at 8, expected 0",
        ),
        (
            written({"a": ONE}, b"\0" * 17),
            "m: tensors claim 16 bytes of data, the file has 17",
        ),
        (
            written({"a": ONE}, b"\0" * 15),
            "m: tensors claim 16 bytes of data, the file has 15",
        ),
    ],
)  # fmt: skip
def test_a_header_that_does_not_describe_its_file(data: bytes, message: str) -> None:
    assert refusal(data).startswith(message)


def test_deep_nesting_is_refused() -> None:
    assert refusal(written(b'{"a":' + b"[" * 100_000)).startswith("m: not strict JSON")


def test_a_length_is_read_before_the_header() -> None:
    assert header_length(struct.pack("<Q", 2) + b"{}", file_bytes=10) == 10
    with pytest.raises(MalformedEvidence, match=r"^the header claims 2 bytes, the file has 9$"):
        header_length(struct.pack("<Q", 2), file_bytes=9)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=10).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(["F4", "U8", "BF16", "F64"]), st.lists(st.integers(0, 4))),
        max_size=6,
    )
)
def test_what_fits_is_read_back(tensors: dict[str, tuple[str, list[int]]]) -> None:
    header: dict[str, Any] = {}
    position = 0
    for name, (dtype, shape) in tensors.items():
        even = [*shape, 2]
        size = int(np.prod(even)) * DTYPE_BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": even, "data_offsets": [position, position + size]}
        position += size
    found = parsed(written(header, bytes(position)))
    assert {t.name: (t.dtype, list(t.shape)) for t in found.tensors} == {
        name: (dtype, [*shape, 2]) for name, (dtype, shape) in tensors.items()
    }


@given(data=st.data())
@settings(max_examples=200)
def test_what_we_read_the_library_reads_too(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Never more lenient than the reader that others use."""
    valid = bytearray(save({"a": np.ones((2, 2), np.float32), "b": np.ones(3, np.int8)}))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(valid) - 1))
        valid[at] = data.draw(st.sampled_from([0, 1, 34, 44, 48, 49, 57, 91, 93, 123, 125, 255]))
    try:
        header = parsed(bytes(valid))
    except MalformedEvidence:
        return
    path: Path = tmp_path_factory.mktemp("read") / "m.safetensors"
    path.write_bytes(bytes(valid))
    try:
        with safe_open(path, "np") as opened:
            assert set(opened.keys()) == {tensor.name for tensor in header.tensors}
    except SafetensorError as error:
        pytest.fail(f"the library refuses what we read: {error}")
