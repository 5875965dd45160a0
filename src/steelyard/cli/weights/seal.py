"""`steelyard weights seal`, `open`, `rewrap` and `rekey`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from steelyard.cli.output import progress_bar, say, write, write_json
from steelyard.cli.weights.keys import (
    ENVELOPE_LIMIT_BYTES,
    AgeIdentityFile,
    IdentityFile,
    LeastRelease,
    Model,
    PassphraseFile,
    Signer,
    read_any_identity,
    read_expect,
    read_identity,
    read_quorum,
    read_recipients,
)
from steelyard.cli.weights.quorum import read_request
from steelyard.cli.weights.records import Log, access_log_place, release_marks_place

if TYPE_CHECKING:
    from steelyard.attest.recipients import Identity
    from steelyard.weights.quorum import QuorumOpening, Request
    from steelyard.weights.sealed import Opening, SealedHeader, TensorReader

To = Annotated[list[Path] | None, typer.Option(help="Public key of who can open; repeat.")]
ToAge = Annotated[list[str] | None, typer.Option("--to-age", help="age recipient; repeat.")]
QuorumFile = Annotated[
    Path | None, typer.Option("--quorum", help="YAML with custodians who open together.")
]
KeyFile = Annotated[Path | None, typer.Option(help="Signing key; your own by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Content = Annotated[
    Literal["publisher", "keyholder"],
    typer.Option(help="Whose content it must be: the publisher's, or that of any key holder."),
]


def seal(
    model: Annotated[Path, typer.Argument(help="Folder or file of the plain model.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    release: Annotated[int, typer.Option(min=1, help="Number of this release.")],
    to: To = None,
    to_age: ToAge = None,
    quorum: QuorumFile = None,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Commit to the root that a passport names.")
    ] = False,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Encrypt a model for recipients, or for custodians who must open together."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import utc_now
    from steelyard.weights.sealed import Sealing, seal_model

    sealing = Sealing(
        model=name,
        release=release,
        recipients=read_recipients(to, to_age),
        quorum=read_quorum(quorum),
        manifest_root=_manifest_root(model) if manifest else None,
    )
    with progress_bar(f"sealing {name}") as progress:
        header = seal_model(model, out, sealing, signing_key(key), utc_now(), progress)
    _show(header, out, as_json=as_json)


def open_(
    folder: Annotated[Path, typer.Argument(help="Folder of sealed weights.")],
    signer: Signer,
    model: Model = None,
    least_release: LeastRelease = 1,
    identity: IdentityFile = None,
    age_identity: AgeIdentityFile = None,
    passphrase_file: PassphraseFile = None,
    request: Annotated[
        Path | None, typer.Option(help="Your request, to open with approvals.")
    ] = None,
    approval: Annotated[list[Path] | None, typer.Option(help="An approval; repeat.")] = None,
    requester: Annotated[
        Path | None, typer.Option(help="Public key that signed the request; your own by default.")
    ] = None,
    half: Annotated[Path | None, typer.Option(help="The broker's half, if there is one.")] = None,
    content: Content = "publisher",
    purpose: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the plain model here. Then it is on disk in clear.")
    ] = None,
    log: Log = None,
    as_json: AsJson = False,
) -> None:
    """Check sealed weights by decrypting all of them in memory; record it."""
    from steelyard.kernel import utc_now
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.recorded_opening import Record, open_recorded
    from steelyard.weights.sealed import Opening, harden_process

    harden_process()
    if request is None:
        opener = read_any_identity(identity, age_identity, passphrase_file)
    else:
        if identity is None:
            raise UsageError("approvals are sealed to your key", hint="add --identity FILE")
        asked = read_request(request, requester)
        opener = _together(asked, approval or [], read_identity(identity, passphrase_file), half)
    how = Opening(publisher=content == "publisher", marks=release_marks_place())
    record = Record(access_log_place(log), utc_now(), purpose or "")
    reader = open_recorded(folder, opener, read_expect(signer, model, least_release), how, record)
    files = _restore(reader, out) if out is not None else _check(reader)
    _show_opened(reader, files, how, as_json=as_json)
    if out is not None:
        say(f"wrote {out}: the model lies there in clear")


def rewrap(
    folder: Annotated[Path, typer.Argument(help="Folder of sealed weights.")],
    signer: Signer,
    to: To = None,
    to_age: ToAge = None,
    quorum: QuorumFile = None,
    identity: IdentityFile = None,
    age_identity: AgeIdentityFile = None,
    passphrase_file: PassphraseFile = None,
    key: KeyFile = None,
    log: Log = None,
    as_json: AsJson = False,
) -> None:
    """Change who can open. Who could before may have kept the key: `rekey` revokes."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import utc_now
    from steelyard.weights.recorded_opening import Record, rewrap_recorded
    from steelyard.weights.sealed import Rewrapping, harden_process

    harden_process()
    opener = read_any_identity(identity, age_identity, passphrase_file)
    change = Rewrapping(read_recipients(to, to_age), read_quorum(quorum), signing_key(key))
    marks = release_marks_place()
    record = Record(access_log_place(log), utc_now())
    header = rewrap_recorded(folder, opener, read_expect(signer), change, marks, record)
    _show(header, folder, as_json=as_json)


def rekey(
    folder: Annotated[Path, typer.Argument(help="Folder of sealed weights.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    signer: Signer,
    release: Annotated[int, typer.Option(min=2, help="Number of the new release.")],
    to: To = None,
    to_age: ToAge = None,
    quorum: QuorumFile = None,
    identity: IdentityFile = None,
    age_identity: AgeIdentityFile = None,
    passphrase_file: PassphraseFile = None,
    key: KeyFile = None,
    log: Log = None,
    as_json: AsJson = False,
) -> None:
    """Seal anew under another content key, so that former recipients cannot open it."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import utc_now
    from steelyard.weights.recorded_opening import Record, open_recorded
    from steelyard.weights.sealed import Opening, Sealing, harden_process
    from steelyard.weights.sealed import rekey as seal_anew

    harden_process()
    opener = read_any_identity(identity, age_identity, passphrase_file)
    how = Opening(publisher=True, marks=release_marks_place())
    record = Record(access_log_place(log), utc_now(), "rekey")
    reader = open_recorded(folder, opener, read_expect(signer), how, record)
    recipients = read_recipients(to, to_age)
    sealing = Sealing(reader.header.core.model, release, recipients, read_quorum(quorum))
    header = seal_anew(reader, out, sealing, signing_key(key), utc_now())
    _show(header, out, as_json=as_json)


def _together(
    request: Request, approvals: list[Path], identity: Identity, half: Path | None
) -> QuorumOpening:
    from steelyard.kernel import read_bytes, utc_now
    from steelyard.weights.quorum import QuorumOpening, open_half

    envelopes = [read_bytes(path, limit_bytes=ENVELOPE_LIMIT_BYTES) for path in approvals]
    released = b"" if half is None else read_bytes(half, limit_bytes=ENVELOPE_LIMIT_BYTES)
    opened = open_half(released, request, identity) if released else b""
    return QuorumOpening(request, envelopes, identity, utc_now(), opened)


def _check(reader: TensorReader) -> int:
    """Decrypt every file once, and let it go."""
    with progress_bar("checking") as progress:
        for done, file in enumerate(reader.index.files, start=1):
            reader.folder.decrypt(file.stream).release()
            progress(done, len(reader.index.files))
    return len(reader.index.files)


def _manifest_root(model: Path) -> str:
    """The root of a model that can be sealed; what cannot is refused before it is hashed."""
    from steelyard.attest import manifest_root
    from steelyard.weights import regular_files

    regular_files(model)
    return manifest_root(model)


def _restore(reader: TensorReader, out: Path) -> int:
    from steelyard.weights.sealed.restore import restore

    with progress_bar("writing") as progress:
        return restore(reader, out, progress)


def _show(header: SealedHeader, folder: Path, *, as_json: bool) -> None:
    custody = header.custody
    recipients = [{"kind": r.kind, "id": r.key_id} for r in header.recipients]
    plain = sum(stream.plain_bytes for stream in header.streams[1:])
    if as_json:
        write_json(
            {
                "schema": "steelyard/sealed-summary/1",
                "folder": str(folder),
                "model": header.core.model,
                "release": header.core.release,
                "edition": header.edition,
                "artifact": header.core.digest,
                "files": len(header.streams) - 1,
                "plain_bytes": plain,
                "recipients": recipients,
                "custodians": [c.name for c in custody.custodians] if custody else [],
                "threshold": custody.threshold if custody else None,
            }
        )
        return
    write(f"{header.core.model} release {header.core.release}: {folder}")
    write(f"  {len(header.streams) - 1} files, {plain} bytes")
    for recipient in recipients:
        write(f"  opens with {recipient['kind']} {recipient['id'][:16]}")
    if custody is not None:
        names = ", ".join(f"{c.name} ({c.organization})" for c in custody.custodians)
        write(f"  opens when {custody.threshold} approve of: {names}")
    write(f"  artifact {header.core.digest}")


def _show_opened(reader: TensorReader, files: int, how: Opening, *, as_json: bool) -> None:
    core, index = reader.header.core, reader.index
    tensors = reader.tensors
    parameters = sum(tensor.parameters for tensor in tensors.values())
    content = "publisher" if how.publisher else "keyholder"
    if as_json:
        write_json(
            {
                "schema": "steelyard/sealed-opening/1",
                "model": core.model,
                "release": core.release,
                "artifact": core.digest,
                "content": content,
                "files": [{"path": f.path, "bytes": f.size_bytes} for f in index.files],
                "tensors": len(tensors),
                "parameters": parameters,
                "manifest_root": index.manifest_root,
            }
        )
        return
    write(f"{core.model} release {core.release}: every segment is authentic")
    write(f"  {files} files, {len(tensors)} tensors, {parameters} parameters")
    write(f"  content is that of {'the publisher' if how.publisher else 'a holder of the key'}")
    if index.manifest_root is not None:
        write(f"  manifest root {index.manifest_root}")
    write(f"  artifact {core.digest}")
