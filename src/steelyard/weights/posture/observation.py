"""What collectors saw on one machine at one instant, as one signed document.

Decides the content of `posture-observations` (spec/weights-posture.md, section Observations).
What was seen in detail stays with whoever collected it: the document carries its salted
digest, so that it can be shown to an auditor later without being published now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel import (
    canonical_json,
    days_after,
    exact_instant,
    format_instant,
    keyed_digest,
    sha256_hex,
)
from steelyard.kernel.errors import BrokenSeal
from steelyard.weights.posture.levels import Evidence, SubjectName
from steelyard.weights.posture.signed import OBSERVATIONS_KIND, Signed, sign

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.attest import PrivateKey, Subject
    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.catalogue import Catalogue
    from steelyard.weights.posture.levels import Outcome

FACTS_SCHEMA: Final = "steelyard/posture-facts/1"
_SUMMARY_LIMIT: Final = 300


@dataclass(frozen=True, slots=True)
class Observation:
    """What one collector found about one control.

    Attributes:
        control: Id of the control.
        collector: What looked.
        subject: Id of what it looked at.
        method: EXAMINE where it read, TEST where it ran something.
        outcome: What was found.
        summary: The same as a sentence that names no path and no account.
        facts: What it rests on, in detail.
    """

    control: str
    collector: str
    subject: str
    method: str
    outcome: Outcome
    summary: str
    facts: JsonObject


@dataclass(frozen=True, slots=True)
class Collection:
    """Everything that was seen in one run.

    Attributes:
        subjects: What was looked at.
        collected: When.
        observations: What was found.
        salt: 32 random bytes that keep small facts from being guessed by their digest.
    """

    subjects: tuple[SubjectName, ...]
    collected: datetime
    observations: tuple[Observation, ...]
    salt: bytes

    def facts(self) -> JsonObject:
        """The private part: facts and salt of each observation, by its evidence digest."""
        rows: JsonObject = {
            _evidence_digest(item, self.salt): {
                "control": item.control,
                "subject": item.subject,
                "salt": _salt(item, self.salt).hex(),
                "facts": item.facts,
            }
            for item in self.observations
        }
        return {"schema": FACTS_SCHEMA, "facts": rows}


def sign_collection(
    collection: Collection, model: Subject, catalogue: Catalogue, key: PrivateKey
) -> Signed:
    """Sign what was seen about the hosts and the repository of a model."""
    terms = {control.id: control.freshness_days for control in catalogue.controls}
    rows: list[JsonObject] = [
        {
            "control": item.control,
            "collector": item.collector,
            "subject": item.subject,
            "method": item.method,
            "outcome": item.outcome,
            "summary": item.summary[:_SUMMARY_LIMIT],
            "collected": format_instant(collection.collected),
            "expires": format_instant(days_after(collection.collected, terms[item.control])),
            "evidence": _evidence_digest(item, collection.salt),
        }
        for item in sorted(collection.observations, key=lambda o: (o.control, o.subject))
    ]
    predicate: JsonObject = {
        "catalogue": {
            "id": catalogue.id,
            "version": catalogue.version,
            "digest": catalogue.digest,
        },
        "collected": format_instant(collection.collected),
        "subjects": [{"kind": s.kind, "id": s.id} for s in sorted_subjects(collection.subjects)],
        "observations": list(rows),
    }
    return sign(OBSERVATIONS_KIND, model, predicate, key)


def sorted_subjects(subjects: Sequence[SubjectName]) -> list[SubjectName]:
    """Subjects in the order of their ids."""
    return sorted(set(subjects), key=lambda subject: (subject.id, subject.kind))


def subjects_of(document: Signed) -> list[SubjectName]:
    """What a signed document says it looked at."""
    return [SubjectName(row["kind"], row["id"]) for row in document.predicate["subjects"]]


def evidence_of(document: Signed) -> list[Evidence]:
    """A document's observations as evidence.

    Raises:
        BrokenSeal: an observation is dated other than its document, or about something else.
    """
    collected = document.predicate["collected"]
    known = {subject.id for subject in subjects_of(document)}
    found: list[Evidence] = []
    for row in document.predicate["observations"]:
        if row["collected"] != collected or row["subject"] not in known:
            message = f"{row['control']}: dated or addressed other than its document"
            raise BrokenSeal(message, where=OBSERVATIONS_KIND)
        found.append(
            Evidence(
                control=row["control"],
                subject=row["subject"],
                outcome=row["outcome"],
                evidence_class="automated",
                collected=exact_instant(row["collected"]),
                expires=exact_instant(row["expires"]),
                summary=row["summary"],
            )
        )
    return found


def check_facts(document: Signed, facts: JsonObject) -> dict[str, JsonObject]:
    """The facts of each observation, by evidence digest, once their digests agree.

    Raises:
        BrokenSeal: facts are missing, or are not those that were signed for.
    """
    rows = facts.get("facts")
    shown: dict[str, JsonObject] = {}
    for row in document.predicate["observations"]:
        match rows.get(row["evidence"]) if isinstance(rows, dict) else None:
            case {"salt": str(salt), "facts": dict(found)}:
                digest = _digest(salt, found)
            case _:
                digest = ""
                found = {}
        if digest != row["evidence"]:
            message = f"{row['control']}: the facts are not those that were signed for"
            raise BrokenSeal(message, where="facts")
        shown[digest] = found
    return shown


def _salt(item: Observation, salt: bytes) -> bytes:
    return keyed_digest(salt, "posture-facts", item.control, item.subject)


def _evidence_digest(item: Observation, salt: bytes) -> str:
    return _digest(_salt(item, salt).hex(), item.facts)


def _digest(salt: str, facts: JsonObject) -> str:
    return sha256_hex(canonical_json({"salt": salt, "facts": facts}))
