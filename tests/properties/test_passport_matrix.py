"""A matrix is exactly the canonical JSON of its records, whatever they hold."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steelyard.attest import inclusion_proof, merkle_root, verify_inclusion
from steelyard.evidence import Evidence
from steelyard.evidence.record import Outcome
from steelyard.kernel import canonical_json, parse_json
from steelyard.kernel.errors import CannotVerify
from steelyard.passport.matrix import LEAF_FIELDS, build_matrix, leaves_of, read_matrix

LABELS = st.one_of(
    st.sampled_from(["x", "50 %s %d", 'quote"back\\slash', "\u00e9\u4e2d\U0001f600", "\u2019"]),
    # Printable by construction: filtering whole texts discards most examples.
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=6),
)
NUMBERS = st.one_of(
    st.sampled_from([0, -0.0, 1, 1.0, 1e-7, 1e-6, 1.5e-5, 0.1, 2.0**53 - 1, -1e15, 1e15 + 0.5]),
    st.floats(min_value=-(2.0**53) + 1, max_value=2.0**53 - 1, allow_nan=False),
    st.integers(-(2**53) + 1, 2**53 - 1),
)
TABLES = st.dictionaries(st.sampled_from(["a", "b", "human_minutes", "z.9"]), NUMBERS, max_size=3)
SCORES = {
    "behaviour": st.one_of(st.floats(0.5, 1), st.just(1)),
    "no_behaviour": st.one_of(st.floats(0, 0.5, exclude_max=True), st.just(0)),
}


@st.composite
def record(draw: st.DrawFn) -> dict[str, Any]:
    outcome = draw(st.sampled_from([o.value for o in Outcome]))
    score = draw(SCORES[outcome]) if outcome in SCORES else None
    return {
        "model": "m",
        "protocol": draw(LABELS),
        "protocol_version": draw(st.sampled_from(["1.0", "2"])),
        "domain": draw(st.sampled_from(["persuasion", "cyber"])),
        "indicator": draw(st.sampled_from(["a.b", "c"])),
        "item": draw(LABELS),
        "template": draw(LABELS),
        "arm": draw(st.sampled_from(["x", "y"])),
        "epoch": draw(st.integers(1, 3)),
        "elicitation": draw(st.sampled_from(["E0", "E1", "unknown"])),
        "outcome": outcome,
        "score": score,
        "reason": draw(st.one_of(st.just(""), LABELS)),
        "covariates": draw(TABLES),
        "measures": {},
        "input_tokens": None,
        "output_tokens": None,
        "seconds": None,
        "commitment": draw(
            st.one_of(st.none(), st.binary(min_size=32, max_size=32).map(bytes.hex))
        ),
        "source": "passport",
    }


KEY = ("model", "protocol", "protocol_version", "indicator", "arm", "item", "epoch")
RECORDS = st.lists(
    record(), min_size=1, max_size=8, unique_by=lambda row: tuple(row[name] for name in KEY)
)


@given(RECORDS)
def test_bytes_leaves_and_root_equal_the_definition(rows: list[dict[str, Any]]) -> None:
    matrix = build_matrix(Evidence.from_objects(rows))
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in KEY))
    leaves = [canonical_json({name: row[name] for name in LEAF_FIELDS}) for row in ordered]
    assert leaves_of(matrix.evidence) == leaves
    assert matrix.root == merkle_root(leaves)
    assert canonical_json(parse_json(matrix.data)) == matrix.data


@given(RECORDS)
def test_reading_gives_back_what_was_built(rows: list[dict[str, Any]]) -> None:
    built = build_matrix(Evidence.from_objects(rows))
    read = read_matrix(built.data)
    assert (read.data, read.root) == (built.data, built.root)
    assert [canonical_json(row) for row in read.evidence.objects()] == [
        canonical_json(row) for row in Evidence.from_objects(rows).in_key_order().objects()
    ]


@given(RECORDS, st.data())
def test_a_changed_byte_is_refused_or_changes_the_root(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    built = build_matrix(Evidence.from_objects(rows))
    position = data.draw(st.integers(0, len(built.data) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != built.data[position]))
    changed = built.data[:position] + bytes([byte]) + built.data[position + 1 :]
    try:
        read = read_matrix(changed)
    except CannotVerify:
        return
    assert read.root != built.root


@given(RECORDS, st.data())
def test_each_record_can_be_shown_to_be_under_the_root(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    matrix = build_matrix(Evidence.from_objects(rows))
    leaves = leaves_of(matrix.evidence)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    assert verify_inclusion(leaves[index], index, len(leaves), proof, matrix.root)
