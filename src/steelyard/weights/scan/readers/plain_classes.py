"""Dotted names by which configurations make a loader import and call, and which of them are plain.

A plain one is a class of a known library, named as a whole: each part in the middle is on a list,
so that no module which a library imports (`torch.nn.parallel.distributed.os`) is reached.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_ALWAYS: Final = frozenset({"_target_", "loader_module"})
_WHERE_DOTTED: Final = frozenset(
    {"target", "class_path", "activation_function", "activation_fn",
     "sbert_ce_default_activation_function"}
)  # fmt: skip
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
    return key in _ALWAYS | _WHERE_DOTTED


def target_fault(key: str, value: object) -> str | None:
    """What is wrong with the value of a key under which loaders import; None if nothing."""
    if not isinstance(value, str) or not names_targets(key) or value in _MLFLOW | _NOTHING:
        return None
    if is_plain_class(value) or (key in _WHERE_DOTTED and not is_dotted(value)):
        return None
    return f"the target {value[:80]}"
