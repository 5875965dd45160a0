from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel import canonical_json
from steelyard.kernel.errors import UnknownName
from steelyard.redteam.kit import (
    Call,
    Draws,
    Message,
    campaign_key,
    find_protocol,
    item_seed,
    nonce,
    parameter,
    pseudonym,
    salt_secret,
)
from steelyard.redteam.kit.dialogue import transcript_bytes


def test_a_transcript_is_the_canonical_json_of_the_dialogue() -> None:
    dialogue = [
        Message("user", "Zürich?"),
        Message("assistant", "", (Call("go", {"to": "here", "n": 7.0}),)),
        Message("tool", "Gone.", tool="go"),
    ]
    assert transcript_bytes(dialogue).decode() == (
        '[{"calls":[],"role":"user","text":"Zürich?","tool":""},'
        '{"calls":[{"arguments":{"n":7,"to":"here"},"name":"go"}],"role":"assistant",'
        '"text":"","tool":""},'
        '{"calls":[],"role":"tool","text":"Gone.","tool":"go"}]'
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (2**53 - 1, 9007199254740991),
        (2**53, "0x20000000000000"),
        (-(2**53), "-0x20000000000000"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (1e300, "1e+300"),
        (2.0**53, "9007199254740992.0"),
        (-0.5, -0.5),
        (True, True),
        (None, None),
        ("\ud800x", "?x"),
        ({"\udfff": ["\ud800"]}, {"?": ["?"]}),
        (dt.date(2026, 1, 2), "2026-01-02"),
        ({7: b"x"}, {"7": "b'x'"}),
    ],
)
def test_arguments_that_json_cannot_carry_are_replaced(sent: object, kept: object) -> None:
    expected = [
        {
            "calls": [{"arguments": {"a": kept}, "name": "?"}],
            "role": "assistant",
            "text": "?",
            "tool": "?",
        }
    ]
    message = Message("assistant", "\ud800", (Call("\ud800", {"a": sent}),), "\ud800")
    assert transcript_bytes([message]) == canonical_json(expected)


def test_arguments_nested_without_end_are_cut() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    data = transcript_bytes([Message("assistant", "", (Call("go", {"a": deep}),))])
    assert data.count(b"[" * 63 + b'"(nested too deep)"' + b"]" * 63) == 1


@given(st.binary(min_size=1), st.integers(-50, 50), st.integers(0, 50))
def test_integers_stay_in_their_bounds(seed: bytes, low: int, span: int) -> None:
    draws = Draws(seed, "x")
    assert all(low <= draws.integer(low, low + span) <= low + span for _ in range(20))


@given(st.binary(min_size=1), st.integers(0, 12))
def test_a_sample_has_distinct_members(seed: bytes, count: int) -> None:
    drawn = Draws(seed, "x").sample(range(12), count)
    assert len(drawn) == len(set(drawn)) == count


def test_draws_are_fixed_for_all_time() -> None:
    draws = Draws(b"seed", "label")
    assert [draws.integer(0, 999) for _ in range(6)] == [503, 139, 829, 560, 491, 688]
    assert Draws(b"seed", "label").real() == 0.8067079822518406
    assert Draws(b"seed", "other").real() != 0.8067079822518406


def test_draws_are_uniform() -> None:
    draws = Draws(b"seed", "uniform")
    counts = Counter(draws.integer(0, 9) for _ in range(5000))
    chi_squared = sum((counts[k] - 500) ** 2 / 500 for k in range(10))
    assert chi_squared < 27.88  # 0.999 quantile, 9 degrees of freedom
    assert abs(sum(draws.real() for _ in range(5000)) / 5000 - 0.5) < 0.0145  # 3.5 sigma


def test_keys_differ_by_use_and_by_seed() -> None:
    made = [campaign_key("a"), salt_secret("a"), campaign_key("b"), salt_secret("b")]
    assert len(set(made)) == 4
    assert {len(key) for key in made} == {32}


def test_an_item_s_seed_depends_on_key_protocol_version_and_index() -> None:
    base = item_seed(b"k", "p", "1.0", 0)
    others = [
        item_seed(b"l", "p", "1.0", 0),
        item_seed(b"k", "q", "1.0", 0),
        item_seed(b"k", "p", "1.1", 0),
        item_seed(b"k", "p", "1.0", 1),
    ]
    assert base not in others
    assert pseudonym(base) != base.hex()[:24]
    assert pseudonym(base) != hashlib.sha256(base).hexdigest()[:24]


@given(st.text(), st.text())
def test_a_nonce_is_a_number_that_every_endpoint_accepts(seed: str, item: str) -> None:
    assert 0 <= nonce(seed, "protocol", item, "arm", 1) < 2**31


def test_nonces_differ_by_item_arm_and_epoch() -> None:
    made = {nonce("s", "p", i, arm, e) for i in "abc" for arm in ("x", "y") for e in (1, 2)}
    assert len(made) == 12


def test_a_protocol_is_found_by_id() -> None:
    assert find_protocol("pe1_evidence_cards").id == "pe1_evidence_cards"
    with pytest.raises(UnknownName) as caught:
        find_protocol("pe9")
    assert str(caught.value) == "no protocol 'pe9'"
    assert caught.value.hint.startswith("installed: ")


def test_a_parameter_is_json_schema() -> None:
    assert parameter("integer", "N.", minimum=1, maximum=2) == {
        "type": "integer", "description": "N.", "minimum": 1, "maximum": 2,
    }  # fmt: skip
    assert parameter("string", "S.", options=("a",)) == {
        "type": "string", "description": "S.", "enum": ["a"],
    }  # fmt: skip
