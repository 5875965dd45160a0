"""The vectors of cases: each taken as it says, or refused for its one fault."""

from __future__ import annotations

import json
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from steelyard.disclosure.case import (
    Entry,
    open_card,
    open_checkpoint,
    replay,
)
from steelyard.disclosure.case.event import read_claim
from steelyard.kernel import exact_instant
from steelyard.kernel.errors import SteelyardError

FOLDER = Path(__file__).parents[4] / "spec/vectors/disclosure-case"
FILES = sorted(FOLDER.glob("*.json"))
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def found(vector: dict[str, Any]) -> dict[str, Any]:
    """What a reader finds in a vector."""
    if vector["what"] == "card":
        return {"organization": open_card(vector["text"].encode()).organization}
    if vector["what"] == "event":
        keys = open_card(vector["card"].encode()).keys_at(NOW)
        event = read_claim(vector["text"].encode()).verified(keys)
        return {"kind": event.kind, "author": event.author}
    if vector["what"] == "checkpoint":
        keys = open_card(vector["card"].encode()).keys_at(NOW)
        checkpoint = open_checkpoint(vector["text"].encode(), vector["case"], vector["host"], keys)
        return {"size": checkpoint.size, "head": checkpoint.head}
    entries = [
        Entry(row["index"], row["previous"], exact_instant(row["ordered"]), row["event"].encode())
        for row in vector["entries"]
    ]
    chain = replay(vector["case"], entries)
    return {"size": chain.size, "head": chain.head}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_vector_is_taken_or_refused_as_it_says(path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    if vector["expect"] is not None:
        assert (vector["error"], vector["message"]) == ("", "")
        assert found(vector) == vector["expect"]
        return
    with pytest.raises(SteelyardError) as refused:
        found(vector)
    assert type(refused.value).__name__ == vector["error"]
    assert vector["message"]
    assert vector["message"] in refused.value.message


def test_the_vectors_are_what_their_script_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    built = runpy.run_path(str(FOLDER / "build.py"))["vectors"]()
    assert {path.stem: json.loads(path.read_text("utf-8")) for path in FILES} == built
    assert {name.split("-")[0] for name in built} == {"card", "event", "chain", "checkpoint"}
