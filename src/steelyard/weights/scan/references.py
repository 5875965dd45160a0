"""What one configuration refers to: code, other models, files.

Knows the keys by which loaders import and fetch. A value that could be a path is held against
the model first; only what looks like the name of a repository counts as remote.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from steelyard.weights.scan.configs import as_object, objects_of
from steelyard.weights.scan.finding import Finding, printable
from steelyard.weights.scan.readers.names import name_fault
from steelyard.weights.scan.readers.plain_classes import is_dotted, is_plain_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.weights.scan.model import Model

Kind = Literal["code", "remote code", "remote model", "local model", "name", "path"]

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}|[A-Za-z0-9][\w.-]{0,95}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CLASS_PATH: Final = re.compile(r"(?:([^\s]+)--)?([\w.]+)\.(\w+)")
_CLASS: Final = re.compile(r"[A-Z]\w*")
_MODELS: Final = frozenset(
    {"mm_vision_tower", "vision_tower", "audio_tower", "mm_audio_tower", "speech_encoder",
     "draft_model", "assistant_model", "hf_model_name", "hf_tokenizer_name", "hf_hub_id", "repo"}
)  # fmt: skip
_MODEL_SUFFIX: Final = "_name_or_path"
_NAMES: Final = frozenset({"_name_or_path", "name_or_path"})
_MAPS: Final = frozenset({"auto_map", "custom_pipelines"})
_KERNELS: Final = frozenset(
    {"attn_implementation", "_attn_implementation", "_attn_implementation_internal",
     "experts_implementation", "_experts_implementation", "kernel_config", "kernel_mapping",
     "custom_generate"}
)  # fmt: skip
"""Under which transformers fetches code where the value names a repository."""
_FILES: Final = frozenset(
    {"vocab_file", "merges_file", "tokenizer_file", "_tokenizer_file", "spm_file", "sp_model_file",
     "source_spm", "target_spm", "vocab", "bpe_file", "monolingual_vocab_file", "emoji_file"}
)  # fmt: skip
_HUB_PREFIXES: Final = ("hf-hub:", "hf_hub:", "local-dir:", "hf://", "https://", "http://")
_FETCHED: Final = frozenset({"architecture", "model_name", "timm_model", "backbone"})
_WEIGHTS_OF_TIMM: Final = "pretrained_cfg"
_PARENT: Final = re.compile(
    r"transformers(?:\.models\.[a-z0-9_]+\.modeling_[a-z0-9_]+)?|diffusers|sentence_transformers"
)
_LIBRARIES: Final[Mapping[str, re.Pattern[str]]] = {
    "parent_library": _PARENT,
    "megatron_core": re.compile(r"megatron\.core"),
}
"""Keys whose value PEFT imports, and what it is in an adapter that needs no code of its own."""
_PLAIN_LIBRARIES: Final = frozenset({"diffusers", "transformers", "onnxruntime", "peft"})
_PIPELINES: Final = frozenset(
    {"audioldm2", "deepfloyd_if", "kandinsky", "latent_diffusion", "paint_by_example", "shap_e",
     "stable_diffusion", "unclip", "wuerstchen"}
)  # fmt: skip
"""Modules of diffusers itself that a pipeline may name where the model has no such file."""
_PIPELINE_FILES: Final = frozenset(
    {"model_index.json", "modular_model_index.json", "modular_config.json"}
)
INDEX: Final = ".index.json"
"""How the name of an index of shards ends."""
_TOKENIZER: Final = "tokenizer.json"
_GENERATION: Final = "custom_generate/generate.py"
_PAIR: Final = 2
_SHOWN: Final = 512
_SHOWN_KEY: Final = 80


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

    @property
    def shown_key(self) -> str:
        """The key for people: it is the attacker's, and may be empty or of any length."""
        return printable(self.key[:_SHOWN_KEY]) or "the empty key"

    def to_json(self) -> dict[str, str]:
        """As `spec/weights-scan.schema.json` writes it."""
        return {
            "config": self.config,
            "key": printable(self.key[:_SHOWN]),
            "kind": self.kind,
            "target": printable(self.target[:_SHOWN]),
            "revision": printable(self.revision[:_SHOWN]),
        }

    def finding(self, code: str, text: str) -> Finding:
        """A finding at the configuration."""
        return Finding(code, self.config, "", None, printable(text))


def is_configuration(name: str) -> bool:
    """Whether a file may refer to others by keys: JSON, but for tokenizers and indices."""
    base = name.rpartition("/")[2].lower()
    return base.endswith(".json") and base != _TOKENIZER and not base.endswith(INDEX)


def config_references(model: Model, name: str, config: object) -> Iterator[Reference]:
    """What a parsed configuration refers to."""
    base = name.rpartition("/")[2]
    if base == "modules.json":
        yield from _modules(model, name, config)
    if base in _PIPELINE_FILES:
        for entry in objects_of(config):
            yield from _pipeline(model, name, entry)
    for entry in objects_of(config):
        revision = entry.get("revision")
        pinned = revision if isinstance(revision, str) else ""
        for key, value in entry.items():
            yield from _of_key(model, (name, key), value, pinned)
        if entry.get("use_pretrained_backbone") is True and entry.get("backbone"):
            target = str(entry["backbone"])[:_SHOWN]
            yield Reference(name, "backbone", "remote model", target, pinned)


def loaded_unasked(model: Model) -> Iterator[Reference]:
    """Code that a loader takes because it lies there, with no configuration that names it."""
    for name in sorted(model.files):
        if name == _GENERATION or name.endswith(f"/{_GENERATION}"):
            yield Reference(name, "custom_generate", "code", name, "")


def _of_key(
    model: Model, place: tuple[str, str], value: object, revision: str
) -> Iterator[Reference]:
    """What one entry of an object refers to."""
    name, key = place
    if key in _MAPS:
        yield from _classes(name, key, value, revision)
    elif key in _KERNELS:
        yield from _kernels(name, key, value)
    elif key == _WEIGHTS_OF_TIMM:
        for inner in ("url", "file"):
            text = as_object(value).get(inner)
            if isinstance(text, str) and text:
                yield Reference(name, inner, "path", text, "")
    elif key == "types":
        # Modules of a router of sentence-transformers, by the names that it gives them.
        for text in as_object(value).values():
            if is_dotted(text) and not is_plain_class(str(text)):
                yield Reference(name, key, "code", str(text), "")
    elif isinstance(value, str) and value:
        yield from _of_text(model, place, value, revision)


def _of_text(
    model: Model, place: tuple[str, str], value: str, revision: str
) -> Iterator[Reference]:
    name, key = place
    library = _LIBRARIES.get(key)
    if library is not None and not library.fullmatch(value):
        yield Reference(name, key, "code", value, "")
    elif key in _MODELS | _NAMES or key.endswith(_MODEL_SUFFIX):
        yield _model(model, place, value, revision)
    elif key in _FILES and (name_fault(value) or value.startswith(_HUB_PREFIXES)):
        yield Reference(name, key, "path", value, "")
    elif key in _FETCHED and value.startswith(_HUB_PREFIXES):
        yield Reference(name, key, "remote model", value, revision)


def _kernels(name: str, key: str, value: object) -> Iterator[Reference]:
    """Repositories whose code replaces a part of the model."""
    for text in _texts_of(value):
        if "/" in text:
            yield Reference(name, key, "remote code", text, "")


def _texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for entry in objects_of(value):
        for inner in entry.values():
            items = cast("list[object]", inner) if isinstance(inner, list) else [inner]
            yield from (item for item in items if isinstance(item, str))


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
    waiting = [value]
    while waiting:
        inner = waiting.pop()
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
    for entry in objects_of(config):
        kind, path = entry.get("type"), entry.get("path")
        if isinstance(kind, str) and kind and not is_plain_class(kind):
            file = kind.rpartition(".")[0].replace(".", "/") + ".py"
            yield Reference(name, "type", "code", file if model.has(file) else kind, "")
        if isinstance(path, str) and path and name_fault(path):
            yield Reference(name, "path", "path", path, "")


def _pipeline(model: Model, name: str, config: dict[str, object]) -> Iterator[Reference]:
    """The components of a diffusers pipeline: a library and a class each, and what follows."""
    folder = name.rpartition("/")[0]
    for key, value in config.items():
        pair = cast("list[object]", value) if isinstance(value, list) else []
        if len(pair) < _PAIR or not isinstance(pair[0], str) or not pair[0]:
            continue
        file = f"{key}/{pair[0]}.py" if key != "_class_name" else f"{pair[0]}.py"
        file = f"{folder}/{file}" if folder else file
        plain = pair[0] in _PLAIN_LIBRARIES | _PIPELINES and not model.has(file)
        named = pair[1] is None or _CLASS.fullmatch(str(pair[1]))
        if not (plain and named):
            yield Reference(name, key, "code", file, "")


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
