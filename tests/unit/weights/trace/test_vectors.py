"""The published vectors of spec/trace-mark.md, made by a second implementation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.weights.trace import Carrier
from steelyard.weights.trace.chips import chip_key, keystream, signs
from steelyard.weights.trace.commitment import derive_opening, layout_digest, layout_salt
from steelyard.weights.trace.marking import marked_values
from steelyard.weights.trace.tensor_files import FLOAT_TYPES

FOLDER = Path(__file__).parents[4] / "spec" / "vectors" / "trace-mark"
VECTORS = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}


def cases(start: str) -> list[dict[str, Any]]:
    return [VECTORS[name] for name in sorted(VECTORS) if name.startswith(start)]


def as_signs(text: str) -> list[float]:
    return [1.0 if sign == "+" else -1.0 for sign in text]


def numbers(texts: list[str], dtype: str) -> np.ndarray:
    kind = FLOAT_TYPES[dtype]
    little = b"".join(bytes.fromhex(text)[::-1] for text in texts)
    return np.frombuffer(little, kind)


def test_there_are_vectors_of_every_kind() -> None:
    assert len(cases("chips")) == 3
    assert len(cases("marked")) == 3
    assert len(cases("commitment")) == 1


@pytest.mark.parametrize("case", cases("chips"), ids=lambda case: case["tensor"])
def test_chips(case: dict[str, Any]) -> None:
    key = chip_key(bytes.fromhex(case["secret"]), case["pseudonym"])
    assert key.hex() == case["chip_key"]
    shape, count = (case["rows"], case["columns"]), len(case["chips"])
    found = signs(keystream(key, case["tensor"], shape, 0, count), count)
    assert found.tolist() == as_signs(case["chips"])


@pytest.mark.parametrize("case", cases("marked"), ids=lambda case: case["dtype"])
def test_marked_values(case: dict[str, Any]) -> None:
    ours = numbers(case["values"], case["dtype"])
    wanted = numbers(case["marked"], case["dtype"])
    chips = np.array(as_signs(case["chips"]), np.float32)
    assert marked_values(ours, chips, case["step"]).tobytes() == wanted.tobytes()
    assert ours.tobytes() != wanted.tobytes()


def test_commitments() -> None:
    case = VECTORS["commitment"]
    secret = bytes.fromhex(case["secret"])
    opening = derive_opening(secret, case["pseudonym"], case["identity"])
    assert opening.salt.hex() == case["salt"]
    assert opening.commitment == case["commitment"]
    assert layout_salt(secret).hex() == case["layout_salt"]
    assert layout_digest(layout_salt(secret), (Carrier(**case["carrier"]),)) == case["layout"]
