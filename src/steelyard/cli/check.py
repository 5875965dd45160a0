"""`steelyard evidence check`: whether records look like honest ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write, write_json

if TYPE_CHECKING:
    from steelyard.evidence.integrity import Finding


def check(
    paths: Annotated[list[Path], typer.Argument(help="Files in any accepted format.")],
    against: Annotated[
        Path | None, typer.Option(help="Earlier records, to find copies and exchanged items.")
    ] = None,
    bank: Annotated[Path | None, typer.Option(help="Item bank to hold each model against.")] = None,
    bank_digest: Annotated[str | None, typer.Option(help="Digest that the bank must have.")] = None,
    headline: Annotated[
        list[str] | None, typer.Option(help="Reported score: 0.731, 73.1% or MODEL=0.731.")
    ] = None,
    items: Annotated[
        int | None, typer.Option(min=1, help="Items that the headline claims to rest on.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Every score is a multiple of 1 / this.")
    ] = None,
    error_rate: Annotated[
        float, typer.Option(min=0.0001, max=0.2, help="False alarms of each check of a bank.")
    ] = 0.01,
    metric: Annotated[
        str | None, typer.Option(help="Score to read where there are several.")
    ] = None,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Rows of one model and item are repeats.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look for copies, impossible patterns, leaks and headlines that do not follow."""
    from steelyard.evidence import ImportOptions
    from steelyard.evidence.integrity import Headline
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline.integrity import Checking, check_evidence, read_as_is
    from steelyard.risk.banks.item_bank import read_bank
    from steelyard.standard import load_release

    if items is not None and not headline:
        raise UsageError("--items belongs to a headline", hint="add --headline X")
    if bank_digest is not None and bank is None:
        raise UsageError("--bank-digest belongs to a bank", hint="add --bank FILE")
    options = ImportOptions(metric=metric, number_repeats=repeats)
    known = read_bank(bank, digest=bank_digest) if bank else None
    checking = Checking(
        against=read_as_is(against, options)[0] if against else None,
        bank=known,
        headlines=tuple(Headline.parse(text, items) for text in headline or ()),
        steps=steps,
        error_rate=error_rate,
    )
    checked = check_evidence(paths, options, load_release(), checking)
    if as_json:
        write_json(checked.to_json(known))
    else:
        for finding in checked.findings:
            write(_line(finding))
    for text in checked.unchecked:
        say(f"not checked: {text}")
    blocking = sum(finding.blocks for finding in checked.findings)
    say(f"{len(checked.evidence)} records: {len(checked.findings)} findings, {blocking} blocking")
    if blocking:
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    about = f"  {', '.join(finding.models)}" if finding.models else ""
    return f"{finding.severity.value}  {finding.code}{about}: {finding.text}"
