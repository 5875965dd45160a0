"""Declaring a run: everything that is fixed and signed before the first model call.

Finds the model, plans the protocols, and signs who is tested and what will be
done. A resumed run keeps the intent that it signed when it began.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from steelyard import __version__
from steelyard.attest import open_envelope
from steelyard.evidence import Elicitation, Evidence
from steelyard.kernel import (
    keyed_digest,
    parse_instant,
    read_bytes,
    sha256_hex,
    write_atomically,
)
from steelyard.kernel.errors import ConfigurationError, UsageError
from steelyard.kernel.files import RESUME_HINT
from steelyard.passport import (
    Identity,
    Intent,
    PlannedSamples,
    endpoint_digest,
    require_own_certificate,
    sign_identity,
    sign_intent,
)
from steelyard.pipeline.attempts import next_attempt
from steelyard.pipeline.effort import procedure, require_sound_effort, task_effort
from steelyard.pipeline.folder import RunFolder
from steelyard.pipeline.sequential import plan_sequential

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.kernel import JsonObject
    from steelyard.pipeline.request import Request, Surroundings
    from steelyard.redteam.engine import Subject, TaskSettings
    from steelyard.redteam.kit import Protocol
    from steelyard.standard import Release

    Planned = list[tuple[Protocol, TaskSettings]]


@dataclass(frozen=True, slots=True)
class Declared:
    """A run that has been declared and signed, but not begun.

    Attributes:
        planned: Protocols to run, each with its settings.
        statements: Signed statements so far, by kind.
        starts: How often this run has been started, resumes included.
    """

    request: Request
    release: Release
    subject: Subject
    planned: Planned
    identity: Identity
    intent: Intent
    folder: RunFolder
    statements: dict[str, bytes]
    starts: int


def declare(
    request: Request, release: Release, imported: Evidence, around: Surroundings
) -> Declared:
    """Fix and sign what will be done.

    Raises:
        UsageError: nothing to run and nothing imported, or the folder holds another run.
        UnknownName: no such model.
    """
    subject = _find_subject(request, around)
    planned = plan_protocols(request, release, subject.name)
    _require_something(planned, imported, request)
    _require_certificate(around)
    folder = RunFolder(around.out)
    folder.open(request, resume=around.resume)
    identity = _identify(request, subject)
    starts = folder.note_start(around.now())
    intent = _intend(request, release, (subject, planned), imported, around)
    statements = _sign(folder, identity, intent, around)
    return Declared(
        request, release, subject, planned, identity, intent, folder, statements, starts
    )


def _find_subject(request: Request, around: Surroundings) -> Subject:
    from steelyard.redteam.engine import CallSettings, resolve_model

    calls = CallSettings(around.call_timeout_seconds, around.call_retries, around.connections)
    for name in request.effort.further_models:
        resolve_model(name, calls)
    return resolve_model(request.model, calls)


def plan_protocols(request: Request, release: Release, model: str) -> Planned:
    """Which protocols to run, each with its settings.

    Args:
        request: What to do.
        release: The standard.
        model: Name of the subject in records.

    Raises:
        ConfigurationError: a protocol is not installed.
    """
    from steelyard.redteam.engine import TaskSettings
    from steelyard.redteam.kit import installed_protocols

    planned: Planned = []
    step = Elicitation(request.elicitation)
    require_sound_effort(request.effort, step)
    wanted = _wanted_indicators(request, release)
    _require_installed(wanted, release)
    for protocol in installed_protocols().values():
        indicator = release.framework.indicators.get(protocol.indicator)
        if indicator is None or indicator.id not in wanted:
            continue
        settings = TaskSettings(
            model=model,
            items=request.samples or indicator.planned_items,
            epochs=request.epochs,
            split=request.split,
            seed=request.seed,
            committed=True,
            **task_effort(request.effort, step, protocol, indicator),
        )
        planned.append((protocol, settings))
    return planned


def _require_installed(wanted: set[str], release: Release) -> None:
    """Refuse a plan that would silently leave out a protocol.

    Raises:
        ConfigurationError: a wanted indicator's protocol is not installed.
    """
    from steelyard.redteam.kit import installed_protocols

    needed = {release.framework.indicators[name].protocol for name in wanted} - {"imported"}
    missing = sorted(needed - installed_protocols().keys())
    if missing:
        message = f"not installed: {', '.join(missing)}"
        raise ConfigurationError(message, hint="install Steelyard whole, or name another --domain")


def _wanted_indicators(request: Request, release: Release) -> set[str]:
    """Indicators of the suite in the domains of the scope."""
    domains = [release.framework.domains[name] for name in request.scope]
    core = {name for domain in domains for name in domain.indicators}
    if request.suite == "core":
        return core
    return core | {name for domain in domains for name in domain.supporting}


def _require_something(planned: Planned, imported: Evidence, request: Request) -> None:
    if not planned and not len(imported):
        domains = ", ".join(request.scope)
        message = f"no installed protocol and no evidence speaks about: {domains}"
        raise UsageError(message, hint="add --evidence FILE, or another --domain")


def _require_certificate(around: Surroundings) -> None:
    """Refuse another laboratory's certificate before anything is run."""
    if around.certificate is not None:
        require_own_certificate(around.certificate, around.key.public_key.key_id)


def _identify(request: Request, subject: Subject) -> Identity:
    salt = keyed_digest(bytes.fromhex(request.salt), "steelyard/identity-salt/1")
    endpoint = subject.endpoint.get("base_url") or subject.endpoint["model"]
    generation: JsonObject = {"sampling": "provider defaults", "seeded": True}
    digest = request.weights or endpoint_digest(subject.name, str(endpoint), generation, salt)
    kind = "reference" if subject.kind == "reference" else "hosted"
    return Identity(
        model=subject.name,
        kind="weights" if request.weights else kind,
        digest=digest,
        safeguards=cast("Any", request.safeguards),
        generation=generation,
        endpoint=str(endpoint),
        salt=None if request.weights else salt,
        bases=request.bases,
    )


def _intend(
    request: Request,
    release: Release,
    run: tuple[Subject, Planned],
    imported: Evidence,
    around: Surroundings,
) -> Intent:
    """The intent of this run; a resumed run keeps the one it signed."""
    from steelyard.redteam.engine import planned_arms
    from steelyard.redteam.rounds.fingerprint import own_fingerprint

    subject, planned = run
    saved = _signed_intent(RunFolder(around.out).statement("run-intent"), around)
    if saved is None:
        created = around.now()
        attempt = next_attempt(around.attempts, subject.name, request.scope, created)
    else:
        created, attempt = parse_instant(saved["created"]), saved["attempt"]
    step = Elicitation(request.elicitation)
    rows = [
        PlannedSamples(protocol.id, protocol.version, plan.arm, plan.items, settings.epochs)
        for protocol, settings in planned
        for plan in planned_arms(protocol, settings)
    ]
    intent = Intent(
        created=created,
        release=release,
        scope=request.scope,
        elicitation=request.elicitation,
        planned=(*rows, *_imported_rows(imported)),
        attempt=attempt,
        split=cast("Any", request.split),
        seed_commitment=_seed_commitment(request),
        engine={
            "digest": own_fingerprint().digest,
            "inspect_ai": version("inspect_ai"),
            "python": platform.python_version(),
            "steelyard": __version__,
        },
        procedure=procedure(request.effort, step, release),
        sequential=plan_sequential(request, planned, release, around.banks),
        regressions=request.regressions,
    )
    if saved is not None and intent.predicate() != saved:
        message = "this start would do other than what was signed when the run began"
        hint = "resume with the same release, engine and settings, or choose another --out"
        raise UsageError(message, hint=hint)
    return intent


def _seed_commitment(request: Request) -> str:
    salt = bytes.fromhex(request.salt)
    return sha256_hex(b"steelyard/seed/1\x00" + salt + request.seed.encode())


def _signed_intent(path: Path, around: Surroundings) -> dict[str, Any] | None:
    """The predicate signed when the run began, None before that."""
    if not path.exists():
        return None
    keys = {around.key.public_key.key_id: around.key.public_key}
    return cast("Any", open_envelope(read_bytes(path), keys, where=str(path)).predicate)


def _imported_rows(imported: Evidence) -> list[PlannedSamples]:
    columns = ("protocol", "protocol_version", "arm")
    groups = sorted(set(zip(*(imported.columns[name] for name in columns), strict=True)))
    rows: list[PlannedSamples] = []
    for protocol, protocol_version, arm in groups:
        part = imported.where(protocol=protocol, protocol_version=protocol_version, arm=arm)
        epochs = max(part.columns["epoch"])
        rows.append(
            PlannedSamples(
                protocol,
                protocol_version,
                arm,
                items=len(part.values("item")),
                epochs=epochs,
                indicators=tuple(part.values("indicator")),
            )
        )
    return rows


def _sign(
    folder: RunFolder, identity: Identity, intent: Intent, around: Surroundings
) -> dict[str, bytes]:
    statements = {
        "model-identity": sign_identity(identity, around.key),
        "run-intent": sign_intent(intent, identity, around.key),
    }
    key = around.key.public_key
    write_atomically(folder.path / "statements" / f"{key.key_id}.pem", key.pem, hint=RESUME_HINT)
    if around.certificate is not None:
        write_atomically(folder.certificate, around.certificate.data, hint=RESUME_HINT)
        statements |= around.certificate.statements
    for kind, envelope in statements.items():
        write_atomically(folder.statement(kind), envelope, hint=RESUME_HINT)
    return statements
