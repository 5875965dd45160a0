"""`steelyard weights`: inventory, scan, sign, seal, share, trace and posture of model weights."""

from __future__ import annotations

import typer

from steelyard.cli.weights import broker, posture, trace
from steelyard.cli.weights.keys import keygen
from steelyard.cli.weights.log import log
from steelyard.cli.weights.quorum import approve, release, request
from steelyard.cli.weights.scan import inventory, scan
from steelyard.cli.weights.seal import open_, rekey, rewrap, seal
from steelyard.cli.weights.sign import sign, signing_key, verify

app = typer.Typer(
    name="weights",
    help="Inventory, scan, sign, seal, share, trace and the security posture of weights.",
    no_args_is_help=True,
)
app.command()(inventory)
app.command()(scan)
app.command()(sign)
app.command()(verify)
app.command("signing-key")(signing_key)
app.command()(keygen)
app.command()(seal)
app.command("open")(open_)
app.command()(rewrap)
app.command()(rekey)
app.command()(request)
app.command()(approve)
app.command()(release)
app.command()(log)
app.add_typer(trace.app, name="trace")
app.add_typer(posture.app, name="posture")
app.add_typer(broker.app, name="broker")
