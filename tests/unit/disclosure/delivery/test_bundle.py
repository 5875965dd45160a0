"""Bundles: the same parcels in one file, whatever order they came in."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.delivery import fill_bundle, pack, read_bundle, unpack, write_bundle
from steelyard.disclosure.delivery.bundle import BUNDLE_LIMIT_BYTES, BUNDLE_LIMIT_PARCELS
from steelyard.disclosure.delivery.framing import join_parts
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import BrokenSeal, CannotVerify, ConfigurationError, MalformedEvidence

from .parties import ALICE, BOB, CAROL, keys, parcel

MAGIC = b"steelyard/disclosure-bundle/1\n"
THREE = [pack(parcel(body={"n": n}), ALICE.key, BOB.hybrid.recipient) for n in range(3)]


def by_hand(*parts: bytes, trailing: bytes = b"") -> bytes:
    content = join_parts(parts) + trailing
    return MAGIC + bytes.fromhex(sha256_hex(content)) + content


def test_a_bundle_is_as_the_specification_says_it() -> None:
    assert write_bundle(THREE) == by_hand(*sorted(THREE, key=sha256_hex))


def test_order_and_repetition_change_nothing() -> None:
    files = {write_bundle([*order, order[0]]) for order in permutations(THREE)}
    assert len(files) == 1
    assert set(read_bundle(files.pop())) == set(THREE)


def test_parcels_mean_what_they_mean_alone() -> None:
    found = [unpack(data, BOB.receiver, keys) for data in read_bundle(write_bundle(THREE))]
    assert sorted(str(one.body) for one in found) == ["{'n': 0}", "{'n': 1}", "{'n': 2}"]


@settings(max_examples=80)
@given(st.data())
def test_any_bit_that_flips_is_refused(data: st.DataObject) -> None:
    good = write_bundle(THREE)
    at = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[at // 8] ^= 1 << at % 8
    with pytest.raises(CannotVerify):
        read_bundle(bytes(bad))


def test_a_damaged_file_says_what_to_do() -> None:
    with pytest.raises(BrokenSeal) as caught:
        read_bundle(write_bundle(THREE)[:-1])
    assert str(caught.value) == "bundle: the file was changed on its way"
    assert caught.value.hint == "ask for the file as it was written"


ORDERED = sorted(THREE, key=sha256_hex)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (by_hand(), "0 parcels, need 1 to 4,096"),
        (by_hand(*reversed(ORDERED)), "parcels are sorted by digest, each once"),
        (by_hand(ORDERED[0], ORDERED[0]), "parcels are sorted by digest, each once"),
        (by_hand(ORDERED[0], trailing=b"\0"), "part 1 is cut short, or trailing bytes follow"),
        (by_hand(b"hello"), "this is no parcel"),
        (by_hand(*(b"",) * 4097), "more than 4,096 parts, or trailing bytes"),
        (b"", "this is no bundle of parcels"),
        (bytes(BUNDLE_LIMIT_BYTES + 1), "67,108,865 bytes, and a bundle has at most 67,108,864"),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_bundle(data)
    assert caught.value.message == message


def test_one_bundle_has_one_destination() -> None:
    other = pack(parcel(receiver=CAROL), ALICE.key, CAROL.hybrid.recipient)
    with pytest.raises(ConfigurationError) as caught:
        write_bundle([*THREE, other])
    assert caught.value.message == "parcels for 2 keys, need one"
    assert caught.value.hint.startswith("write one bundle for each key")
    with pytest.raises(MalformedEvidence, match="parcels for 2 keys, need one"):
        read_bundle(by_hand(*sorted([*THREE, other], key=sha256_hex)))


def test_an_empty_bundle_is_not_written() -> None:
    with pytest.raises(ConfigurationError, match="0 parcels, need 1 to 4,096"):
        write_bundle([])


def test_a_bundle_over_the_limit_is_not_written() -> None:
    large = [
        pack(parcel(attachments=(bytes([n]) * (15 << 20),)), ALICE.key, BOB.hybrid.recipient)
        for n in range(5)
    ]
    with pytest.raises(ConfigurationError, match="and a bundle has at most 67,108,864"):
        write_bundle(large)
    chosen = fill_bundle((str(n), data) for n, data in enumerate(large))
    assert list(chosen) == ["0", "1", "2", "3"]
    assert set(read_bundle(write_bundle(chosen.values()))) == set(large[:4])


def test_a_bundle_is_filled_to_the_last_byte() -> None:
    head = THREE[0][: len(b"steelyard/disclosure-parcel/1\n") + 32]
    room = BUNDLE_LIMIT_BYTES - len(by_hand())
    sizes = [16 << 20, 16 << 20, 16 << 20, room - 3 * (16 << 20) - 4 * 4]
    parcels = [(str(n), head.ljust(size, bytes([n]))) for n, size in enumerate(sizes)]
    assert len(write_bundle(fill_bundle(parcels).values())) == BUNDLE_LIMIT_BYTES
    longer = [*parcels[:3], ("longer", parcels[3][1] + b"x"), ("small", head)]
    assert list(fill_bundle(longer)) == ["0", "1", "2"]


def test_a_bundle_is_filled_to_the_last_parcel() -> None:
    parcels = [(str(n), THREE[0] + n.to_bytes(4, "big")) for n in range(BUNDLE_LIMIT_PARCELS + 1)]
    chosen = fill_bundle(parcels)
    assert list(chosen) == [name for name, _ in parcels[:-1]]
    assert len(read_bundle(write_bundle(chosen.values()))) == BUNDLE_LIMIT_PARCELS


def test_a_bundle_is_filled_with_parcels_for_the_key_of_the_first() -> None:
    older = pack(parcel(), ALICE.key, BOB.classic.recipient, allow_classic=True)
    waiting = [("a", older), *zip("bcd", THREE, strict=True), ("e", older)]
    assert fill_bundle(waiting) == {"a": older, "e": older}
    assert list(fill_bundle(waiting[1:])) == ["b", "c", "d"]
    assert fill_bundle([]) == {}
