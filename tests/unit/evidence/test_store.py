"""The native files: what is written comes back, and nothing else is accepted."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import duckdb
import pytest

from steelyard.evidence import Evidence, Outcome, Record, read_records, write_records
from steelyard.evidence.parquet import write_parquet
from steelyard.evidence.store import COLUMN_TYPES, is_record_table
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUFFIXES = pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
HOSTILE_NAMES = ["it's.{}", 'say "x".{}', "a*b[1]?.{}", "x'); DROP TABLE t; --.{}", "k=v é.{}"]


def two(make_record: Callable[..., Record]) -> Evidence:
    first = make_record(
        item="b",
        covariates={"zeta": 2.0, "human_minutes": 12.5},
        measures={"words": 48.0},
        input_tokens=310,
        output_tokens=0,
        seconds=2.25,
        commitment="ab" * 32,
    )
    second = make_record(item="a", outcome=Outcome.REFUSAL, score=None, reason="dit « non »")
    return Evidence.from_records([first, second])


@SUFFIXES
def test_round_trip_in_key_order(
    tmp_path: Path, make_record: Callable[..., Record], suffix: str
) -> None:
    path = tmp_path / f"records.{suffix}"
    write_records(two(make_record), path)
    back = read_records(path)
    assert list(back.objects()) == list(two(make_record).in_key_order().objects())
    assert back.columns["item"].tolist() == ["a", "b"]
    assert [type(score) for score in back.columns["score"]] == [type(None), float]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@SUFFIXES
def test_equal_evidence_has_equal_bytes(
    tmp_path: Path, make_record: Callable[..., Record], suffix: str
) -> None:
    evidence = two(make_record)
    backwards = Evidence.from_records(reversed(list(evidence.records())))
    write_records(evidence, tmp_path / f"one.{suffix}")
    write_records(backwards, tmp_path / f"two.{suffix}")
    contents = [(tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("pattern", HOSTILE_NAMES)
@SUFFIXES
def test_file_names_are_never_part_of_a_query(
    tmp_path: Path, make_record: Callable[..., Record], suffix: str, pattern: str
) -> None:
    path = tmp_path / "it's=a [folder]" / pattern.format(suffix)
    write_records(two(make_record), path)
    assert len(read_records(path)) == 2


def test_format_is_told_by_content(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    write_records(two(make_record), tmp_path / "records.parquet")
    renamed = (tmp_path / "records.parquet").rename(tmp_path / "records.jsonl")
    assert len(read_records(renamed)) == 2


def test_parquet_columns_have_explicit_types(
    tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    path = tmp_path / "records.parquet"
    write_records(Evidence.from_records([make_record()]), path)
    rows = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    assert {name: kind for name, kind, *_ in rows} == COLUMN_TYPES
    assert COLUMN_TYPES["covariates"] == "MAP(VARCHAR, DOUBLE)"
    assert COLUMN_TYPES["epoch"] == COLUMN_TYPES["input_tokens"] == "BIGINT"
    codecs = duckdb.execute(
        "SELECT DISTINCT compression FROM parquet_metadata(?)", [str(path)]
    ).fetchall()
    assert codecs == [("ZSTD",)]


def test_no_records_as_parquet(tmp_path: Path) -> None:
    write_records(Evidence.from_records([]), tmp_path / "none.parquet")
    assert len(read_records(tmp_path / "none.parquet")) == 0


def test_no_records_as_json_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_records(Evidence.from_records([]), tmp_path / "none.jsonl")
    assert caught.value.message == "an empty file cannot be told from a lost one"
    assert caught.value.hint == "name the file .parquet"


def test_other_suffix(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    with pytest.raises(UsageError) as caught:
        write_records(two(make_record), tmp_path / "records.csv")
    assert caught.value.message == "no storage format is named '.csv'"
    assert caught.value.hint == "name the file .parquet or .jsonl"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [4, 20, 0.5, -1])
def test_truncated_parquet(tmp_path: Path, make_record: Callable[..., Record], kept: float) -> None:
    path = tmp_path / "records.parquet"
    write_records(two(make_record), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(MalformedEvidence) as caught:
        read_records(path)
    assert caught.value.message.startswith("not a readable Parquet file: ")
    assert caught.value.hint == "the file may be truncated; copy or export it again"


def test_foreign_parquet(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    write_parquet(path, {"a": "BIGINT"}, {"a": [1]})
    assert not is_record_table(path)
    with pytest.raises(MalformedEvidence) as caught:
        read_records(path)
    assert caught.value.message.startswith("columns are not those of a record table")
    assert "steelyard evidence import" in caught.value.hint


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", 1.5, "1.5 is outside [0, 1]"),
        ("score", float("nan"), "expected a finite number, found nan"),
        ("epoch", 0, "expected an integer of at least 1, found 0"),
        ("model", None, "None is no printable label of 1 to 512 characters"),
        ("covariates", {"Bad Name": 1.0}, "'Bad Name' is no identifier (a-z, 0-9, '_', '-', '.')"),
        ("input_tokens", 2**60, f"expected an integer of at least 0, found {2**60}"),
    ],
)
def test_every_stored_record_is_checked(
    tmp_path: Path,
    make_record: Callable[..., Record],
    column: str,
    value: object,
    message: str,
) -> None:
    path = tmp_path / "records.parquet"
    columns = {n: c.tolist() for n, c in two(make_record).columns.items()}
    columns[column][1] = value
    write_parquet(path, COLUMN_TYPES, columns)
    with pytest.raises(MalformedEvidence) as caught:
        read_records(path)
    assert str(caught.value) == f"records.parquet:2.{column}: {message}"


def test_duplicates_in_a_file(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    path = tmp_path / "records.jsonl"
    line = canonical_json(make_record().to_json()) + b"\n"
    path.write_bytes(line * 2)
    with pytest.raises(DuplicateRecord, match="2 records claim the same sample"):
        read_records(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda line: line[:-20], "not strict JSON: "),
        (lambda line: line.replace('"score":1', '"score":NaN'), "NaN is not a JSON number"),
        (lambda line: line.replace('"arm":', '"arm":"x","arm":'), "duplicate key 'arm'"),
        (lambda line: "\n" + line, "not strict JSON: "),
    ],
)
def test_damaged_json_lines(
    tmp_path: Path,
    make_record: Callable[..., Record],
    damage: Callable[[str], str],
    message: str,
) -> None:
    path = tmp_path / "records.jsonl"
    line = canonical_json(make_record().to_json()).decode()
    path.write_text(line + "\n" + damage(line.replace("item-1", "item-2")))
    with pytest.raises(MalformedEvidence) as caught:
        read_records(path)
    assert caught.value.where == "records.jsonl:2"
    assert message in caught.value.message
    assert caught.value.hint == (
        "one record per line; the file may be truncated: copy or export it again"
    )


def test_empty_and_absent_files(tmp_path: Path) -> None:
    empty = tmp_path / "records.jsonl"
    empty.touch()
    with pytest.raises(MalformedEvidence, match="file is empty"):
        read_records(empty)
    with pytest.raises(MalformedEvidence, match="cannot read: No such file"):
        read_records(tmp_path / "absent.parquet")
    with pytest.raises(MalformedEvidence, match="cannot read: Is a directory"):
        read_records(tmp_path)


FILL_DISK = """
import resource, signal, sys
from pathlib import Path
from steelyard.evidence import Evidence, read_records, write_records
from steelyard.kernel.errors import StorageError
source, target = Path(sys.argv[1]), Path(sys.argv[2])
evidence = read_records(source)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))
try:
    write_records(evidence, target)
except StorageError as error:
    print(error.exit_status, error.where, error.message, error.hint, sep="|")
"""


@SUFFIXES
def test_full_disk_keeps_the_old_file(
    tmp_path: Path, make_record: Callable[..., Record], suffix: str
) -> None:
    assert resource.RLIMIT_FSIZE is not None
    source, target = tmp_path / "source.jsonl", tmp_path / "out" / f"records.{suffix}"
    write_records(two(make_record), source)
    target.parent.mkdir()
    target.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FILL_DISK, str(source), str(target)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    status, where, message, hint = done.stdout.strip().split("|")
    assert status == "5"
    assert where.startswith(str(target.parent))
    assert message.startswith("cannot write: ")
    assert "free space" in hint
    assert target.read_bytes() == b"old"
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_a_query_can_reach_no_other_file_and_no_network(
    tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    from steelyard.evidence.parquet import _connection  # noqa: PLC0415 - the door under test

    path, other = tmp_path / "records.parquet", tmp_path / "other.parquet"
    write_records(two(make_record), path)
    write_records(two(make_record), other)
    with _connection(path) as connection:
        for query in (
            f"FROM read_parquet('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'written.csv'}'",
            "SELECT * FROM read_csv('https://example.org/x.csv')",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET threads = 2",
        ):
            with pytest.raises(duckdb.Error, match=r"disabled|locked|Cannot access"):
                connection.execute(query)


def test_a_hundred_thousand_records_take_seconds(
    tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    template = make_record(covariates={"human_minutes": 5.0}, input_tokens=9).to_json()
    objects = [{**template, "item": f"i{n}"} for n in range(100_000)]
    evidence = Evidence.from_objects(objects)
    started = time.monotonic()
    write_records(evidence, tmp_path / "many.parquet")
    assert len(read_records(tmp_path / "many.parquet")) == 100_000
    assert time.monotonic() - started < 60  # about 5 s on a quiet laptop


def test_json_lines_are_canonical(tmp_path: Path, make_record: Callable[..., Record]) -> None:
    path = tmp_path / "records.jsonl"
    write_records(two(make_record), path)
    for line in path.read_bytes().splitlines():
        assert canonical_json(json.loads(line)) == line
