"""A small model, sealed once, and copies of it to attack."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from steelyard.attest import PrivateKey, generate_key
from steelyard.attest.recipients import Identity, generate_identity
from steelyard.weights.recorded_opening import Record, rewrap_recorded
from steelyard.weights.sealed import Expect, Rewrapping, SealedHeader, Sealing, seal_model

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def make_model(folder: Path, seed: int = 3) -> Path:
    """A plain model: a large tensor, a middle one, small ones, and other files."""
    draw = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    tensors = {
        "embedding": draw.normal(size=(1200, 2000)).astype(np.float32),
        "layer.weight": draw.normal(size=(1000, 700)).astype(ml_dtypes.bfloat16),
        "layer.norm": draw.normal(size=700).astype(np.float16),
        "steps": np.asarray(7, dtype=np.int64),
        "nothing": np.zeros((0, 4), dtype=np.float32),
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "np"})
    (folder / "config.json").write_text('{"hidden": 700}')
    (folder / "empty.txt").touch()
    (folder / "deep").mkdir()
    (folder / "deep" / "vocab.txt").write_text("one\ntwo\n")
    return folder


@dataclass(frozen=True)
class Scene:
    """A plain model and its sealing."""

    plain: Path
    sealed: Path
    key: PrivateKey
    identity: Identity
    expect: Expect

    def rewrap(self, change: Rewrapping) -> SealedHeader:
        """Change who can open; record and marks lie beside the sealed weights."""
        marks, record = self.sealed.with_name("marks"), Record(self.sealed.with_name("log"), NOW)
        return rewrap_recorded(self.sealed, self.identity, self.expect, change, marks, record)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("sealed")
    key, identity = generate_key(), generate_identity(hybrid=False)
    plain = make_model(root / "plain")
    sealing = Sealing("mini", 2, [identity.recipient])
    seal_model(plain, root / "sealed", sealing, key, NOW)
    return Scene(plain, root / "sealed", key, identity, Expect(key.public_key, "mini"))


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """The sealed model in a folder of the test's own."""
    sealed = tmp_path / "sealed"
    shutil.copytree(original.sealed, sealed)
    return Scene(original.plain, sealed, original.key, original.identity, original.expect)


@pytest.fixture
def seal_again(original: Scene, tmp_path: Path) -> Callable[..., Path]:
    """Seals the same plain model under another name, release or key."""

    def seal(
        out: str, *, release: int = 3, name: str = "mini", key: PrivateKey | None = None
    ) -> Path:
        sealing = Sealing(name, release, [original.identity.recipient])
        seal_model(original.plain, tmp_path / out, sealing, key or original.key, NOW)
        return tmp_path / out

    return seal
