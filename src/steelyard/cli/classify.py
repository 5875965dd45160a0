"""`steelyard classify`: levels from evidence that exists already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.output import write, write_json


def classify(
    paths: Annotated[
        list[Path], typer.Argument(help="Run folders, records, or foreign evidence files.")
    ],
    domain: Annotated[
        list[str] | None, typer.Option(help="Domain to speak about; repeatable; all by default.")
    ] = None,
    indicator: Annotated[
        str | None, typer.Option(help="Indicator that the samples of a foreign file feed.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model of a foreign file that names none.")
    ] = None,
    elicitation: Annotated[
        str | None, typer.Option(help="Elicitation of a foreign file, E0 to E3.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Date of the classification; today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the documents.")] = False,
) -> None:
    """Classify every model of the evidence.

    A file of one model prints one object; a table of several prints one object
    per model, keyed by its name.
    """
    from steelyard.cli.evidence import options_for
    from steelyard.cli.summary import summary_lines
    from steelyard.kernel import parse_instant, utc_now
    from steelyard.pipeline import classify_evidence, load_evidence
    from steelyard.standard import load_release

    release = load_release()
    options = options_for(paths, release, indicator=indicator, model=model, elicitation=elicitation)
    loaded = load_evidence(paths, options)
    as_of = parse_instant(at, where="--at") if at else utc_now()
    claims = {
        name: claim.to_json()
        for name, claim in classify_evidence(loaded, release, domain or (), as_of).items()
    }
    if as_json:
        write_json(next(iter(claims.values())) if len(claims) == 1 else claims)
        return
    for position, claim in enumerate(claims.values()):
        if position:
            write("")
        for line in summary_lines(claim):
            write(line)
