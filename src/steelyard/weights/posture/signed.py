"""The file form of what is signed about a posture: one statement and the key that made it.

Decides whether a file is a genuine statement of a kind (spec/weights-posture.md, section
Signed files). The key in a file says who signed, never whom to believe: that is for whoever
assesses.
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

FILE_SCHEMA: Final = "steelyard/posture-file/1"
FILE_LIMIT_BYTES: Final = 2 << 20
OBSERVATIONS_KIND: Final = "posture-observations"
ATTESTATION_KIND: Final = "posture-attestation"
REPORT_KIND: Final = "posture-report"
SECURITY_KIND: Final = "weights-security"


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement whose signature verifies.

    Attributes:
        kind: What it says.
        predicate: Its content, following the schema of its kind.
        subject: What it is about.
        signer: Key id of who signed it.
        digest: SHA-256 of the envelope.
        envelope: The envelope's bytes.
        pem: The signer's public key.
    """

    kind: str
    predicate: dict[str, Any]
    subject: Subject
    signer: str
    digest: str
    envelope: bytes
    pem: bytes

    def to_json(self) -> JsonObject:
        """The file's content."""
        return {
            "schema": FILE_SCHEMA,
            "kind": self.kind,
            "key": self.pem.decode("ascii"),
            "envelope": parse_json_object(self.envelope),
        }

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return canonical_json(self.to_json())


def sign(kind: str, subject: Subject, predicate: JsonObject, key: PrivateKey) -> Signed:
    """Sign a predicate of one kind about one subject.

    Raises:
        ConfigurationError: the predicate does not follow the schema of its kind, or its file
            would be larger than any that is read.
    """
    check_schema(predicate, kind, where=kind)
    envelope = sign_statement(Statement((subject,), predicate_type(kind), predicate), key)
    signed = open_signed(envelope, key.public_key.pem, kind, where=kind)
    # With the line feed that ends the file.
    if (size := len(signed.data) + 1) > FILE_LIMIT_BYTES:
        message = f"the file would have {size} bytes, at most {FILE_LIMIT_BYTES} are read"
        raise ConfigurationError(message, where=kind, hint="assess fewer hosts at a time")
    return signed


def read_signed(data: bytes, kind: str, *, where: str = "file") -> Signed:
    """Open a file and check its kind, its signature and its schema.

    Raises:
        MalformedEvidence: no such file, another kind, or a predicate against its schema.
        BrokenSeal: the signature is not that of the key beside it.
    """
    return signed_from_json(parse_json_object(data, where=where), kind, where=where)


def signed_from_json(value: object, kind: str, *, where: str) -> Signed:
    """Open the content of a file, for instance one that a report carries; see `read_signed`."""
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if fields.keys() != {"schema", "kind", "key", "envelope"} or fields["schema"] != FILE_SCHEMA:
        message = f"not a file of a posture: fields {sorted(fields)[:6]}"
        raise MalformedEvidence(message, where=where)
    if fields["kind"] != kind:
        message = f"the file is a {str(fields['kind'])[:60]!r}, wanted a {kind!r}"
        raise MalformedEvidence(message, where=where)
    envelope = canonical_json(fields["envelope"])
    return open_signed(envelope, str(fields["key"]).encode(), kind, where=where)


def open_signed(envelope: bytes, pem: bytes, kind: str, *, where: str) -> Signed:
    """Open one envelope under one public key.

    Raises:
        MalformedEvidence: another predicate type, several subjects, or against its schema.
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
    if len(statement.subjects) != 1:
        message = f"speaks about {len(statement.subjects)} subjects, need one"
        raise MalformedEvidence(message, where=where)
    require_schema(statement.predicate, kind, where=where)
    predicate = cast("dict[str, Any]", statement.predicate)
    digest = sha256_hex(envelope)
    return Signed(kind, predicate, statement.subjects[0], key.key_id, digest, envelope, key.pem)
