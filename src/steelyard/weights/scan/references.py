"""What one configuration refers to: code, other models, files.

Knows the keys by which loaders import and fetch. A value that could be a path is held against
the model first; only what looks like the name of a repository counts as remote.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from steelyard.weights.scan.configs import as_object
from steelyard.weights.scan.finding import Finding, printable
from steelyard.weights.scan.readers.names import name_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.model import Model

Kind = Literal["code", "remote code", "remote model", "local model", "name", "path"]

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}|[A-Za-z0-9][\w.-]{0,95}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CLASS_PATH: Final = re.compile(r"(?:([^\s]+)--)?([\w.]+)\.(\w+)")
_MODELS: Final = frozenset(
    {"base_model_name_or_path", "pretrained_model_name_or_path", "tokenizer_name_or_path",
     "processor_name_or_path", "mm_vision_tower", "vision_tower", "mm_audio_tower",
     "speech_encoder", "draft_model", "assistant_model", "teacher_model_name_or_path",
     "vision_model_name_or_path", "text_model_name_or_path", "backbone_name_or_path"}
)  # fmt: skip
_NAMES: Final = frozenset({"_name_or_path", "name_or_path"})
_MAPS: Final = frozenset({"auto_map", "custom_pipelines"})
_PLAIN_MODULES: Final = ("sentence_transformers.", "torch.nn.")
_PLAIN_LIBRARIES: Final = frozenset({"diffusers", "transformers", "onnxruntime", "peft"})
_NODE_LIMIT: Final = 200_000
_PAIR: Final = 2
_SHOWN: Final = 512


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a loader pulls in.

    Attributes:
        config: File that refers to it.
        key: By which key, or `import`.
        kind: What it is.
        target: Name of a local file, of a repository, or of both joined by `--`.
        revision: What the configuration pins it to; empty where it does not.
    """

    config: str
    key: str
    kind: Kind
    target: str
    revision: str

    @property
    def pinning(self) -> str:
        """How firmly a remote target is pinned, for people."""
        if _COMMIT.fullmatch(self.revision):
            return "pinned to a commit"
        return "not pinned" if not self.revision else f"pinned to {self.revision[:40]!r} only"

    def to_json(self) -> dict[str, str]:
        """As `spec/weights-scan.schema.json` writes it."""
        return {
            "config": self.config,
            "key": self.key,
            "kind": self.kind,
            "target": printable(self.target[:_SHOWN]),
            "revision": printable(self.revision[:_SHOWN]),
        }

    def finding(self, code: str, text: str) -> Finding:
        """A finding at the configuration."""
        return Finding(code, self.config, "", None, text)


def config_references(model: Model, name: str, config: object) -> Iterator[Reference]:
    """What a parsed configuration refers to."""
    base = name.rpartition("/")[2]
    if base == "modules.json":
        yield from _modules(model, name, config)
    if base == "model_index.json":
        yield from _pipeline(name, as_object(config))
    if base.endswith(".json") and base != "tokenizer.json" and not base.endswith(".index.json"):
        yield from _walked(model, name, config)


def _walked(model: Model, name: str, config: object) -> Iterator[Reference]:
    waiting, visited = [config], 0
    while waiting and visited < _NODE_LIMIT:
        value = waiting.pop()
        visited += 1
        if isinstance(value, list):
            waiting.extend(cast("list[object]", value))
            continue
        entry = as_object(value)
        revision = entry.get("revision")
        pinned = revision if isinstance(revision, str) else ""
        for key, inner in entry.items():
            if key in _MAPS:
                yield from _classes(name, key, inner, pinned)
            elif key in _MODELS | _NAMES and isinstance(inner, str) and inner:
                yield _model(model, (name, key), inner, pinned)
            elif key == "backbone" and entry.get("use_pretrained_backbone") is True:
                yield Reference(name, key, "remote model", str(inner)[:_SHOWN], pinned)
            else:
                waiting.append(inner)


def _model(model: Model, place: tuple[str, str], value: str, revision: str) -> Reference:
    name, key = place
    folder = name.rpartition("/")[0]
    local = f"{folder}/{value}" if folder else value
    if model.has(local) or model.has_below(local):
        return Reference(name, key, "local model", local, revision)
    if key in _NAMES:
        return Reference(name, key, "name", value, revision)
    if name_fault(value) or not _REPOSITORY.fullmatch(value):
        return Reference(name, key, "path", value, revision)
    return Reference(name, key, "remote model", value, revision)


def _classes(name: str, key: str, value: object, revision: str) -> Iterator[Reference]:
    """The classes of an `auto_map`: `module.Class`, or `repository--module.Class`."""
    waiting, visited = [value], 0
    while waiting and visited < _NODE_LIMIT:
        inner = waiting.pop()
        visited += 1
        if isinstance(inner, list):
            waiting.extend(cast("list[object]", inner))
        elif isinstance(inner, dict):
            entry = as_object(cast("object", inner))
            waiting.extend(entry.values() if "impl" not in entry else [entry["impl"]])
        elif isinstance(inner, str) and inner:
            yield _class(name, key, inner, revision)


def _class(name: str, key: str, value: str, revision: str) -> Reference:
    path = _CLASS_PATH.fullmatch(value)
    if path is None:
        return Reference(name, key, "path", value, revision)
    if path[1]:
        return Reference(name, key, "remote code", value, revision)
    folder = name.rpartition("/")[0]
    file = path[2].replace(".", "/") + ".py"
    return Reference(name, key, "code", f"{folder}/{file}" if folder else file, revision)


def _modules(model: Model, name: str, config: object) -> Iterator[Reference]:
    """The modules of sentence-transformers: imported by name, from the folder or installed."""
    for value in cast("list[object]", config) if isinstance(config, list) else []:
        entry = as_object(value)
        kind, path = entry.get("type"), entry.get("path")
        if isinstance(kind, str) and kind and not kind.startswith(_PLAIN_MODULES):
            file = kind.rpartition(".")[0].replace(".", "/") + ".py"
            yield Reference(name, "type", "code", file if model.has(file) else kind, "")
        if isinstance(path, str) and path and name_fault(path):
            yield Reference(name, "path", "path", path, "")


def _pipeline(name: str, config: dict[str, object]) -> Iterator[Reference]:
    """The components of a diffusers pipeline: a library and a class each."""
    folder = name.rpartition("/")[0]
    for key, value in config.items():
        pair = cast("list[object]", value) if isinstance(value, list) else []
        if (
            len(pair) != _PAIR
            or not isinstance(pair[0], str)
            or not pair[0]
            or pair[0] in _PLAIN_LIBRARIES
        ):
            continue
        file = f"{key}/{pair[0]}.py" if key != "_class_name" else f"{pair[0]}.py"
        yield Reference(name, key, "code", f"{folder}/{file}" if folder else file, "")


def relative_imports(name: str, text: bytes) -> list[str]:
    """Files that a module of the model imports relatively; none where it is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    folder = name.rpartition("/")[0]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            modules = [node.module] if node.module else [alias.name for alias in node.names]
            files = [module.replace(".", "/") + ".py" for module in modules]
            found += [f"{folder}/{file}" if folder else file for file in files]
    return found
