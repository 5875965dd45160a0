"""Evidence and documents that several tests of postures start from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from steelyard.attest import PrivateKey, Subject
from steelyard.kernel import days_after
from steelyard.weights.posture import Documents, Trust, Word, attest_control, load_catalogue
from steelyard.weights.posture.levels import MODEL, ORGANIZATION, Evidence, SubjectName
from steelyard.weights.posture.observation import Collection, Observation, sign_collection
from steelyard.weights.posture.signed import Signed

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOST = SubjectName("host", "host:alpha")
REPOSITORY = SubjectName("repository", "repository:serving")
SUBJECTS = (HOST, MODEL, REPOSITORY)
NAMES = {item.kind: item.id for item in (*SUBJECTS, ORGANIZATION)}
COLLECTOR_KEY = PrivateKey.from_seed(b"c" * 32)
LEAD_KEY = PrivateKey.from_seed(b"l" * 32)
ASSESSOR_KEY = PrivateKey.from_seed(b"a" * 32)
CATALOGUE = load_catalogue()
MODEL_SUBJECT = Subject("small-model", "ab" * 32)
TRUST = Trust(
    frozenset({COLLECTOR_KEY.public_key.key_id}),
    {LEAD_KEY.public_key.key_id: "security-lead"},
    {ASSESSOR_KEY.public_key.key_id: "auditor"},
)


def everything(level: int) -> list[Evidence]:
    """One satisfying piece of evidence for each control demanded up to a level."""
    return [
        Evidence(
            control=control.id,
            subject=NAMES[control.about],
            outcome="satisfied",
            evidence_class=control.accepts[0],
            collected=AT,
            expires=days_after(AT, 400),
            summary="seen",
        )
        for control in CATALOGUE.controls
        if control.level <= level
    ]


def observation(control: str, outcome: str = "satisfied", summary: str = "seen") -> Observation:
    """An observation of a control about its own kind of subject."""
    row = CATALOGUE.control(control)
    return Observation(
        control=control,
        collector=row.collector,
        subject=NAMES[row.about],
        method="EXAMINE",
        outcome=outcome,  # type: ignore[arg-type]
        summary=summary,
        facts={"control": control},
    )


def observed(level: int, **outcomes: str) -> Signed:
    """Signed observations that satisfy everything automated up to a level, save as said."""
    found = tuple(
        observation(c.id, outcomes.get(c.id.replace("-", "_"), "satisfied"))
        for c in CATALOGUE.controls
        if c.level <= level and "automated" in c.accepts
    )
    return signed_collection(Collection(SUBJECTS, AT, found, b"s" * 32))


def signed_collection(collection: Collection, key: PrivateKey = COLLECTOR_KEY) -> Signed:
    """A collection about the scene's model, signed."""
    return sign_collection(collection, MODEL_SUBJECT, CATALOGUE, key)


def attested(level: int) -> list[Signed]:
    """Attestations of everything up to a level that no collector can satisfy."""
    return [
        attestation(control.id)
        for control in CATALOGUE.controls
        if control.level <= level and "automated" not in control.accepts
    ]


def attestation(control: str, *, days: int | None = None, **changes: object) -> Signed:
    """An attestation by whoever the control accepts, from the scene's instant on."""
    row = CATALOGUE.control(control)
    inside = "attested" in row.accepts
    word = Word(
        "satisfied",
        "security-lead" if inside else "auditor",
        f"{row.title}.",
        "report 7",
        (NAMES[row.about],),
    )
    key = changes.pop("key", LEAD_KEY if inside else ASSESSOR_KEY)
    start = changes.pop("start", AT)
    return attest_control(
        row,
        replace(word, **changes),  # type: ignore[arg-type]
        (start, days or row.attestation_days),  # type: ignore[arg-type]
        key,  # type: ignore[arg-type]
    )


def documents(level: int) -> Documents:
    """Everything that a level takes."""
    return Documents((observed(level),), tuple(attested(level)))
