"""`steelyard risk`: item banks, scores certified on them, and pictures of decisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli import score
from steelyard.cli.output import progress_bar, say, write, write_json

if TYPE_CHECKING:
    from steelyard.pipeline.pictures import Picture
    from steelyard.risk.banks.item_bank import Bank

app = typer.Typer(
    help="Calibrate item banks, certify scores on them, draw decisions.", no_args_is_help=True
)
app.command()(score.certify)
app.command()(score.recheck)


@app.callback()
def risk() -> None:
    """Calibrate item banks, certify scores on them, draw decisions."""


@app.command()
def calibrate(
    table: Annotated[
        Path | None, typer.Argument(help="Responses of several models, in any accepted format.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Bank to write.")] = None,
    source: Annotated[str | None, typer.Option(help="Whose responses they are.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the responses.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the bank; the table's by default.")
    ] = None,
    bank_version: Annotated[str, typer.Option("--version", help="Version of the bank.")] = "1",
    protocol: Annotated[
        str | None, typer.Option(help="Protocol whose reference targets answer, not a table.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=2, help="Public items of the protocol.")] = None,
    arm: Annotated[str | None, typer.Option(help="Arm, where the table has several.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Score to read where there are several.")
    ] = None,
    marker: Annotated[str | None, typer.Option(help="Text planted in the items' files.")] = None,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Rows of one model and item are repeats.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Fit an item bank to a table, or to reference targets playing a protocol."""
    from steelyard.evidence import ImportOptions
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline.calibrate import (
        ITEMS,
        TableRequest,
        calibrate_protocol,
        calibrate_table,
    )
    from steelyard.risk.banks.item_bank import Origin

    if (table is None) == (protocol is None):
        message = "a bank is calibrated on a table or on a protocol, one of them"
        raise UsageError(message, hint="steelyard risk calibrate TABLE, or --protocol ID")
    if protocol is not None:
        with progress_bar(f"playing {protocol}") as progress:
            bank = calibrate_protocol(protocol, items or ITEMS, bank_version, progress)
    else:
        path = _required_table(table, source or "", licence or "", out, items)
        origin = Origin(name or _bank_name(path), bank_version, source or "", licence or "")
        options = ImportOptions(metric=metric, number_repeats=repeats)
        bank = calibrate_table(path, TableRequest(origin, options, arm, marker or ""))
    _write(bank, out or Path(f"{bank.origin.id}.bank.json"), as_json=as_json)


def _required_table(
    table: Path | None, source: str, licence: str, out: Path | None, items: int | None
) -> Path:
    """The table, with everything that a bank of it must say."""
    from steelyard.kernel.errors import UsageError

    if not source or not licence or out is None or table is None:
        message = "a bank says whose responses it rests on, and under which licence"
        raise UsageError(message, hint="add --source TEXT --licence TEXT --out BANK")
    if items is not None:
        message = "a table brings its own items"
        raise UsageError(message, hint="leave out --items")
    return table


def _bank_name(path: Path) -> str:
    """A bank's name from a file's: lower case, other characters as hyphens."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in path.stem.lower())
    return plain.strip("-") or "bank"


def _write(bank: Bank, out: Path, *, as_json: bool) -> None:
    from steelyard.pipeline.calibrate import bank_summary
    from steelyard.risk.banks.item_bank import write_bank

    digest = write_bank(bank, out)
    if as_json:
        write_json(bank_summary(bank, out))
    else:
        usable = sum(item.measures for item in bank.items)
        write(f"{bank.origin.id} {bank.origin.version}  {bank.origin.status}  {digest}")
        write(f"{bank.models} models, {len(bank.items)} items, {usable} of them tell ability")
        for flag in ("constant", "negative", "scarce"):
            count = sum(flag in item.flags for item in bank.items)
            if count:
                write(f"  {count} {flag}")
    if bank.origin.note:
        say(f"note: {bank.origin.note}")
    say(f"wrote {out}")


PICTURES = ("decision", "cost", "power", "horizon", "information")


@app.command()
def plot(
    picture: Annotated[str, typer.Argument(help=f"One of: {', '.join(PICTURES)}.")],
    source: Annotated[
        Path | None,
        typer.Argument(help="decision: run folder; horizon: table; information: bank."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="SVG to write; PICTURE.svg by default.")] = None,
    indicator: Annotated[str, typer.Option(help="Indicator of cost and power.")] = "de1.lie",
) -> None:
    """Draw the path of a decision, costs, power, horizons, or what a bank tells."""
    from steelyard.kernel import write_atomically
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline.pictures import joined

    if picture not in PICTURES:
        message = f"no picture {picture!r}"
        raise UsageError(message, hint=f"pictures: {', '.join(PICTURES)}")
    if source is None and picture not in ("cost", "power"):
        message = f"a picture of {picture} needs what it is drawn from"
        raise UsageError(message, hint=f"steelyard risk plot {picture} SOURCE")
    target = out or Path(f"{picture}.svg")
    write_atomically(target, joined(_pictures(picture, source, indicator)).encode())
    say(f"wrote {target}")


def _pictures(picture: str, source: Path | None, name: str) -> tuple[Picture, ...]:
    """The pictures of a kind.

    Raises:
        UnknownName: no such indicator.
        UsageError: the run was not sequential, or the indicator is no rate.
    """
    from steelyard.kernel.errors import UnknownName, UsageError
    from steelyard.pipeline import pictures
    from steelyard.risk.banks.item_bank import read_bank
    from steelyard.risk.sequential import KINDS
    from steelyard.standard import load_release
    from steelyard.stats import Design

    framework = load_release().framework
    if picture == "information" and source is not None:
        return (pictures.information_picture(read_bank(source)),)
    if picture == "decision" and source is not None:
        return _decision_paths(source)
    if picture == "horizon" and source is not None:
        from steelyard.cli.evidence import options_for
        from steelyard.evidence import read_evidence

        evidence = read_evidence(
            source, options_for([source], load_release(), indicator="cyber.horizon")
        )
        return (pictures.horizon_picture(evidence, framework.indicators["cyber.horizon"]),)
    if name not in framework.indicators:
        message = f"the framework has no indicator {name!r}"
        raise UnknownName(message, hint=f"indicators: {', '.join(framework.indicators)}")
    chosen = framework.indicators[name]
    if chosen.kind not in KINDS:
        message = f"{name} is no rate over items"
        raise UsageError(message, hint="choose another --indicator")
    if picture == "cost":
        return (pictures.cost_picture(chosen, chosen.design.alpha),)
    floor = chosen.intracluster_correlation_floor
    design = Design(chosen.planned_items, chosen.planned_templates, floor)
    begins = {t.level: t.value for t in chosen.thresholds}
    return (pictures.power_picture(chosen, begins, design, chosen.design.alpha),)


def _decision_paths(run: Path) -> tuple[Picture, ...]:
    from steelyard.attest import open_envelope, parse_public_key
    from steelyard.evidence import ImportOptions, read_evidence
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline import RunFolder
    from steelyard.pipeline.pictures import decision_paths
    from steelyard.risk import Plan
    from steelyard.standard import load_release

    folder = RunFolder(run)
    statement = folder.statement("run-intent")
    own = [parse_public_key(read_bytes(p), where=str(p)) for p in statement.parent.glob("*.pem")]
    intent = open_envelope(
        read_bytes(statement), {key.key_id: key for key in own}, where=str(statement)
    )
    plan = Plan.from_predicate(intent.predicate)
    found = decision_paths(
        read_evidence(folder.records, ImportOptions()), plan, load_release().framework
    )
    if not found:
        message = "this run played every item, so no decision has a path"
        raise UsageError(message, where=str(run), hint="assess with --mode certify")
    return found
