"""Evidence: an immutable table of records, held by column.

Rules and estimators work on columns, so that a hundred thousand records cost
milliseconds. Building a table checks it: every field of every record, and
that no sample occurs twice. Files belong to `store`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from steelyard.evidence.record import (
    FIELD_CHECKS,
    FIELD_NAMES,
    Outcome,
    Record,
    require_consistent,
    require_fields,
)
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from steelyard.kernel import JsonObject

KEY_FIELDS = ("model", "protocol", "protocol_version", "indicator", "arm", "item", "epoch")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Records by column; each column is an object array of equal length."""

    columns: Mapping[str, NDArray[np.object_]]

    def __len__(self) -> int:
        return len(self.columns["model"])

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> Evidence:
        """Collect records.

        Raises:
            DuplicateRecord: two records share model, protocol, arm, item and epoch.
        """
        return cls.from_objects([record.to_json() for record in records], checked=True)

    @classmethod
    def from_objects(
        cls, objects: Sequence[JsonObject], *, where: str = "records", checked: bool = False
    ) -> Evidence:
        """Collect parsed JSON objects; the one entrance for anything not made here.

        Args:
            objects: One mapping per record with exactly the record's fields.
            where: File or member named in error messages.
            checked: Whether each object already came from a `Record`.

        Raises:
            MalformedEvidence: a record breaks the format; the first is named.
            DuplicateRecord: a sample occurs twice.
        """
        if not checked:
            _check_objects(objects, where)
        columns = {name: [o[name] for o in objects] for name in FIELD_NAMES}
        return cls.from_columns(columns, where=where, checked=checked)

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Sequence[object]],
        *,
        where: str = "records",
        checked: bool = False,
    ) -> Evidence:
        """Collect columns of equal length, one per field of a record; see `from_objects`."""
        arrays = {name: _column(columns[name]) for name in FIELD_NAMES}
        if not checked:
            _check_columns(arrays, where)
        evidence = cls(arrays)
        evidence._refuse_duplicates(where)
        return evidence

    @classmethod
    def concatenate(cls, parts: Sequence[Evidence]) -> Evidence:
        """Join tables; duplicates across them are refused like within one."""
        if not parts:
            return cls.from_objects([], checked=True)
        joined = {n: np.concatenate([p.columns[n] for p in parts]) for n in FIELD_NAMES}
        evidence = cls(joined)
        evidence._refuse_duplicates("records")
        return evidence

    def select(self, mask: NDArray[np.bool_]) -> Evidence:
        """The rows where `mask` (bool, one per record) holds; itself where it holds for all."""
        if mask.all():
            return self
        return Evidence({name: column[mask] for name, column in self.columns.items()})

    def where(self, **equal: object) -> Evidence:
        """The rows whose named columns equal the given values."""
        mask = np.ones(len(self), dtype=bool)
        for name, value in equal.items():
            mask &= self.columns[name] == value
        return self.select(mask)

    def values(self, name: str) -> list[Any]:
        """Distinct values of a column, sorted."""
        return sorted(set(self.columns[name]))

    def outcomes(self) -> dict[str, int]:
        """Number of records per outcome, every outcome named."""
        counts = Counter[str](self.columns["outcome"])
        return {outcome.value: counts[outcome.value] for outcome in Outcome}

    def records(self) -> Iterator[Record]:
        """The rows as records."""
        for row in self.objects():
            yield Record.from_json(row)

    def objects(self) -> Iterator[JsonObject]:
        """The rows as JSON objects."""
        for row in zip(*(self.columns[name] for name in FIELD_NAMES), strict=True):
            yield cast("JsonObject", dict(zip(FIELD_NAMES, row, strict=True)))

    def in_key_order(self) -> Evidence:
        """The same records sorted by their key, so that equal sets have equal bytes."""
        keys = list(zip(*(self.columns[name] for name in KEY_FIELDS), strict=True))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        index = np.array(order, dtype=np.intp)
        return Evidence({name: column[index] for name, column in self.columns.items()})

    def _refuse_duplicates(self, where: str) -> None:
        keys = list(zip(*(self.columns[name] for name in KEY_FIELDS), strict=True))
        if len(set(keys)) == len(keys):
            return
        key, count = Counter(keys).most_common(1)[0]
        named = ", ".join(f"{n}={v}" for n, v in zip(KEY_FIELDS, key, strict=True))
        message = f"{count} records claim the same sample ({named})"
        raise DuplicateRecord(
            message, where=where, hint="repeats need distinct epochs; keep each run's file once"
        )


def _column(values: Sequence[object]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _check_objects(objects: Sequence[JsonObject], where: str) -> None:
    for position, value in enumerate(objects, start=1):
        require_fields(value, f"{where}:{position}")


def _check_columns(columns: Mapping[str, NDArray[np.object_]], where: str) -> None:
    for name, check in FIELD_CHECKS.items():
        _check_column(columns[name].tolist(), check, name, where)
    pairs = zip(columns["outcome"].tolist(), columns["score"].tolist(), strict=True)
    for outcome, score in set(pairs):
        require_consistent(outcome, score, where)


def _check_column(
    values: list[object], check: Callable[[object], None], name: str, where: str
) -> None:
    """Check distinct texts once, anything else one by one; name the first bad row."""
    all_text = set(map(type, values)) <= {str}
    position = 0
    try:
        for value in set(values) if all_text else values:
            position += 1
            check(value)
    except ValueError as error:
        if all_text:
            position = _first_failure(values, check)
        raise MalformedEvidence(str(error), where=f"{where}:{position}.{name}") from error


def _first_failure(values: list[object], check: Callable[[object], None]) -> int:
    for position, value in enumerate(values, start=1):
        try:
            check(value)
        except ValueError:
            return position
    return len(values)


def require_one_model(evidence: Evidence) -> str:
    """The single model all records are about.

    Raises:
        MalformedEvidence: none, or several.
    """
    models = evidence.values("model")
    if len(models) != 1:
        message = f"expected evidence about one model, found {len(models)}: {models[:4]}"
        raise MalformedEvidence(message)
    return models[0]
