"""`steelyard evidence`: import, export, show, compare and check records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.check import check
from steelyard.cli.compare import compare
from steelyard.cli.output import say, write, write_json
from steelyard.cli.studies import awareness, curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.evidence import ImportOptions
    from steelyard.standard import Release

app = typer.Typer(help="Import, export, show, compare and check records.", no_args_is_help=True)
app.command()(compare)
app.command()(check)
app.command()(curve)
app.command()(awareness)


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files in any accepted format.")],
    out: Annotated[Path, typer.Option(help="Records to write, .parquet or .jsonl.")],
    indicator: Annotated[str | None, typer.Option(help="Indicator that the samples feed.")] = None,
    model: Annotated[str | None, typer.Option(help="Model under test.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol or task name.")] = None,
    elicitation: Annotated[str | None, typer.Option(help="Elicitation, E0 to E3.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Score to read where there are several.")
    ] = None,
    template_field: Annotated[
        str | None, typer.Option(help="Sample metadata that names its cluster.")
    ] = None,
) -> None:
    """Read foreign evidence into records, every check applied."""
    from steelyard.evidence import Evidence, read_evidence, write_records
    from steelyard.evidence.bank import complete_bank
    from steelyard.standard import load_release

    options = options_for(
        paths,
        load_release(),
        indicator=indicator,
        model=model,
        protocol=protocol,
        elicitation=elicitation,
        metric=metric,
        template_field=template_field,
    )
    evidence = complete_bank(Evidence.concatenate([read_evidence(p, options) for p in paths]))
    write_records(evidence, out)
    models = evidence.values("model")
    named = models[0] if len(models) == 1 else f"{len(models)} models"
    say(f"{len(evidence)} records of {named} -> {out}")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="Records or a run folder.")],
    out: Annotated[Path, typer.Option(help="Folder (every_eval_ever) or file (.parquet, .jsonl).")],
    organization: Annotated[
        str, typer.Option(help="Who provides the data, for every_eval_ever.")
    ] = "unknown",
) -> None:
    """Write records for other tools: every_eval_ever 0.3.0, Parquet or JSON lines."""
    from steelyard import __version__
    from steelyard.evidence import ImportOptions, write_every_eval_ever, write_records
    from steelyard.kernel import utc_now
    from steelyard.pipeline import load_evidence

    evidence = load_evidence([path], ImportOptions()).evidence
    if out.suffix in (".parquet", ".jsonl"):
        write_records(evidence, out)
        say(f"{len(evidence)} records -> {out}")
        return
    written = write_every_eval_ever(
        evidence,
        out,
        source_organization=organization,
        retrieved=utc_now(),
        library={"name": "steelyard", "version": __version__},
    )
    for file in written:
        say(f"wrote {file}")


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="Records, a run folder or a foreign file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Count samples and outcomes by model, protocol and arm."""
    from steelyard.pipeline import load_evidence
    from steelyard.standard import load_release

    evidence = load_evidence([path], options_for([path], load_release())).evidence
    groups: list[dict[str, Any]] = []
    for model in evidence.values("model"):
        of_model = evidence.where(model=model)
        for protocol in of_model.values("protocol"):
            of_protocol = of_model.where(protocol=protocol)
            for arm in of_protocol.values("arm"):
                rows = of_protocol.where(arm=arm)
                groups.append(
                    {
                        "model": model,
                        "protocol": protocol,
                        "arm": arm,
                        "records": len(rows),
                        "items": len(rows.values("item")),
                        "templates": len(rows.values("template")),
                        "outcomes": rows.outcomes(),
                    }
                )
    if as_json:
        write_json({"schema": "steelyard/evidence-summary/1", "groups": groups})
        return
    for group in groups:
        counts = ", ".join(f"{n} {name}" for name, n in group["outcomes"].items() if n)
        write(f"{group['model']}  {group['protocol']}  {group['arm']}: {counts}")


def options_for(
    paths: Sequence[Path], release: Release, *, indicator: str | None = None, **facts: str | None
) -> ImportOptions:
    """Import options for files on the command line.

    The indicator, or the safeguard test, implies its domain. Where the framework has
    several horizon indicators, a table with human minutes does not say which it feeds.

    Raises:
        UnknownName: the framework has no such indicator.
    """
    from steelyard.evidence import ImportOptions
    from steelyard.evidence.readers import has_human_minutes
    from steelyard.kernel.errors import UnknownName

    indicators = {**release.framework.indicators, **release.framework.residual.tests}
    if indicator is None and any(has_human_minutes(path) for path in paths):
        kinds = release.framework.indicators.items()
        horizons = [name for name, i in kinds if i.kind == "horizon"]
        indicator = horizons[0] if len(horizons) == 1 else None
    if indicator is not None and indicator not in indicators:
        message = f"the framework has no indicator {indicator!r}"
        raise UnknownName(message, hint=f"indicators: {', '.join(indicators)}")
    domain = indicators[indicator].domain if indicator else None
    known: dict[str, Any] = {**facts, "indicator": indicator, "domain": domain}
    return ImportOptions(**known)
