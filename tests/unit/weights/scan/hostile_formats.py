"""Files of other formats, and configurations, that run, fetch or read what they should not."""

from __future__ import annotations

import json
import struct

from .assembling import gguf, keras, layer, onnx, safetensors

_TENSOR = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


def _sequential(*layers: object) -> object:
    return layer("Sequential", "keras", layers=list(layers))


def _template(text: str) -> bytes:
    return json.dumps({"chat_template": text}).encode()


FORMATS: dict[str, tuple[str, bytes, str]] = {
    "tensors overlap": (
        "m.safetensors",
        safetensors({"a": _TENSOR, "b": _TENSOR | {"shape": [2], "data_offsets": [8, 16]}}),
        "safetensors-header",
    ),
    "hole between tensors": (
        "m.safetensors",
        safetensors({"a": _TENSOR | {"data_offsets": [8, 24]}}, b"\0" * 24),
        "safetensors-header",
    ),
    "bytes that no tensor claims": (
        "m.safetensors", safetensors(data=b"\0" * 20), "safetensors-header"
    ),
    "tensors cut short": ("m.safetensors", safetensors(data=b"\0" * 8), "safetensors-header"),
    "header longer than the file": (
        "m.safetensors", struct.pack("<Q", 1 << 20) + b"{}", "safetensors-header"
    ),
    "header beyond the limit": (
        "m.safetensors", struct.pack("<Q", 1 << 60) + b"{}", "safetensors-header"
    ),
    "header nested too deep": (
        "m.safetensors",
        safetensors(text_of_header=b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", data=b""),
        "safetensors-header",
    ),
    "tensor named twice": (
        "m.safetensors",
        safetensors(text_of_header=b'{"a":%s,"a":%s}' % ((json.dumps(_TENSOR).encode(),) * 2)),
        "safetensors-header",
    ),
    "header that starts with a blank": (
        "m.safetensors", safetensors(text_of_header=b' {"a":{}}'), "safetensors-header"
    ),
    "unknown element type": (
        "m.safetensors", safetensors({"a": _TENSOR | {"dtype": "OBJECT"}}), "safetensors-header"
    ),
    "negative extent": (
        "m.safetensors", safetensors({"a": _TENSOR | {"shape": [-4]}}), "safetensors-header"
    ),
    "half a file": ("m.safetensors", safetensors()[:20], "safetensors-header"),
    "code in metadata": (
        "m.safetensors",
        safetensors({"__metadata__": {"config": '{"auto_map": {}}'}, "a": _TENSOR}),
        "safetensors-metadata",
    ),
    "array that lies about its length": (
        "m.npy",
        b"\x93NUMPY\x01\x00\x40\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (9,)}".ljust(63) + b"\n",
        "npy-header",
    ),
    "array header that is code": (
        "m.npy", b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').getenv('X')".ljust(32),
        "npy-header",
    ),
    "Lambda layer": ("m.keras", keras(_sequential(layer("Lambda", function="x"))), "keras-code"),
    "marshalled function": ("m.keras", keras(_sequential(layer("__lambda__"))), "keras-code"),
    "class of another module": (
        "m.keras", keras(_sequential(layer("system", "os"))), "keras-code"
    ),
    "function of builtins": ("m.keras", keras(layer("function", "builtins")), "keras-code"),
    "file fetched by Keras": (
        "m.keras", keras(layer("get_file", "keras.utils")), "keras-code"
    ),
    "safe mode switched off": (
        "m.keras", keras(layer("enable_unsafe_deserialization", "keras.config")), "keras-code"
    ),
    "torch module in Keras": (
        "m.keras", keras(_sequential(layer("TorchModuleWrapper"))), "keras-code"
    ),
    "vocabulary from a path": (
        "m.keras", keras(_sequential(layer("StringLookup", vocabulary="/etc/hostname"))),
        "keras-code",
    ),
    "registered class": (
        "m.keras",
        keras(layer("Odd", None) | {"registered_name": "custom>Odd"}), "keras-code",
    ),
    "Lambda layer in HDF5": (
        "m.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99 + b'"class_name": "Lambda"', "keras-code"
    ),
    "HDF5 that is not read": ("m.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "hdf5-unread"),
    "template by class": (
        "tokenizer_config.json", _template("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
        "template-code",
    ),
    "template by filter": (
        "tokenizer_config.json", _template("{{ messages|attr('_' ~ 'x') }}"), "template-code"
    ),
    "template by item": (
        "tokenizer_config.json", _template("{{ messages['__class__'] }}"), "template-code"
    ),
    "template by pieces": (
        "tokenizer_config.json", _template("{% set a = '__cl' ~ 'ass_' ~ '_' %}{{ x[a] }}"),
        "template-code",
    ),
    "template by escapes": (
        "chat_template.jinja", b"{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}", "template-code"
    ),
    "template by globals": (
        "chat_template.jinja", b"{{ lipsum.x }}{{ cycler }}", "template-code"
    ),
    "template by keyword": (
        "chat_template.jinja", b"{{ x[dict(__class__=1)|list|first] }}", "template-code"
    ),
    "template that includes": ("chat_template.jinja", b"{% include 'x' %}", "template-code"),
    "template in a list": (
        "tokenizer_config.json",
        json.dumps({"chat_template": [{"name": "a", "template": "{{ self }}"}]}).encode(),
        "template-code",
    ),
    "template in GGUF": (
        "m.gguf", gguf({"tokenizer.chat_template": "{{ x.__init__ }}"}), "template-code"
    ),
    "template that is broken": ("chat_template.jinja", b"{% if %}", "template-unread"),
    "too many keys in GGUF": ("m.gguf", gguf({}, announced=1 << 40), "gguf-header"),
    "keys beyond the end of GGUF": ("m.gguf", gguf({}, announced=9), "gguf-header"),
    "text beyond the end of GGUF": (
        "m.gguf", gguf({}, struct.pack("<Q", 1 << 62), announced=1), "gguf-header"
    ),
    "tensor beyond the end of GGUF": (
        "m.gguf",
        gguf({}, struct.pack("<Q1sIQIQ", 1, b"a", 1, 1 << 40, 0, 0), count=1), "gguf-header",
    ),
    "ONNX weights outside": ("m.onnx", onnx(place="../../etc/hostname"), "onnx-external"),
    "ONNX weights by an absolute path": ("m.onnx", onnx(place="/etc/hostname"), "onnx-external"),
    "ONNX that is none": ("m.onnx", b"\xff" * 40, "onnx-structure"),
    "library": ("m.so", b"\x7fELF" + b"\0" * 60, "native-code"),
    "program under another name": ("m.dat", b"\x7fELF" + b"\0" * 60, "native-code"),
    "tag of YAML": ("c.yaml", b"a: !!python/object/apply:os.getenv [X]", "config-code"),
    "target of YAML": ("c.yaml", b"x:\n  _target_: os.getenv\n", "config-code"),
    "key twice": ("config.json", b'{"auto_map": 1, "auto_map": 2}', "config-malformed"),
    "configuration nested too deep": ("config.json", b"[" * 200_000, "config-malformed"),
    "code of the model": (
        "config.json", b'{"auto_map": {"AutoModel": "modeling_x.Model"}}', "code-at-load"
    ),
    "code in a list": (
        "tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["tok.Slow", null]}}',
        "code-at-load",
    ),
    "code of another model": (
        "config.json", b'{"auto_map": {"AutoModel": "acme/model--modeling_x.Model"}}',
        "code-remote",
    ),
    "code of a pipeline": (
        "config.json", b'{"custom_pipelines": {"x": {"impl": "pipe.Pipe"}}}', "code-at-load"
    ),
    "code of a module": (
        "modules.json", b'[{"idx": 0, "path": "", "type": "evil.Module"}]', "code-at-load"
    ),
    "code of diffusers": (
        "model_index.json", b'{"unet": ["my_unet", "UNet"]}', "code-at-load"
    ),
    "folder of a module outside": (
        "modules.json", b'[{"path": "../x", "type": "sentence_transformers.models.Pooling"}]',
        "config-path",
    ),
    "base model outside": (
        "adapter_config.json", b'{"base_model_name_or_path": "/opt/models/base"}', "config-path"
    ),
    "shard outside": (
        "model.safetensors.index.json", b'{"weight_map": {"a": "../other.safetensors"}}',
        "config-path",
    ),
    "shard that is not there": (
        "model.safetensors.index.json",
        b'{"weight_map": {"a": "model-00001-of-00001.safetensors"}}', "shard-missing",
    ),
    "shard of GGUF that is not there": (
        "m-00002-of-00003.gguf", gguf({}), "shard-missing"
    ),
    "empty weights": ("model.safetensors", b"", "empty-file"),
    "picture under the name of weights": (
        "m.pt",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
        "unknown-format",
    ),
    "unknown bytes": ("m.weights", b"\x00\x01" * 99, "unknown-format"),
    "tokenizer that is none": ("tokenizer.model", b"\x0a\xff\x00\x01", "unknown-format"),
}  # fmt: skip
