"""The private files: round trips, and refusals that do not quote what they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.trace import Carrier, Register, read_opening, read_register

SECRET = bytes(range(32))
CARRIERS = (Carrier("a.weight", 64, 32, 0.00048828125), Carrier("b", 16, 16, 0.0))
REGISTER = Register(SECRET, {"r1": "Example Harbour Lab", "r2": ""}, CARRIERS)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9_.-]{0,20}[a-z0-9])?", fullmatch=True)
WHO = st.text(st.characters(categories=["L", "N", "Zs", "P"]), max_size=40)


def document(**changes: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps({**json.loads(REGISTER.to_bytes()), **changes}).encode()


@settings(max_examples=40)
@given(st.binary(min_size=32, max_size=32), st.dictionaries(NAMES, WHO, min_size=1, max_size=6))
def test_a_register_survives_its_file(secret: bytes, identities: dict[str, str]) -> None:
    register = Register(secret, identities, CARRIERS)
    assert read_register(register.to_bytes(), where="r") == register


def test_an_opening_survives_its_file_and_tells_nothing_of_others() -> None:
    evidence = REGISTER.evidence("r1")
    data = evidence.to_bytes()
    assert read_opening(data, where="o") == evidence
    other = REGISTER.opening("r2")
    assert other.key.hex() not in data.decode()
    assert SECRET.hex() not in data.decode()


def test_keys_follow_from_secret_and_pseudonym_alone() -> None:
    again = Register(SECRET, {"r1": "somebody else"}, ())
    assert again.opening("r1").key == REGISTER.opening("r1").key
    assert again.opening("r1").commitment != REGISTER.opening("r1").commitment


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"secret": "ab" * 31}, "secret"),
        ({"secret": SECRET.hex().upper()}, "secret"),
        ({"schema": "steelyard/trace-register/2"}, "schema"),
        ({"recipients": []}, "recipients"),
        ({"recipients": [{"pseudonym": "R 1", "identity": ""}]}, "recipients.0.pseudonym"),
        ({"recipients": [{"pseudonym": "r", "identity": "a\nb"}]}, "recipients.0.identity"),
        ({"layout": [{"name": "w", "rows": 0, "columns": 1, "step": 0.1}]}, "layout.0.rows"),
        ({"more": 1}, "top level"),
    ],
)
def test_a_register_out_of_its_schema_is_refused_without_quoting_it(
    changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_register(document(**changes), where="r.json")
    assert caught.value.message == f"{place} is not as spec/trace-register.schema.json says"
    assert caught.value.where == "r.json"
    # The schema's own message quotes values; no traceback may show it.
    assert caught.value.__suppress_context__


def test_a_recipient_listed_twice_is_refused() -> None:
    rows = [{"pseudonym": "r1", "identity": ""}] * 2
    with pytest.raises(MalformedEvidence, match="a recipient is listed twice"):
        read_register(document(recipients=rows), where="r.json")


@settings(max_examples=150)
@given(
    st.binary(max_size=200) | st.builds(lambda cut: REGISTER.to_bytes()[:cut], st.integers(0, 300))
)
def test_no_other_bytes_are_taken_for_a_register_or_an_opening(data: bytes) -> None:
    for read in (read_register, read_opening):
        with pytest.raises(MalformedEvidence):
            read(data, where="x")
