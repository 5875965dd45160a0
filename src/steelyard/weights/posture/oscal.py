"""A posture as OSCAL assessment results, for tools that speak that language.

Decides the mapping of spec/weights-posture.md, section OSCAL, onto NIST OSCAL 1.2
(assessment-results). Identifiers are derived from what they name (RFC 9562, version 5), so one
assessment always gives the same document.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from steelyard import __version__
from steelyard.kernel import digest_json, format_instant
from steelyard.weights.posture.observation import subjects_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.assessment import Assessment
    from steelyard.weights.posture.levels import ControlState, SubjectName
    from steelyard.weights.posture.signed import Signed

OSCAL_VERSION: Final = "1.2.3"
NAMESPACE: Final = "urn:steelyard:oscal:1"
_ROOT: Final = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)
_STATES: Final = {
    "satisfied": ("satisfied", "pass"),
    "not_satisfied": ("not-satisfied", "fail"),
    "unassessed": ("not-satisfied", "other"),
}


def assessment_results(found: Assessment) -> JsonObject:
    """The document: one result with observations, findings and risks."""
    seed = digest_json(found.to_json())
    observed = [row for item in found.documents.observations for row in _observed(item)]
    attested = [row for item in found.documents.attestations if (row := _attested(item, found))]
    observations = observed + attested
    by_control: dict[str, list[str]] = {}
    for control, row in observations:
        by_control.setdefault(control, []).append(row["uuid"])
    unmet = [state for state in found.posture.controls if state.status != "satisfied"]
    result: dict[str, Any] = {
        "uuid": _uuid("result", seed),
        "title": f"Posture of {found.model.name}",
        "description": _description(found),
        "start": _start(found),
        "end": format_instant(found.at),
        "props": _result_props(found),
        "local-definitions": {"components": [_component(subject) for subject in found.subjects]},
        "reviewed-controls": _reviewed(found),
        "observations": [row for _, row in observations],
        "risks": [_risk(state, seed) for state in unmet],
        "findings": [
            _finding(state, by_control.get(state.control.id, []), seed)
            for state in found.posture.controls
        ],
    }
    if not unmet:
        del result["risks"]
    plan = _uuid("plan", found.catalogue.digest)
    document: dict[str, Any] = {
        "assessment-results": {
            "uuid": _uuid("document", seed),
            "metadata": {
                "title": f"Weights security posture of {found.model.name}",
                "last-modified": format_instant(found.at),
                "version": format_instant(found.at),
                "oscal-version": OSCAL_VERSION,
                "props": [_prop("steelyard-version", __version__)],
            },
            "import-ap": {
                "href": f"#{plan}",
                "remarks": "There is no separate plan: what is assessed is the catalogue.",
            },
            "results": [result],
            "back-matter": {
                "resources": [
                    {
                        "uuid": plan,
                        "title": f"Catalogue {found.catalogue.id} {found.catalogue.version}",
                        "props": [_prop("digest", found.catalogue.digest)],
                    }
                ]
            },
        }
    }
    return document


def _observed(document: Signed) -> Iterable[tuple[str, dict[str, Any]]]:
    kinds = {subject.id: subject for subject in subjects_of(document)}
    for row in document.predicate["observations"]:
        yield (
            row["control"],
            {
                "uuid": _uuid("observation", document.digest, row["control"], row["subject"]),
                "title": row["control"],
                "description": row["summary"],
                "props": [
                    _prop("control", row["control"]),
                    _prop("outcome", row["outcome"]),
                    _prop("evidence-class", "automated"),
                    _prop("collector", row["collector"]),
                    _prop("signer", document.signer),
                ],
                "methods": [row["method"]],
                "types": ["control-objective"],
                "subjects": [_reference(kinds[row["subject"]])],
                "relevant-evidence": [
                    {
                        "description": "Facts that the collector keeps, under a salted digest.",
                        "props": [
                            _prop("evidence-digest", row["evidence"]),
                            _prop("document-digest", document.digest),
                        ],
                    }
                ],
                "collected": row["collected"],
                "expires": row["expires"],
            },
        )


def _attested(document: Signed, found: Assessment) -> tuple[str, dict[str, Any]] | None:
    """An attestation that counts; one that does not is no observation."""
    if document.digest in {item.digest for item in found.refused}:
        return None
    raw = document.predicate
    outside = document.signer in found.trust.assessors
    return (
        raw["control"],
        {
            "uuid": _uuid("attestation", document.digest),
            "title": raw["control"],
            "description": f"{raw['role']} attests: {raw['statement']}",
            "props": [
                _prop("control", raw["control"]),
                _prop("outcome", raw["claim"]),
                _prop("evidence-class", "external" if outside else "attested"),
                _prop("role", raw["role"]),
                _prop("signer", document.signer),
                *(_prop("subject", subject) for subject in raw["subjects"]),
            ],
            "methods": ["INTERVIEW"],
            "types": ["control-objective"],
            "relevant-evidence": [
                {
                    "description": raw["evidence"],
                    "props": [_prop("document-digest", document.digest)],
                }
            ],
            "collected": raw["valid_from"],
            "expires": raw["valid_until"],
        },
    )


def _finding(state: ControlState, observations: list[str], seed: str) -> dict[str, Any]:
    control = state.control
    outcome, reason = _STATES[state.status]
    row: dict[str, Any] = {
        "uuid": _uuid("finding", seed, control.id),
        "title": control.title,
        "description": "; ".join(state.missing) or "Satisfied by evidence that counts.",
        "props": [
            _prop("status", state.status),
            *(_prop("evidence-class", name) for name in state.classes),
            *(_prop("demanded", f"{d.framework} {d.level}") for d in control.demanded),
            *(_prop("sp-800-53", name) for name in control.nist),
            *(_prop("sl5-profile", name) for name in control.sl5),
            *(_prop("vector", name) for name in control.vectors),
        ],
        "target": {
            "type": "objective-id",
            "target-id": control.id,
            "status": {"state": outcome, "reason": reason},
        },
    }
    if observations:
        row["related-observations"] = [{"observation-uuid": name} for name in observations]
    if state.status != "satisfied":
        row["related-risks"] = [{"risk-uuid": _uuid("risk", seed, control.id)}]
    return row


def _risk(state: ControlState, seed: str) -> dict[str, Any]:
    control = state.control
    return {
        "uuid": _uuid("risk", seed, control.id),
        "title": f"Without evidence that counts: {control.title}",
        "description": "; ".join(state.missing),
        "statement": f"Open to: {', '.join(control.vectors)}.",
        "props": [_prop("control", control.id), _prop("status", state.status)],
        "status": "open",
    }


def _description(found: Assessment) -> str:
    posture = found.posture
    level = f"{posture.framework} {posture.level}" if posture.level else "no level"
    return f"Evidence supports {level}. Cap {posture.cap}: {found.catalogue.cap_reason}"


def _result_props(found: Assessment) -> list[dict[str, str]]:
    posture = found.posture
    props = [
        _prop("framework", posture.framework),
        _prop("level", str(posture.level)),
        _prop("cap", str(posture.cap)),
        _prop("catalogue-digest", found.catalogue.digest),
        _prop("model-sha256", found.model.sha256),
    ]
    if posture.expires is not None:
        props.append(_prop("expires", format_instant(posture.expires)))
    return props


def _reviewed(found: Assessment) -> dict[str, Any]:
    names = sorted({name for control in found.catalogue.controls for name in control.nist})
    return {
        "description": "Controls of SP 800-53 r5 that the catalogue's own controls map onto.",
        "control-selections": [{"include-controls": [{"control-id": name} for name in names]}],
    }


def _component(subject: SubjectName) -> dict[str, Any]:
    return {
        "uuid": _uuid("component", subject.id),
        "type": {"host": "hardware", "repository": "software"}.get(subject.kind, "software"),
        "title": subject.id,
        "description": f"In scope as a {subject.kind}.",
        "status": {"state": "operational"},
    }


def _reference(subject: SubjectName) -> dict[str, str]:
    return {"subject-uuid": _uuid("component", subject.id), "type": "component"}


def _start(found: Assessment) -> str:
    instants = [item.predicate["collected"] for item in found.documents.observations]
    return min(*instants, format_instant(found.at))


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": value}


def _uuid(kind: str, *parts: str) -> str:
    return str(uuid.uuid5(_ROOT, "\x00".join((kind, *parts))))
