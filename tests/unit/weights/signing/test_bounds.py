"""What is refused before a byte of a model is hashed, as it is too much."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.signing import (
    SigningOptions,
    open_signature,
    sign,
    sign_model,
    survey,
    verify_model,
)

from .models import KEY, SHARD, TRUST, make_model, sign_to


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "scale-1")


def test_what_no_verifier_would_read_is_not_signed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign, "RESOURCE_LIMIT", 3)
    assert len(sign_model(model, KEY).manifest.resources) == 3
    with pytest.raises(MalformedEvidence) as caught:
        sign_model(model, KEY, SigningOptions(shard_bytes=SHARD))
    size = (model / "model.safetensors").stat().st_size
    count = 2 + -(-size // SHARD)
    assert caught.value.message == (f"a signature lists at most 3 files or shards, found {count}")
    assert caught.value.hint == "sign larger shards, or whole files"


def test_a_signature_that_would_be_too_large_is_not_begun(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    made = sign_model(model, KEY, SigningOptions("blake2b", 3))
    monkeypatch.setattr(sign, "BUNDLE_LIMIT_BYTES", len(made.bundle) - 1)
    with pytest.raises(MalformedEvidence, match="bytes, this one would have more"):
        sign_model(
            model, KEY, SigningOptions("blake2b", 3), progress=lambda done, _all: seen.append(done)
        )
    assert seen == []


def test_more_bytes_than_a_model_has_are_not_read(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature, seen = sign_to(model), list[int]()
    signed = open_signature(signature.read_bytes(), TRUST)
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    size -= signature.stat().st_size
    monkeypatch.setattr(survey, "MODEL_LIMIT_BYTES", size)
    assert sign_model(model, KEY, signature=signature).size_bytes == size
    assert verify_model(model, signed, signature=signature).size_bytes == size
    os.truncate(model / "model.safetensors", (model / "model.safetensors").stat().st_size + 1)

    def progress(done: int, _all: int) -> None:
        seen.append(done)

    for begin in (
        lambda: sign_model(model, KEY, signature=signature, progress=progress),
        lambda: verify_model(model, signed, signature=signature, progress=progress),
    ):
        with pytest.raises(MalformedEvidence) as caught:
            begin()
        told = f"a model has at most {size} bytes, these files claim {size + 1}"
        assert (caught.value.message, caught.value.where) == (told, str(model))
        assert caught.value.hint == "look for a sparse file"
    assert seen == []
