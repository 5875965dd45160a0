"""What values of configurations, JSON or YAML, would make a loader import, call or compute.

A plain name is a class of a known library, named as a whole: each part in the middle is on a list,
so that no module which a library imports (`torch.nn.parallel.distributed.os`) is reached.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NEMO: Final = frozenset(
    {"collections", "core", "asr", "audio", "common", "llm", "multimodal", "nlp", "tts", "vision",
     "vlm", "speechlm", "speechlm2", "data", "losses", "metrics", "models", "modules", "parts",
     "submodules", "classes", "optim", "lr_scheduler", "tokenizers", "preprocessing",
     "audio_preprocessing", "conformer_encoder", "rnnt", "conv_asr", "language_modeling"}
)  # fmt: skip
_LATENT: Final = frozenset(
    {"autoencoder", "ddpm", "diffusion", "diffusionmodules", "distributions", "encoders",
     "losses", "lr_scheduler", "model", "models", "modules", "openaimodel", "upscaling"}
)  # fmt: skip
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "ldm": _LATENT,
    "sgm": _LATENT,
    "nemo": _NEMO,
    "sentence_transformers": frozenset(
        {"base", "cross_encoder", "losses", "models", "modules", "sparse_encoder"}
    ),
    "torch": frozenset(
        {"nn", "optim", "lr_scheduler", "modules", "activation", "linear", "normalization",
         "dropout", "container", "conv", "sparse", "loss", "pooling"}
    ),
}  # fmt: skip
_CLASS: Final = re.compile(r"[A-Z][A-Za-z0-9_]*")
_REFUSED: Final = frozenset({"Popen", "Process", "Path", "FileIO", "Thread", "Pool", "Timer"})
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")
_TARGET: Final = "_target_"
_ALWAYS: Final = frozenset({_TARGET, "loader_module"})
_WHERE_DOTTED: Final = frozenset(
    {"target", "class_path", "activation_function", "activation_fn",
     "sbert_ce_default_activation_function"}
)  # fmt: skip
_TARGETS: Final = _ALWAYS | _WHERE_DOTTED
_RESOLVER: Final = re.compile(r"\$\{\s*(?:eval|oc\.create|oc\.decode)\b", re.IGNORECASE)
_TRUST: Final = "trust_remote_code"
_YES: Final = frozenset({"true", "yes", "on", "y", "1", "1.0"})
"""How JSON and YAML write what loaders take for yes."""
_NOTHING: Final = frozenset({"", "null", "~"})
_MLFLOW: Final = frozenset(
    f"mlflow.{name}" for name in ("sklearn", "pytorch", "tensorflow", "keras", "transformers",
                                  "sentence_transformers", "onnx", "xgboost", "lightgbm")
)  # fmt: skip


def is_plain_class(path: str) -> bool:
    """Whether a dotted name is a class of a known library."""
    library, *middle = path.split(".")
    name = middle.pop() if middle else ""
    parts = _PARTS.get(library)
    return (
        parts is not None
        and bool(middle)
        and parts.issuperset(middle)
        and _CLASS.fullmatch(name) is not None
        and name not in _REFUSED
    )


def is_dotted(value: object) -> bool:
    """Whether a value reads as module and name."""
    return isinstance(value, str) and _DOTTED.fullmatch(value.strip()) is not None


def names_targets(key: object) -> bool:
    """Whether loaders import what stands under a key."""
    return key in _TARGETS


def container_fault(key: str) -> str | None:
    """What is wrong with a list or a mapping in the place of one value; None if nothing."""
    return f"the target under {key} is no text" if key == _TARGET else None


def value_faults(key: str, value: object) -> Iterator[str]:
    """What is wrong with a text, a number or a truth value that stands under a key.

    Args:
        key: The key of a mapping; empty for an item of a list.
        value: As JSON gives it, or the text of a YAML scalar.
    """
    text = value if isinstance(value, str) else str(value)
    if value is not None and _is_refused_target(key, text):
        yield f"the target {text[:80]}"
    if key == _TRUST and text.strip().lower() in _YES:
        yield "trust_remote_code is switched on"
    if "${" in text and (found := _RESOLVER.search(text)):
        yield f"the value {found.group()} is computed at load"


def _is_refused_target(key: str, text: str) -> bool:
    if not names_targets(key) or text in _MLFLOW | _NOTHING or is_plain_class(text):
        return False
    return key in _ALWAYS or is_dotted(text)
