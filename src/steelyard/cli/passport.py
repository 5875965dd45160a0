"""`steelyard passport`: keys for signing passports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.output import say, write

app = typer.Typer(help="Keys for signing passports.", no_args_is_help=True)


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(help="Private key to write; never overwritten.")],
) -> None:
    """Make an Ed25519 key pair: PATH (private, mode 0600) and PATH.pub beside it."""
    from steelyard.attest import generate_key, save_key

    key = generate_key()
    public = save_key(key, path)
    write(key.public_key.key_id)
    say(f"private key: {path}")
    say(f"public key:  {public}")
