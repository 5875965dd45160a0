from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel import read_base64
from steelyard.kernel.errors import MalformedEvidence


@given(st.binary())
def test_what_base64_writes_is_read(data: bytes) -> None:
    spelled = base64.b64encode(data)
    assert read_base64(spelled, "it") == read_base64(spelled.decode(), "it") == data


@pytest.mark.parametrize(
    "text", ["AAA", "AAAA\n", "__8=", "A A=", "AAAé", "A===", None, 7, ["AA=="]]
)
def test_what_is_not_base64_is_refused(text: object) -> None:
    with pytest.raises(MalformedEvidence) as refused:
        read_base64(text, "the root", where="note")
    assert str(refused.value) == "note: the root is not base64"


@pytest.mark.parametrize("text", ["AAB=", b"AAB=", "AB=="])
def test_a_second_spelling_of_the_same_bytes_is_refused(text: str | bytes) -> None:
    assert base64.b64decode(text)
    with pytest.raises(MalformedEvidence) as refused:
        read_base64(text, "the root", where="note")
    assert str(refused.value) == "note: the root is not in canonical base64"
