"""A small model, its owner and recipients, for the tests of leak tracing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from steelyard.attest import PrivateKey
from steelyard.weights.trace import CarrierRule, Commitment, Register, Terms, commit_model, deliver
from steelyard.weights.trace.commitment import open_commitment

KEY, OTHER_KEY = (PrivateKey.from_seed(bytes([n]) * 32) for n in (21, 22))
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SECRET = bytes(range(32))
DTYPES = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
Tensors = dict[str, NDArray[Any]]


def tensors(layers: int = 4, dtype: str = "F32", seed: int = 0) -> Tensors:
    """A decoder's tensors with Gaussian weights: embedding, norms, biases, matrices."""
    draw = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (96, 64)}
    for layer in range(layers):
        shapes |= {
            f"layers.{layer}.input_norm.weight": (64,),
            f"layers.{layer}.attention.q.weight": (64, 64),
            f"layers.{layer}.attention.q.bias": (64,),
            f"layers.{layer}.mlp.up.weight": (256, 64),
            f"layers.{layer}.mlp.down.weight": (64, 256),
        }
    return {
        name: (0.03 * draw.standard_normal(shape)).astype(DTYPES[dtype])
        for name, shape in shapes.items()
    }


def write_model(folder: Path, values: Tensors, shards: int = 1) -> Path:
    """A model folder with a configuration beside its shards."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"layers": 4}\n', "utf-8")
    names = sorted(values)
    for shard in range(shards):
        part = {name: np.ascontiguousarray(values[name]) for name in names[shard::shards]}
        save_file(part, folder / f"model-{shard}.safetensors", metadata={"format": "pt"})
    return folder


def read_tensors(folder: Path) -> Tensors:
    """All tensors of a folder."""
    found: Tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


@dataclass(frozen=True)
class Owner:
    """An owner with a model, a commitment and a register."""

    model: Path
    envelope: bytes
    commitment: Commitment
    register: Register

    def copy(self, pseudonym: str, out: Path) -> Path:
        """The copy of one recipient; the derivation lies beside it."""
        statement = deliver(
            self.model, self.commitment, self.register, (pseudonym, out), (KEY, NOW)
        )
        out.with_name(f"{out.name}.derivation.json").write_bytes(statement)
        return out


def owner(
    model: Path,
    recipients: int | Mapping[str, str] = 8,
    alpha: float = 0.005,
    rule: CarrierRule | None = None,
    secret: bytes = SECRET,
) -> Owner:
    """An owner who has committed, and verified the own commitment."""
    names = (
        {f"r{number}": "" for number in range(recipients)}
        if isinstance(recipients, int)
        else dict(recipients)
    )
    terms = Terms("toy", alpha, 1e-9, rule or CarrierRule())
    made = commit_model(model, names, terms, secret, (KEY, NOW))
    opened = open_commitment(made.envelope, KEY.public_key, now=NOW, where="commitment.json")
    return Owner(model, made.envelope, opened, made.register)


def changed(folder: Path, out: Path, change: Callable[[str, NDArray[Any]], NDArray[Any]]) -> Path:
    """A model whose two-dimensional tensors were changed by a function of name and values."""
    values = {
        name: change(name, value) if value.ndim == 2 else value
        for name, value in read_tensors(folder).items()
    }
    return write_model(out, values)
