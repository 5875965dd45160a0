"""Honest files, as many kinds as checkpoints have: none is found fault with."""

from __future__ import annotations

import argparse
import collections
import gzip
import io
import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.weights.scan import Finding, scan_model, scan_source
from steelyard.weights.scan.source import MemorySource

from .assembling import checkpoint, gguf, keras, layer, legacy, npy, onnx, safetensors

PLAIN: dict[str, object] = {
    "numbers": {"lr": 1e-4, "step": 3, "betas": (0.9, 0.999), "big": 2**70, "negative": -1},
    "texts": ["a", "é", "x" * 5000, b"bytes", bytearray(b"more")],
    "sets": {1, 2, 3},
    "frozen sets": frozenset({1}),
    "ordered": collections.OrderedDict(a=1, b=2),
    "defaults": collections.defaultdict(list, a=[1]),
    "counts": collections.Counter("abca"),
    "queues": collections.deque([1, 2], maxlen=9),
    "namespaces": argparse.Namespace(lr=0.1, layers=[1, 2]),
    "complex": 1 + 2j,
    "slices": slice(1, 2, None),
    "nested": {"a": [{"b": ((1,), {"c": None})}]},
    "many": list(range(70_000)),
}
ARRAYS: dict[str, Any] = {
    "float64": np.ones(3),
    "float16": np.ones((2, 2), np.float16),
    "big-endian": np.ones(3, ">f4"),
    "empty": np.zeros((0, 3)),
    "column order": np.asfortranarray(np.ones((2, 3))),
    "text": np.array(["a", "bc"]),
    "bytes": np.array([b"a"]),
    "dates": np.array(["2026-01-01"], "M8[D]"),
    "bool": np.array([True]),
    "objects": np.array([1, "x"], object),
    "scalar": np.float32(3),
    "large": np.arange(100_000),
}


def found(data: bytes, name: str) -> list[tuple[str, str]]:
    return [(f.code, f.text) for f in scan_source(MemorySource(data), name)]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_values_are_clean(kind: str, protocol: int) -> None:
    value = {"value": PLAIN[kind]}
    if kind == "namespaces" and protocol < 2:
        # `copyreg._reconstructor` makes an object of any class: not on the list.
        expected = [
            ("pickle-global", "imports copy_reg._reconstructor, which is not on the allowlist"),
            ("pickle-global", "imports __builtin__.object, which is not on the allowlist"),
        ]
        assert found(pickle.dumps(value, protocol), "m.pkl") == expected
    else:
        assert found(pickle.dumps(value, protocol), "m.pkl") == []


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_in_pickles_are_clean(kind: str, protocol: int) -> None:
    assert found(pickle.dumps({"a": ARRAYS[kind]}, protocol), "m.pkl") == []


def test_arrays_of_older_numpy_are_clean() -> None:
    data = pickle.dumps({"a": np.ones(3), "b": np.float32(1)}, 2)
    assert b"numpy._core" in data
    assert found(data.replace(b"numpy._core", b"numpy.core"), "m.pkl") == []


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_in_files_are_clean_but_for_objects(kind: str) -> None:
    buffer = io.BytesIO()
    np.save(buffer, ARRAYS[kind])
    expected = [("npy-object", "an array of objects")] if kind == "objects" else []
    assert found(buffer.getvalue(), "a.npy") == expected


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_several_arrays_are_clean(save: Callable[..., None]) -> None:
    buffer = io.BytesIO()
    save(buffer, **{f"layer.{n}.weight": np.ones((n, 3)) for n in range(1, 9)})
    assert found(buffer.getvalue(), "weights.npz") == []


def test_checkpoints_made_by_hand_are_clean() -> None:
    assert found(checkpoint(), "pytorch_model.bin") == []
    assert found(legacy(), "pytorch_model.bin") == []
    assert found(gzip.compress(checkpoint()), "pytorch_model.bin.gz") == []


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_of_torch_are_clean(zipped: bool, protocol: int) -> None:  # noqa: FBT001
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save(
        trained(torch), buffer, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol
    )
    assert found(buffer.getvalue(), "checkpoint.pt") == []


def trained(torch: Any) -> dict[str, object]:  # noqa: ANN401 - imported by the test
    """A training state with every element type, shared storages and optimizer state."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(4)).sum().backward()
    optimizer.step()
    kinds = ["float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"]
    kinds += ["complex64", "float8_e4m3fn", "float8_e5m2", "uint16", "uint32"]
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "kinds": {kind: torch.ones(3).to(getattr(torch, kind)) for kind in kinds},
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "view": torch.arange(10)[2:4],
        "transposed": torch.ones(2, 3).T,
        "sparse": torch.eye(2).to_sparse(),
        "quantized": quantized(torch),
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "dtype": torch.bfloat16,
        "rng": torch.get_rng_state(),
        "args": argparse.Namespace(lr=0.1),
    }


def quantized(torch: Any) -> object:  # noqa: ANN401 - imported by the test
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)


def joblib_dump(arrays: dict[str, Any], alignment: int | None = 16) -> bytes:
    """Plain arrays as joblib writes them: each behind its wrapper, in the stream."""
    buffer = io.BytesIO(b"")
    buffer.write(b"\x80\x04}(")
    for name, array in arrays.items():
        state: dict[str, object] = {"order": "C", "allow_mmap": True}
        if alignment is not None:
            state["numpy_array_alignment_bytes"] = alignment
        buffer.write(pickle.dumps(name, 2)[2:-1].split(b"q\x00")[0])
        buffer.write(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(")
        buffer.write(b"\x8c\x08subclasscnumpy\nndarray\n\x8c\x05shape")
        buffer.write(pickle.dumps(array.shape, 2)[2:-1].split(b"q\x00")[0])
        buffer.write(b"\x8c\x05dtype" + pickle.dumps(array.dtype, 2)[2:-1])
        for key, value in state.items():
            buffer.write(pickle.dumps(key, 2)[2:-1].split(b"q\x00")[0])
            buffer.write(pickle.dumps(value, 2)[2:-1].split(b"q\x00")[0])
        buffer.write(b"ub")
        if alignment is not None:
            padding = alignment - (buffer.tell() + 1) % alignment
            buffer.write(bytes([padding]) + b"\xff" * padding)
        buffer.write(array.tobytes())
    return buffer.getvalue() + b"u."


@pytest.mark.parametrize("alignment", [16, None])
def test_arrays_of_joblib_are_clean(alignment: int | None) -> None:
    data = joblib_dump({"coef": np.ones((3, 4)), "classes": np.arange(3, dtype="i4")}, alignment)
    assert found(data, "model.joblib") == []


HONEST: dict[str, tuple[str, bytes]] = {
    "safetensors": ("m.safetensors", safetensors()),
    "safetensors with metadata": (
        "m.safetensors",
        safetensors(
            {
                "__metadata__": {"format": "pt", "note": "trained for 3 epochs"},
                "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            }
        ),
    ),
    "GGUF": ("m.gguf", gguf({"general.name": "m", "tokenizer.chat_template": "{{ messages }}"})),
    "ONNX": ("m.onnx", onnx(place="weights.data", domain="ai.onnx.ml")),
    "Keras": (
        "m.keras",
        keras(layer("Sequential", "keras", layers=[layer("Dense", units=3), layer("ReLU")])),
    ),
    "vocabulary": ("vocab.txt", b"cat\ndog\nfish\n"),
    "merges": ("merges.txt", b"#version: 0.2\nc a\nca t\n"),
    "licence": ("LICENSE", b"copyright 2026 the authors\nall rights reserved\n(see below).\n"),
    "notes": ("README.md", b"import os\nis how it begins.\n"),
    "numbers in words": ("trainer_state.json", b'{"loss": NaN, "length": 1' + b"0" * 30 + b"}"),
    "picture": ("m.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9),
    "tokenizer": ("tokenizer.model", b"\x0a\x08\x0a\x01a\x15\0\0\0\0" * 3),
    "configuration in YAML": ("c.yaml", b"_target_: nemo.collections.asr.models.X\nlr: 1e-3\n"),
    "folder in a zip": ("m.zip", b""),
    "descriptors": ("m.zip", b""),
}


class Unseekable(io.BytesIO):
    """Makes Python write data descriptors."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def streamed_zip() -> bytes:
    buffer = Unseekable()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("m")
        archive.writestr("m/a.txt", b"a" * 999)
        archive.writestr("m/b.json", b"{}")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", HONEST)
def test_honest_files_are_clean(kind: str) -> None:
    name, data = HONEST[kind]
    assert found(data or streamed_zip(), name) == []


TEMPLATES = [
    "{% for message in messages %}{{ message['role'] }}: {{ message.content | trim }}{% endfor %}",
    (
        "{% if not tools is defined %}{% set tools = none %}{% endif %}{{ bos_token }}"
        "{% set ns = namespace(last='', tool_calls=[]) %}{{ raise_exception('no') }}"
    ),
    (
        "{%- macro render(x) %}{{ x | tojson(indent=2) }}{% endmacro %}{{ render(messages[-1]) }}"
        "{% generation %}{{ x }}{% endgeneration %}"
    ),
    (
        "{{ strftime_now('%d %b %Y') }}{% for k, v in tool.items() %}{{ k ~ '=' ~ v }}{% endfor %}"
        "{% break %}{{ messages[0]['content'].split('</think>')[-1].strip() }}"
    ),
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_of_chats_are_clean(template: str) -> None:
    assert found(json.dumps({"chat_template": template}).encode(), "tokenizer_config.json") == []
    assert found(template.encode(), "chat_template.jinja") == []


def test_the_real_embedding_model_is_clean(real_model: Path) -> None:
    report = scan_model(real_model)
    assert report.verdict == "clean"
    assert len(report.files) == 13
    assert report.findings == (
        Finding(
            "name-reference", "config.json", "", None,
            "_name_or_path refers to 'nreimers/MiniLM-L6-H384-uncased'",
        ),
        Finding(
            "name-reference", "tokenizer_config.json", "", None,
            "name_or_path refers to 'nreimers/MiniLM-L6-H384-uncased'",
        ),
    )  # fmt: skip


def test_an_array_of_objects_is_a_note_where_it_is_harmless() -> None:
    assert found(npy(pickle.dumps(np.array([1, None], object))), "a.npy") == [
        ("npy-object", "an array of objects")
    ]


def test_storages_that_are_not_there_break_a_legacy_checkpoint() -> None:
    data = legacy()[: -len(struct.pack("<4f", 1, 2, 3, 4))]
    assert found(data, "m.pt") == [
        ("pickle-broken", "its storages need 16 bytes more than there are")
    ]
