"""`steelyard weights`: inventory, scan, sign, seal, share, trace and posture of model weights."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="weights",
    help="Inventory, scan, sign, seal, share, trace and the security posture of weights.",
    no_args_is_help=True,
)
