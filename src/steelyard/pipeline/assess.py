"""Assess a model: the main job, step by step.

Read `assess` from top to bottom. Each step passes a value on; what a step does
in detail stands in the room it calls.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from steelyard import __version__
from steelyard.evidence import Elicitation, Evidence, write_records
from steelyard.kernel import (
    canonical_json,
    keyed_digest,
    parse_instant,
    sha256_hex,
    write_atomically,
)
from steelyard.kernel.errors import UsageError
from steelyard.passport import (
    Claim,
    Identity,
    Intent,
    PlannedSamples,
    Run,
    build_matrix,
    endpoint_digest,
    sign_classification,
    sign_evidence,
    sign_identity,
    sign_intent,
    write_passport,
)
from steelyard.passport.report import ReportInput, render_report
from steelyard.pipeline.attempts import next_attempt
from steelyard.pipeline.folder import RunFolder
from steelyard.risk import Classification, Plan, classify
from steelyard.standard import Release, load_release

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject
    from steelyard.pipeline.request import Request, Surroundings
    from steelyard.redteam.engine import Subject, TaskSettings
    from steelyard.redteam.kit import Protocol

    Planned = list[tuple[Protocol, TaskSettings]]


@dataclass(frozen=True, slots=True)
class Assessed:
    """What an assessment leaves behind."""

    classification: Classification
    folder: RunFolder


def assess(request: Request, imported: Evidence, around: Surroundings) -> Assessed:
    """Assess a model and issue its passport.

    Args:
        request: What to do.
        imported: Evidence from files, already about this model; may be empty.
        around: Folder, key, clock and the user's screen.

    Raises:
        SteelyardError: nothing complete is lost; `--resume` goes on.
    """
    release = load_release(request.release)
    subject = _find_subject(request, around)
    planned = _plan_protocols(request, release, subject)
    _require_something(planned, imported, request)

    folder = RunFolder(around.out)
    folder.open(request, resume=around.resume)
    identity = _identify(request, subject)
    intent = _declare(request, release, planned, imported, around)
    statements = _sign_before_the_run(folder, identity, intent, around)

    observed = _run(planned, subject, folder, around)
    evidence = Evidence.concatenate([observed, imported]).in_key_order()
    write_records(evidence, folder.records)

    finished = around.now()
    matrix = build_matrix(evidence)
    run = _describe_run(request, release, evidence, (intent, finished))
    statements["evaluation-evidence"] = sign_evidence(
        run, matrix, statements["run-intent"], around.key
    )
    plan = Plan.from_predicate(intent.predicate())
    classification = classify(
        matrix.evidence, release, scope=request.scope, as_of=finished, plan=plan
    )

    claim = classification.to_json()
    report = render_report(
        ReportInput(
            classification=claim,
            identity=identity.predicate(),
            intent=intent.predicate(),
            evidence=run.predicate(matrix, statements["run-intent"]),
            crosswalk=release.crosswalk,
            signer_key_id=around.key.public_key.key_id,
            framework=cast("JsonObject", release.content["framework"]),
        )
    ).encode()
    statements["classification"] = sign_classification(
        Claim(claim, finished, report), identity, matrix, statements, around.key
    )
    passport = write_passport(statements, matrix, release, report, [around.key.public_key])

    for kind, envelope in statements.items():
        write_atomically(folder.statement(kind), envelope)
    write_atomically(folder.classification, canonical_json(claim) + b"\n")
    write_atomically(folder.report, report)
    write_atomically(folder.passport, passport)
    return Assessed(classification, folder)


def _find_subject(request: Request, around: Surroundings) -> Subject:
    from steelyard.redteam.engine import CallSettings, resolve_model

    calls = CallSettings(around.call_timeout_seconds, around.call_retries, around.connections)
    return resolve_model(request.model, calls)


def _plan_protocols(request: Request, release: Release, subject: Subject) -> Planned:
    """Which protocols to run, each with its settings."""
    from steelyard.redteam.engine import TaskSettings
    from steelyard.redteam.kit import installed_protocols

    planned: Planned = []
    for protocol in installed_protocols().values():
        indicator = release.framework.indicators.get(protocol.indicator)
        if protocol.domain not in request.scope or indicator is None:
            continue
        settings = TaskSettings(
            model=subject.name,
            items=request.samples or indicator.planned_items,
            epochs=request.epochs,
            split=request.split,
            seed=request.seed,
            elicitation=Elicitation(request.elicitation),
            committed=True,
        )
        planned.append((protocol, settings))
    return planned


def _require_something(planned: Planned, imported: Evidence, request: Request) -> None:
    if not planned and not len(imported):
        domains = ", ".join(request.scope)
        message = f"no installed protocol and no evidence speaks about: {domains}"
        raise UsageError(message, hint="add --evidence FILE, or another --domain")


def _identify(request: Request, subject: Subject) -> Identity:
    salt = keyed_digest(request.seed.encode(), "steelyard/identity-salt/1")
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
    )


def _declare(
    request: Request,
    release: Release,
    planned: Planned,
    imported: Evidence,
    around: Surroundings,
) -> Intent:
    """The intent of this run; a resumed run keeps the one it signed."""
    folder = RunFolder(around.out)
    created, attempt = around.now(), 0
    saved = folder.statement("run-intent")
    if saved.exists():
        created, attempt = _signed_intent(saved, around)
    else:
        attempt = next_attempt(around.attempts, request.model, request.scope, created)
    rows = [
        PlannedSamples(protocol.id, protocol.version, arm, settings.items, settings.epochs)
        for protocol, settings in planned
        for arm in protocol.arms
    ]
    return Intent(
        created=created,
        release=release,
        scope=request.scope,
        elicitation=request.elicitation,
        planned=(*rows, *_imported_rows(imported)),
        attempt=attempt,
        split=cast("Any", request.split),
        seed_commitment=sha256_hex(b"steelyard/seed/1\x00" + request.seed.encode()),
        engine={
            "inspect_ai": version("inspect_ai"),
            "python": platform.python_version(),
            "steelyard": __version__,
        },
    )


def _signed_intent(saved: Any, around: Surroundings) -> tuple[Any, int]:  # noqa: ANN401
    from steelyard.attest import open_envelope
    from steelyard.kernel import read_bytes

    keys = {around.key.public_key.key_id: around.key.public_key}
    predicate = cast("Any", open_envelope(read_bytes(saved), keys, where=str(saved)).predicate)
    return parse_instant(predicate["created"]), predicate["attempt"]


def _imported_rows(imported: Evidence) -> list[PlannedSamples]:
    columns = ("protocol", "protocol_version", "arm")
    groups = sorted(set(zip(*(imported.columns[name] for name in columns), strict=True)))
    rows: list[PlannedSamples] = []
    for protocol, protocol_version, arm in groups:
        part = imported.where(protocol=protocol, protocol_version=protocol_version, arm=arm)
        epochs = max(part.columns["epoch"])
        rows.append(
            PlannedSamples(protocol, protocol_version, arm, len(part.values("item")), epochs)
        )
    return rows


def _sign_before_the_run(
    folder: RunFolder, identity: Identity, intent: Intent, around: Surroundings
) -> dict[str, bytes]:
    statements = {
        "model-identity": sign_identity(identity, around.key),
        "run-intent": sign_intent(intent, identity, around.key),
    }
    key = around.key.public_key
    write_atomically(folder.path / "statements" / f"{key.key_id}.pem", key.pem)
    for kind, envelope in statements.items():
        write_atomically(folder.statement(kind), envelope)
    return statements


def _run(planned: Planned, subject: Subject, folder: RunFolder, around: Surroundings) -> Evidence:
    """Run what is not in the journal yet; all records of the plan."""
    from steelyard.redteam.engine import Journal, Run, run_protocols

    if not planned:
        return Evidence.from_records([])
    total = sum(s.items * s.epochs * len(p.arms) for p, s in planned)
    journal = Journal(folder.journal)
    try:
        run_protocols(
            Run(
                subject=subject,
                protocols=planned,
                journal=journal,
                log_folder=folder.logs,
                on_progress=lambda finished: around.progress(finished, total),
            )
        )
    finally:
        journal.close()
    return Evidence.from_records(journal.records.values())


def _describe_run(
    request: Request, release: Release, evidence: Evidence, times: tuple[Intent, Any]
) -> Run:
    intent, finished = times
    return Run(
        started=intent.created,
        finished=finished,
        release=release,
        usage={
            name: round(sum(value or 0 for value in evidence.columns[name].tolist()), 3)
            for name in ("input_tokens", "output_tokens", "seconds")
        },
        harness={**intent.engine, "adapter": "inspect"},
        imported=request.imported,
    )
