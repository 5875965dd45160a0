"""Assessing a posture: signed files, trust and a date in, the verdict and its report out.

Decides by spec/weights-posture.md, section Assessment, which documents belong together and
which count. The report carries every document that it rests on, so that whoever reads it
decides again instead of believing it: `recompute` does, and nothing else reads the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from steelyard.kernel import exact_instant, format_instant
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, MalformedEvidence
from steelyard.weights.posture.attestation import Refused, Trust, accept_attestations
from steelyard.weights.posture.levels import (
    MODEL,
    ORGANIZATION,
    Evidence,
    Posture,
    SubjectName,
    decide,
)
from steelyard.weights.posture.observation import evidence_of, sorted_subjects, subjects_of
from steelyard.weights.posture.signed import (
    ATTESTATION_KIND,
    OBSERVATIONS_KIND,
    REPORT_KIND,
    Signed,
    signed_from_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.attest import Subject
    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.catalogue import Catalogue
    from steelyard.weights.posture.levels import ControlState, VectorState


@dataclass(frozen=True, slots=True)
class Documents:
    """The signed files that an assessment rests on."""

    observations: tuple[Signed, ...]
    attestations: tuple[Signed, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A posture with what it rests on.

    Attributes:
        model: What the observations are about.
        evidence: What counted or was at least genuine.
        refused: Attestations that did not count, with their reasons.
    """

    model: Subject
    at: datetime
    catalogue: Catalogue
    subjects: tuple[SubjectName, ...]
    documents: Documents
    trust: Trust
    evidence: tuple[Evidence, ...]
    refused: tuple[Refused, ...]
    posture: Posture

    def to_json(self) -> JsonObject:
        """The report: vectors first, controls next, the level last, then what it rests on."""
        posture = self.posture
        return {
            "schema": "steelyard/posture-report/1",
            "at": format_instant(self.at),
            "catalogue": {
                "id": self.catalogue.id,
                "version": self.catalogue.version,
                "digest": self.catalogue.digest,
            },
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "subjects": [{"kind": s.kind, "id": s.id} for s in self.subjects],
            "vectors": [_vector(state, self.catalogue) for state in posture.vectors],
            "controls": [_control(state) for state in posture.controls],
            "refused": [
                {"attestation": r.digest, "control": r.control, "reason": r.reason}
                for r in self.refused
            ],
            "evidence_classes": dict(posture.evidence_classes),
            "expires": format_instant(posture.expires) if posture.expires else None,
            "framework": posture.framework,
            "level": posture.level,
            "cap": {"level": posture.cap, "reason": self.catalogue.cap_reason},
            "trust": self.trust.to_json(),
            "documents": {
                "observations": [item.to_json() for item in self.documents.observations],
                "attestations": [item.to_json() for item in self.documents.attestations],
            },
        }


def assess_posture(
    documents: Documents, trust: Trust, catalogue: Catalogue, at: datetime
) -> Assessment:
    """Decide a posture.

    Raises:
        MalformedEvidence: no observations at all.
        BrokenSeal: observations by a key that was not named, of another catalogue, about
            another model than the rest, or about a host or repository that others are about.
    """
    observations = _distinct(documents.observations)
    if not observations:
        message = "no observations: a posture starts from what was seen"
        raise MalformedEvidence(message, hint="steelyard weights posture collect")
    model = observations[0].subject
    evidence: list[Evidence] = []
    for document in observations:
        _require_belonging(document, model, catalogue, trust)
        evidence += evidence_of(document)
    _require_apart(observations)
    subjects = sorted_subjects([name for item in observations for name in subjects_of(item)])
    scope = {subject.id for subject in (*subjects, MODEL, ORGANIZATION)}
    words, refused = accept_attestations(documents.attestations, catalogue, trust, scope, at)
    evidence += words
    ordered = sorted(refused, key=lambda item: (item.control, item.digest, item.reason))
    return Assessment(
        model=model,
        at=at,
        catalogue=catalogue,
        subjects=tuple(subjects),
        documents=Documents(observations, _distinct(documents.attestations)),
        trust=trust,
        evidence=tuple(evidence),
        refused=tuple(ordered),
        posture=decide(catalogue, subjects, evidence, at),
    )


def recompute(report: JsonObject, catalogue: Catalogue, at: datetime | None = None) -> Assessment:
    """Decide anew what a report claims, from the documents that it carries.

    Args:
        report: The content of a report that follows its schema.
        catalogue: The reader's own.
        at: When to ask about; the report's own instant by default.

    Raises:
        BrokenSeal: another catalogue, a document that is not genuine, a key that is named as
            one's own and from outside, or a report that says something else than what follows
            at its own instant.
    """
    raw = cast("dict[str, Any]", report)
    if raw["catalogue"]["digest"] != catalogue.digest:
        message = (
            f"the report is of catalogue {raw['catalogue']['version']} "
            f"{raw['catalogue']['digest'][:16]}, here is {catalogue.version} "
            f"{catalogue.digest[:16]}"
        )
        raise BrokenSeal(message, where=REPORT_KIND)
    documents = _documents(raw["documents"])
    trust = _trust(raw["trust"])
    own = exact_instant(raw["at"], where=REPORT_KIND)
    found = assess_posture(documents, trust, catalogue, own)
    if difference := _difference(raw, found.to_json()):
        message = f"the report says something else about {difference} than what it carries"
        raise BrokenSeal(message, where=REPORT_KIND, hint="believe what is computed here")
    return found if at is None else assess_posture(documents, trust, catalogue, at)


def _difference(claimed: JsonObject, found: JsonObject) -> str:
    """The first field in which two reports differ, by name; empty where there is none."""
    names = [*found, *(name for name in claimed if name not in found)]
    return next((name for name in names if claimed.get(name) != found.get(name)), "")


def _trust(raw: dict[str, Any]) -> Trust:
    try:
        return Trust(frozenset(raw["collectors"]), raw["attesters"], raw["assessors"])
    except ConfigurationError as error:
        raise BrokenSeal(error.message, where=REPORT_KIND, hint=error.hint) from error


def _documents(raw: dict[str, list[object]]) -> Documents:
    kinds = {"observations": OBSERVATIONS_KIND, "attestations": ATTESTATION_KIND}
    parts = {
        name: tuple(
            signed_from_json(item, kind, where=f"{REPORT_KIND}.{name}") for item in raw[name]
        )
        for name, kind in kinds.items()
    }
    return Documents(**parts)


def _require_belonging(
    document: Signed, model: Subject, catalogue: Catalogue, trust: Trust
) -> None:
    if document.signer not in trust.collectors:
        message = f"observations signed by key {document.signer[:16]}, which may not collect"
        raise BrokenSeal(message, where=OBSERVATIONS_KIND, hint="name it with --collector")
    if document.predicate["catalogue"]["digest"] != catalogue.digest:
        version = document.predicate["catalogue"]["version"]
        message = f"observations of catalogue {version}, which differs from {catalogue.version}"
        raise BrokenSeal(message, where=OBSERVATIONS_KIND, hint="collect again")
    if document.subject != model:
        message = (
            f"observations about {document.subject.name!r} {document.subject.sha256[:16]} "
            f"beside those about {model.name!r} {model.sha256[:16]}"
        )
        raise BrokenSeal(message, where=OBSERVATIONS_KIND, hint="assess one model at a time")


def _require_apart(observations: Sequence[Signed]) -> None:
    """Refuse two documents about one host or repository.

    Two machines of one name would hide each other's gaps, and of two looks at one machine the
    older would fill those of the newer.
    """
    seen: set[str] = set()
    for document in observations:
        own = {subject.id for subject in subjects_of(document) if subject != MODEL}
        if both := sorted(own & seen):
            message = f"two documents are about {both[0]}"
            hint = "give the newest one; name hosts apart with --host, and a repository once"
            raise BrokenSeal(message, where=OBSERVATIONS_KIND, hint=hint)
        seen |= own


def _distinct(items: Sequence[Signed]) -> tuple[Signed, ...]:
    """Each document once, in the order of digests: reports of equal evidence are equal."""
    return tuple(sorted({item.digest: item for item in items}.values(), key=lambda i: i.digest))


def _vector(state: VectorState, catalogue: Catalogue) -> JsonObject:
    vector = state.vector
    return {
        "id": vector.id,
        "title": vector.title,
        "category": vector.category,
        "minimum_class": vector.minimum_class,
        "confidence": {
            "minimum_class": catalogue.confidence(vector.source),
            "name": catalogue.confidence(vector.named_by),
        },
        "coverage": {str(level): found for level, found in state.coverage.items()},
        "evidence_classes": list(state.classes),
        "missing": {name: list(reasons) for name, reasons in state.missing.items()},
    }


def _control(state: ControlState) -> JsonObject:
    control = state.control
    return {
        "id": control.id,
        "title": control.title,
        "level": control.level,
        "status": state.status,
        "evidence_classes": list(state.classes),
        "expires": format_instant(state.expires) if state.expires else None,
        "missing": list(state.missing),
    }
