"""Parts, padding and ids: every second spelling is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.delivery.framing import (
    check_organization,
    join_parts,
    pad,
    padded_length,
    require_organization,
    split_parts,
    unpad,
)
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_parts_come_apart_as_they_were_joined(parts: list[bytes]) -> None:
    assert split_parts(join_parts(parts), most=8, where="") == tuple(parts)


@given(st.binary(max_size=60))
def test_whatever_comes_apart_was_joined_so(data: bytes) -> None:
    try:
        parts = split_parts(data, most=8, where="here")
    except MalformedEvidence:
        return
    assert join_parts(parts) == data


def test_parts_are_counted_and_complete() -> None:
    with pytest.raises(MalformedEvidence, match="more than 1 parts, or trailing bytes"):
        split_parts(join_parts((b"a", b"b")), most=1, where="")
    with pytest.raises(MalformedEvidence, match="part 1 is cut short, or trailing bytes follow"):
        split_parts(join_parts((b"a", b"b"))[:-1], most=2, where="")


@given(st.integers(1, 1 << 25))
def test_padding_costs_little_and_leaves_few_sizes(length: int) -> None:
    size = padded_length(length)
    assert length <= size <= 1.12 * length
    exponent = int(math.log2(length)) if length < 1 << 24 else length.bit_length() - 1
    kept = int(math.log2(exponent)) + 1 if exponent else 0
    assert size % (1 << max(exponent - kept, 0)) == 0
    assert padded_length(size) == size


def test_sizes_worked_out_by_hand() -> None:
    assert [padded_length(length) for length in (1, 9, 63, 65, 1000, 4097)] == [
        1, 10, 64, 72, 1024, 4352,
    ]  # fmt: skip


@given(st.binary(max_size=600), st.sampled_from([1, 256, 512]))
def test_padding_comes_off(content: bytes, least: int) -> None:
    assert unpad(pad(content, least=least), least=least, where="") == content


@given(st.binary(max_size=300))
def test_only_our_padding_comes_off(data: bytes) -> None:
    try:
        content = unpad(data, least=16, where="")
    except MalformedEvidence:
        return
    assert pad(content, least=16) == data


def test_padding_that_hides_something_is_refused() -> None:
    padded = bytearray(pad(b"abc", least=64))
    padded[-1] = 1
    with pytest.raises(MalformedEvidence, match="padded otherwise than the format says"):
        unpad(bytes(padded), least=64, where="")


@pytest.mark.parametrize("value", ["", "org:", "org:" + "A" * 64, "ORG:" + "a" * 64, 7, "a" * 64])
def test_an_organization_has_one_spelling(value: object) -> None:
    with pytest.raises(ValueError, match="is no organization"):
        check_organization(value)


def test_a_bad_id_says_where_it_was_found() -> None:
    require_organization("org:" + "a" * 64, where="receiver")
    with pytest.raises(ConfigurationError) as caught:
        require_organization("bob", where="receiver")
    assert str(caught.value).startswith("receiver: 'bob' is no organization")
