from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from steelyard.kernel import (
    JsonValue,
    canonical_json,
    digest_json,
    parse_json,
    parse_json_object,
)
from steelyard.kernel.canonical import is_canonical
from steelyard.kernel.errors import MalformedEvidence

VECTORS = Path(__file__).parents[3] / "spec" / "vectors" / "canonical-json"


def vector(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def vectors_with(part: str) -> list[str]:
    names = sorted(file.stem for file in VECTORS.glob("*.json"))
    return [name for name in names if part in vector(name).get("expect", {})]


def double(hexadecimal: str) -> float:
    return struct.unpack(">d", bytes.fromhex(hexadecimal))[0]


@pytest.mark.parametrize(
    ("ieee754", "expect"), [tuple(row.values()) for row in vector("numbers")["doubles"]]
)
def test_numbers_of_the_standard(ieee754: str, expect: str) -> None:
    assert canonical_json(double(ieee754)).decode() == expect


@pytest.mark.parametrize(
    "ieee754", [row["ieee754"] for row in vector("numbers-refused")["doubles"]]
)
def test_numbers_without_json_form(ieee754: str) -> None:
    with pytest.raises(MalformedEvidence, match="is not representable in JCS"):
        canonical_json(double(ieee754))


@pytest.mark.parametrize("name", vectors_with("utf8_hex"))
def test_accepted_vectors(name: str) -> None:
    case = vector(name)
    assert canonical_json(parse_json(case["input"])).hex() == case["expect"]["utf8_hex"]


@pytest.mark.parametrize("name", vectors_with("error"))
def test_refused_vectors(name: str) -> None:
    case = vector(name)
    data = bytes.fromhex(case["input_hex"]) if "input_hex" in case else case["input"].encode()
    with pytest.raises(MalformedEvidence) as caught:
        parse_json(data, where="a.json")
    assert str(caught.value).startswith("a.json: not strict JSON: ")
    assert case["expect"]["error"] in caught.value.message


def test_every_vector_is_used() -> None:
    used = {*vectors_with("utf8_hex"), *vectors_with("error"), "numbers", "numbers-refused"}
    assert used == {file.stem for file in VECTORS.iterdir()}


def test_nesting_beyond_the_stack_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="not strict JSON: maximum recursion depth"):
        parse_json("[" * 100_000)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: 2}, "object keys must be strings"),
        ({1, 2}, "unsupported type: <class 'set'>"),
        ("\ud800", "non-UTF-8 codepoints"),
        ({"\ud800": 1}, "surrogates not allowed"),
        (2**53, "9007199254740992 exceeds safe integer domain"),
    ],
)
def test_values_without_canonical_form(value: object, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        canonical_json(value)
    assert caught.value.message.startswith("value has no canonical JSON form: ")
    assert message in caught.value.message


def test_a_value_that_contains_itself_has_no_canonical_form() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(MalformedEvidence, match="value has no canonical JSON form"):
        canonical_json(endless)


@pytest.mark.parametrize("text", ["[]", "1", '"a"', "null"])
def test_an_object_is_required_at_top_level(text: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_json_object(text, where="passport.json")
    assert str(caught.value) == "passport.json: expected a JSON object at top level"


texts = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-(2**53) + 1, 2**53 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(-(2**53) + 1, 2**53 - 1)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)


@given(values)
def test_canonical_form_survives_a_round_trip(value: object) -> None:
    data = canonical_json(value)
    assert canonical_json(parse_json(data)) == data


@given(st.dictionaries(texts, scalars))
def test_key_order_does_not_change_the_digest(value: dict[str, object]) -> None:
    assert digest_json(dict(reversed(value.items()))) == digest_json(value)


@given(st.dictionaries(texts, st.none(), min_size=2))
def test_keys_are_sorted_by_utf16_code_units(value: dict[str, None]) -> None:
    found = list(parse_json_object(canonical_json(value)))
    assert found == sorted(value, key=lambda key: key.encode("utf-16-be"))


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e3, 1e3)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_the_short_way_writes_what_the_long_way_does(value: JsonValue) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(_VALUES)
@example(1.0)
@example([-1.5])
@example({"a": 1e21})
def test_canonical_is_what_the_long_way_writes_and_no_other_spelling(value: JsonValue) -> None:
    data = rfc8785.dumps(value)
    assert is_canonical(data, parse_json(data))
    for other in (json.dumps(value).encode(), b" " + data, data + b"\n"):
        if other != data:
            assert not is_canonical(other, parse_json(other))


@pytest.mark.parametrize("data", [b"1.0", b"-1.0", b"1e0", b"1E5", b"[1.0]", b'{"a":-1.0}', b"-0"])
def test_a_number_in_another_spelling_is_not_canonical(data: bytes) -> None:
    assert not is_canonical(data, parse_json(data))
