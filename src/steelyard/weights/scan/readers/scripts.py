"""Scripts: which ones something runs without being asked.

A script inside an archive is there for the loader of that archive. One that bears the name of a
module shadows it for every program that is started beside it. Of any other only a reader can
say what it does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_AT_START: Final = frozenset({"sitecustomize", "usercustomize", "conftest", "setup"})
_LIBRARIES: Final = frozenset(
    {"accelerate", "aiohttp", "anyio", "attr", "attrs", "bitsandbytes", "boto3", "certifi",
     "cffi", "charset_normalizer", "click", "cloudpickle", "cryptography", "cv2", "datasets",
     "dateutil", "deepspeed", "diffusers", "dill", "distutils", "einops", "fairseq", "filelock",
     "flash_attn", "flax", "fsspec", "functorch", "gguf", "google", "h5py", "httpcore", "httpx",
     "huggingface_hub", "hydra", "idna", "jax", "jaxlib", "jinja2", "joblib", "keras",
     "lightning", "llama_cpp", "markupsafe", "matplotlib", "ml_dtypes", "mlflow", "mpmath",
     "msgpack", "nemo", "networkx", "numpy", "omegaconf", "onnx", "onnxruntime", "open_clip",
     "optimum", "packaging", "pandas", "peft", "PIL", "pip", "pkg_resources", "psutil",
     "pyarrow", "pydantic", "pygments", "pytest", "pytorch_lightning", "regex", "requests",
     "rich", "safetensors", "scipy", "sentence_transformers", "sentencepiece", "setuptools",
     "six", "sklearn", "soundfile", "sympy", "tensorflow", "tiktoken", "timm", "tokenizers",
     "torch", "torchaudio", "torchgen", "torchvision", "tqdm", "transformers", "triton", "trl",
     "typer", "typing_extensions", "ultralytics", "urllib3", "vllm", "wandb", "xformers",
     "yaml"}
)  # fmt: skip
_OWN_MODULES: Final = frozenset({"test", "code"})
"""Of the standard library, and what people call files beside a model."""
_PYTHON: Final = (".py", ".pyw")


def script_finding(part: Part) -> Finding:
    """The finding about one script."""
    if part.members:
        return part.finding("archive-code", "a script inside an archive")
    if module := _shadowed(part.file):
        return part.finding("script-shadow", f"Python would run it for the module {module!r}")
    return part.finding("script-file", "a script")


def _shadowed(name: str) -> str:
    """The module that a file is taken for by a program started in its folder; empty if none."""
    *folders, base = name.split("/")
    stem, dot, kind = base.rpartition(".")
    if dot + kind.lower() not in _PYTHON:
        return ""
    if stem == "__init__" and folders:
        stem = folders[-1]
    known = _AT_START | _LIBRARIES | (sys.stdlib_module_names - _OWN_MODULES)
    return stem if stem in known else ""
