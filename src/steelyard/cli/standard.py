"""`steelyard standard`: show a release of the standard, check packaged or edited ones.

Prints what `steelyard.standard` loads and decides nothing itself. Data goes to
stdout, as tables or as JSON; errors are raised for `cli.main` to print.
"""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from steelyard.cli.crosswalk import crosswalk

if TYPE_CHECKING:
    from rich.table import Table

    from steelyard.kernel import JsonObject, JsonValue
    from steelyard.standard import Framework, Indicator, Release

app = typer.Typer(help="Show and check releases of the standard.", no_args_is_help=True)
app.command()(crosswalk)


class Section(StrEnum):
    """The parts of a release that can be shown."""

    FRAMEWORK = "framework"
    PROTOCOLS = "protocols"
    POLICY = "policy"
    CROSSWALK = "crosswalk"


@app.command()
def show(
    release: Annotated[
        str | None, typer.Option(help="Version; the current one if left out.")
    ] = None,
    section: Annotated[Section, typer.Option(help="The part to show.")] = Section.FRAMEWORK,
    as_json: Annotated[bool, typer.Option("--json", help="Canonical JSON instead.")] = False,
) -> None:
    """Show the domains, indicators and thresholds of a release, or another part of it."""
    from steelyard.standard import CURRENT_RELEASE, load_release

    loaded = load_release(release or CURRENT_RELEASE)
    if as_json:
        _print_json(loaded.content[section.value])
        return
    _print_lines(
        f"Standard release {loaded.version} ({loaded.framework.status})", f"sha256 {loaded.digest}"
    )
    tables = {
        Section.FRAMEWORK: _framework_tables,
        Section.PROTOCOLS: _protocol_tables,
        Section.POLICY: _policy_tables,
        Section.CROSSWALK: _crosswalk_tables,
    }
    _print_tables(tables[section](loaded))


@app.command()
def check(
    path: Annotated[
        Path | None, typer.Argument(help="Folder of release files; all packaged ones if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Canonical JSON instead.")] = False,
) -> None:
    """Check releases against their schemas and themselves; print digests and counts."""
    from steelyard.standard import load_release, read_release, releases

    loaded = [read_release(path)] if path else [load_release(version) for version in releases()]
    if as_json:
        _print_json([_summary(release) for release in loaded])
        return
    for release in loaded:
        counts = ", ".join(f"{count} {name}" for name, count in _counts(release).items())
        _print_lines(f"{release.version}  {release.digest}  {counts}")


def _counts(release: Release) -> dict[str, int]:
    return {
        "domains": len(release.framework.domains),
        "indicators": len(release.framework.indicators),
        "protocols": len(release.protocols),
        "crosswalk rows": len(release.crosswalk),
    }


def _summary(release: Release) -> JsonObject:
    counts = {name.replace(" ", "_"): count for name, count in _counts(release).items()}
    return {"release": release.version, "digest": release.digest, **counts}


def _framework_tables(release: Release) -> list[Table]:
    framework = release.framework
    levels = _table("Levels", "level", "name", "meaning")
    for level in framework.levels:
        levels.add_row(str(level.level), level.name, level.meaning)
    return [levels, *(_domain_table(framework, name) for name in framework.domains)]


def _domain_table(framework: Framework, name: str) -> Table:
    domain = framework.domains[name]
    table = _table(f"{domain.title} ({name})", "indicator", "level", "from", "why there")
    table.caption = domain.threat_model
    for each in (*domain.indicators, *domain.supporting):
        indicator = framework.indicators[each]
        role = "" if each in domain.indicators else " (supporting)"
        for threshold in indicator.thresholds:
            first = threshold is indicator.thresholds[0]
            table.add_row(
                f"{indicator.id}{role}\n{indicator.title}" if first else "",
                str(threshold.level),
                _threshold_text(indicator, threshold.value),
                f"{threshold.rationale} ({threshold.status})",
            )
    return table


def _threshold_text(indicator: Indicator, value: float) -> str:
    if indicator.unit == "log2_minutes":
        return f"{math.exp2(value):.0f} min"
    return f"{value:.2f}"


def _protocol_tables(release: Release) -> list[Table]:
    table = _table("Protocols", "protocol", "version", "domain", "title", "arms", "turns")
    for name, protocol in release.protocols.items():
        arms = cast("list[str]", protocol["arms"])
        cells = [str(protocol[key]) for key in ("version", "domain", "title")]
        table.add_row(name, *cells, ", ".join(arms), str(protocol["turn_limit"]))
    return [table]


def _policy_tables(release: Release) -> list[Table]:
    from steelyard.kernel import canonical_json

    table = _table("Default gate policy", "rule", "value")
    for key, value in release.policy.items():
        table.add_row(key, value if isinstance(value, str) else canonical_json(value).decode())
    return [table]


def _crosswalk_tables(release: Release) -> list[Table]:
    table = _table("Crosswalk", "domain", "level", "published", "clause", "relation", "confirmed")
    for row in release.crosswalk:
        level = "all" if row["level"] is None else str(row["level"])
        published = f"{row['publisher']}, {row['document']} {row['version']}"
        confirmed = "yes" if row["confirmed"] else "no"
        table.add_row(
            str(row["domain"]),
            level,
            published,
            str(row["clause"]),
            str(row["relation"]),
            confirmed,
        )
    return [table]


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print_tables(tables: list[Table]) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    for table in tables:
        console.print(table)


def _print_lines(*lines: str) -> None:
    for line in lines:
        typer.echo(line)


def _print_json(value: JsonValue) -> None:
    from steelyard.kernel import canonical_json

    typer.echo(canonical_json(value).decode())
