"""Properties of evidence files: whatever can be recorded comes back unchanged."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.evidence import (
    Evidence,
    ImportOptions,
    Record,
    read_evidence,
    read_records,
    write_every_eval_ever,
    write_records,
)
from steelyard.evidence.readers.foreign_json import parse_foreign
from steelyard.evidence.record import Elicitation, Outcome
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import MalformedEvidence, SteelyardError

PRINTABLE = st.characters(exclude_categories=["C", "Z"]) | st.just(" ")
LABELS = st.text(PRINTABLE, min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9_.-]{0,20}[a-z0-9])?", fullmatch=True)
NUMBERS = st.floats(1 - 2.0**53, 2.0**53 - 1)
TABLES = st.dictionaries(NAMES, NUMBERS, max_size=4)
COUNTS = st.none() | st.integers(0, 2**52 - 1)


_SCORES = {
    Outcome.BEHAVIOUR: st.floats(0.5, 1),
    Outcome.NO_BEHAVIOUR: st.floats(0, 0.5, exclude_max=True),
}


@st.composite
def records(draw: st.DrawFn) -> Record:
    outcome = draw(st.sampled_from(Outcome))
    return Record(
        model=draw(LABELS),
        protocol=draw(LABELS),
        protocol_version=draw(LABELS),
        domain=draw(NAMES),
        indicator=draw(NAMES),
        item=draw(LABELS),
        template=draw(LABELS),
        arm=draw(LABELS),
        epoch=draw(st.integers(1, 2**53 - 1)),
        elicitation=draw(st.sampled_from(Elicitation)),
        outcome=outcome,
        score=draw(_SCORES[outcome]) if outcome.observed else None,
        reason="" if outcome.observed else draw(LABELS),
        covariates=draw(TABLES),
        measures=draw(TABLES),
        input_tokens=draw(COUNTS),
        output_tokens=draw(COUNTS),
        seconds=draw(st.none() | st.floats(0, 1e9)),
        commitment=draw(st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        source=draw(LABELS),
    )


TABLES_OF_RECORDS = st.lists(records(), min_size=1, max_size=6, unique_by=lambda r: r.key)


@settings(max_examples=25)
@given(TABLES_OF_RECORDS, st.sampled_from(["parquet", "jsonl"]))
def test_native_files_give_back_what_was_written(given_records: list[Record], suffix: str) -> None:
    evidence = Evidence.from_records(given_records)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"records.{suffix}"
        write_records(evidence, path)
        back = read_records(path)
    assert list(back.objects()) == list(evidence.in_key_order().objects())


@settings(max_examples=25)
@given(TABLES_OF_RECORDS)
def test_every_eval_ever_gives_back_what_was_written(given_records: list[Record]) -> None:
    evidence = Evidence.from_records(given_records)
    with tempfile.TemporaryDirectory() as folder:
        written = write_every_eval_ever(
            evidence,
            Path(folder),
            source_organization="Example",
            retrieved=datetime(2026, 1, 1, tzinfo=UTC),
            library={"name": "steelyard", "version": "1"},
        )
        parts = [read_evidence(p, ImportOptions()) for p in written if p.suffix == ".json"]
    back = Evidence.concatenate(parts).in_key_order()
    assert list(back.objects()) == list(evidence.in_key_order().objects())


@settings(max_examples=60)
@given(st.data())
def test_a_line_cut_anywhere_is_refused(data: st.DataObject) -> None:
    record = data.draw(records())
    line = canonical_json(record.to_json()) + b"\n"
    cut = data.draw(st.integers(0, len(line) - 2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        path.write_bytes(line[:cut])
        try:
            read_evidence(path, ImportOptions())
        except MalformedEvidence:
            return
    message = f"a file cut at byte {cut} was accepted"
    raise AssertionError(message)


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from([b"", b"PAR1", b"PK\x03\x04", b'{"', b"model,"]))
def test_arbitrary_bytes_end_in_a_steelyard_error(data: bytes, opening: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evidence"
        path.write_bytes(opening + data)
        try:
            read_evidence(path, ImportOptions(domain="cyber", indicator="x.y"))
        except SteelyardError as error:
            assert error.message  # noqa: PT017 - any branch of the tree, with a message
            return
    message = "arbitrary bytes were accepted as evidence"
    raise AssertionError(message)


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 9), min_size=1, max_size=5), st.data())
def test_a_repeated_key_is_always_refused(table: dict[str, int], data: st.DataObject) -> None:
    text = canonical_json(table).decode()
    assert parse_foreign(text, where="x") == table
    repeated = data.draw(st.sampled_from(sorted(table)))
    twice = text[:-1] + "," + canonical_json({repeated: 1}).decode()[1:]
    try:
        parse_foreign(twice, where="x")
    except MalformedEvidence as error:
        assert error.message == f"not JSON: duplicate key {repeated!r}"  # noqa: PT017 - exact text
        return
    message = f"repeated key {repeated!r} was accepted"
    raise AssertionError(message)
