"""`steelyard passport`: keys for signing passports, and opening single samples of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.output import say, write, write_json

app = typer.Typer(help="Keys for signing passports; single samples opened.", no_args_is_help=True)


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


@app.command("open")
def open_sample(
    run: Annotated[Path, typer.Argument(help="Folder of the run, with its private part.")],
    protocol: Annotated[str, typer.Option(help="Protocol of the sample.")],
    item: Annotated[str, typer.Option(help="Pseudonym of the item.")],
    arm: Annotated[str, typer.Option(help="Arm of the sample.")],
    epoch: Annotated[int, typer.Option(min=1, help="Which repeat.")] = 1,
    transcript: Annotated[
        bool, typer.Option(help="Open the transcript too, not the record alone.")
    ] = True,
) -> None:
    """Open one sample of a run: print its record, proof, salt and transcript as JSON."""
    from steelyard.passport.opening import SampleName
    from steelyard.pipeline import RunFolder
    from steelyard.pipeline.disclose import disclose_sample

    name = SampleName(protocol, item, arm, epoch)
    write_json(disclose_sample(RunFolder(run), name, with_transcript=transcript))


@app.command()
def attach(
    passport: Annotated[Path, typer.Argument(help="The passport.")],
    posture: Annotated[Path, typer.Argument(help="Folder of `weights posture report --out`.")],
    out: Annotated[Path, typer.Option(help="Passport to write.")],
) -> None:
    """Put a statement on the security of the weights into a passport, in place of any other."""
    from steelyard.cli.weights.posture import read_security
    from steelyard.kernel import read_bytes, write_atomically
    from steelyard.passport.archive import ARCHIVE_LIMIT_BYTES
    from steelyard.passport.weights_security import attach_security

    security = read_security(posture)
    data = read_bytes(passport, limit_bytes=ARCHIVE_LIMIT_BYTES)
    write_atomically(out, attach_security(data, security))
    write(f"{security.framework} {security.level}" if security.level else "no level")
    say(f"passport: {out}, its own statements unchanged")
    say(f"next:     steelyard verify {out}")


@app.command("check-opened")
def check_opened(
    opening: Annotated[Path, typer.Argument(help="The opening, as `open` printed it.")],
    passport: Annotated[Path, typer.Argument(help="The passport it is said to belong to.")],
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Key that may have signed; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was shown as JSON.")] = False,
) -> None:
    """Check that an opened sample is part of a passport, and show it."""
    from steelyard.cli.verify import verify_file
    from steelyard.kernel import canonical_json, parse_json_object, read_bytes
    from steelyard.passport.opening import check_opening, passport_root

    verification = verify_file(passport, None, None, key)
    root = passport_root(read_bytes(passport), verification)
    opened = check_opening(parse_json_object(read_bytes(opening), where=str(opening)), root)
    if as_json:
        shown = {"record": opened.record, "transcript": opened.transcript}
        write_json({"schema": "steelyard/opened-sample/1", **shown})
        return
    record = opened.record
    write(f"{record['protocol']} {record['item']} {record['arm']}: {record['outcome']}")
    for message in opened.transcript or []:
        write(f"  {message['role']}: {message['text']}")
        for call in message["calls"]:
            write(f"    calls {call['name']} {canonical_json(call['arguments']).decode()}")
    say(f"shown to be part of the passport of {record['model']}")
