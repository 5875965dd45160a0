"""A plain table of responses, CSV or Parquet: one row per model, item and repeat.

Mapping: `spec/evidence-record.md`, section Response table. Columns named like a
field of a record fill it; other columns of numbers are properties of the item.
An empty cell is a fact that is absent, never zero. Weights are not computed here.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from typing import TYPE_CHECKING, cast

from steelyard.evidence.parquet import read_parquet
from steelyard.evidence.readers.options import IDENTITY_FIELDS, ImportOptions, identity
from steelyard.evidence.readers.scores import missing, observed
from steelyard.evidence.record import Outcome
from steelyard.evidence.store import is_parquet
from steelyard.evidence.table import KEY_FIELDS, Evidence
from steelyard.kernel import check_name
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from steelyard.kernel import JsonObject, JsonValue

SOURCE = "response_table"
REQUIRED_COLUMNS = ("model", "item", "score")

_TEMPLATE_COLUMNS = ("template", "task_family")
_MEASURES = frozenset({"total_tokens"})  # known only after the run, so no covariate
_COUNTS = ("input_tokens", "output_tokens")
_FILLED = frozenset(
    {*IDENTITY_FIELDS, *REQUIRED_COLUMNS, *_TEMPLATE_COLUMNS, *_COUNTS, "arm", "epoch", "seconds"}
)
_CELL_LIMIT = 1 << 20


def is_response_table(names: Iterable[str]) -> bool:
    """Whether these column names make a response table."""
    return set(REQUIRED_COLUMNS) <= set(names)


def read_header(line: str) -> list[str]:
    """Column names of a CSV file's first line; empty if it cannot be one."""
    try:
        return [
            name.strip() for name in next(csv.reader([line], strict=True), cast("list[str]", []))
        ]
    except csv.Error:
        return []


def read_response_table(path: Path, options: ImportOptions) -> Evidence:
    """Read a response table.

    Raises:
        MalformedEvidence: truncated, a cell that is no number, or a score outside [0, 1].
        UsageError: domain or indicator cannot be known.
        DuplicateRecord: a model answers an item twice without distinct epochs.
    """
    columns = read_parquet(path).columns if is_parquet(path) else _read_csv(path)
    objects = [_mapped(row, options, w) for w, row in _rows(columns, path, options)]
    if options.number_repeats and "epoch" not in columns:
        _number_repeats(objects)
    try:
        return Evidence.from_objects(objects, where=path.name)
    except DuplicateRecord as error:
        if "epoch" not in columns:
            error.hint = "repeats need an `epoch` column that counts them from 1"
        raise


def _number_repeats(objects: list[JsonObject]) -> None:
    """Count the rows of one sample from 1; which came first, only the table's order says."""
    seen = Counter[tuple[object, ...]]()
    for value in objects:
        sample = tuple(value[name] for name in KEY_FIELDS if name != "epoch")
        seen[sample] += 1
        value["epoch"] = seen[sample]


def _read_csv(path: Path) -> dict[str, Sequence[object]]:
    csv.field_size_limit(_CELL_LIMIT)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            names = [name.strip() for name in next(lines, cast("list[str]", []))]
            rows = [(lines.line_num, row) for row in lines if row]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        message = f"not a readable CSV file: {error}"
        raise MalformedEvidence(message, where=str(path), hint="save it as UTF-8 CSV") from error
    _check_shape(names, rows, path)
    return {name: [row[i] or None for _, row in rows] for i, name in enumerate(names)}


def _check_shape(names: list[str], rows: list[tuple[int, list[str]]], path: Path) -> None:
    if len(set(names)) != len(names):
        raise MalformedEvidence("two columns share a name", where=str(path))
    for line, row in rows:
        if len(row) != len(names):
            message = f"{len(row)} cells under {len(names)} column names"
            raise MalformedEvidence(
                message, where=f"{path.name}:{line}", hint="the file may be truncated"
            )


def _rows(
    columns: Mapping[str, Sequence[object]], path: Path, options: ImportOptions
) -> Iterable[tuple[str, JsonObject]]:
    """Place (`file:row`, rows from 1 without the header) and record parts of each row."""
    absent = [name for name in REQUIRED_COLUMNS if name not in columns]
    if absent:
        raise MalformedEvidence(f"table lacks columns {absent}", where=str(path))
    family = next((n for n in (options.template_field, *_TEMPLATE_COLUMNS) if n in columns), None)
    extra = _number_columns(columns, {family, options.template_field})
    filled = [name for name in columns if name in _FILLED]
    for row in range(len(columns["model"])):
        where = f"{path.name}:{row + 1}"
        value: dict[str, JsonValue] = {n: _cell(columns[n][row]) for n in filled}
        value["template"] = _cell(columns[family][row]) if family else None
        numbers = {n: _number(columns[n][row], n, where) for n in extra}
        kept = {n: x for n, x in numbers.items() if x is not None}
        value["measures"] = {n: x for n, x in kept.items() if n in _MEASURES}
        value["covariates"] = {n: x for n, x in kept.items() if n not in _MEASURES}
        yield where, value


def _number_columns(columns: Mapping[str, Sequence[object]], taken: set[str | None]) -> list[str]:
    """Columns whose filled cells are all numbers and whose name a record can carry."""
    candidates = [n for n in columns if n not in _FILLED and n not in taken and _is_name(n)]
    return [n for n in candidates if _holds_numbers(columns[n])]


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except ValueError:
        return False
    return True


def _holds_numbers(values: Sequence[object]) -> bool:
    filled = [v for v in values if v is not None]
    return bool(filled) and all(_parsed(v) is not None for v in filled)


def _parsed(value: object) -> float | None:
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return None


def _number(value: object, name: str, where: str) -> float | None:
    """A number; None where the cell is empty or NaN, as data frames write absent numbers."""
    number = None if value is None else _parsed(value)
    if value is None or (number is not None and math.isnan(number)):
        return None
    if number is None or math.isinf(number):
        message = f"{value!r:.80} is no finite number"
        raise MalformedEvidence(message, where=f"{where}.{name}")
    return number


def _cell(value: object) -> JsonValue:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _mapped(row: JsonObject, options: ImportOptions, where: str) -> JsonObject:
    stated = {name: _text(row.get(name)) for name in IDENTITY_FIELDS}
    stated["protocol"] = stated["protocol"] or "imported"
    item = _text(row["item"])
    return {
        **identity(options, stated, where=where),
        "item": item,
        "template": _text(row["template"]) or item,
        "arm": _text(row.get("arm")) or "default",
        "epoch": _count(row.get("epoch", 1), "epoch", where),
        **_outcome(row["score"], where),
        "covariates": row["covariates"],
        "measures": row["measures"],
        "input_tokens": _count(row.get("input_tokens"), "input_tokens", where),
        "output_tokens": _count(row.get("output_tokens"), "output_tokens", where),
        "seconds": _number(row.get("seconds"), "seconds", where),
        "commitment": None,
        "source": SOURCE,
    }


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)


def _count(value: JsonValue, name: str, where: str) -> int | None:
    number = _number(value, name, where)
    if number is None:
        return None
    if not number.is_integer():
        raise MalformedEvidence(f"{value!r:.80} is no whole number", where=f"{where}.{name}")
    return int(number)


def _outcome(score: JsonValue, where: str) -> JsonObject:
    if score is None:
        return missing(Outcome.MALFORMED, "no score in the table")
    number = _parsed(score)
    if number is None:
        message = f"score {score!r:.80} is no number"
        raise MalformedEvidence(message, where=f"{where}.score", hint="write 0 to 1 or nothing")
    return observed(number, where=f"{where}.score")
