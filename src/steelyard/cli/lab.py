"""`steelyard lab`: reference targets, whose truth is known."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from steelyard.cli.output import say, write, write_json

app = typer.Typer(help="Reference targets whose truth is known.", no_args_is_help=True)


@app.command()
def serve(
    target: Annotated[
        str | None, typer.Argument(help="Target for any model name; all targets by default.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8765,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after this time; run until interrupted.")
    ] = None,
) -> None:
    """Serve reference targets on loopback as an OpenAI-compatible endpoint."""
    from steelyard.redteam.targets import TargetServer, parse_target

    spec = parse_target(target) if target else None
    with TargetServer(port=port, default=spec) as server:
        write(server.url)
        say(f"serving on {server.url}; try: steelyard assess '{server.url}#honest' --out run")
        try:
            time.sleep(seconds if seconds is not None else 10.0**8)
        except KeyboardInterrupt:
            say("stopped")


@app.command()
def targets(
    target: Annotated[str | None, typer.Argument(help="A target; all presets by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List reference targets with the true value of every indicator."""
    from dataclasses import asdict

    from steelyard.redteam.targets import PRESETS, parse_target
    from steelyard.standard import load_release

    specs = [parse_target(target)] if target else list(PRESETS.values())
    indicators = [i for i in load_release().framework.indicators.values() if i.kind != "horizon"]
    rows = [
        {**asdict(spec), "truth": {i.id: spec.true_value(i) for i in indicators}} for spec in specs
    ]
    if as_json:
        write_json({"schema": "steelyard/targets/1", "targets": rows})
        return
    for row in rows:
        truth = ", ".join(f"{name} {value:g}" for name, value in row["truth"].items())
        shares = ", ".join(
            f"{name} {row[name]:g}"
            for name in ("refusal", "malformed", "timeout", "busy", "rho")
            if row[name]
        )
        write(f"steelyard/{row['name']}: {truth}{f'; {shares}' if shares else ''}")
