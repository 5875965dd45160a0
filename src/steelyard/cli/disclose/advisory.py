"""`steelyard disclose advisory`: check, export, lint and publish advisories."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.disclose.trees import write_tree
from steelyard.cli.output import say, write, write_json

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.advisory import Advisory, OpenPgp, Payload

app = typer.Typer(
    name="advisory",
    help="Advisories: check, export, lint and publish them.",
    no_args_is_help=True,
)

_PAYLOAD_LIMIT_BYTES = 4 * 1024 * 1024
_TEXT_LIMIT_BYTES = 4 * 1024 * 1024


class Format(StrEnum):
    """Format of an export."""

    CSAF = "csaf"
    CSAF21 = "csaf21"
    OPENVEX = "openvex"
    AVID = "avid"
    CVE = "cve"
    OSV = "osv"
    ATOM = "atom"
    CSV = "csv"
    ALL = "all"


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The advisory, in YAML.")],
    lint: Annotated[
        list[Path] | None, typer.Option(help="Payload that it must not repeat; a folder of them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Hold an advisory against its schema and rules, and say what each format would leave out."""
    from steelyard.disclosure.advisory import Occasion
    from steelyard.disclosure.advisory.formats import survey

    advisory = _read(file)
    _refuse_payloads(file, lint)
    formats = survey(advisory, Occasion(advisory.changed_at))
    if as_json:
        write_json(_summary(advisory, formats))
    else:
        _show(advisory, formats)
    _remind(lint)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The advisory, in YAML.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    format_name: Annotated[
        Format, typer.Option("--format", help="Format; all but drafts of standards by default.")
    ] = Format.ALL,
    lint: Annotated[
        list[Path] | None, typer.Option(help="Payload that no file may repeat; a folder of them.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Date of the export.")] = None,
    self_url: Annotated[
        str | None, typer.Option(help="Address that the CSAF document will have.")
    ] = None,
) -> None:
    """Write an advisory in published formats; nothing is written if one repeats a payload."""
    from steelyard.disclosure.advisory import ALL, Occasion
    from steelyard.disclosure.advisory import export as export_formats
    from steelyard.disclosure.advisory.escape import check_url

    advisory = _read(file)
    if self_url:
        check_url(self_url, where="--self-url")
    names = ALL if format_name is Format.ALL else (format_name.value,)
    made = export_formats(advisory, names, Occasion(_instant(at), self_url or ""), _payloads(lint))
    write_tree(out, made.files)
    for reason in made.left_out:
        say(f"left out: {reason}")
    _remind(lint)


@app.command()
def lint(
    files: Annotated[list[Path], typer.Argument(help="Texts that would be published.")],
    payload: Annotated[
        list[Path], typer.Option(help="Payload that they must not repeat; a folder of them.")
    ],
) -> None:
    """Refuse texts that repeat a payload above tier H0, in the clear or in disguise."""
    from steelyard.disclosure.advisory import ExportedFile, lint_files
    from steelyard.kernel import read_bytes

    texts = [
        ExportedFile(str(file), read_bytes(file, limit_bytes=_TEXT_LIMIT_BYTES)) for file in files
    ]
    lint_files(texts, _payloads(payload))
    say(f"{len(texts)} texts repeat none of {len(payload)} payload files")


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="Every public advisory, in YAML.")],
    out: Annotated[Path, typer.Option(help="Folder that the web server will serve.")],
    base_url: Annotated[str, typer.Option(help="https address that the folder will have.")],
    lint: Annotated[
        list[Path] | None, typer.Option(help="Payload that no file may repeat; a folder of them.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Ed25519 key for DSSE signatures.")] = None,
    openpgp: Annotated[
        str | None, typer.Option(help="Fingerprint of a key of gpg, for OpenPGP signatures.")
    ] = None,
    contact: Annotated[
        list[str] | None, typer.Option(help="Contact for security.txt, as an address.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="Until when security.txt holds.")] = None,
    at: Annotated[str | None, typer.Option(help="Date of the export.")] = None,
) -> None:
    """Write the tree of a CSAF provider: documents, hashes, signatures, ROLIE, metadata, Atom."""
    from steelyard.attest import load_private_key
    from steelyard.disclosure.advisory import Site, lint_files
    from steelyard.disclosure.advisory import publish as publish_tree
    from steelyard.disclosure.advisory.provider import require_base
    from steelyard.kernel import parse_instant
    from steelyard.kernel.errors import UsageError

    if bool(contact) != bool(expires):
        raise UsageError("security.txt needs --contact and --expires")
    require_base(base_url)
    site = Site(
        base_url,
        contacts=tuple(contact or ()),
        expires_at=parse_instant(expires, where="--expires") if expires else None,
        key=load_private_key(key) if key else None,
        openpgp=_gpg(openpgp) if openpgp else None,
    )
    made = publish_tree(tuple(_read(file) for file in files), site, _instant(at))
    lint_files(made, _payloads(lint))
    write_tree(out, made)
    if openpgp is None:
        say("note: without OpenPGP signatures this is a provider, not a trusted provider")
    _remind(lint)


@app.command()
def handles(
    passport: Annotated[
        Path | None, typer.Argument(help="Passport of the model that an advisory is to name.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder of its weights instead.")] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Key that may have signed; repeatable.")
    ] = None,
) -> None:
    """Print the handles by which an advisory names a model exactly, one a line."""
    from steelyard.attest import manifest_root
    from steelyard.cli.verify import verify_file
    from steelyard.disclosure.advisory.handles import subject_handle
    from steelyard.kernel.errors import CannotVerify, UsageError

    if (passport is None) == (weights is None):
        raise UsageError("name a passport, or the weights", hint="--weights FOLDER")
    if weights is not None:
        write(subject_handle(manifest_root(weights)))
        return
    if passport is not None:
        found: dict[str, Any] | None = verify_file(passport, None, None, key).advisories
        if found is None:
            hint = f"see: steelyard verify {passport}"
            raise CannotVerify("the passport does not verify", where=str(passport), hint=hint)
        for name in found["handles"]:
            write(name)


def _read(file: Path) -> Advisory:
    from steelyard.disclosure.advisory import read_advisory
    from steelyard.disclosure.advisory.reading import FILE_LIMIT_BYTES
    from steelyard.kernel import read_bytes

    return read_advisory(read_bytes(file, limit_bytes=FILE_LIMIT_BYTES), where=str(file))


def _instant(text: str | None) -> datetime:
    from steelyard.kernel import parse_instant, utc_now

    return parse_instant(text, where="--at") if text else utc_now()


def _payloads(paths: list[Path] | None) -> list[Payload]:
    """Payloads in files and folders; whoever gives one says that it is above tier H0."""
    from steelyard.disclosure.advisory import payloads_in
    from steelyard.kernel import read_bytes

    return [
        payload
        for path in paths or ()
        for file in _payload_files(path)
        for payload in payloads_in(file.name, read_bytes(file, limit_bytes=_PAYLOAD_LIMIT_BYTES))
    ]


def _payload_files(path: Path) -> list[Path]:
    """The file, or every file in the folder and below; an empty one would look for nothing."""
    from steelyard.kernel.errors import UsageError

    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if not file.is_dir())
    if not files:
        raise UsageError("the folder holds no payload", where=str(path))
    return files


def _refuse_payloads(file: Path, payloads: list[Path] | None) -> None:
    from steelyard.disclosure.advisory import ExportedFile, lint_files
    from steelyard.kernel import read_bytes

    lint_files([ExportedFile(str(file), read_bytes(file))], _payloads(payloads))


def _remind(payloads: list[Path] | None) -> None:
    if not payloads:
        say("note: no payload was given, so nothing was looked for in the text (--lint)")


def _summary(advisory: Advisory, formats: dict[str, list[str]]) -> dict[str, object]:
    from collections import Counter

    from steelyard.kernel import format_instant

    verdicts = Counter(row.verdict.value for entry in advisory.findings for row in entry.rows)
    return {
        "schema": "steelyard/advisory-summary/1",
        "id": advisory.id,
        "title": advisory.title,
        "version": advisory.version,
        "status": advisory.status.value,
        "tlp": advisory.tlp.value,
        "changed_at": format_instant(advisory.changed_at),
        "targets": len(advisory.targets),
        "findings": len(advisory.findings),
        "verdicts": dict(sorted(verdicts.items())),
        "formats": formats,
    }


def _show(advisory: Advisory, formats: dict[str, list[str]]) -> None:
    from steelyard.disclosure.advisory.wording import row_text

    write(f"{advisory.id} version {advisory.version}, {advisory.status.value}: {advisory.title}")
    write(f"  TLP:{advisory.tlp.value}")
    for finding in advisory.findings:
        write(f"  {finding.id}  {finding.title}")
        for row in finding.rows:
            write(f"    {advisory.target(row.target).full_name}: {row_text(row)}")
        hidden = finding.unnamed
        if shown := hidden.shown():
            counts = ", ".join(f"{count} {name}" for name, count in shown.items())
            write(f"    not named: {counts}; counts below three are not shown")
    for name, reasons in formats.items():
        for reason in reasons:
            write(f"  {name} leaves out: {reason}")


def _gpg(fingerprint: str) -> OpenPgp:
    """What signs through an installed gpg with a key of its keyring."""
    import re
    import shutil
    import subprocess

    from steelyard.disclosure.advisory import OpenPgp
    from steelyard.kernel.errors import CannotVerify, UsageError

    program = shutil.which("gpg")
    if program is None:
        raise UsageError("gpg is not installed", where="--openpgp", hint="install gnupg")
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", fingerprint):
        message = "a fingerprint has 40 or 64 upper-case hex digits"
        raise UsageError(message, where="--openpgp", hint="see gpg --list-secret-keys")

    def run(arguments: list[str], data: bytes) -> bytes:
        done = subprocess.run(  # noqa: S603 - the arguments are ours and a checked fingerprint
            [program, "--batch", "--no-tty", "--armor", *arguments],
            input=data,
            capture_output=True,
            check=False,
        )
        if done.returncode or not done.stdout:
            text = " ".join(done.stderr.decode(errors="replace").split())[:200]
            raise CannotVerify(f"gpg refused: {text}", where="--openpgp")
        return done.stdout

    public_key = run(["--export", fingerprint], b"")
    sign = ["--local-user", f"{fingerprint}!", "--detach-sign"]
    return OpenPgp(fingerprint, public_key, lambda data: run(sign, data))
