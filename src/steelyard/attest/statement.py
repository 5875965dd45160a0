"""The in-toto Statement v1: who (subjects) a predicate speaks about, and what it says.

Decides the exact bytes of a statement and refuses any others
(spec/statements.md; in-toto attestation spec/v1/statement.md). What each
predicate must contain is the business of whoever reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from steelyard.kernel import canonical_json, check_label, check_sha256, parse_json_object
from steelyard.kernel.canonical import is_canonical
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_KINDS: Final = ("model-identity", "run-intent", "evaluation-evidence", "classification")

_STATEMENT_FIELDS: Final = {"_type", "subject", "predicateType", "predicate"}


def predicate_type(kind: str) -> str:
    """The predicateType of a kind: a passport's, of spec/round.md, of spec/certified-score.md."""
    return f"urn:steelyard:predicate:{kind}:1"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name and the SHA-256 that decides."""

    name: str
    sha256: str

    def to_json(self) -> JsonObject:
        """The subject as in-toto writes it."""
        return {"name": self.name, "digest": {"sha256": self.sha256}}


@dataclass(frozen=True, slots=True)
class Statement:
    """Subjects, the kind of predicate, and the predicate itself."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: JsonObject

    def to_bytes(self) -> bytes:
        """The statement's canonical JSON: the payload of its envelope."""
        return canonical_json(self._to_json())

    def _to_json(self) -> JsonObject:
        return {
            "_type": STATEMENT_TYPE,
            "subject": [subject.to_json() for subject in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        }

    @classmethod
    def from_bytes(cls, payload: bytes, *, where: str = "payload") -> Statement:
        """Parse a payload, accepting exactly the bytes that `to_bytes` writes.

        Raises:
            MalformedEvidence: not strict JSON, not canonical, or other fields.
        """
        value = parse_json_object(payload, where=where)
        if value.keys() != _STATEMENT_FIELDS or value["_type"] != STATEMENT_TYPE:
            message = f"not an in-toto Statement v1: fields {sorted(value)[:6]}"
            raise MalformedEvidence(message, where=where)
        statement = cls(
            _subjects(value["subject"], where),
            _text(value["predicateType"], where),
            _predicate(value["predicate"], where),
        )
        if not is_canonical(payload, statement._to_json()):
            message = "the statement is not in canonical JSON (RFC 8785)"
            raise MalformedEvidence(message, where=where)
        return statement


def _subjects(value: object, where: str) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not value:
        message = "a statement needs at least one subject"
        raise MalformedEvidence(message, where=where)
    return tuple(_subject(entry, where) for entry in cast("list[object]", value))


def _subject(value: object, where: str) -> Subject:
    match value:
        case {"name": str(name), "digest": {"sha256": str(digest)}}:
            try:
                check_label(name)
                check_sha256(digest)
            except ValueError as error:
                raise MalformedEvidence(str(error), where=f"{where}.subject") from error
            return Subject(name, digest)
        case _:
            message = "a subject needs a name and a sha256 digest, nothing else"
            raise MalformedEvidence(message, where=f"{where}.subject")


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        message = "predicateType must be text"
        raise MalformedEvidence(message, where=where)
    return value


def _predicate(value: object, where: str) -> JsonObject:
    if not isinstance(value, dict):
        message = "the predicate must be an object"
        raise MalformedEvidence(message, where=where)
    return cast("JsonObject", value)
