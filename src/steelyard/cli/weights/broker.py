"""`steelyard weights broker`: serve segments under budgets, size them, grant loads, and drill."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write, write_json
from steelyard.cli.weights.keys import ENVELOPE_LIMIT_BYTES, write_new

if TYPE_CHECKING:
    from steelyard.weights.access_log import Head
    from steelyard.weights.broker import Outcome, Terms

app = typer.Typer(
    name="broker",
    help="Hand out segments of sealed weights slowly, count what left, and try to leak.",
    no_args_is_help=True,
)
LIMITS = (
    "It meters its own channel only: not what a model says, not copies elsewhere.",
    "A granted load hands out everything; what the loader does with it is not seen here.",
    "Keys that one thief holds in several organizations share only the budget of the model.",
    "It bounds and shows a theft; it does not undo one.",
)
Parameters = Annotated[int, typer.Option(min=1, max=10**15, help="Parameters of the model.")]
Days = Annotated[float, typer.Option(min=0.001, max=3650.0, help="Days until a theft is noticed.")]
Safety = Annotated[float, typer.Option(min=1.0, max=1e6, help="Factor of safety.")]


class GrantPurpose(StrEnum):
    """What approvers agree to."""

    FULL_LOAD = "full-load"
    REVIEW = "review"


@app.command()
def budget(
    parameters: Parameters,
    detection_days: Days = 7.0,
    safety: Safety = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the budget as JSON.")] = False,
) -> None:
    """Say how fast, and how much of a model may leave before somebody looks."""
    terms = _terms(parameters, detection_days, safety)
    if as_json:
        write_json(
            {
                "schema": "steelyard/broker-budget/1",
                "parameters": terms.parameters,
                "detection_s": terms.detection_s,
                "safety": terms.safety,
                "principal_share": terms.principal_share,
                "organization_share": terms.organization_share,
                "useful_theft_bytes": terms.useful_theft_bytes,
                "coverage_bytes": terms.coverage_bytes,
                "rate_bytes_per_s": terms.rate_bytes_per_s,
            }
        )
        return
    write(f"useful theft       {terms.useful_theft_bytes:.3g} bytes (4 bits a parameter)")
    write(f"may leave in all   {terms.coverage_bytes:.3g} bytes, then an alarm")
    write(f"rate of new bytes  {terms.rate_bytes_per_s:.4g} bytes/s over all principals")
    write(f"one organization   {terms.organization_share:.0%} of both")
    write(f"one principal      {terms.principal_share:.0%} of both")


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="Folder of sealed weights.")],
    policy: Annotated[Path, typer.Option(help="Principals, approvers and terms, YAML.")],
    publisher: Annotated[Path, typer.Option(help="Public key that signed the weights, PEM.")],
    ledger: Annotated[Path, typer.Option(help="File that what left is recorded in.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8766,
    authority: Annotated[
        str | None,
        typer.Option(help="Host and port that clients ask for.", show_default="where it listens"),
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option("--behind-proxy", help="A proxy ends TLS, and limits connections."),
    ] = False,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="Certificate of this server and its key, PEM.")
    ] = None,
    client_roots: Annotated[
        Path | None, typer.Option(help="Roots of the certificates that clients must show, PEM.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint of the ledger that was kept elsewhere.")
    ] = None,
    signer: Annotated[
        Path | None, typer.Option(help="Public key that signed the checkpoint, PEM.")
    ] = None,
) -> None:
    """Serve the segments of sealed weights under budgets; it never has a key to them."""
    from steelyard.attest import load_public_key
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.broker import Broker, BrokerServer, FolderStore, read_policy
    from steelyard.weights.broker.tls import server_context

    if client_roots is not None and tls_certificate is None:
        raise UsageError("--client-roots belongs to TLS", hint="add --tls-certificate FILE")
    rules = read_policy(policy)
    store = FolderStore.open(folder, load_public_key(publisher))
    tls = server_context(tls_certificate, client_roots) if tls_certificate else None
    broker = Broker(store, rules, ledger, time.time, _kept(checkpoint, signer))
    try:
        server = BrokerServer(
            (host, port), broker, None, tls, authority or "", behind_proxy=behind_proxy
        )
    except UsageError:
        broker.close()
        raise
    if tls is None and host not in {"127.0.0.1", "::1", "localhost"}:
        say("warning: plain HTTP; requests are signed, but who listens sees the ciphertext")
    _tell_ledger(ledger, broker.remembered, is_held=checkpoint is not None)
    write(f"serving {store.model} at {server.url}")
    if authority:
        say(f"clients ask {server.scheme}://{server.authority}")
    say(f"rate {rules.terms.rate_bytes_per_s:.4g} bytes/s, {len(rules.principals)} principals")
    try:
        server.serve_forever()
    finally:
        server.server_close()
        broker.close()


@app.command()
def grant(
    folder: Annotated[Path, typer.Argument(help="Folder of sealed weights.")],
    publisher: Annotated[Path, typer.Option(help="Public key that signed the weights, PEM.")],
    key: Annotated[Path, typer.Option(help="Private key of the approver, PEM.")],
    out: Annotated[Path, typer.Option(help="File for the approval.")],
    purpose: Annotated[
        GrantPurpose | None,
        typer.Option(help="Load a whole model, or lift alarms.", show_default="full-load"),
    ] = None,
    principal: Annotated[Path | None, typer.Option(help="Public key of who may load, PEM.")] = None,
    days: Annotated[
        float | None,
        typer.Option(min=0.01, max=7.0, help="How long it holds.", show_default="1.0"),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="Approval by somebody else to agree to, all of it as it is."),
    ] = None,
) -> None:
    """Approve a full load, or that budgets begin anew; two organizations must."""
    import secrets
    from datetime import timedelta

    from steelyard.attest import load_private_key, load_public_key
    from steelyard.kernel import read_bytes, utc_now
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.broker import FolderStore, Grant
    from steelyard.weights.broker.grants import read_unverified

    store = FolderStore.open(folder, load_public_key(publisher))
    if like is not None:
        if (purpose, principal, days) != (None, None, None):
            raise UsageError("--like agrees to what is there: no --purpose, --principal, --days")
        wanted = read_unverified(read_bytes(like, limit_bytes=64 * 1024), where=str(like))
        if (wanted.model, wanted.artifact) != (store.model, store.artifact):
            raise UsageError("that approval is of another model", where=str(like))
    else:
        chosen = purpose or GrantPurpose.FULL_LOAD
        if (principal is None) == (chosen is GrantPurpose.FULL_LOAD):
            raise UsageError("a full load names its --principal, a review does not")
        holder = load_public_key(principal).key_id if principal else ""
        now = utc_now()
        wanted = Grant(
            chosen.value, store.model, store.artifact, holder, now,
            now + timedelta(days=days or 1.0), secrets.token_hex(16),
        )  # fmt: skip
    write_new(out, wanted.approve(load_private_key(key)))
    write(wanted.digest)
    say(f"approved: {wanted.purpose} of {wanted.model} by {wanted.principal or 'review'}")
    say(f"until {wanted.expires:%Y-%m-%dT%H:%M:%SZ}; wrote {out}")


@app.command()
def fetch(
    url: Annotated[str, typer.Argument(help="Address of the broker.")],
    publisher: Annotated[Path, typer.Option(help="Public key that signed the weights, PEM.")],
    key: Annotated[Path, typer.Option(help="Private key of the principal, PEM.")],
    approval: Annotated[list[Path], typer.Option(help="Approval of the load; give two or more.")],
    out: Annotated[Path, typer.Option(help="Folder for the sealed weights; must not exist.")],
) -> None:
    """Load a whole model through a broker under a grant; it stays sealed."""
    from steelyard.attest import load_private_key, load_public_key
    from steelyard.cli.output import progress_bar
    from steelyard.kernel import read_bytes
    from steelyard.weights.broker import BrokerClient
    from steelyard.weights.broker.fetch import fetch_model, hand_in_once

    client = BrokerClient(url.rstrip("/"), load_private_key(key), time.time)
    envelopes = [read_bytes(path, limit_bytes=64 * 1024) for path in approval]
    granted = hand_in_once(client, envelopes)
    with progress_bar("fetching segments") as progress:
        header = fetch_model(
            client, load_public_key(publisher), out, grant=granted, progress=progress
        )
    write(header.core.digest)
    say(f"wrote {out}: {header.core.model}, release {header.core.release}, still sealed")


@app.command("exfil-drill")
def exfil_drill(
    parameters: Parameters = 1_000_000_000,
    detection_days: Days = 7.0,
    safety: Safety = 10.0,
    strategy: Annotated[
        list[str] | None, typer.Option(help="Strategy to try; all by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Try to leak a made-up model through a running broker; fail where too much got out unseen."""
    import tempfile

    from steelyard.kernel.errors import UnknownName
    from steelyard.weights.broker import STRATEGIES, run_drill

    chosen = strategy or list(STRATEGIES)
    unknown = [name for name in chosen if name not in STRATEGIES]
    if unknown:
        raise UnknownName(f"no strategy {unknown[0]!r}", hint=f"known: {', '.join(STRATEGIES)}")
    terms = _terms(parameters, detection_days, safety)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as place:
        for number, name in enumerate(chosen):
            outcomes.append(run_drill(name, terms, Path(place) / str(number)))
            if not as_json:
                _show(outcomes[-1])
    held = all(outcome.is_held for outcome in outcomes)
    if as_json:
        write_json(_drill_json(terms, outcomes, held=held))
    else:
        write(f"budget {terms.coverage_bytes:.3g} bytes: {'held' if held else 'NOT HELD'}")
        write("times are simulated: waiting moved the broker's clock, segments really travelled")
    for text in LIMITS:
        say(f"limit: {text}")
    if not held:
        raise typer.Exit(1)


def _show(outcome: Outcome) -> None:
    days = "never" if outcome.detection_s is None else f"{outcome.detection_s / 86_400:.2f} days"
    write(
        f"{outcome.strategy:12s} leaked {outcome.leaked_bytes:>11d} bytes, "
        f"{outcome.model_share:.2%} of the model; alarm after {days}; "
        f"{outcome.refused} refused; {'held' if outcome.is_held else 'NOT HELD'}"
    )


def _drill_json(terms: Terms, outcomes: list[Outcome], *, held: bool) -> dict[str, object]:
    return {
        "schema": "steelyard/exfil-drill/1",
        "parameters": terms.parameters,
        "budget_bytes": int(terms.coverage_bytes),
        "time": "simulated",
        "held": held,
        "limits": list(LIMITS),
        "strategies": [
            {
                "strategy": one.strategy,
                "leaked_bytes": one.leaked_bytes,
                "before_alarm_bytes": one.before_alarm_bytes,
                "model_share": one.model_share,
                "alarmed": one.alarmed,
                "detection_s": one.detection_s,
                "refused": one.refused,
                "held": one.is_held,
            }
            for one in outcomes
        ],
    }


def _terms(parameters: int, days: float, safety: float) -> Terms:
    from steelyard.weights.broker import Terms
    from steelyard.weights.broker.budget import DAY_S

    return Terms(parameters, days * DAY_S, safety)


def _kept(checkpoint: Path | None, signer: Path | None) -> Head | None:
    """The head that a checkpoint fixes; None where none was given."""
    from steelyard.attest import load_public_key
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.access_log import open_checkpoint

    if checkpoint is None or signer is None:
        if checkpoint is not signer:
            raise UsageError("--checkpoint and --signer belong together")
        return None
    envelope = read_bytes(checkpoint, limit_bytes=ENVELOPE_LIMIT_BYTES)
    return open_checkpoint(envelope, load_public_key(signer))


def _tell_ledger(ledger: Path, remembered: int, *, is_held: bool) -> None:
    if not remembered:
        say(f"warning: {ledger} is a NEW ledger: nothing that left before is counted")
        say("         if this model was served before, stop, and bring its ledger back")
    elif is_held:
        say(f"ledger {ledger}: {remembered} entries, the checkpoint among them")
    else:
        say(f"ledger {ledger}: {remembered} entries")
        say("warning: no --checkpoint: a ledger whose end was cut off looks like a whole one")
