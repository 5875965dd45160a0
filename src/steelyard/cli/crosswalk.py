"""`steelyard standard crosswalk`: what a level would mean under a published framework.

Prints what `steelyard.standard.crosswalk` finds. Where it finds no mapping the
exit status is that of a question that cannot be answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from steelyard.cli.output import write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.kernel import JsonObject
    from steelyard.standard.crosswalk import Change, Translation

_CANNOT_VERIFY = 3


@dataclass(frozen=True, slots=True)
class _Answer:
    """Everything that one call found."""

    release: str
    framework: str | None
    version: str | None
    catalogue: tuple[JsonObject, ...] = ()
    translations: tuple[Translation, ...] = ()
    diff: tuple[str, str] | None = None
    changes: tuple[Change, ...] = ()


def crosswalk(
    claim: Annotated[
        Path | None, typer.Argument(help="A classification.json whose levels are asked about.")
    ] = None,
    framework: Annotated[
        str | None, typer.Option(help="Published framework; all are listed if left out.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Its version; the newest one if left out.")
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="Domain to ask about; every domain if left out.")
    ] = None,
    level: Annotated[
        int | None, typer.Option(min=0, max=3, help="Level to ask about; every level if left out.")
    ] = None,
    diff: Annotated[
        tuple[str, str] | None, typer.Option(help="Two versions of the framework to compare.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Say what levels would mean under a published framework, or what changed in it.

    No mapping is no translation: the exit status is then 3.
    """
    from steelyard.standard import load_release
    from steelyard.standard.crosswalk import compare_versions, rows_of, translate

    release = load_release()
    rows = release.crosswalk
    if framework is None:
        _require_framework(claim, version, domain, level, diff)
        answer = _Answer(release.version, None, None, catalogue=_catalogue(rows))
    elif diff is not None:
        changes = compare_versions(
            rows_of(rows, framework, diff[0]), rows_of(rows, framework, diff[1])
        )
        kept = tuple(c for c in changes if domain in (None, _place(c)[0]))
        answer = _Answer(release.version, framework, None, diff=diff, changes=kept)
    else:
        chosen = rows_of(rows, framework, version)
        asked = _asked(claim, domain, level, tuple(release.framework.domains))
        found = tuple(translate(chosen, name, number) for name, number in asked)
        answer = _Answer(release.version, framework, str(chosen[0]["version"]), translations=found)
    if as_json:
        write_json(_document(answer))
    else:
        _print(answer)
    if (claim or level is not None) and any(t.reason for t in answer.translations):
        raise typer.Exit(_CANNOT_VERIFY)


def _require_framework(*given: object) -> None:
    """Refuse a question that names no framework to answer it.

    Raises:
        UsageError: anything but the list of frameworks was asked for.
    """
    from steelyard.kernel.errors import UsageError

    if any(value is not None for value in given):
        message = "no framework named to translate into or to compare"
        raise UsageError(message, hint="steelyard standard crosswalk lists them; add --framework")


def _asked(
    claim: Path | None, domain: str | None, level: int | None, domains: Sequence[str]
) -> list[tuple[str, int | None]]:
    """Domains and levels in question, from a classification or from the options.

    Raises:
        UsageError: a classification and a level, which could disagree.
        UnknownName: no such domain.
    """
    from steelyard.kernel.errors import UnknownName, UsageError

    if domain is not None and domain not in domains:
        message = f"no domain {domain!r}"
        raise UnknownName(message, hint=f"domains: {', '.join(domains)}")
    if claim is None:
        return [(name, level) for name in domains if domain in (None, name)]
    if level is not None:
        message = "a classification states its levels, so --level cannot be given beside it"
        raise UsageError(message, hint="leave one of them out")
    return [pair for pair in _levels(claim) if domain in (None, pair[0])]


def _levels(claim: Path) -> list[tuple[str, int | None]]:
    from steelyard.kernel import parse_json_object, read_bytes
    from steelyard.standard import check_schema

    value = parse_json_object(read_bytes(claim), where=str(claim))
    check_schema(value, "classification", where=str(claim))
    return [(d["domain"], d["level"]) for d in cast("Any", value)["determinations"]]


def _catalogue(rows: Sequence[JsonObject]) -> tuple[JsonObject, ...]:
    from steelyard.standard.crosswalk import frameworks

    first = {str(row["framework"]): row for row in reversed(rows)}
    return tuple(
        {
            "framework": name,
            "publisher": first[name]["publisher"],
            "document": first[name]["document"],
            "versions": list(versions),
        }
        for name, versions in frameworks(rows).items()
    )


def _place(change: Change) -> tuple[Any, Any]:
    row = change.new or change.old or {}
    return row.get("domain"), row.get("level")


def _document(answer: _Answer) -> JsonObject:
    changes = [
        {
            "domain": _place(c)[0], "level": _place(c)[1], "change": c.change,
            "fields": list(c.fields), "old": c.old, "new": c.new,
        }
        for c in answer.changes
    ]  # fmt: skip
    old_new = {"old": answer.diff[0], "new": answer.diff[1]} if answer.diff else {}
    return {
        "schema": "steelyard/crosswalk/1",
        "release": answer.release,
        "framework": answer.framework,
        "version": answer.version,
        "frameworks": list(answer.catalogue),
        "translations": [
            {
                "domain": t.domain, "level": t.level, "translated": not t.reason,
                "reason": t.reason, "rows": list(t.rows),
            }
            for t in answer.translations
        ],
        "diff": {**old_new, "changes": cast("Any", changes)} if answer.diff else None,
    }  # fmt: skip


def _print(answer: _Answer) -> None:
    for row in answer.catalogue:
        versions = ", ".join(cast("list[str]", row["versions"]))
        write(f"{row['framework']:<20} {row['publisher']}, {row['document']}: {versions}")
    if answer.version is not None:
        write(f"{answer.framework} {answer.version}, from release {answer.release}")
    for found in answer.translations:
        name = found.domain if found.level is None else f"{found.domain} level {found.level}"
        if found.reason:
            write(f"  {name}: not translated: {found.reason}")
        for row in found.rows:
            write(f"  {name}: {_row(row)}")
    if answer.diff is not None:
        old, new = answer.diff
        write(f"{answer.framework} {old} to {new}: {len(answer.changes)} changes")
    for change in answer.changes:
        domain, level = _place(change)
        fields = f" ({', '.join(change.fields)})" if change.fields else ""
        write(f"  {change.change}: {domain} {_level(level)}{fields}")
        for mark, side in (("-", change.old), ("+", change.new)):
            if side is not None:
                write(f"    {mark} {_row(side)}")


def _level(level: object) -> str:
    return "as a whole" if level is None else f"level {level}"


def _row(row: JsonObject) -> str:
    mark = "" if row["confirmed"] else " [unconfirmed]"
    place = "domain as a whole" if row["level"] is None else f"our level {row['level']}"
    return f"{row['relation']}{mark}, {row['clause']} ({place}): {row['note']}"
