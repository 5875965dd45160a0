"""The crosswalk: what a level of ours would mean under a published framework, in a version.

Decides whether a row answers the question, and refuses where none does: no row
is no translation, and neither is a row that says the framework is silent.
Informative; no level depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from steelyard.kernel.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from steelyard.kernel import JsonObject

_COMPARED = ("clause", "relation", "confirmed", "note")


@dataclass(frozen=True, slots=True)
class Translation:
    """What a level of a domain would mean, or why nothing can be said.

    Attributes:
        level: None where the domain as a whole is asked about.
        rows: Rows that answer; empty where there is no translation.
        reason: Why there is none; empty where there is one.
    """

    domain: str
    level: int | None
    rows: tuple[JsonObject, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two versions of a published framework.

    Attributes:
        fields: Names of the fields that differ; empty where a row came or went.
    """

    change: Literal["added", "removed", "changed"]
    old: JsonObject | None
    new: JsonObject | None
    fields: tuple[str, ...] = ()


def frameworks(rows: Sequence[JsonObject]) -> dict[str, list[str]]:
    """Versions of every published framework, oldest first."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(str(row["framework"]), {})[str(row["version"])] = str(row["date"])
    return {name: sorted(dates, key=lambda v: (dates[v], v)) for name, dates in found.items()}


def rows_of(
    rows: Sequence[JsonObject], framework: str, version: str | None = None
) -> list[JsonObject]:
    """Rows of one version of a framework; of the newest one if none is named.

    Raises:
        UnknownName: no such framework, or no such version of it.
    """
    known = frameworks(rows)
    if framework not in known:
        message = f"the crosswalk has no framework {framework!r}"
        raise UnknownName(message, hint=f"frameworks: {', '.join(known)}")
    versions = known[framework]
    if version is not None and version not in versions:
        message = f"the crosswalk has no version {version!r} of {framework}"
        raise UnknownName(message, hint=f"versions: {', '.join(versions)}")
    wanted = version or versions[-1]
    return [r for r in rows if r["framework"] == framework and r["version"] == wanted]


def translate(rows: Sequence[JsonObject], domain: str, level: int | None) -> Translation:
    """What a level would mean under one version of a framework.

    Args:
        rows: Rows of that version.
        domain: The domain of the determination.
        level: Its level; None asks for everything that is said about the domain.
    """
    ours = [row for row in rows if row["domain"] == domain]
    speaking = [row for row in ours if row["relation"] != "none"]
    answers = [row for row in speaking if level is None or row["level"] == level]
    answers = answers or [row for row in speaking if row["level"] is None]
    if answers:
        return Translation(domain, level, tuple(answers), "")
    return Translation(domain, level, (), _refusal(ours, speaking))


def compare_versions(old: Iterable[JsonObject], new: Iterable[JsonObject]) -> Iterator[Change]:
    """What changed between the rows of two versions, by domain and level."""
    before, after = _by_place(old), _by_place(new)
    for place in sorted(before.keys() | after.keys()):
        first, second = before.get(place), after.get(place)
        if first is None or second is None:
            yield Change("added" if first is None else "removed", first, second)
            continue
        fields = tuple(name for name in _COMPARED if first[name] != second[name])
        if fields:
            yield Change("changed", first, second, fields)


def _refusal(ours: Sequence[JsonObject], speaking: Sequence[JsonObject]) -> str:
    if not ours:
        return "no row of the crosswalk is about this domain"
    if not speaking:
        return "the framework says nothing about this domain that a level could be held against"
    levels = sorted({str(row["level"]) for row in speaking})
    return f"no row is about this level; rows exist for level {', '.join(levels)}"


def _by_place(rows: Iterable[JsonObject]) -> dict[tuple[str, int], JsonObject]:
    """Rows by domain and level, that of a whole domain first."""
    places: dict[tuple[str, int], JsonObject] = {}
    for row in rows:
        level = row["level"]
        places[str(row["domain"]), level if isinstance(level, int) else -1] = row
    return places
