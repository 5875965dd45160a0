"""A bank, a harness and a key in a folder, and scores certified there."""

from __future__ import annotations

import csv
import math
import random
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from steelyard.attest import load_public_key, open_envelope
from steelyard.cli.main import run
from steelyard.pipeline import certified_score

from .assessing import home

ITEMS = 60
FAILING = """
import json, pathlib, sys
count = pathlib.Path(sys.argv[1])
done = int(count.read_text()) if count.exists() else 0
asked = [json.loads(line)["item"] for line in sys.stdin]
count.write_text(str(done + len(asked)))
for place, item in enumerate(asked):
    if done + place >= int(sys.argv[2]):
        sys.exit("the endpoint hung up")
    print(json.dumps({"item": item, "score": int(int(item[1:]) % 5 == 0)}), flush=True)
"""
SCORES = """
import json, sys
for line in sys.stdin:
    item = json.loads(line)["item"]
    print(json.dumps({"item": item, "score": int(int(item[1:]) % 5 == 0)}))
"""


def furnished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bank, a harness and a signing key; every plan's seed is the same."""
    monkeypatch.setattr(certified_score, "new_seed", lambda: "0123456789abcdef" * 2)
    for name, value in home(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name, data in _bank_and_keys().items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "ask.py").write_text(SCORES)
    (tmp_path / "failing.py").write_text(FAILING)
    return tmp_path


@cache
def _bank_and_keys() -> dict[str, bytes]:
    """Files by name: a calibrated bank, the scores that it is made of, and a key pair."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        _write_scores(folder / "others.csv")
        origin = ["--source", "a test", "--licence", "CC0-1.0"]
        bank = str(folder / "bank.json")
        assert run(["risk", "calibrate", str(folder / "others.csv"), *origin, "--out", bank]) == 0
        assert run(["passport", "keygen", str(folder / "key.pem")]) == 0
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def _write_scores(path: Path) -> None:
    draw = random.Random(4)  # noqa: S311 - data for a test
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["model", "item", "score"])
        for model in range(12):
            ability = draw.gauss(0.0, 1.0)
            for item in range(ITEMS):
                solved = draw.random() < 1.0 / (1.0 + math.exp(2.0 - ability - item / 20))
                table.writerow([f"other-{model}", f"q{item:03d}", int(solved)])


def certify(place: Path, *more: str, out: str = "score", ask: str = "ask.py") -> int:
    facts = ["--model", "m", "--harness", "a test", "--threshold", "0.5", "--wave", "5"]
    command = f"{sys.executable} {place}/{ask}"
    fixed = [*facts, "--key", str(place / "key.pem"), "--out", str(place / out)]
    return run(["risk", "certify", str(place / "bank.json"), "--ask", command, *fixed, *more])


def recheck(place: Path, *more: str, out: str = "score") -> int:
    return run(["risk", "recheck", str(place / out), str(place / "bank.json"), *more])


def claim_of(place: Path, out: str = "score") -> dict[str, Any]:
    key = load_public_key(place / "key.pem.pub")
    data = (place / out / "claim.dsse.json").read_bytes()
    return dict(open_envelope(data, {key.key_id: key}).predicate)
