"""`steelyard weights log`: read and verify an access log, and fix its head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write, write_json
from steelyard.cli.weights.keys import ENVELOPE_LIMIT_BYTES
from steelyard.cli.weights.records import access_log_place

if TYPE_CHECKING:
    from steelyard.weights.access_log import LoggedEvent


def log(
    path: Annotated[Path | None, typer.Argument(help="Access log; your own by default.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint that was kept elsewhere.")
    ] = None,
    signer: Annotated[
        Path | None, typer.Option(help="Public key that signed the checkpoint (PEM file).")
    ] = None,
    write_checkpoint: Annotated[
        Path | None, typer.Option("--write-checkpoint", help="Sign the head into this file.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Signing key; your own by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
) -> None:
    """Verify an access log from its first entry, and show it."""
    from steelyard.attest import load_public_key
    from steelyard.cli.places import signing_key
    from steelyard.kernel import read_bytes, utc_now, write_atomically
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.access_log import open_checkpoint, read_log, sign_checkpoint

    if (checkpoint is None) != (signer is None):
        raise UsageError("--checkpoint and --signer belong together")
    kept = None
    if checkpoint is not None and signer is not None:
        envelope = read_bytes(checkpoint, limit_bytes=ENVELOPE_LIMIT_BYTES)
        kept = open_checkpoint(envelope, load_public_key(signer))
    place = access_log_place(path)
    events, head = read_log(place, kept)
    if as_json:
        write_json(
            {
                "schema": "steelyard/access-log/1",
                "entries": [_as_json(entry) for entry in events],
                "head": head.digest,
            }
        )
    else:
        for entry in events:
            write(_line(entry))
    if write_checkpoint is not None:
        if not events:
            raise UsageError("an empty log has no head", where=str(place))
        signed = sign_checkpoint(place.name, head, utc_now(), signing_key(key))
        write_atomically(write_checkpoint, signed)
        say(f"wrote {write_checkpoint}: keep it where nobody who can change the log can")
    say(f"{head.entries} entries, each follows from the one before; head {head.digest}")


def _as_json(entry: LoggedEvent) -> dict[str, object]:
    from steelyard.kernel import format_instant

    event = entry.event
    return {
        "seq": entry.seq,
        "at": format_instant(entry.at),
        "event": event.name,
        "model": event.model,
        "artifact": event.artifact,
        "who": event.who,
        "detail": dict(event.detail),
    }


def _line(entry: LoggedEvent) -> str:
    from steelyard.kernel import format_instant

    event = entry.event
    detail = "  ".join(f"{name}={text}" for name, text in event.detail.items())
    who = event.who[:16] or "-"
    return f"{entry.seq}  {format_instant(entry.at)}  {event.name}  {event.model}  {who}  {detail}"
