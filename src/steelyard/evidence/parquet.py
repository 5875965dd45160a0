"""The doorway to Parquet: DuckDB with every other door shut.

Decides what DuckDB may touch: one named file, no network, no extension, no
setting that a query could change. File names travel as parameters, never as
SQL text. Which columns a table of records has is the business of `store`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from steelyard.kernel.errors import MalformedEvidence, StorageError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

PARQUET_MAGIC = b"PAR1"
NUMBER_TABLE = "MAP(VARCHAR, DOUBLE)"

_SOURCE = "read_parquet(?, hive_partitioning = false)"
_SHUT = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """Column types by name in file order, and the columns' values."""

    types: Mapping[str, str]
    columns: Mapping[str, Sequence[object]]


def column_types(path: Path) -> dict[str, str]:
    """DuckDB's type of each column, in file order; no row is read.

    Raises:
        MalformedEvidence: absent, truncated or no Parquet file.
    """
    with _reading(path) as connection:
        return _described(connection, path)


def read_parquet(path: Path) -> ParquetTable:
    """Read all rows; a MAP column comes back as dictionaries.

    Raises:
        MalformedEvidence: absent, truncated, no Parquet file, or a map with a repeated key.
    """
    with _reading(path) as connection:
        types = _described(connection, path)
        wanted = [part for name, kind in types.items() for part in _selected(name, kind)]
        query = f"SELECT {', '.join(wanted)} FROM {_SOURCE}"  # noqa: S608 - quoted identifiers
        rows = connection.execute(query, [str(path.absolute())]).fetchall()
    fetched = iter(zip(*rows, strict=True) if rows else [()] * len(wanted))
    columns: dict[str, Sequence[object]] = {}
    for name, kind in types.items():
        keys = next(fetched)
        columns[name] = _tables(keys, next(fetched), f"{path}.{name}") if _is_map(kind) else keys
    return ParquetTable(types, columns)


def write_parquet(
    path: Path, types: Mapping[str, str], columns: Mapping[str, Sequence[object]]
) -> None:
    """Write columns of equal length with the given DuckDB types, zstd, one thread.

    Args:
        path: Any file name; an existing file is overwritten.
        types: DuckDB type per column, in file order.
        columns: Values per column; dictionaries for `NUMBER_TABLE`, stored in key order.

    Raises:
        StorageError: the disk refused the write.
    """
    import duckdb  # noqa: PLC0415 - heavy, only when a file is written

    shown = ", ".join(_composed(n, kind) for n, kind in types.items())
    unnested = ", ".join(part for n, kind in types.items() for part in _unnested(n, kind))
    query = (
        f"COPY (SELECT {shown} FROM (SELECT {unnested}))"  # noqa: S608 - quoted identifiers
        " TO ? (FORMAT parquet, COMPRESSION zstd)"
    )
    values = [part for n, kind in types.items() for part in _split(columns[n], kind)]
    try:
        with _connection(path) as connection:
            connection.execute(query, [*values, str(path.absolute())])
    except duckdb.IOException as error:
        message = f"cannot write: {_first_line(error)}"
        hint = "free space or choose another path"
        raise StorageError(message, where=str(path), hint=hint) from error


@contextmanager
def _connection(path: Path) -> Generator[DuckDBPyConnection]:
    import duckdb  # noqa: PLC0415 - heavy, only when a file is read or written

    with duckdb.connect(config={**_SHUT, "threads": "1"}) as connection:
        connection.execute("SET allowed_paths = ?", [[str(path.absolute())]])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


@contextmanager
def _reading(path: Path) -> Generator[DuckDBPyConnection]:
    import duckdb  # noqa: PLC0415 - heavy, only when a file is read

    if not path.is_file():
        raise MalformedEvidence("cannot read: no such file", where=str(path))
    try:
        with _connection(path) as connection:
            yield connection
    except duckdb.Error as error:
        message = f"not a readable Parquet file: {_first_line(error)}"
        raise MalformedEvidence(
            message, where=str(path), hint="the file may be truncated; copy or export it again"
        ) from error


def _described(connection: DuckDBPyConnection, path: Path) -> dict[str, str]:
    rows = connection.execute(
        f"DESCRIBE SELECT * FROM {_SOURCE}",  # noqa: S608 - constant text
        [str(path.absolute())],
    ).fetchall()
    return {name: kind for name, kind, *_ in rows}


def _is_map(kind: str) -> bool:
    return kind == NUMBER_TABLE


def _quoted(name: str, ending: str = "") -> str:
    doubled = (name + ending).replace('"', '""')
    return f'"{doubled}"'


def _selected(name: str, kind: str) -> list[str]:
    """Maps are fetched as two lists, so that a repeated key is seen, not dropped."""
    if not _is_map(kind):
        return [_quoted(name)]
    return [f"map_keys({_quoted(name)})", f"map_values({_quoted(name)})"]


def _unnested(name: str, kind: str) -> list[str]:
    if not _is_map(kind):
        return [f"unnest(?::{kind}[]) AS {_quoted(name)}"]
    return [
        f"unnest(?::VARCHAR[][]) AS {_quoted(name, '#keys')}",
        f"unnest(?::DOUBLE[][]) AS {_quoted(name, '#values')}",
    ]


def _composed(name: str, kind: str) -> str:
    if not _is_map(kind):
        return _quoted(name)
    return f"map({_quoted(name, '#keys')}, {_quoted(name, '#values')}) AS {_quoted(name)}"


def _split(values: Sequence[object], kind: str) -> list[list[object]]:
    if not _is_map(kind):
        return [list(values)]
    ordered = [sorted(table.items()) for table in cast("Sequence[Mapping[str, float]]", values)]
    return [[[k for k, _ in t] for t in ordered], [[v for _, v in t] for t in ordered]]


def _tables(
    keys: Sequence[list[str] | None], values: Sequence[list[float]], where: str
) -> list[object]:
    tables: list[object] = []
    for row, (names, numbers) in enumerate(zip(keys, values, strict=True), start=1):
        table = None if names is None else dict(zip(names, numbers, strict=True))
        if names is not None and len(names) != len(table or ()):
            raise MalformedEvidence("a table of numbers repeats a key", where=f"{where}:{row}")
        tables.append(table)
    return tables


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
