"""The vectors of model signatures, written without the code that reads them here."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.kernel import errors
from steelyard.weights.signing import TrustedKeys, open_signature, verify_model
from steelyard.weights.signing.keys import parse_model_key

FOLDER = Path(__file__).parents[4] / "spec" / "vectors" / "model-signature"
VECTORS = sorted(FOLDER.glob("*.json"))


def covered(vector: dict[str, Any], model: Path) -> list[str]:
    model.mkdir()
    for name, data in vector["files"].items():
        (model / name).write_bytes(base64.b64decode(data))
    trust = TrustedKeys((parse_model_key(vector["key"].encode(), where="key"),))
    signed = open_signature(vector["bundle"].encode(), trust)
    assert verify_model(model, signed).signed == signed
    return sorted(signed.covered)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_signature_verifies_or_is_refused_as_it_says(path: Path, tmp_path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if not vector["error"]:
        assert covered(vector, tmp_path / "toy") == vector["covered"]
        return
    with pytest.raises(getattr(errors, vector["error"])) as caught:
        covered(vector, tmp_path / "toy")
    assert type(caught.value).__name__ == vector["error"]
    assert vector["message"] in caught.value.message


def test_there_is_a_vector_for_each_fault() -> None:
    assert len(VECTORS) == 34
