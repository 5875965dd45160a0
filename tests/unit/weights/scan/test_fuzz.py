"""Every parser of a scan on noise and damaged files: findings, no error, in bounded time."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan import RULES, scan_source
from steelyard.weights.scan.configs import parse_config
from steelyard.weights.scan.contents import tensors_of
from steelyard.weights.scan.formats import recognize
from steelyard.weights.scan.model import as_model
from steelyard.weights.scan.part import Allowance
from steelyard.weights.scan.pickles import follow
from steelyard.weights.scan.references import config_references, relative_imports
from steelyard.weights.scan.source import MemorySource

from .assembling import (
    HARMLESS,
    checkpoint,
    gguf,
    keras,
    layer,
    legacy,
    npy,
    onnx,
    safetensors,
    storage_id,
)
from .hostile_archives import ARCHIVES, tarred
from .hostile_pickles import PICKLES

LIMIT_S = 10.0
NAMES = ["m.bin", "m.safetensors", "m.gguf", "m.onnx", "m.npy", "m.h5", "m.json", "m.jinja",
         "m.yaml", "m.tar", "m.zip", "tokenizer.model", "notes"]  # fmt: skip


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.ones(9), b=np.array(["x"]))
    return buffer.getvalue()


VALID: dict[str, bytes] = {
    "m.pt": checkpoint(),
    "legacy.pt": legacy(),
    "m.pkl": pickle.dumps({"a": np.ones(3), "b": [1, "x", (None, 2.5)]}),
    "m.safetensors": safetensors(),
    "m.gguf": gguf({"tokenizer.chat_template": "{{ messages }}", "a": "b"}),
    "m.onnx": onnx(place="w.data", domain="ai.onnx"),
    "m.npy": npy(HARMLESS + b"."),
    "m.npz": _npz(),
    "m.keras": keras(layer("Sequential", "keras", layers=[layer("Dense")])),
    "m.tar": tarred([("a.pkl", b"0", HARMLESS + b"."), ("b", b"5", b"")]),
    "m.gz": gzip.compress(HARMLESS + b"."),
    "m.json": json.dumps(
        {"auto_map": {"a": "b.C"}, "chat_template": "{{ x }}", "class_name": "D", "config": {}}
    ).encode(),
    "m.jinja": b"{% for m in messages %}{{ m['content'] | trim }}{% endfor %}",
    "tokenizer.model": b"\x0a\x08\x0a\x01a\x15\0\0\0\0",
}


def scanned(data: bytes, name: str) -> None:
    start = time.perf_counter()
    found = scan_source(MemorySource(data), name)
    assert time.perf_counter() - start < LIMIT_S
    assert all(finding.code in RULES and finding.text for finding in found)
    try:
        tensors = tensors_of(MemorySource(data), recognize(MemorySource(data), name))
    except MalformedEvidence:
        return
    assert all(0 <= t.start <= t.stop <= len(data) for t in tensors or ())


@given(data=st.binary(max_size=600), name=st.sampled_from(NAMES))
@settings(max_examples=300)
def test_noise(data: bytes, name: str) -> None:
    scanned(data, name)


@given(
    start=st.sampled_from(
        [b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY\x01\0", b"GGUF\x03\0\0\0", b"\x1f\x8b\x08",
         b"BZh9", b"\xfd7zXZ\0", b"\x5d\0\0\x80\0", b"\x78\x9c", b"\x80\x04", b"\x80\x02",
         b"\x89HDF\r\n\x1a\n", b"\x08\x08", b"(", b"c"]
    ),
    data=st.binary(max_size=400),
)  # fmt: skip
@settings(max_examples=300)
def test_noise_behind_a_magic(start: bytes, data: bytes) -> None:
    scanned(start + data, "m")


@given(data=st.data(), name=st.sampled_from(sorted(VALID)))
@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files(data: st.DataObject, name: str) -> None:
    valid = bytearray(VALID[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(valid) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "number"]))
        if kind == "set":
            valid[at] = data.draw(st.integers(0, 255))
        elif kind == "cut" and at:
            del valid[at : at + data.draw(st.integers(1, 40))]
        elif kind == "insert":
            valid[at:at] = data.draw(st.binary(max_size=12))
        else:
            valid[at : at + 4] = data.draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80"]))
        if not valid:
            valid = bytearray(b"\0")
    scanned(bytes(valid), name)


OPCODES = st.sampled_from(
    [b"(", b".", b"0", b"1", b"2", b"N", b"\x88", b"}", b"]", b")", b"\x8f", b"t", b"l", b"d",
     b"u", b"s", b"a", b"e", b"\x90", b"\x91", b"R", b"b", b"o", b"\x81", b"\x92", b"\x93", b"\x94",
     b"q\x00", b"h\x00", b"K\x01", b"\x85", b"\x86", b"\x87", b"Q", b"\x97", b"\x98", b"\x8c\x01a",
     b"\x8c\x05torch\x8c\x04Size\x93", b"ccollections\nOrderedDict\n", b"cos\ngetenv\n",
     b"cnumpy\ndtype\n", b"\x82\x01", b"ios\ngetenv\n", b"I01\n", b"p0\n", b"g0\n", b"S'x'\n"]
)  # fmt: skip


@given(opcodes=st.lists(OPCODES, max_size=60))
@settings(max_examples=600)
def test_opcodes_in_any_order(opcodes: list[bytes]) -> None:
    data = b"".join(opcodes) + b"."
    walk = follow(MemorySource(data), 0, Allowance())
    assert 0 < walk.opcodes <= len(data)
    assert walk.broken or data[walk.end - 1 : walk.end] == b"."


# What a real unpickler would do with harmless opcodes is the measure of the machine.
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner)
    | st.tuples(inner, inner) | st.frozensets(st.integers(), max_size=3),
    max_leaves=20,
)  # fmt: skip


@given(value=PLAIN, protocol=st.integers(0, 5))
@settings(max_examples=300)
def test_what_pickle_writes_is_followed_to_its_end(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    walk = follow(MemorySource(data + b"tail"), 0, Allowance())
    assert (walk.broken, walk.end, walk.faults) == ("", len(data), ())


class Recorder(pickle.Unpickler):
    """Notes what CPython asks for, and imports nothing."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.asked: list[tuple[str, str]] = []

    def find_class(self, module: str, name: str) -> object:
        self.asked.append((module, name))
        return lambda *_rest, **_named: None

    def persistent_load(self, pid: object) -> object:
        return pid


@given(opcodes=st.lists(OPCODES, max_size=40))
@settings(max_examples=600)
@example(opcodes=[b"Vos\n", b"p010\n", b"0", b"g10\n", b"Vgetenv\n", b"\x93"])
@example(opcodes=[b"\x8c\x02os", b"\x94", b"0", b"h\x00", b"\x8c\x06getenv", b"\x93"])
@example(opcodes=[b"(", b"(", b"0", b"0", b"cos\ngetenv\n"])
def test_no_import_of_cpython_escapes(opcodes: list[bytes]) -> None:
    """Whatever CPython's unpickler would import is among the names found, or unresolved."""
    # The extension registry and compatibility names are asked for in another way.
    data = b"\x80\x04" + b"".join(opcodes) + b"."
    recorder = Recorder(data)
    try:
        recorder.load()
    except Exception:  # noqa: BLE001 - a broken stream raises anything
        assert True
    walk = follow(MemorySource(data), 0, Allowance())
    known = {(name.module, name.name) for name in walk.names}
    unresolved = any(fault.code == "pickle-unresolved" for fault in walk.faults)
    assert set(recorder.asked) <= known or unresolved


@pytest.mark.parametrize("trick", PICKLES)
def test_half_a_hostile_pickle(trick: str) -> None:
    data, _ = PICKLES[trick]
    for end in range(0, len(data), max(1, len(data) // 40)):
        scanned(data[:end], "m.bin")


@pytest.mark.parametrize("trick", ARCHIVES)
def test_half_a_hostile_archive(trick: str) -> None:
    name, data, _ = ARCHIVES[trick]
    for end in range(0, len(data), max(1, len(data) // 30)):
        scanned(data[:end], name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
    | st.sampled_from(
        ["a/b--c.D", "m.C", "../x", "acme/base", "1_Pooling", "Lambda", "keras", "${eval:1}"]
    ),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["auto_map", "impl", "custom_pipelines", "base_model_name_or_path", "_name_or_path",
             "type", "path", "revision", "backbone", "use_pretrained_backbone", "weight_map",
             "class_name", "module", "config", "registered_name", "_target_", "target",
             "trust_remote_code", "chat_template", "template", "expr_str", ""]
        ),
        inner,
    ),
    max_leaves=15,
)  # fmt: skip


@given(config=JSON, name=st.sampled_from(["config.json", "a/modules.json", "model_index.json"]))
@settings(max_examples=300)
def test_configurations_of_any_shape(config: object, name: str) -> None:
    assert all(each.target for each in config_references(as_model(()), name, config))
    scanned(json.dumps(config).encode(), name)


def _deep(opening: bytes, closing: bytes, middle: bytes = b"") -> bytes:
    return opening * 100_000 + middle + closing * 100_000


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.json", _deep(b"[", b"]")),
        ("m.json", _deep(b'{"a":', b"}", b"1")),
        ("m.jinja", b"{{ " + _deep(b"(", b")", b"x") + b" }}"),
        ("m.jinja", b"{% if x %}" * 20_000),
        ("m.npy", b"\x93NUMPY\x01\x00\xff\xff" + _deep(b"(", b")")[:65_535]),
        (
            "m.npy",
            b"\x93NUMPY\x01\x00\x40\x1f"
            + (
                b"{'descr':'<f8','fortran_order':False,'shape':(" + (b"9" * 150 + b",") * 50 + b")}"
            ).ljust(8000),
        ),
        ("m.pkl", b"\x80\x04" + storage_id().replace(b"K\x04t", b"L" + b"9" * 4299 + b"L\nt")),
        ("m.pkl", b"\x80\x04" + b"N" + b"\x85" * 200_000 + b"."),
        ("m.pkl", b"\x80\x04" + b"(" * 200_000 + b"."),
        ("m.pkl", b"\x80\x04N" + b"2\x86" * 200_000 + b"."),
        ("m.pkl", b"\x80\x04" + b"]\x94h\x00a" * 50_000 + b"."),
        ("m.tar", b"x" * 156 + b"L" + b"0" * 355),
    ],
)
def test_deep_nesting(name: str, data: bytes) -> None:
    scanned(data, name)


@pytest.mark.parametrize(
    "read",
    [
        parse_config,
        lambda data: relative_imports("m.py", data),
    ],
)
def test_deeply_nested_texts(read: Callable[[bytes], object]) -> None:
    try:
        found = read(_deep(b"(", b")"))
    except MalformedEvidence as error:
        found = [error.message[:14]]
    assert found in ([], ["no strict JSON"])
