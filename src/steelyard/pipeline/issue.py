"""Issuing: sign the evidence and the claim, write report and passport.

What is classified is the matrix, exactly as a verifier will read it, never the
richer records beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from steelyard.attest import open_envelope, parse_public_key
from steelyard.kernel import canonical_json, write_atomically
from steelyard.kernel.files import RESUME_HINT
from steelyard.passport import (
    Claim,
    Run,
    build_matrix,
    sign_classification,
    sign_evidence,
    with_coverage,
    write_passport,
)
from steelyard.passport.advisories import KNOWN, names_of, sign_known
from steelyard.passport.archive import REGRESSIONS
from steelyard.passport.regressions import sign_regressions
from steelyard.passport.report import ReportInput, render_report
from steelyard.pipeline.pictures import decision_paths, reported_curves
from steelyard.risk import Classification, Plan, classify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.attest import PublicKey
    from steelyard.disclosure.reproducer.regression import Shown
    from steelyard.evidence import Evidence
    from steelyard.kernel import JsonObject
    from steelyard.pipeline.declare import Declared
    from steelyard.pipeline.request import Surroundings


def issue(
    declared: Declared, evidence: Evidence, regressions: Sequence[Shown], around: Surroundings
) -> Classification:
    """Classify the evidence and write everything that follows from it."""
    finished, matrix = around.now(), build_matrix(evidence)
    run = _describe(declared, evidence, finished)
    statements = dict(declared.statements)
    statements["evaluation-evidence"] = sign_evidence(
        run, matrix, statements["run-intent"], around.key
    )
    classification = classify(
        matrix.evidence,
        declared.release,
        scope=declared.request.scope,
        as_of=finished,
        plan=with_coverage(
            Plan.from_predicate(declared.intent.predicate()),
            around.certificate,
            finished,
            declared.release,
        ),
    )
    claim = classification.to_json()
    statements |= _on_flaws(declared, regressions, finished, around)
    plan = Plan.from_predicate(declared.intent.predicate())
    framework = declared.release.framework
    banks = around.banks.values()
    paths = decision_paths(matrix.evidence, plan, framework)
    curves = reported_curves(matrix.evidence, plan, framework, banks)
    report = render_report(
        ReportInput(
            classification=claim,
            identity=declared.identity.predicate(),
            intent=declared.intent.predicate(),
            evidence=run.predicate(matrix, statements["run-intent"]),
            crosswalk=declared.release.crosswalk,
            signer_key_id=around.key.public_key.key_id,
            framework=cast("JsonObject", declared.release.content["framework"]),
            paths=[(picture.title, picture.svg) for picture in paths],
            curves=[(picture.title, picture.svg) for picture in curves],
            regressions=_predicate(statements, REGRESSIONS, around),
            known=_predicate(statements, KNOWN, around),
        )
    ).encode()
    statements["classification"] = sign_classification(
        Claim(claim, finished, report), declared.identity, matrix, statements, around.key
    )
    passport = write_passport(statements, matrix, declared.release, report, _keys(around))
    folder = declared.folder
    for kind, envelope in statements.items():
        write_atomically(folder.statement(kind), envelope, hint=RESUME_HINT)
    write_atomically(folder.classification, canonical_json(claim) + b"\n", hint=RESUME_HINT)
    write_atomically(folder.report, report, hint=RESUME_HINT)
    write_atomically(folder.passport, passport, hint=RESUME_HINT)
    return classification


def _on_flaws(
    declared: Declared, regressions: Sequence[Shown], finished: datetime, around: Surroundings
) -> dict[str, bytes]:
    """Statements on published flaws: those that were tested for, and those known from a feed."""
    identity, key, made = declared.identity, around.key, dict[str, bytes]()
    if regressions:
        intent = declared.statements["run-intent"]
        made[REGRESSIONS] = sign_regressions(regressions, identity, intent, finished, key)
    if around.feed is not None:
        names = names_of(identity.predicate(), identity.digest)
        made[KNOWN] = sign_known(around.feed, names, identity.subject, finished, key)
    return made


def _predicate(statements: dict[str, bytes], kind: str, around: Surroundings) -> JsonObject | None:
    """What a statement of this run says; None where it was not made."""
    if kind not in statements:
        return None
    key = around.key.public_key
    return open_envelope(statements[kind], {key.key_id: key}, where=kind).predicate


def _keys(around: Surroundings) -> list[PublicKey]:
    """The signer's key, and that of the coordinator whose certificate comes along."""
    keys = {around.key.public_key.key_id: around.key.public_key}
    if around.certificate is not None:
        letter = around.certificate.letter
        keys[letter.signer] = parse_public_key(letter.pem, where=letter.kind)
    return list(keys.values())


def _describe(declared: Declared, evidence: Evidence, finished: datetime) -> Run:
    return Run(
        started=declared.intent.created,
        finished=finished,
        release=declared.release,
        usage={
            name: round(sum(value or 0 for value in evidence.columns[name].tolist()), 3)
            for name in ("input_tokens", "output_tokens", "seconds")
        },
        harness={**declared.intent.engine, "adapter": "inspect", "starts": declared.starts},
        imported=declared.request.imported,
    )
