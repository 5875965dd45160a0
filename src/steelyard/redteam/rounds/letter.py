"""A letter: one signed statement with the public key that made it, in one file.

Decides the file form of everything that coordinator and laboratories exchange
(spec/round.md, section Letters). The key in a letter says who signed, not whom to
believe: each reader names the key it expects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import (
    PrivateKey,
    Statement,
    Subject,
    open_envelope,
    parse_public_key,
    predicate_type,
    sign_statement,
)
from steelyard.kernel import canonical_json, parse_json_object, sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, MalformedEvidence
from steelyard.standard import check_schema, require_schema

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

LETTER_SCHEMA: Final = "steelyard/letter/1"
LETTER_LIMIT_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Letter:
    """A statement whose signature verifies.

    Attributes:
        kind: What it says: one of the predicates of spec/round.md.
        predicate: The statement's content, following the schema of its kind.
        subjects: What it is about.
        signer: Key id of who signed it.
        digest: SHA-256 of the envelope, by which other letters name this one.
        envelope: The envelope's bytes.
        pem: The signer's public key.
    """

    kind: str
    predicate: dict[str, Any]
    subjects: tuple[Subject, ...]
    signer: str
    digest: str
    envelope: bytes
    pem: bytes

    @property
    def data(self) -> bytes:
        """The bytes of the letter's file."""
        return canonical_json(
            {
                "schema": LETTER_SCHEMA,
                "kind": self.kind,
                "key": self.pem.decode("ascii"),
                "envelope": parse_json_object(self.envelope),
            }
        )


def write_letter(kind: str, subject: Subject, predicate: JsonObject, key: PrivateKey) -> Letter:
    """Sign a predicate of one kind about one subject.

    Raises:
        ConfigurationError: the predicate does not follow the schema of its kind.
    """
    check_schema(predicate, kind, where=kind)
    envelope = sign_statement(Statement((subject,), predicate_type(kind), predicate), key)
    return open_statement(envelope, key.public_key.pem, kind, where=kind)


def read_letter(data: bytes, kind: str, *, where: str = "letter") -> Letter:
    """Open a letter's file and check its signature, kind and schema.

    Raises:
        MalformedEvidence: no letter, another kind, or a predicate against its schema.
        BrokenSeal: the signature is not that of the key beside it.
    """
    value = parse_json_object(data, where=where)
    if value.keys() != {"schema", "kind", "key", "envelope"} or value["schema"] != LETTER_SCHEMA:
        message = f"not a letter of a round: fields {sorted(value)[:6]}"
        raise MalformedEvidence(message, where=where)
    if value["kind"] != kind:
        message = f"the letter is a {str(value['kind'])[:40]!r}, wanted a {kind!r}"
        raise MalformedEvidence(message, where=where)
    pem = str(value["key"]).encode()
    return open_statement(canonical_json(value["envelope"]), pem, kind, where=where)


def open_statement(envelope: bytes, pem: bytes, kind: str, *, where: str) -> Letter:
    """Open one envelope under one public key.

    Raises:
        MalformedEvidence: another predicate type, or against the schema of its kind.
        BrokenSeal: not signed by that key, or no plain Ed25519 key.
    """
    try:
        key = parse_public_key(pem, where=where)
    except ConfigurationError as error:
        raise BrokenSeal(error.message, where=where) from error
    statement = open_envelope(envelope, {key.key_id: key}, where=where)
    if statement.predicate_type != predicate_type(kind):
        message = f"predicate type is {statement.predicate_type[:80]!r}, wanted {kind}"
        raise MalformedEvidence(message, where=where)
    require_schema(statement.predicate, kind, where=where)
    predicate = cast("dict[str, Any]", statement.predicate)
    digest = sha256_hex(envelope)
    return Letter(kind, predicate, statement.subjects, key.key_id, digest, envelope, key.pem)


def require_signer(letter: Letter, key_id: str, who: str) -> Letter:
    """The letter, if the key named signed it.

    Raises:
        BrokenSeal: another key did.
    """
    if letter.signer != key_id:
        message = f"signed by key {letter.signer[:16]}, not by {who}, whose key is {key_id[:16]}"
        raise BrokenSeal(message, where=letter.kind, hint="only the named party may send it")
    return letter


def require_about(letter: Letter, subject: Subject) -> Letter:
    """The letter, if it is about exactly the subject.

    Raises:
        BrokenSeal: it is about something else.
    """
    if letter.subjects != (subject,):
        named = letter.subjects[0]
        message = f"is about {named.name[:60]!r} {named.sha256[:16]}, not this {subject.name!r}"
        raise BrokenSeal(message, where=letter.kind, hint="send it to the round it was made for")
    return letter
