"""Commitments: a set opens whole or not at all."""

from __future__ import annotations

import pytest

from steelyard.disclosure.reproducer.commitment import (
    SAMPLE,
    VARIANT,
    Root,
    commit,
    open_variants,
)
from steelyard.disclosure.reproducer.scenario import Variant
from steelyard.disclosure.reproducer.sealed_file import SealedFile, open_sealed, read_sealed
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UsageError

from .toy_documents import toy_reproducer

SECRET = bytes(range(32))
VARIANTS = tuple(Variant(f"s{n}", {"role": f"auditor {n}"}) for n in range(5))
VALUES = [variant.to_json() for variant in VARIANTS]


def test_a_sample_does_not_pass_for_a_variant() -> None:
    assert commit(VALUES, SECRET, VARIANT) != commit(VALUES, SECRET, SAMPLE)


def test_equal_documents_have_unequal_leaves() -> None:
    """Without the salt a guess could be tried against the root."""
    assert commit([{}], SECRET, VARIANT) != commit([{}], bytes(32), VARIANT)


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
