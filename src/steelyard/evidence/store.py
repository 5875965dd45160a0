"""The native files of evidence: Parquet, or canonical JSON lines.

Defined in `spec/evidence-record.md`, section Storage. Rows stand in key order,
so equal evidence has equal content. Reading checks every record again; foreign
formats belong to `readers`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from steelyard.evidence.parquet import (
    NUMBER_TABLE,
    PARQUET_MAGIC,
    column_types,
    read_parquet,
    write_parquet,
)
from steelyard.evidence.record import FIELD_NAMES
from steelyard.evidence.table import Evidence
from steelyard.kernel import canonical_json, parse_json_object, write_atomically
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.kernel.files import read_bytes, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.kernel import JsonObject, JsonValue

_INTEGERS = ("epoch", "input_tokens", "output_tokens")
_NUMBERS = ("score", "seconds")
_TABLES = ("covariates", "measures")
_NOT_RECORDS = "other tables and other tools' files are read by `steelyard evidence import`"


def _column_type(name: str) -> str:
    if name in _TABLES:
        return NUMBER_TABLE
    if name in _INTEGERS:
        return "BIGINT"
    return "DOUBLE" if name in _NUMBERS else "VARCHAR"


COLUMN_TYPES = {name: _column_type(name) for name in FIELD_NAMES}
"""DuckDB type of every column of the native Parquet file, in file order."""


def write_records(evidence: Evidence, path: Path) -> None:
    """Write evidence to `path`, whole or not at all; `.parquet` or `.jsonl` by suffix.

    Raises:
        UsageError: another suffix, or no records to write as JSON lines.
        StorageError: the disk refused the write.
    """
    suffix = path.suffix.lower()
    ordered = evidence.in_key_order()
    if suffix == ".jsonl":
        write_atomically(path, _json_lines(ordered, path))
    elif suffix == ".parquet":
        _write_parquet_atomically(ordered, path)
    else:
        message = f"no storage format is named {path.suffix or 'without a suffix'!r}"
        raise UsageError(message, where=str(path), hint="name the file .parquet or .jsonl")


def read_records(path: Path) -> Evidence:
    """Read what `write_records` wrote, told apart by content, and check every record.

    Raises:
        MalformedEvidence: absent, truncated, foreign, or a record breaks the format.
        DuplicateRecord: a sample occurs twice.
    """
    return _read_parquet_records(path) if is_parquet(path) else _read_json_lines(path)


def is_parquet(path: Path) -> bool:
    """Whether the file starts with Parquet's magic number."""
    return read_opening(path, len(PARQUET_MAGIC)) == PARQUET_MAGIC


def is_record_table(path: Path) -> bool:
    """Whether a Parquet file has exactly a record's columns with their types."""
    return column_types(path) == COLUMN_TYPES


def read_opening(path: Path, count: int) -> bytes:
    """The first `count` bytes of a file that the user named, fewer if it is shorter.

    Raises:
        MalformedEvidence: absent, unreadable or a directory.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(path)) from error


def _json_lines(evidence: Evidence, path: Path) -> bytes:
    if not len(evidence):
        message = "an empty file cannot be told from a lost one"
        raise UsageError(message, where=str(path), hint="name the file .parquet")
    return b"".join(canonical_json(value) + b"\n" for value in evidence.objects())


def _write_parquet_atomically(evidence: Evidence, path: Path) -> None:
    columns = {name: evidence.columns[name].tolist() for name in FIELD_NAMES}
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            write_parquet(temporary, COLUMN_TYPES, columns)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _read_parquet_records(path: Path) -> Evidence:
    types = column_types(path)
    if types != COLUMN_TYPES:
        different = sorted(set(types.items()) ^ set(COLUMN_TYPES.items()))[:4]
        message = f"columns are not those of a record table, first differences: {different}"
        raise MalformedEvidence(message, where=str(path), hint=_NOT_RECORDS)
    return Evidence.from_columns(read_parquet(path).columns, where=path.name)


def _read_json_lines(path: Path) -> Evidence:
    objects: list[JsonObject] = []
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        objects.append(with_real_numbers(_parsed_line(line, f"{path.name}:{number}")))
    if not objects:
        raise MalformedEvidence("file is empty", where=str(path), hint=_NOT_RECORDS)
    return Evidence.from_objects(objects, where=path.name)


def _parsed_line(line: bytes, where: str) -> JsonObject:
    try:
        return parse_json_object(line, where=where)
    except MalformedEvidence as error:
        error.hint = "one record per line; the file may be truncated: copy or export it again"
        raise


def with_real_numbers(value: JsonObject) -> JsonObject:
    """Canonical JSON writes 1.0 as 1: give numbers back the type the table holds."""
    for name in _NUMBERS:
        if name in value:
            value[name] = _real(value[name])
    for name in _TABLES:
        if isinstance(table := value.get(name), dict):
            value[name] = {key: _real(number) for key, number in table.items()}
    return value


def _real(value: JsonValue) -> JsonValue:
    """An integer as a float; anything else, booleans included, as it is."""
    return float(value) if type(value) is int else value
