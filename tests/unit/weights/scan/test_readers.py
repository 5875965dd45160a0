"""What each reader says, word for word, and where."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path

import pytest

from steelyard.weights.scan import scan_source
from steelyard.weights.scan.model import opened
from steelyard.weights.scan.readers import safetensors_file
from steelyard.weights.scan.readers.names import name_fault
from steelyard.weights.scan.source import MemorySource

from .assembling import checkpoint, gguf, legacy, onnx, safetensors, storage_id, tensor, zipped
from .hostile_archives import ARCHIVES
from .hostile_formats import FORMATS
from .hostile_pickles import PICKLES


def found(data: bytes, name: str = "m.bin") -> list[tuple[str, int | None, str]]:
    return [(f.code, f.offset, f.text) for f in scan_source(MemorySource(data), name)]


@pytest.mark.parametrize(
    ("trick", "offset", "said"),
    [
        ("NEWOBJ_EX", 31, "NEWOBJ_EX calls collections.OrderedDict: the arguments cannot be told"),
        ("name that is no text", 12, "imports a name that is not plain text"),
        ("EXT2", 2, "imports by extension code 1"),
        (
            "call of what a call gave", 30,
            "REDUCE calls what collections.OrderedDict gave, which is known only at run time",
        ),
        ("end of a frame crossed", 11, "BINBYTES crosses the end of a frame"),
        ("frame in a frame", 12, "a frame starts inside another"),
        ("PROTO inside", 2, "PROTO stands inside the stream"),
        ("BUILD on a class", 20, "BUILD on torch.Size"),
        (
            "BUILD on a mapping with methods", 50,
            "BUILD on collections.OrderedDict: a state dict carries _metadata and nothing else",
        ),
        ("SETITEM on a class", 16, "SETITEM on torch.Size"),
        ("APPENDS on a class", 16, "APPENDS on torch.Size"),
        (
            "class called with a class", 52,
            "REDUCE calls torch._utils._rebuild_parameter: torch.device stands among its arguments",
        ),
        (
            "constant that is called", 18,
            "REDUCE calls torch.float32: it is no function of a checkpoint",
        ),
        ("codec of another name", 27, "REDUCE calls _codecs.encode: the codec must be latin1"),
        (
            "factory of another module", 42,
            "REDUCE calls collections.defaultdict: the factory must be a builtin type",
        ),
        (
            "element type that takes bytes for pointers", 56,
            "BUILD on numpy.dtype: an element type without objects is marked as having some",
        ),
        (
            "element type with fields", 126,
            "BUILD on numpy.dtype: the element type has fields, whose offsets nobody checks",
        ),
        (
            "element type in words", 33,
            "REDUCE calls numpy.dtype: 'f8,O' is no element type of a plain array",
        ),
        ("persistent id of text", 0, "a persistent id that names no storage"),
        (
            "tensor without a storage", 48,
            "REDUCE calls torch._utils._rebuild_tensor_v2: it must rebuild a tensor from a storage",
        ),
        ("bytes behind the end", 17, "7 bytes follow"),
        ("legacy checkpoint with a tail", 227, "28 bytes follow"),
    ],
)  # fmt: skip
def test_pickles(trick: str, offset: int, said: str) -> None:
    data, code = PICKLES[trick]
    assert (code, said) in [(c, t) for c, _, t in found(data)]
    assert offset in {o for c, o, _ in found(data) if c == code}


@pytest.mark.parametrize(
    ("trick", "said"),
    [
        ("wrong checksum", "'archive/data.pkl' differs from its checksum"),
        ("encrypted flag", "'archive/data.pkl' is marked as encrypted"),
        ("name in the local header",
         "'archive/data.pkl' is called 'archive/datap.kl' in its local header"),
        ("method in the local header", "'archive/data.pkl' is packed in two ways at once"),
        ("bytes behind", "28 bytes follow the end record"),
        ("second end record", "613 bytes stand before the archive"),
        ("name twice", "'a/data.pkl' stands twice: which one is read?"),
        ("name that leads outside", "'../m.pkl' leads outside"),
        ("absolute name", "'/m.pkl' is an absolute path"),
        ("name with a drive", "'C:/m.pkl' is an absolute path"),
        ("name with a backslash",
         "'..\\\\m.pkl' has a backslash, which is a folder on some systems"),
        ("folder with content", "the folder 'a/' has content"),
        ("member packed by lzma", "'d.pkl' is packed by method 14"),
        ("zips beyond the limit", "archives are nested deeper than 8"),
        ("link in a tar", "'m' is an entry of kind '2', no file"),
        ("device in a tar", "'m' is an entry of kind '3', no file"),
        ("tar that leads outside", "'../../m' leads outside"),
        ("bytes behind gzip", "bytes follow the gzip stream"),
        ("bytes behind a tar", "bytes follow the end of the tar"),
        ("safetensors and zip", "read as a zip, it has a directory of 62 bytes"),
        ("safetensors and pickle",
         "read as a pickle, it imports os.getenv, which is not on the allowlist"),
        ("7z", "an archive in a format that is not opened"),
    ],
)  # fmt: skip
def test_archives(trick: str, said: str) -> None:
    name, data, code = ARCHIVES[trick]
    expected = "archive-unknown" if "method 14" in said else code
    told = {(c, t) for c, _, t in found(data, name)}
    assert any(text == said for _, text in told), told
    assert expected in {c for c, _ in told}


@pytest.mark.parametrize(
    ("trick", "said"),
    [
        ("tensors overlap", "overlaps the tensor before it: starts at 8, expected 16 (b)"),
        ("hole between tensors", "leaves a hole: starts at 8, expected 0 (a)"),
        ("bytes that no tensor claims", "tensors claim 16 bytes of data, the file has 20"),
        ("header beyond the limit",
         "the header claims 1152921504606846976 bytes, the limit is 100000000"),
        ("tensor named twice", "not strict JSON: duplicate key 'a'"),
        ("code in metadata", "metadata 'config' holds 'auto_map'"),
        ("array that lies about its length",
         "the shape (9,) does not give the 0 bytes that the file holds"),
        ("array header that is code", "the header is no literal"),
        ("Lambda layer", "an object of class 'Lambda'"),
        ("class of another module", "'system' is imported from 'os'"),
        ("file fetched by Keras", "'get_file' is imported from 'keras.utils'"),
        ("vocabulary from a path", "'StringLookup' reads its vocabulary from a path"),
        ("registered class", "'Odd' is the registered class 'custom>Odd'"),
        ("template by class", "the template holds '__class__'"),
        ("template by filter", "the template uses the filter 'attr'"),
        ("template that includes", "the template loads another template"),
        ("template by globals", "the template uses 'lipsum'"),
        ("too many keys in GGUF", "0 tensors and 1099511627776 keys are too many"),
        ("tensor beyond the end of GGUF", "'a' ends behind the file"),
        ("ONNX weights outside", "weights lie at '../../etc/hostname', which leads outside"),
        ("tag of YAML", "the tag !!python/object/apply:os.getenv"),
        ("target of YAML", "the target os.getenv"),
        ("key twice", "no strict JSON: duplicate key"),
        ("shard outside", "the shard '../other.safetensors' leads outside"),
    ],
)  # fmt: skip
def test_formats(trick: str, said: str, tmp_path: Path) -> None:
    name, data, code = FORMATS[trick]
    from steelyard.weights.scan import scan_model  # noqa: PLC0415 - needs a folder

    (tmp_path / name).write_bytes(data)
    assert (code, said) in [(f.code, f.text) for f in scan_model(tmp_path).findings]


def test_operators_of_a_foreign_domain_are_a_warning() -> None:
    assert found(onnx(domain="acme.ops"), "m.onnx") == [
        ("onnx-operator", None, "operators of domain 'acme.ops'")
    ]


def test_a_script_beside_weights_is_unknown() -> None:
    assert found(b"print(1)\n", "convert.py") == [("script-file", None, "a script")]


def test_a_torchscript_archive_is_a_program() -> None:
    members = {"m/data.pkl": b"\x80\x02N.", "m/code/__torch__.py": b"", "m/version": b"3\n"}
    assert ("torchscript-code", None, "the archive carries a TorchScript program") in found(
        zipped(members)
    )


_BROKEN = (
    "'a.txt': the compressed stream is broken: Error -3 while decompressing data: "
    "invalid block type"
)


def test_archives_that_are_cut_short_are_unknown() -> None:
    whole = zipped({"a.txt": b"a" * 99}, method=8)
    assert found(whole[:60], "m.zip") == [("archive-broken", None, "the zip has no end record")]
    assert found(b"\x1f\x8b\x08" + b"\0" * 7 + b"\x4b", "m.gz") == [
        ("archive-broken", None, "the compressed stream is cut short")
    ]
    broken = whole.replace(b"KL", b"\xff\xff", 1)
    assert broken != whole
    assert [(c, t) for c, _, t in found(broken, "m.zip")][:1] == [
        ("archive-broken", _BROKEN),
    ]  # fmt: skip


def test_a_header_beyond_what_is_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors_file, "SCANNED_HEADER_BYTES", 20)
    assert found(safetensors(), "m.safetensors") == [
        ("header-limit", 0, "the header has more than 20 bytes")
    ]


def test_storages_are_numbers_but_not_blindly() -> None:
    storage = b"\x80\x02" + b"cos\ngetenv\n(S'X'\ntR."
    members = {"a/data.pkl": b"\x80\x02}.", "a/data/0": storage, "a/data/1": b"\xff" * 64}
    assert found(zipped(members)) == [
        ("polyglot", 2, "read as a pickle, it imports os.getenv, which is not on the allowlist")
    ]


@pytest.mark.parametrize(
    ("sixth", "fine"),
    [
        (b"N", True),
        (b"X\x02\0\0\x0042K\x00K\x04\x87", True),
        (b"K\x07K\x00K\x04\x87", True),
        (b")", False),
        (b"K\x01", False),
        (b"X\x01\0\0\0x", False),
        (b"}", False),
        (b"K\x07K\x00\x86", False),
        (b"X\x04\0\0\0../xK\x00K\x04\x87", False),
        (b"ctorch\nSize\nK\x00K\x04\x87", False),
    ],
)
def test_a_sixth_part_of_a_storage_is_plain(sixth: bytes, fine: bool) -> None:  # noqa: FBT001
    data = b"\x80\x02" + storage_id().replace(b"tQ", sixth + b"tQ") + b"."
    codes = [code for code, _, _ in found(data)]
    assert codes == ([] if fine else ["pickle-persistent-id"])


def test_a_storage_may_lie_in_no_other_folder() -> None:
    for key in ("..", "../x", "a/b", "", "a\n", ".hidden"):
        codes = {code for code, _, _ in found(b"\x80\x02" + storage_id(key) + b".")}
        assert codes == {"pickle-persistent-id"}, key


def test_a_checkpoint_of_many_tensors() -> None:
    values = [tensor(str(n)) for n in range(3)]
    items = b"".join(b"\x8c\x01" + bytes([97 + n]) + v for n, v in enumerate(values))
    assert found(checkpoint(b"\x80\x02}(" + items + b"u.")) == []
    assert found(legacy(b"\x80\x02}(" + items[: len(items) // 3] + b"u.")) == []


def test_several_templates_of_gguf() -> None:
    data = gguf({"tokenizer.chat_template": "{{ self }}", "tokenizer.chat_template.x": "{{ y }}"})
    (finding,) = scan_source(MemorySource(data), "m.gguf")
    assert (finding.member, finding.text) == (
        "tokenizer.chat_template.jinja", "the template uses 'self'",
    )  # fmt: skip


def test_a_key_of_gguf_that_stands_twice_is_refused() -> None:
    key = "tokenizer.chat_template"
    first = gguf({key: "{{ self }}", "other": "{{ x }}"}).replace(b"other", b"later")
    twice = first.replace(b"\x05" + b"\0" * 7 + b"later", struct.pack("<Q", 23) + key.encode())
    assert [code for code, _, _ in found(first, "m.gguf")] == ["template-code"]
    assert [(code, text) for code, _, text in found(twice, "m.gguf")] == [
        ("gguf-header", f"the key {key!r} stands twice")
    ]


def test_gguf_of_older_and_newer_versions_is_refused() -> None:
    data = b"GGUF" + struct.pack("<IQQ", 9, 0, 0)
    assert found(data, "m.gguf") == [("gguf-header", 8, "version 9 is not read")]


def test_a_disk_that_fails_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.txt"
    path.write_bytes(b"text")
    with opened(path) as source:
        hidden = os.open(os.devnull, os.O_WRONLY)
        os.dup2(hidden, source.descriptor)
        os.close(hidden)
        (finding,) = scan_source(source, "m.txt")
    assert (finding.code, finding.text) == ("unreadable", "cannot read: Bad file descriptor")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a/b.c", None),
        ("a..b", None),
        ("", "is empty"),
        ("a" * 1025, "is too long"),
        ("/a", "is an absolute path"),
        ("c:a", "is an absolute path"),
        ("a/../b", "leads outside"),
        ("a\\b", "has a backslash, which is a folder on some systems"),
        ("a\x00b", "has control characters"),
    ],
)
def test_names(name: str, fault: str | None) -> None:
    assert name_fault(name) == fault


def test_a_class_of_keras_whose_module_is_no_text() -> None:
    entry = {"class_name": "X", "config": {}, "module": []}
    assert found(json.dumps(entry).encode(), "config.json") == []
    assert found(json.dumps(entry | {"module": "keras"}).encode(), "config.json") == [
        ("keras-code", None, "'X' is taken from the top of keras")
    ]


def test_offsets_in_yaml_count_bytes() -> None:
    head = "# \u00e9\u20ac\U0001f600\r\n"
    text = head + "a: !x 1\n\u00e9: !y 1\n"
    for mark in (b"", b"\xef\xbb\xbf"):
        data = mark + text.encode()
        assert found(data, "c.yaml") == [
            ("config-code", data.index(tag), f"the tag {tag.decode()}") for tag in (b"!x", b"!y")
        ]


def test_json_as_loaders_read_it() -> None:
    big = json.dumps({"model_max_length": 10**30}).encode()
    assert found(b"\xef\xbb\xbf" + big, "tokenizer_config.json") == []
    assert found(io.BytesIO(b'{"a": Infinity}').getvalue(), "config.json") == []
