"""spec/vectors/commitment: from a run's seed text to a record's commitment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steelyard.attest import commit_transcript, derive_salt, open_commitment
from steelyard.redteam.kit import Call, Message, salt_secret
from steelyard.redteam.kit.dialogue import transcript_bytes

PATH = Path(__file__).parents[3] / "spec/vectors/commitment/one.json"
VECTOR: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
EXPECT: dict[str, str] = VECTOR["expect"]
KEY_PARTS = ("model", "protocol", "item", "arm", "epoch")


def _messages() -> list[Message]:
    return [
        Message(
            row["role"],
            row["text"],
            tuple(Call(call["name"], call["arguments"]) for call in row["calls"]),
            row["tool"],
        )
        for row in VECTOR["messages"]
    ]


def _salt(**changes: object) -> bytes:
    record = {**VECTOR["record"], **changes}
    secret = salt_secret(VECTOR["seed"])
    return derive_salt(secret, *(record[name] for name in KEY_PARTS))


def test_the_secret_follows_from_the_seed_text() -> None:
    assert salt_secret(VECTOR["seed"]).hex() == EXPECT["secret"]


def test_the_salt_follows_from_the_record() -> None:
    assert tuple(VECTOR["record"]) == KEY_PARTS
    assert _salt().hex() == EXPECT["salt"]
    for name in KEY_PARTS:
        assert _salt(**{name: "3"}).hex() != EXPECT["salt"]


def test_the_transcript_is_the_canonical_json_of_the_messages() -> None:
    assert transcript_bytes(_messages()).decode() == EXPECT["transcript"]


def test_the_commitment_opens() -> None:
    transcript = transcript_bytes(_messages())
    assert commit_transcript(_salt(), transcript) == EXPECT["commitment"]
    assert open_commitment(EXPECT["commitment"], _salt(), transcript) == transcript
