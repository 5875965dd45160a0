"""Small models and bundles that the tests of signing share."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from steelyard.weights.signing import (
    ModelPrivateKey,
    SigningOptions,
    TrustedKeys,
    generate_model_key,
    sign_model,
)
from steelyard.weights.signing.bundle import Bundle, KeyClaim, parse_bundle

KEY = generate_model_key("p256")
TRUST = TrustedKeys((KEY.public_key,))
SHARD = 1000


def make_model(folder: Path) -> Path:
    """A folder with weights, a configuration, a file below a folder and one of several shards."""
    (folder / "tokenizer").mkdir(parents=True)
    draw = np.random.default_rng(7)
    tensors = {f"layer.{i}": draw.normal(size=(16, 8)).astype(np.float32) for i in range(9)}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text("{}\n", "utf-8")
    (folder / "tokenizer" / "vocab.txt").write_text("a\nb\n", "utf-8")
    return folder


def sign_to(model: Path, options: SigningOptions | None = None, key: ModelPrivateKey = KEY) -> Path:
    """Sign a model; the signature lies in it as users have it."""
    place = model / "model.sig"
    place.write_bytes(sign_model(model, key, options, signature=place).bundle)
    return place


def statement_of(bundle: bytes) -> dict[str, Any]:
    """The statement of a bundle as JSON."""
    return json.loads(parse_bundle(bundle).payload)


def resigned(statement: object, key: ModelPrivateKey = KEY) -> bytes:
    """A bundle with a valid signature over any statement."""
    payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    claim = KeyClaim(key.public_key.key_id, b"")
    message = Bundle(claim, payload, b"").message
    return Bundle(claim, payload, key.sign(message)).to_bytes()


def encoded(data: bytes) -> str:
    """Base64 as a bundle has it."""
    return base64.standard_b64encode(data).decode()
