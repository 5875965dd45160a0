"""`steelyard weights request`, `approve` and `release`: opening together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write
from steelyard.cli.weights.keys import (
    ENVELOPE_LIMIT_BYTES,
    PassphraseFile,
    Signer,
    read_expect,
    read_identity,
    write_new,
)
from steelyard.cli.weights.records import Log, access_log_place, release_marks_place

if TYPE_CHECKING:
    from steelyard.weights.quorum import Custody, Request
    from steelyard.weights.sealed import SealedHeader

_LONGEST_HOURS = 7 * 24

Folder = Annotated[
    Path, typer.Argument(help="Folder of sealed weights; its sealed.json is all that is read.")
]
RequestFile = Annotated[Path, typer.Option(help="The request.")]
Requester = Annotated[
    Path, typer.Option(help="Public key that the requester signs with (PEM file).")
]


def request(
    folder: Folder,
    signer: Signer,
    purpose: Annotated[str, typer.Option(help="Why, for the custodians.")],
    identity: Annotated[Path, typer.Option(help="Public key that answers are sealed to.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    hours: Annotated[
        int, typer.Option(min=1, max=_LONGEST_HOURS, help="How long it can be used.")
    ] = 24,
    key: Annotated[Path | None, typer.Option(help="Signing key; your own by default.")] = None,
) -> None:
    """Ask the custodians to open sealed weights once."""
    from steelyard.attest.recipients import load_recipient
    from steelyard.cli.places import signing_key
    from steelyard.kernel import utc_now
    from steelyard.weights.quorum import sign_request

    header, custody = _in_custody(folder, signer)
    now = utc_now()
    until = (now, now + timedelta(hours=hours))
    own = signing_key(key)
    recipient = load_recipient(identity)
    write_new(out, sign_request(header.subject, purpose, recipient, until, own))
    write(own.public_key.key_id)
    names = ", ".join(f"{c.name} ({c.organization})" for c in custody.custodians)
    say(f"wrote {out}; {custody.threshold} of these must approve: {names}")


def approve(
    folder: Folder,
    signer: Signer,
    request: RequestFile,
    requester: Requester,
    key: Annotated[
        Path | None, typer.Option(help="Your signing key as a custodian; nothing to only look.")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option(help="Your private key that your share is sealed to.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write.")] = None,
    passphrase_file: PassphraseFile = None,
    log: Log = None,
) -> None:
    """Look at a request; with your keys, approve it: release your share to its requester."""
    from steelyard.attest import load_private_key
    from steelyard.kernel import format_instant, utc_now
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.quorum import approve as release_share
    from steelyard.weights.recorded_opening import APPROVED, Answer, Record, answer_recorded
    from steelyard.weights.sealed import harden_process

    harden_process()
    header, custody = _in_custody(folder, signer)
    asked = read_request(request, requester)
    _require_this(asked, header)
    write(f"{header.core.model} release {header.core.release}: {asked.purpose}")
    write(f"  for {asked.requester} until {format_instant(asked.expires)}")
    if key is None and identity is None and out is None:
        say("nothing was approved: that takes --key, --identity and --out")
        return
    if key is None or identity is None or out is None:
        raise UsageError("approving takes --key, --identity and --out together")
    own, now = load_private_key(key), utc_now()
    opener = read_identity(identity, passphrase_file)

    def make() -> bytes:
        return release_share(custody, asked, own, opener, now)

    answer = Answer(APPROVED, header, asked, own.public_key.key_id, make)
    answer_recorded(answer, out, Record(access_log_place(log), now))
    write(f"  approved: {out}")


def release(
    folder: Folder,
    signer: Signer,
    request: RequestFile,
    requester: Requester,
    approval: Annotated[list[Path], typer.Option(help="An approval; repeat.")],
    identity: Annotated[Path, typer.Option(help="The broker's private key.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    passphrase_file: PassphraseFile = None,
    log: Log = None,
) -> None:
    """Release the broker's half of a key for an approved request, once."""
    from steelyard.kernel import read_bytes, utc_now
    from steelyard.weights.quorum import release_half
    from steelyard.weights.recorded_opening import RELEASED, Answer, Record, answer_recorded
    from steelyard.weights.sealed import harden_process

    harden_process()
    header, custody = _in_custody(folder, signer)
    asked = read_request(request, requester)
    _require_this(asked, header)
    envelopes = [read_bytes(path, limit_bytes=ENVELOPE_LIMIT_BYTES) for path in approval]
    broker, now = read_identity(identity, passphrase_file), utc_now()

    def make() -> bytes:
        return release_half(custody, asked, envelopes, broker, now)

    answer = Answer(RELEASED, header, asked, broker.recipient.key_id, make)
    answer_recorded(answer, out, Record(access_log_place(log), now))
    write(f"released for {asked.requester}: {asked.purpose}")


def read_request(path: Path, requester: Path | None = None) -> Request:
    """A request, verified by its requester's key, or by your own."""
    from steelyard.attest import load_public_key
    from steelyard.cli.places import signing_key
    from steelyard.kernel import read_bytes
    from steelyard.weights.quorum import open_request

    key = signing_key(None).public_key if requester is None else load_public_key(requester)
    return open_request(read_bytes(path, limit_bytes=ENVELOPE_LIMIT_BYTES), key)


def _in_custody(folder: Path, signer: Path) -> tuple[SealedHeader, Custody]:
    from steelyard.kernel.errors import NotSatisfied
    from steelyard.weights.sealed import read_header
    from steelyard.weights.sealed.freshness import require_fresh

    expect = read_expect(signer)
    header = read_header(folder, expect)
    require_fresh(release_marks_place(), header, expect)
    if header.custody is None:
        message = "these weights are in nobody's custody"
        raise NotSatisfied(message, where=str(folder), hint="open them with a recipient's key")
    return header, header.custody


def _require_this(request: Request, header: SealedHeader) -> None:
    from steelyard.kernel.errors import BrokenSeal

    if request.subject != header.subject:
        raise BrokenSeal("the request is for another model, or another release of it")
