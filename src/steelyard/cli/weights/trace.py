"""`steelyard weights trace`: mark copies for recipients, and say whose copy was leaked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json
from steelyard.cli.places import require_absent

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject
    from steelyard.weights.trace import Commitment, Evidence

_PRIVATE_MODE = 0o600
_SECRET_BYTES = 32
_FILE_LIMIT_BYTES = 256 << 20

app = typer.Typer(
    help="Leak tracing: mark each recipient's copy, and trace a leak to it.",
    no_args_is_help=True,
)

CommitmentFile = Annotated[Path, typer.Option(help="The signed commitment, commitment.json.")]
RegisterFile = Annotated[Path, typer.Option(help="The owner's private register.json.")]
OwnerKey = Annotated[Path, typer.Option(help="The owner's public key (PEM).")]
SigningKey = Annotated[Path | None, typer.Option(help="Signing key; your own by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def commit(
    model: Annotated[Path, typer.Argument(help="Folder of the unmarked model.")],
    recipients: Annotated[Path, typer.Option(help="CSV: pseudonym[,identity].")],
    out: Annotated[Path, typer.Option(help="New folder for commitment.json and register.json.")],
    name: Annotated[str | None, typer.Option(help="Name of the model; its folder's.")] = None,
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.1, help="Mark in deviations of a tensor.")
    ] = 0.005,
    family_error: Annotated[
        float, typer.Option(min=1e-30, max=0.01, help="Chance that anybody innocent is named.")
    ] = 1e-9,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="Mark embeddings too.")] = False,
    key: SigningKey = None,
) -> None:
    """Fix method, carriers and recipients, signed, before the first copy is handed over."""
    import secrets

    from steelyard.cli.places import signing_key
    from steelyard.kernel import read_bytes, sha256_hex, utc_now, write_atomically
    from steelyard.kernel.errors import StorageError
    from steelyard.weights.trace.carriers import EXCLUDED, CarrierRule
    from steelyard.weights.trace.delivery import Terms, commit_model, read_recipients

    require_absent(out / "commitment.json", out / "register.json")
    text = _text(read_bytes(recipients, limit_bytes=_FILE_LIMIT_BYTES), str(recipients))
    rule = CarrierRule(exclude=EXCLUDED) if embeddings else CarrierRule()
    terms = Terms(name or model.resolve().name, alpha, family_error, rule)
    made = commit_model(
        model,
        read_recipients(text, where=str(recipients)),
        terms,
        secrets.token_bytes(_SECRET_BYTES),
        (signing_key(key), utc_now()),
    )
    write_atomically(out / "register.json", made.register.to_bytes(), mode=_PRIVATE_MODE)
    try:
        write_atomically(out / "commitment.json", made.envelope)
    except StorageError:
        (out / "register.json").unlink(missing_ok=True)
        raise
    write(sha256_hex(made.envelope))
    carriers = made.register.carriers
    elements = sum(carrier.elements for carrier in carriers)
    say(f"{len(carriers)} tensors with {elements} weights carry the mark")
    say(f"publish now: {out / 'commitment.json'}, or its digest above, where others date it")
    say(f"keep secret: {out / 'register.json'}")


@app.command()
def mark(
    model: Annotated[Path, typer.Argument(help="Folder of the unmarked model.")],
    commitment: CommitmentFile,
    register: RegisterFile,
    recipient: Annotated[str, typer.Option(help="Pseudonym of the recipient.")],
    out: Annotated[Path, typer.Option(help="New folder for the marked copy.")],
    key: SigningKey = None,
) -> None:
    """Write one recipient's copy, and the signed statement of what it derives from."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import read_bytes, utc_now, write_atomically
    from steelyard.kernel.errors import StorageError
    from steelyard.kernel.files import require_name
    from steelyard.weights.trace import deliver, open_commitment, read_register

    require_name(out)
    statement = out.with_name(f"{out.name}.derivation.json")
    require_absent(statement)
    signer, now = signing_key(key), utc_now()
    found = open_commitment(
        read_bytes(commitment, limit_bytes=_FILE_LIMIT_BYTES), signer.public_key,
        now=now, where=str(commitment),
    )  # fmt: skip
    owner = read_register(read_bytes(register, limit_bytes=_FILE_LIMIT_BYTES), where=str(register))
    with progress_bar("marking") as progress:
        envelope = deliver(model, found, owner, (recipient, out), (signer, now), progress)
    try:
        write_atomically(statement, envelope)
    except StorageError:
        # A copy that cannot be shown to derive from anything is not to be handed over.
        shutil.rmtree(out, ignore_errors=True)
        raise
    write(str(out))
    say(f"signed derivation, to hand over with it: {statement}")


@app.command()
def reveal(
    register: RegisterFile,
    recipient: Annotated[str, typer.Option(help="Pseudonym of the recipient.")],
    out: Annotated[Path, typer.Option(help="File for the opening; it holds a key.")],
) -> None:
    """Write what lets a third party test one recipient; who has it can remove that mark."""
    from steelyard.kernel import read_bytes, write_atomically
    from steelyard.weights.trace import read_register

    require_absent(out)
    data = read_bytes(register, limit_bytes=_FILE_LIMIT_BYTES)
    owner = read_register(data, where=str(register))
    write_atomically(out, owner.evidence(recipient).to_bytes(), mode=_PRIVATE_MODE)
    write(str(out))


@app.command()
def detect(
    suspect: Annotated[Path, typer.Argument(help="Leaked model: folder or safetensors file.")],
    commitment: CommitmentFile,
    key: OwnerKey,
    base: Annotated[
        Path | None, typer.Option(help="The unmarked model; without it only strong marks show.")
    ] = None,
    register: Annotated[
        Path | None, typer.Option(help="The owner's register: test every recipient.")
    ] = None,
    opening: Annotated[Path | None, typer.Option(help="Opening: test one recipient.")] = None,
    digest: Annotated[
        str | None, typer.Option(help="Digest under which the commitment was published.")
    ] = None,
    first_seen: Annotated[
        str | None, typer.Option(help="When the suspect was first seen anywhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whose copy a suspect comes from: status 0 somebody's, 1 nobody's, 3 cannot tell."""
    from steelyard.cli.weights.trace_report import report, show
    from steelyard.kernel import parse_instant
    from steelyard.kernel.errors import CannotVerify
    from steelyard.weights.trace import detect as detect_marks
    from steelyard.weights.trace import open_model
    from steelyard.weights.trace.delivery import require_source

    committed = _committed(commitment, key)
    if digest is not None:
        committed.require_published(digest)
    if first_seen is not None:
        committed.require_before(parse_instant(first_seen, where="--first-seen"))
    evidence = _evidence(register, opening)
    source = open_model(require_source(base, committed)) if base else None
    with progress_bar("comparing") as progress:
        found = detect_marks(open_model(suspect), source, committed, evidence, progress)
    if as_json:
        write_json(report(suspect, source is not None, committed, found))
    else:
        show(committed, found, with_source=source is not None)
    if found.verdict == "undecidable":
        message = (
            f"an intact mark would show z = {found.visible_z:.1f}, "
            f"below the threshold {committed.method.threshold}"
        )
        hint = "" if base else "compare with the unmarked model: --base FOLDER"
        raise CannotVerify(message, where=str(suspect), hint=hint)
    if found.verdict == "nobody":
        raise typer.Exit(1)


@app.command()
def verify(
    marked: Annotated[Path, typer.Argument(help="Folder of a marked copy.")],
    statement: Annotated[Path, typer.Option(help="Its signed derivation.")],
    key: OwnerKey,
    source_root: Annotated[
        str | None, typer.Option(help="Manifest root of the evaluated model.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="The unmarked model: compare weight by weight.")
    ] = None,
    commitment: Annotated[
        Path | None, typer.Option(help="The commitment it must have been made under.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that a marked copy is what its owner signed, and derives from the evaluated model."""
    from steelyard.attest import load_public_key, manifest_root
    from steelyard.cli.weights.trace_report import show_verified, verified
    from steelyard.kernel import read_bytes, utc_now
    from steelyard.weights.trace import open_derivation, open_model
    from steelyard.weights.trace.derivation import (
        require_commitment,
        require_only_marks,
        require_roots,
    )

    owner = load_public_key(key)
    data = read_bytes(statement, limit_bytes=_FILE_LIMIT_BYTES)
    found = open_derivation(data, owner, now=utc_now(), where=str(statement))
    require_roots(found, manifest_root(marked), source_root)
    if commitment is not None:
        require_commitment(found, _committed(commitment, key))
    if source is not None:
        require_roots(found, found.marked.sha256, manifest_root(source))
        require_only_marks(open_model(source), open_model(marked), found)
    checked = (source is not None, commitment is not None)
    if as_json:
        write_json(verified(found, owner.key_id, *checked))
    else:
        show_verified(found, owner.key_id, *checked)
    if source_root is None and source is None:
        say("note: any source was accepted; name the evaluated one with --source-root")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A model: folder or safetensors file.")],
    after: Annotated[Path, typer.Argument(help="The same, marked or rounded.")],
    limit: Annotated[
        float | None, typer.Option(min=0.0, help="Largest relative change of a tensor.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how far the weights of two models lie apart, tensor by tensor."""
    from steelyard.weights.trace import open_model
    from steelyard.weights.trace.comparison import compare_models, overall

    changes = compare_models(open_model(before), open_model(after))
    largest = max((change.relative for change in changes), default=0.0)
    within = None if limit is None else largest <= limit
    whole = overall(changes)
    if as_json:
        document: JsonObject = {
            "schema": "steelyard/trace-comparison/1",
            "relative": whole,
            "limit": limit,
            "within": within,
            "tensors": [change.to_json() for change in changes],
        }
        write_json(document)
    else:
        for change in changes:
            if change.changed:
                write(f"{change.relative:.6f}  {change.largest:.3g}  {change.name}")
        write(f"{whole:.6f}  all {len(changes)} tensors")
    if within is False:
        say(f"a tensor changed by {largest:.6f} of its norm, the limit is {limit}")
        raise typer.Exit(1)


def _committed(path: Path, key: Path) -> Commitment:
    from steelyard.attest import load_public_key
    from steelyard.kernel import read_bytes, utc_now
    from steelyard.weights.trace import open_commitment

    data = read_bytes(path, limit_bytes=_FILE_LIMIT_BYTES)
    return open_commitment(data, load_public_key(key), now=utc_now(), where=str(path))


def _evidence(register: Path | None, opening: Path | None) -> Evidence:
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.trace import read_opening, read_register

    if register is not None and opening is None:
        data = read_bytes(register, limit_bytes=_FILE_LIMIT_BYTES)
        return read_register(data, where=str(register)).all_evidence()
    if opening is not None and register is None:
        data = read_bytes(opening, limit_bytes=_FILE_LIMIT_BYTES)
        return read_opening(data, where=str(opening))
    raise UsageError("need either --register or --opening", hint="an owner has the register")


def _text(data: bytes, where: str) -> str:
    from steelyard.kernel.errors import ConfigurationError

    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=where) from error
