"""Commitments: an opening proves one leaf, a set opens whole or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.reproducer.commitment import (
    SAMPLE,
    VARIANT,
    Root,
    commit,
    open_at,
    open_variants,
    read_opening,
    verify_opening,
)
from steelyard.disclosure.reproducer.scenario import Variant
from steelyard.disclosure.reproducer.sealed_file import SealedFile, open_sealed, read_sealed
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UsageError

from .toy_documents import toy_reproducer

SECRET = bytes(range(32))
VARIANTS = tuple(Variant(f"s{n}", {"role": f"auditor {n}"}) for n in range(5))
VALUES = [variant.to_json() for variant in VARIANTS]


@given(st.integers(1, 20), st.data())
@settings(max_examples=40)
def test_every_leaf_opens_under_its_root_and_no_other(size: int, data: st.DataObject) -> None:
    values = [{"n": n} for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    root = commit(values, SECRET, SAMPLE)
    opening = open_at(values, SECRET, SAMPLE, index)
    assert verify_opening(root, opening, SAMPLE) == {"n": index}
    assert read_opening(opening.to_json(), where="o") == opening
    for forged in (
        replace(opening, value={"n": index + 1}),
        replace(opening, salt=bytes(32)),
        replace(opening, index=index + 1),
        replace(opening, proof=(*opening.proof, bytes(32))),
    ):
        with pytest.raises(BrokenSeal):
            verify_opening(root, forged, SAMPLE)


def test_a_sample_does_not_pass_for_a_variant() -> None:
    root = commit(VALUES, SECRET, VARIANT)
    with pytest.raises(BrokenSeal, match="leaf 0 is not under root"):
        verify_opening(root, open_at(VALUES, SECRET, VARIANT, 0), SAMPLE)


def test_equal_documents_have_unequal_leaves() -> None:
    """Without the salt a guess could be tried against the root."""
    assert commit([{}], SECRET, VARIANT) != commit([{}], bytes(32), VARIANT)


@pytest.mark.parametrize(
    "value", [None, [], {}, {"index": 0, "salt": "zz", "value": {}, "proof": []},
              {"index": 0, "salt": "00", "value": {}, "proof": [1]}]
)  # fmt: skip
def test_what_is_no_opening_is_refused(value: object) -> None:
    with pytest.raises(MalformedEvidence):
        read_opening(value, where="o")


def test_a_set_opens_whole() -> None:
    root = commit(VALUES, SECRET, VARIANT)
    assert open_variants(root, VARIANTS, SECRET) == VARIANTS
    with pytest.raises(BrokenSeal) as fewer:
        open_variants(root, VARIANTS[:4], SECRET)
    assert str(fewer.value) == "5 variants were sealed, 4 are opened"
    assert fewer.value.hint == "open all of them: a choice would not be a sample"
    with pytest.raises(BrokenSeal, match="the variants have root"):
        open_variants(root, tuple(reversed(VARIANTS)), SECRET)


def sealed_by(file: SealedFile, **changes: object) -> dict[str, object]:
    return {"sealed_variants_commitment": {**file.root.to_json(), **changes}}


def test_a_sealed_file_survives_writing_and_opens() -> None:
    file = SealedFile(VARIANTS, SECRET)
    again = read_sealed(file.to_bytes(), where="f")
    assert (again, again.root) == (file, commit(VALUES, SECRET, VARIANT))
    assert open_sealed(toy_reproducer(**sealed_by(file)), again) == VARIANTS


def test_a_sealed_variant_that_was_visible_is_refused() -> None:
    file = SealedFile((*VARIANTS[:4], Variant("x", {"role": "KEEPER of ward 3"})), SECRET)
    with pytest.raises(MalformedEvidence, match="variant x is there twice"):
        open_sealed(toy_reproducer(**sealed_by(file)), file)


def test_a_sealed_variant_follows_the_rules_of_texts() -> None:
    file = SealedFile((*VARIANTS[:4], Variant("x", {"role": "see http://x.invalid"})), SECRET)
    with pytest.raises(MalformedEvidence, match="holds an address"):
        open_sealed(toy_reproducer(**sealed_by(file)), file)


def test_a_reproducer_without_sealed_variants_opens_none() -> None:
    with pytest.raises(UsageError, match="the reproducer has no sealed variants"):
        open_sealed(toy_reproducer(), SealedFile(VARIANTS, SECRET))


def test_a_root_is_written_as_documents_hold_it() -> None:
    assert Root("a" * 64, 5).to_json() == {"root": "a" * 64, "size": 5}
