"""`steelyard weights posture`: look, attest, decide a level, and check what others decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json

if TYPE_CHECKING:
    from steelyard.weights.posture import Assessment, Trust
    from steelyard.weights.posture.signed import Signed
    from steelyard.weights.posture.statement import WeightsSecurity

app = typer.Typer(
    name="posture",
    help="The security level that evidence supports: look, attest, report, verify.",
    no_args_is_help=True,
)
_Json = Annotated[bool, typer.Option("--json", help="Print the document as JSON.")]
_Key = Annotated[Path | None, typer.Option(help="Signing key; your own by default.")]
_At = Annotated[str | None, typer.Option(help="Date or instant to ask about; now by default.")]


@app.command()
def controls(as_json: _Json = False) -> None:
    """List the controls, from which level on each is demanded, and what counts as evidence."""
    from steelyard.weights.posture import load_catalogue

    catalogue = load_catalogue()
    if as_json:
        write_json(catalogue.content["controls"])
        return
    for control in sorted(catalogue.controls, key=lambda row: row.level):
        seen = control.collector or "attestation"
        write(f"{catalogue.framework} {control.level}  {control.id:26}  {seen:22}  {control.title}")
    say(f"catalogue {catalogue.id} {catalogue.version}, digest {catalogue.digest}")


@app.command()
def collect(
    model: Annotated[Path, typer.Argument(help="Folder of the weights, plain or sealed.")],
    out: Annotated[Path, typer.Option(help="Signed observations to write.")],
    host: Annotated[str, typer.Option(help="Name of this host in the report.")] = "main",
    sealed: Annotated[
        Path | None, typer.Option(help="Folder of sealed weights, where both lie here.")
    ] = None,
    model_root: Annotated[
        str | None,
        typer.Option(help="Manifest root of the model, where only sealed ones lie here."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model; the folder's else.")] = None,
    signature: Annotated[Path | None, typer.Option(help="Bundle that signs the model.")] = None,
    signer: Annotated[
        list[Path] | None, typer.Option(help="Key that may have signed it; repeatable.")
    ] = None,
    publisher: Annotated[
        Path | None, typer.Option(help="Key that must have signed the sealed weights.")
    ] = None,
    copies: Annotated[
        list[Path] | None, typer.Option(help="Folder to look for copies in; repeatable.")
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help="Checkout of the code that handles the weights.")
    ] = None,
    allowed_signers: Annotated[
        Path | None, typer.Option(help="SSH keys that may sign its commits (allowed signers).")
    ] = None,
    private_key: Annotated[
        list[Path] | None, typer.Option(help="File of a private key to look at; repeatable.")
    ] = None,
    access_log: Annotated[Path | None, typer.Option(help="Log of openings.")] = None,
    process: Annotated[
        int | None, typer.Option(min=1, help="Number of the process that holds the weights.")
    ] = None,
    service: Annotated[
        list[int] | None, typer.Option(help="Port that is meant to be reached; repeatable.")
    ] = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """Look at this machine, and sign what was seen; details stay in a file beside it."""
    import os
    import sys

    from steelyard.attest import load_public_key
    from steelyard.cli.places import signing_key
    from steelyard.cli.weights.posture_places import followed, model_subject, places
    from steelyard.cli.weights.posture_table import collection_document, collection_lines
    from steelyard.kernel import canonical_json, utc_now, write_atomically
    from steelyard.weights.posture import load_catalogue
    from steelyard.weights.posture.collectors import Scope, subjects
    from steelyard.weights.posture.collectors import collect as look
    from steelyard.weights.posture.machine import Machine
    from steelyard.weights.posture.observation import Collection, sign_collection
    from steelyard.weights.signing import load_model_key

    plain, kept = places(model, sealed)
    scope = Scope(
        at=utc_now(),
        model=plain,
        sealed=kept,
        signature=signature.absolute() if signature else None,
        signers=tuple(load_model_key(path) for path in signer or ()),
        publisher=load_public_key(publisher) if publisher else None,
        roots=tuple(path.absolute() for path in copies or ()),
        repository=followed(repository) if repository else None,
        allowed_signers=allowed_signers.absolute() if allowed_signers else None,
        keys=tuple(path.absolute() for path in private_key or ()),
        access_log=access_log.absolute() if access_log else None,
        process=str(process) if process else "",
        services=frozenset(service or ()),
        import_path=tuple(sys.path),
    )
    subject, catalogue = model_subject(model, scope, name, model_root), load_catalogue()
    own = signing_key(key)
    with progress_bar("looking") as progress:
        seen = look(Machine(), scope, host, catalogue, progress)
    found = Collection(subjects(scope, host), scope.at, seen, os.urandom(32))
    signed = sign_collection(found, subject, catalogue, own)
    private = out.with_name(f"{out.name}.facts")
    write_atomically(private, canonical_json(found.facts()) + b"\n", mode=0o600)
    write_atomically(out, signed.data + b"\n")
    if as_json:
        write_json(collection_document(found, signed, str(out)))
    else:
        for line in collection_lines(found):
            write(line)
    say(f"observations: {out} (to hand on), details: {private} (to keep)")
    say(f"next:     steelyard weights posture report {out} --collector {signed.signer}")


@app.command()
def facts(
    observations: Annotated[Path, typer.Argument(help="Signed observations.")],
    details: Annotated[Path, typer.Argument(help="The file with `.facts` that came with them.")],
    as_json: _Json = False,
) -> None:
    """Show what observations rest on, once it is what was signed for."""
    from steelyard.kernel import canonical_json, parse_json_object, read_bytes
    from steelyard.weights.posture.observation import check_facts
    from steelyard.weights.posture.signed import FILE_LIMIT_BYTES, OBSERVATIONS_KIND

    signed = _read(observations, OBSERVATIONS_KIND)
    data = read_bytes(details, limit_bytes=FILE_LIMIT_BYTES)
    whole = parse_json_object(data, where=str(details))
    shown = check_facts(signed, whole)
    if as_json:
        write_json(whole)
        return
    for row in signed.predicate["observations"]:
        found = canonical_json(shown[row["evidence"]]).decode()
        write(
            f"{row['outcome'].replace('_', ' '):14} {row['control']:24} {row['subject']}  {found}"
        )
    say(f"signed by {signed.signer}")


@app.command()
def attest(
    control: Annotated[str, typer.Argument(help="Id of the control.")],
    role: Annotated[str, typer.Option(help="Your role, as the assessor knows it.")],
    statement: Annotated[str, typer.Option(help="What you attest, in your own words.")],
    evidence: Annotated[str, typer.Option(help="Where it can be looked up.")],
    out: Annotated[Path, typer.Option(help="Signed attestation to write.")],
    subject: Annotated[
        list[str] | None,
        typer.Option(help="What it covers: host:NAME, repository:NAME; repeatable."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="How long it is valid; the most allowed by default.")
    ] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Valid from; now by default.")] = None,
    refuted: Annotated[
        bool, typer.Option("--not-satisfied", help="Attest that the control is not satisfied.")
    ] = False,
    key: _Key = None,
) -> None:
    """Sign your word that a control is satisfied, or is not."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import parse_instant, utc_now, write_atomically
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.posture import Word, attest_control, load_catalogue

    found = load_catalogue().control(control)
    about = tuple(subject or ())
    if not about and found.about in ("organization", "model"):
        about = (found.about,)
    if not about or any(item.partition(":")[0] != found.about for item in about):
        message = f"{control} is about a {found.about}"
        raise UsageError(message, where="--subject", hint=f"--subject {found.about}:NAME")
    start = parse_instant(begin, where="--from") if begin else utc_now()
    word = Word("not_satisfied" if refuted else "satisfied", role, statement, evidence, about)
    span = (start, days or found.attestation_days)
    signed = attest_control(found, word, span, signing_key(key))
    write_atomically(out, signed.data + b"\n")
    write(signed.digest)
    say(f"attestation: {out}, valid until {signed.predicate['valid_until']}")
    say(f"next:     steelyard weights posture report ... --attestation {out}")
    say(f"          with --attester {role!r}={signed.signer}")


@app.command()
def report(
    observations: Annotated[list[Path], typer.Argument(help="Signed observations.")],
    attestation: Annotated[
        list[Path] | None, typer.Option(help="Signed attestation; repeatable.")
    ] = None,
    collector: Annotated[
        list[str] | None, typer.Option(help="Key that may observe; your own by default.")
    ] = None,
    attester: Annotated[
        list[str] | None, typer.Option(help="ROLE=KEY of the organization; repeatable.")
    ] = None,
    assessor: Annotated[
        list[str] | None, typer.Option(help="ROLE=KEY of somebody outside; repeatable.")
    ] = None,
    at: _At = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the signed report and statement.")
    ] = None,
    oscal: Annotated[Path | None, typer.Option(help="OSCAL assessment results to write.")] = None,
    require: Annotated[
        int | None, typer.Option(min=1, max=5, help="Exit with 1 below this level.")
    ] = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """Decide from observations and attestations: each vector first, the level last."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import canonical_json, parse_instant, utc_now, write_atomically
    from steelyard.weights.posture import Documents, assess_posture, load_catalogue
    from steelyard.weights.posture.oscal import assessment_results
    from steelyard.weights.posture.signed import ATTESTATION_KIND, OBSERVATIONS_KIND
    from steelyard.weights.posture.statement import sign_security

    documents = Documents(
        tuple(_read(path, OBSERVATIONS_KIND) for path in observations),
        tuple(_read(path, ATTESTATION_KIND) for path in attestation or ()),
    )
    trust = _trust(collector or [signing_key(key).public_key.key_id], attester, assessor)
    instant = parse_instant(at, where="--at") if at else utc_now()
    found = assess_posture(documents, trust, load_catalogue(), instant)
    if oscal is not None:
        write_atomically(oscal, canonical_json(assessment_results(found)) + b"\n")
        say(f"OSCAL:    {oscal}")
    if out is not None:
        security = sign_security(found, signing_key(key))
        write_atomically(out / "posture-report.json", security.report.data + b"\n")
        write_atomically(out / "weights-security.json", security.statement.data + b"\n")
        say(f"signed:   {out} (posture-report.json, weights-security.json)")
    _show(found, as_json=as_json)
    _require(found.posture.level, require)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder with report and statement.")],
    key: Annotated[
        str | None, typer.Option(help="Public key (PEM file or key id) that must have signed.")
    ] = None,
    at: _At = None,
    require: Annotated[
        int | None, typer.Option(min=1, max=5, help="Exit with 1 below this level.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Decide again what a signed report claims, from the evidence that it carries."""
    from steelyard.cli.places import key_id_of
    from steelyard.kernel import parse_instant, utc_now
    from steelyard.kernel.errors import BrokenSeal
    from steelyard.weights.posture.statement import require_current

    found = read_security(folder)
    wanted = key_id_of(key) if key else found.signer
    if found.signer != wanted:
        message = f"signed by key {found.signer[:16]}, wanted {wanted[:16]}"
        raise BrokenSeal(message, where=str(folder))
    instant = parse_instant(at, where="--at") if at else utc_now()
    require_current(found, instant)
    _show(found.assessment, as_json=as_json)
    if key is None:
        say(f"note: any signer was accepted ({found.signer}); name yours with --key")
    _require(found.level, require)


def read_security(folder: Path) -> WeightsSecurity:
    """The statement in a folder of `report --out`, decided again from the report beside it."""
    from steelyard.weights.posture import load_catalogue
    from steelyard.weights.posture.signed import REPORT_KIND, SECURITY_KIND
    from steelyard.weights.posture.statement import open_security

    statement = _read(folder / "weights-security.json", SECURITY_KIND)
    behind = _read(folder / "posture-report.json", REPORT_KIND)
    return open_security(statement, behind, load_catalogue())


def _read(path: Path, kind: str) -> Signed:
    from steelyard.kernel import read_bytes
    from steelyard.weights.posture.signed import FILE_LIMIT_BYTES, read_signed

    return read_signed(read_bytes(path, limit_bytes=FILE_LIMIT_BYTES), kind, where=str(path))


def _trust(
    collectors: list[str], attesters: list[str] | None, assessors: list[str] | None
) -> Trust:
    from steelyard.cli.places import key_id_of
    from steelyard.weights.posture import Trust

    return Trust(
        frozenset(map(key_id_of, collectors)),
        _roles(attesters or [], "--attester"),
        _roles(assessors or [], "--assessor"),
    )


def _roles(items: list[str], option: str) -> dict[str, str]:
    """Role by key id of ROLE=KEY.

    Raises:
        UsageError: another form, or one key in two roles.
    """
    from steelyard.cli.places import key_id_of
    from steelyard.kernel.errors import UsageError

    found: dict[str, str] = {}
    for item in items:
        role, equals, name = item.partition("=")
        if not (role and equals and name):
            raise UsageError(f"{item[:80]!r} is not ROLE=KEY", where=option)
        key_id = key_id_of(name)
        if found.setdefault(key_id, role) != role:
            message = f"key {key_id[:16]} is named as {found[key_id]!r} and as {role!r}"
            raise UsageError(message, where=option)
    return found


def _show(found: Assessment, *, as_json: bool) -> None:
    from steelyard.cli.weights.posture_table import lines

    if as_json:
        write_json(found.to_json())
        return
    for line in lines(found):
        write(line)


def _require(level: int, wanted: int | None) -> None:
    if wanted is not None and level < wanted:
        say(f"not satisfied: level {level or 'none'}, {wanted} required")
        raise typer.Exit(1)
