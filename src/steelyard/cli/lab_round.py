"""`steelyard lab round`: proficiency rounds, for coordinators and laboratories."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write, write_json
from steelyard.cli.places import require_absent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.evidence import Evidence
    from steelyard.redteam.rounds.definition import OpenRound, Round, TargetTerms
    from steelyard.redteam.rounds.results import Readings
    from steelyard.redteam.rounds.scoring import LabVerdict
    from steelyard.redteam.rounds.sealing import Sealed
    from steelyard.standard import Release

_SECRET_BYTES = 32
_PRIVATE_MODE = 0o600
_CLASSIC = ("pe1_evidence_cards", "de1_ledger_report", "re1_obtain_compute")

app = typer.Typer(
    help="Proficiency rounds: whether a laboratory's numbers can be believed.",
    no_args_is_help=True,
)

RoundFile = Annotated[Path, typer.Argument(help="The round's public file, round.json.")]
PrivateFile = Annotated[Path, typer.Option(help="The coordinator's private.json.")]
LedgerDir = Annotated[Path, typer.Option(help="Folder of accepted letters.")]
Key = Annotated[Path | None, typer.Option(help="Signing key; your own by default.")]
At = Annotated[str | None, typer.Option(help="The instant of this step; now.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The round's id, e.g. 2027-spring.")],
    out: Annotated[Path, typer.Option(help="Folder for round.json and private.json.")],
    deadline: Annotated[str, typer.Option(help="Entries and commitments are due by then.")],
    reveal_by: Annotated[str, typer.Option(help="Submissions are due by then.")],
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="Protocol to cover; repeatable; the core of each domain by default."),
    ] = None,
    items: Annotated[int, typer.Option(min=1, max=100_000, help="Items per arm.")] = 60,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Repeats of each item.")] = 1,
    targets: Annotated[int, typer.Option(min=2, max=900, help="Scored sealed targets.")] = 6,
    seed: Annotated[
        str | None, typer.Option(help="Fixes fresh items for all; the public split without it.")
    ] = None,
    consensus: Annotated[
        list[str] | None,
        typer.Option(help="CODE=WHAT: a model that each laboratory runs itself; repeatable."),
    ] = None,
    key: Key = None,
    at: At = None,
) -> None:
    """Open a round: fix protocols and deadlines, draw and seal the targets."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import parse_instant, write_atomically
    from steelyard.redteam.rounds.definition import Round, announce, protocol_terms
    from steelyard.redteam.rounds.sealing import public_terms, seal_targets, write_private
    from steelyard.redteam.rounds.traps import SANDBOX
    from steelyard.standard import load_release

    release, signer = load_release(), signing_key(key)
    require_absent(out / "round.json", out / "private.json")
    sealed = seal_targets(secrets.token_bytes(_SECRET_BYTES), name, targets, release)
    terms = Round(
        id=name,
        release=release.version,
        release_digest=release.digest,
        created=_instant(at),
        deadline=parse_instant(deadline, where="--deadline"),
        reveal_by=parse_instant(reveal_by, where="--reveal-by"),
        seed=seed or "",
        protocols=protocol_terms(release, tuple(protocol or _CLASSIC), items, epochs),
        targets=(*public_terms(sealed), *_consensus_terms(consensus or [])),
        traps=(SANDBOX, *sorted(row.trap for row in sealed if row.trap)),
        coordinator=signer.public_key.key_id,
    )
    opened = announce(terms, signer)
    write_atomically(out / "private.json", write_private(name, sealed), mode=_PRIVATE_MODE)
    write_atomically(out / "round.json", opened.letter.data)
    write(opened.letter.digest)
    say(f"publish:     {out / 'round.json'}")
    say(f"keep secret: {out / 'private.json'}")


@app.command()
def serve(
    round_file: RoundFile,
    private: PrivateFile,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8766,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after this time; run until interrupted.")
    ] = None,
) -> None:
    """Serve the sealed targets on loopback under their blind codes."""
    from steelyard.redteam.rounds.serve import RoundServer

    opened = _open(round_file)
    sealed = _sealed(private, opened.terms)
    with RoundServer(sealed, _release(opened.terms), port=port) as server:
        write(server.url)
        say(f"serving {len(sealed)} blind targets on {server.url}")
        try:
            time.sleep(seconds if seconds is not None else 10.0**8)
        except KeyboardInterrupt:
            say("stopped")


@app.command()
def join(
    round_file: RoundFile,
    lab: Annotated[str, typer.Option(help="The laboratory's invented code, e.g. lab-07.")],
    out: Annotated[Path, typer.Option(help="File for the signed entry.")],
    fingerprint: Annotated[
        Path | None, typer.Option(help="JSON of another harness; this installation by default.")
    ] = None,
    key: Key = None,
    at: At = None,
) -> None:
    """Join a round: register key and harness before any result is known."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import format_instant, read_bytes, write_atomically
    from steelyard.redteam.rounds.fingerprint import own_fingerprint, read_fingerprint
    from steelyard.redteam.rounds.membership import join_round

    opened = _open(round_file)
    found = (
        read_fingerprint(read_bytes(fingerprint), where=str(fingerprint))
        if fingerprint
        else own_fingerprint()
    )
    entry = join_round(opened, lab, found, signing_key(key), _instant(at))
    require_absent(out)
    write_atomically(out, entry.letter.data)
    write(entry.engine)
    say(f"entry: {out}; send it to the coordinator before {format_instant(opened.terms.deadline)}")


@app.command()
def submit(
    round_file: RoundFile,
    evidence: Annotated[
        list[Path] | None, typer.Argument(help="Run folders or files of records; with --commit.")
    ] = None,
    entry: Annotated[Path | None, typer.Option(help="Your signed entry; with --commit.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of your submission.")] = Path("submission"),
    commit: Annotated[
        bool, typer.Option("--commit/--reveal", help="Fix the results, or show what was fixed.")
    ] = True,
    key: Key = None,
    at: At = None,
) -> None:
    """Submit results: first a commitment, after the deadline the results themselves."""
    from steelyard.cli.places import signing_key
    from steelyard.redteam.rounds.submission_folder import SubmissionFolder

    folder = SubmissionFolder(out, _open(round_file))
    signed = (signing_key(key), _instant(at))
    if commit:
        require_absent(folder.commitment)
        joined = _collect(evidence or [])
        write(folder.commit(_entry_bytes(entry), joined, signed).digest)
        say(f"commitment: {folder.commitment}; send it, and keep {folder.opening} to yourself")
    else:
        write(folder.reveal(signed).digest)
        say(f"submission: {folder.submission}; send it with {folder.records}")


@app.command()
def receive(
    round_file: RoundFile,
    letter: Annotated[Path, typer.Argument(help="An entry, a commitment or a submission.")],
    ledger: LedgerDir,
    records: Annotated[
        Path | None, typer.Option(help="The records of a submission; beside it by default.")
    ] = None,
    key: Key = None,
    at: At = None,
) -> None:
    """Accept a laboratory's letter, or say why not; the coordinator's instant counts."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import parse_json_object, read_bytes
    from steelyard.kernel.errors import MalformedEvidence
    from steelyard.redteam.rounds.ledger_folder import (
        LETTER_KINDS,
        RECORDS_LIMIT_BYTES,
        RECORDS_NAME,
        LedgerFolder,
    )
    from steelyard.redteam.rounds.letter import LETTER_LIMIT_BYTES, read_letter
    from steelyard.redteam.rounds.submission import SUBMISSION_KIND

    data = read_bytes(letter, limit_bytes=LETTER_LIMIT_BYTES)
    kind = parse_json_object(data, where=str(letter)).get("kind")
    if kind not in LETTER_KINDS:
        message = f"a letter to the coordinator is one of: {', '.join(LETTER_KINDS)}"
        raise MalformedEvidence(message, where=str(letter))
    content = b""
    if kind == SUBMISSION_KIND:
        path = records or letter.with_name(RECORDS_NAME)
        content = read_bytes(path, limit_bytes=RECORDS_LIMIT_BYTES)
    folder = LedgerFolder(ledger, _open(round_file))
    opened = read_letter(data, str(kind), where=str(letter))
    account, receipt = folder.receive(opened, content, signing_key(key), _instant(at))
    write(receipt.digest)
    say(f"accepted: {kind} of laboratory {account.entry.lab}")


@app.command()
def score(
    round_file: RoundFile,
    private: PrivateFile,
    ledger: LedgerDir,
    out: Annotated[Path, typer.Option(help="Folder for report and certificates.")],
    reference: Annotated[
        Path | None, typer.Option(help="Records of the coordinator's own run of the targets.")
    ] = None,
    key: Key = None,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report's content.")] = False,
) -> None:
    """Score a round: verdict, bias and certificate of every laboratory."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel import write_atomically
    from steelyard.redteam.rounds.ledger_folder import LedgerFolder
    from steelyard.redteam.rounds.page import round_page
    from steelyard.redteam.rounds.report import issue_certificates, write_report
    from steelyard.redteam.rounds.scoring import Scoring, score_round

    opened = _open(round_file)
    folder = LedgerFolder(ledger, opened)
    accounts, release = folder.accounts(), _release(opened.terms)
    signed = (signing_key(key), _instant(at))
    scoring = Scoring(
        terms=opened.terms,
        release=release,
        sealed=_sealed(private, opened.terms),
        accounts=accounts,
        matrices=folder.matrices(accounts),
        reference=_reference(reference, opened.terms, release),
    )
    verdicts = score_round(scoring)
    report = write_report(opened, scoring, verdicts, signed)
    write_atomically(out / "report.json", report.data)
    write_atomically(out / "report.html", round_page(report).encode())
    certificates = issue_certificates(opened, scoring, verdicts, report, signed)
    for lab, certificate in certificates.items():
        write_atomically(out / "certificates" / f"{lab}.json", certificate.data)
    if as_json:
        write_json(report.predicate)
    else:
        _print_verdicts(verdicts)
    say(f"report:       {out / 'report.json'}, {out / 'report.html'}")
    say(f"certificates: {len(certificates)} in {out / 'certificates'}")


def _print_verdicts(verdicts: Sequence[LabVerdict]) -> None:
    for found in verdicts:
        write(f"{found.account.entry.lab}: {found.verdict}")
        for row in found.protocols:
            bias = "no bias" if row.bias is None else f"bias {row.bias:+.3f}"
            spread = "" if row.bias_uncertainty is None else f" (u {row.bias_uncertainty:.3f})"
            held = f"{row.covered} of {row.sealed} intervals hold the truth"
            write(f"  {row.protocol}: {row.verdict}, {bias}{spread}, {held}")
        for reason in (*found.reasons, *(r for row in found.protocols for r in row.reasons)):
            write(f"  - {reason.text}")


def _open(path: Path) -> OpenRound:
    from steelyard.kernel import read_bytes
    from steelyard.redteam.rounds.definition import read_round
    from steelyard.redteam.rounds.letter import LETTER_LIMIT_BYTES

    return read_round(read_bytes(path, limit_bytes=LETTER_LIMIT_BYTES), where=str(path))


def _sealed(path: Path, terms: Round) -> dict[str, Sealed]:
    from steelyard.kernel import read_bytes
    from steelyard.redteam.rounds.sealing import read_private

    return read_private(read_bytes(path), terms, where=str(path))


def _release(terms: Round) -> Release:
    """The installed release, if it is the one that the round is under."""
    from steelyard.kernel.errors import CannotVerify
    from steelyard.standard import load_release

    release = load_release(terms.release)
    if release.digest != terms.release_digest:
        message = f"release {terms.release} has another content here than in round {terms.id}"
        hint = "install the Steelyard version that the round was opened with"
        raise CannotVerify(message, hint=hint)
    return release


def _reference(path: Path | None, terms: Round, release: Release) -> Readings:
    from steelyard.evidence import read_records
    from steelyard.redteam.rounds.results import read_results, under_codes

    if path is None:
        return {}
    return read_results(under_codes(read_records(path), terms), terms, release)


def _collect(paths: Sequence[Path]) -> Evidence:
    from steelyard.evidence import Evidence, read_records
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline import RunFolder

    if not paths:
        message = "no results named"
        raise UsageError(message, hint="steelyard lab round submit ROUND RUN... --entry ENTRY")
    files = [RunFolder(path).records if path.is_dir() else path for path in paths]
    return Evidence.concatenate([read_records(path) for path in files])


def _entry_bytes(path: Path | None) -> bytes:
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import UsageError
    from steelyard.redteam.rounds.letter import LETTER_LIMIT_BYTES

    if path is None:
        message = "a commitment names your entry"
        raise UsageError(message, hint="add --entry FILE, the entry that the coordinator accepted")
    return read_bytes(path, limit_bytes=LETTER_LIMIT_BYTES)


def _consensus_terms(pairs: Sequence[str]) -> tuple[TargetTerms, ...]:
    from steelyard.kernel.errors import UsageError
    from steelyard.redteam.rounds.definition import TargetTerms

    rows: list[TargetTerms] = []
    for pair in pairs:
        code, _, what = pair.partition("=")
        if not code or not what:
            message = f"--consensus {pair!r} is no CODE=WHAT"
            raise UsageError(message, hint="write --consensus c1=hf/example@digest")
        rows.append(TargetTerms(code, "consensus", None, what))
    return tuple(rows)


def _instant(at: str | None) -> datetime:
    from steelyard.kernel import parse_instant, utc_now

    return parse_instant(at, where="--at") if at else utc_now()
