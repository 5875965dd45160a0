"""What other readers make of the constructions, by those readers; and that honest files pass."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from jinja2 import Environment, nodes

from steelyard.weights.scan import scan_model, scan_source
from steelyard.weights.scan.readers import packed
from steelyard.weights.scan.readers.plain_classes import is_plain_class
from steelyard.weights.scan.readers.template_keys import Keys
from steelyard.weights.scan.source import MemorySource

from .assembling import HARMLESS, onnx, safetensors, text, wrapped, zipped
from .hostile_readings import (
    ARRAYS,
    CALL,
    LAMBDA,
    PICKLE,
    PROGRAMS,
    STREAMS,
    elsize,
    entry,
    records,
    tarred,
)
from .hostile_texts import YAMLS


def found(data: bytes, name: str) -> list[tuple[str, str]]:
    return [(f.code, f.text) for f in scan_source(MemorySource(data), name)]


class Unwrapped(pickle.Unpickler):
    """Makes something of the wrappers of joblib, and notes every other import."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.asked: list[str] = []

    def find_class(self, module: str, name: str) -> object:
        if module == "os":
            self.asked.append(f"{module}.{name}")
            return str
        return type(name, (), {"__init__": lambda *_: None, "__setstate__": lambda *_: None})


def test_the_bytes_of_an_array_are_run_by_another_unpickler() -> None:
    reader = Unwrapped(ARRAYS["array that other unpicklers run"][1])
    reader.load()
    assert reader.asked == ["os.getenv"]
    assert found(ARRAYS["array that other unpicklers run"][1], "m.pkl") == [
        (
            "pickle-global",
            "an array, read as opcodes, imports os.getenv, which is not on the allowlist",
        )
    ]


def test_numpy_takes_the_size_of_an_element_from_its_state() -> None:
    kind = np.dtype("V8")
    kind.__setstate__((3, "|", None, None, None, 1, 1, 0))
    assert kind.itemsize == 1
    _, data, _ = ARRAYS["elements smaller than their name"]
    said = "BUILD on numpy.dtype: the state gives elements of another size than their type"
    assert ("pickle-state", said) in found(data, "m.joblib")
    assert found(wrapped("V8", b"\0" * 16, shape=2, state=elsize(8)), "m.joblib") == []


@pytest.mark.parametrize(
    "start", [b"R", b"b", b"c", b"\x82", b"\x93", b"Q", b"(", b"a", b".", b"0"]
)
def test_numbers_that_read_as_an_opcode_are_no_fault(start: bytes) -> None:
    data = wrapped("u1", start + b"\x00" * 31)
    assert found(data, "m.joblib") == []


def test_an_array_whose_other_reading_is_given_up_is_unknown() -> None:
    data = wrapped("u1", b"N0" * 2_100_000)
    assert found(data, "m.joblib") == [
        ("pickle-broken", "its arrays, read as opcodes, have more than 4000000 opcodes")
    ]


def test_gzip_goes_on_behind_zeros() -> None:
    _, data, _ = STREAMS["zeros between two streams"]
    assert gzip.decompress(data) == b"\x80\x02N." + PICKLE
    assert found(data, "m.pkl.gz") == [
        ("archive-trailing", "6 zero bytes stand before another gzip stream"),
        ("pickle-global", "imports os.getenv, which is not on the allowlist"),
    ]


def test_padding_behind_a_stream_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress(b"\x80\x02N.") + b"\0" * 9999
    assert found(data, "m.pkl.gz") == []
    monkeypatch.setattr(packed, "_PADDING_BYTES", 1)
    monkeypatch.setattr(packed, "_OUTPUT_BYTES", 64)
    assert found(data, "m.pkl.gz") == [
        ("archive-limit", "more than 1 zero bytes stand behind the end")
    ]


def test_streams_of_one_file_are_no_fault() -> None:
    assert found(gzip.compress(b"\x80\x02") + gzip.compress(b"N."), "m.pkl.gz") == []


def test_tarfile_gives_a_sparse_member_another_name_and_content() -> None:
    _, data, _ = STREAMS["sparse member"]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content is not None
        assert (member.name, content.read()) == ("pickle", PICKLE)
    assert found(data, "m.pt")[0] == (
        "tar-entry", "the record 'GNU.sparse.major' gives a member another content or name"
    )  # fmt: skip


def test_tarfile_does_not_pass_over_the_content_of_a_folder() -> None:
    for trick in ("folder with content", "file with the name of a folder"):
        with tarfile.open(fileobj=io.BytesIO(STREAMS[trick][1])) as archive:
            assert archive.getnames()[1:] == ["pickle"]


def test_honest_tars_are_clean() -> None:
    comment = entry("pax_global_header", b"g", records({"comment": "0" * 40}))
    assert found(comment + tarred(("a", b"x")), "m.tar") == []
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("d/" * 80 + "ä.txt")
        info.size, info.mtime = 1, 1.5
        archive.addfile(info, io.BytesIO(b"x"))
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert found(buffer.getvalue(), "m.tar") == []
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("d/" * 80 + "m"), io.BytesIO())
    assert found(buffer.getvalue(), "m.tar") == []


def test_zipfile_does_not_need_the_number_of_members() -> None:
    _, data, _ = STREAMS["zip that announces no members"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert json.loads(archive.read("config.json")) == LAMBDA
    assert found(data, "m.keras")[0] == (
        "format-mismatch", "the content is safetensors, the name says hdf5 or zip"
    )  # fmt: skip


def test_yaml_says_the_target_however_it_is_written() -> None:
    for trick in ("escape in a key", "folded value", "explicit key", "alias as a target"):
        assert yaml.safe_load(YAMLS[trick])["a"]["_target_"] == "os.getenv"
    assert found(YAMLS["handle of a tag"], "c.yaml") == [
        ("config-malformed", "a directive gives tags another meaning"),
        ("config-code", "the tag !!python/object/apply:os.getenv"),
    ]


@pytest.mark.parametrize(
    "text_of_yaml",
    [
        "# _target_: os.getenv\na: [1, 2.5, yes, ~, 2026-01-01, 'x']\n",
        "%YAML 1.1\n---\na: &x {b: 1}\nc: {<<: *x}\nd: !!str 5\n",
        "a:\n  target: model.bin.gz\n  b: ${now:%Y} ${oc.env:HOME}\n".replace("model.bin.gz", "5"),
        "m:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n",
        "e: {_target_: nemo.collections.asr.modules.ConformerEncoder}\n",
        "flavors:\n  python_function: {loader_module: mlflow.sklearn, code: null}\n",
        "- a\n- [b, {c: d}]\n---\n? [x, y]\n: z\n",
        "",
    ],
)
def test_honest_yaml_is_clean(text_of_yaml: str) -> None:
    assert found(text_of_yaml.encode() or b"\n", "c.yaml") == []


def test_yaml_beyond_its_limit_is_unknown() -> None:
    assert found(b"a: " + b"x" * (1 << 22), "c.yaml") == [
        ("header-limit", "YAML of 4194307 bytes is not parsed")
    ]


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("torch.nn.Linear", True),
        ("torch.nn.modules.activation.Tanh", True),
        ("sentence_transformers.models.Pooling", True),
        ("nemo.collections.nlp.parts.X", True),
        ("torch.nn.parallel.distributed.os.system", False),
        ("torch.nn.os", False),
        ("torch.hub.load", False),
        ("torch.Tensor", False),
        ("nemo.core.Popen", False),
        ("Linear", False),
        ("", False),
    ],
)
def test_plain_classes(path: str, plain: bool) -> None:  # noqa: FBT001
    assert is_plain_class(path) is plain


def test_an_item_of_a_template_falls_back_to_an_attribute() -> None:
    template = "{% set u = 'a_b'[1] * 2 %}{{ (1)[u ~ 'class' ~ u]['mro']()|length }}"
    assert Environment(autoescape=True).from_string(template).render() == "2"
    assert ("template-code", "the template computes the key of an item") in found(
        template.encode(), "chat_template.jinja"
    )


HONEST_TEMPLATES = [
    (
        "{% for m in messages %}{% set i = (messages|length - 1) - loop.index0 %}"
        "{{ messages[i].content }}{{ messages[loop.index0 + 1] }}{{ m[1:]}}{{ m[-1] }}{% endfor %}"
    ),
    "{% set n = namespace(i=0) %}{% set n.i = n.i + 1 %}{{ messages[n.i].role }}",
    (
        "{% set names = {'string': 'str'} %}{% macro f(spec) %}{{ names[spec.type] }}"
        "{% for k in spec.properties %}{{ f(spec.properties[k]) }}{% endfor %}{% endmacro %}"
        "{{ f(tool.parameters) }}{{ raise_exception('no ' ~ role) }}"
    ),
    "{% for i in range(messages|length) %}{{ messages[i] }}{% endfor %}",
    (
        "{% macro g(d, known) %}{% for k in d if k not in known %}{{ d[k] }}{% endfor %}"
        "{% endmacro %}{{ g(tool.function, ['name', 'type']) }}"
    ),
    "{% set _args = call.arguments %}{% for k, v in _args|items %}{{ _args[k] }}{% endfor %}",
    "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join(', ') }}",
]


@pytest.mark.parametrize("template", HONEST_TEMPLATES)
def test_keys_that_come_from_data_are_clean(template: str) -> None:
    assert found(template.encode(), "chat_template.jinja") == []


def test_names_made_of_each_other_are_not_followed_for_ever() -> None:
    steps = "".join(f"{{% set a{n} = [a{n + 1}, a{n + 1}] %}}" for n in range(40))
    tree = Environment(autoescape=True).parse(steps)
    with pytest.raises(ValueError, match=r"^too many names are made of others$"):
        Keys(tree).is_computed(nodes.Name("a0", "load"))
    assert Keys(tree).is_computed(nodes.Name("a30", "load")) is False
    assert found(f"{steps}{{{{ x[a0] }}}}".encode(), "chat_template.jinja") == [
        ("template-unread", "the template is not parsed: too many names are made of others")
    ]
    assert found(b"{{ " + b"(" * 9999 + b" }}", "chat_template.jinja") == [
        ("template-unread", "the template is not parsed: nested too deep")
    ]


def test_a_template_that_switches_escaping_is_told_so() -> None:
    for template in (b"{% autoescape false %}{{ x }}{% endautoescape %}",):
        assert found(template, "chat_template.jinja") == [
            ("template-code", "the template switches the escaping of texts")
        ]


def test_words_of_a_list_are_no_imports() -> None:
    assert found(b"cat\ndog\nfish\n", "labels.txt") == []
    assert found(b"cat\ndog\nfish\n", "labels.data") == [
        ("pickle-global", "imports at.dog, which is not on the allowlist"),
        ("pickle-broken", "it breaks off: byte 0x66 is no opcode"),
    ]
    assert found(b"5.1,3.5,setosa\n", "iris.data") == []


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("convert.py", "script-file", "a script"),
        ("code/evil.py", "script-file", "a script"),
        ("test.py", "script-file", "a script"),
        ("run", "script-file", "a script"),
        ("torch.py", "script-shadow", "Python would run it for the module 'torch'"),
        ("a/json.py", "script-shadow", "Python would run it for the module 'json'"),
        ("torch/__init__.py", "script-shadow", "Python would run it for the module 'torch'"),
        ("sitecustomize.py", "script-shadow", "Python would run it for the module 'sitecustomize'"),
    ],
)
def test_scripts(tmp_path: Path, name: str, code: str, said: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"#!/usr/bin/env python\n")
    report = scan_model(tmp_path)
    assert [(f.code, f.text) for f in report.findings] == [(code, said)]
    assert report.verdict == ("blocked" if code == "script-shadow" else "unknown")
    signed = scan_model(tmp_path, frozenset({name}))
    expected = code.replace("script-file", "script-covered")
    assert [f.code for f in signed.findings] == [expected]
    assert signed.verdict == ("blocked" if code == "script-shadow" else "clean")


def test_programs_are_told_by_who_runs_them() -> None:
    assert found(PROGRAMS["package of torch"][1], "m.pt")[0] == (
        "archive-code", "torch.package runs what the archive names"
    )  # fmt: skip
    assert found(PROGRAMS["compiled engine of ONNX"][1], "m.onnx") == [
        ("onnx-external", "1 nodes load a compiled engine")
    ]
    assert found(onnx(domain="com.microsoft"), "m.onnx") == []
    assert found(zipped({"a/models/x.bin": b"\xff" * 9}), "m.zip") == [
        ("unknown-format", "no pickle, and no other format: byte 0xff is no opcode")
    ]


def test_external_weights_of_onnx_may_hold_any_numbers() -> None:
    for start in (b"\x1f\x8b", b"MZ", b"\x80\x02", b"\x78\x9c"):
        assert found(start + b"\xff" * 64, "m.onnx_data") == []
    assert found(b"\x80\x02" + CALL + b"N.", "m.onnx_data")[0][0] == "polyglot"


def test_a_name_that_agrees_with_its_content_is_no_fault() -> None:
    assert found(safetensors(), "m.safetensors") == []
    assert found(gzip.compress(tarred(("a", b"x"))), "m.tar") == []
    assert found(b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "m.keras")[0][0] == "hdf5-unread"
    assert found(b"\x80\x04" + text("x") + b"." + HARMLESS, "m.npy")[0] == (
        "format-mismatch", "the content is pickle, the name says npy"
    )  # fmt: skip
