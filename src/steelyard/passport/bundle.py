"""Issuing a passport: four predicates, their signatures, and the archive around them.

Decides what each statement says and which digests tie them together
(spec/statements.md, spec/passport.md). Everything is a pure function of its
arguments; when a statement may be signed, and with which key, is decided by
the pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from steelyard import __version__
from steelyard.attest import (
    PrivateKey,
    PublicKey,
    Statement,
    Subject,
    endpoint_commitment,
    predicate_type,
    sign_statement,
)
from steelyard.kernel import (
    JsonObject,
    canonical_json,
    digest_json,
    format_instant,
    parse_instant,
    sha256_hex,
)
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.passport.archive import (
    INDEX,
    MATRIX,
    RELEASE,
    REPORT,
    statement_name,
    write_archive,
)
from steelyard.standard import Release, check_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from steelyard.passport.matrix import Matrix
    from steelyard.risk.sequential import SequentialPlan

PASSPORT_SCHEMA: Final = "steelyard/passport/1"
Access = Literal["black_box", "grey_box", "white_box"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What was tested.

    Attributes:
        model: Name as in the records.
        kind: `weights`, `hosted` or `reference`.
        digest: Manifest root of the weights, or commitment to the endpoint.
        safeguards: Whether the safeguards of the deployment were on.
        generation: Sampling settings, system prompt digest and the like.
        endpoint: Public name of the endpoint, None to keep it secret.
        salt: The commitment's salt, None to keep the description unprovable.
        bases: Manifest roots of weights that it was derived from.
    """

    model: str
    kind: Literal["hosted", "weights", "reference"]
    digest: str
    access: Access = "black_box"
    safeguards: Literal["off", "on", "unknown"] = "unknown"
    generation: JsonObject = field(default_factory=dict[str, Any])
    endpoint: str | None = None
    salt: bytes | None = None
    bases: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """The model, as every statement about it names it."""
        return Subject(self.model, self.digest)

    def predicate(self) -> JsonObject:
        """The model-identity predicate."""
        return {
            "model": self.model,
            "kind": self.kind,
            "access": self.access,
            "endpoint": self.endpoint,
            "salt": self.salt.hex() if self.salt is not None else None,
            "safeguards": self.safeguards,
            "generation": self.generation,
            **({"bases": list(self.bases)} if self.bases else {}),
        }


def endpoint_digest(model: str, endpoint: str, generation: JsonObject, salt: bytes) -> str:
    """The subject digest of a hosted or reference model.

    With `endpoint` and `salt` in the predicate, a verifier recomputes it.
    """
    description: JsonObject = {"model": model, "endpoint": endpoint, "generation": generation}
    return endpoint_commitment(salt, description)


@dataclass(frozen=True, slots=True)
class PlannedSamples:
    """Samples declared for one arm of one protocol: `items` times `epochs`.

    Attributes:
        indicators: What imported samples feed; empty where a protocol of the release does.
    """

    protocol: str
    protocol_version: str
    arm: str
    items: int
    epochs: int
    indicators: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """A row of the predicate's `planned`."""
        row = {name: getattr(self, name) for name in self.__slots__ if name != "indicators"}
        return {**row, "indicators": list(self.indicators)} if self.indicators else row


@dataclass(frozen=True, slots=True)
class Procedure:
    """How hard a run looks, beside its elicitation step.

    Attributes:
        ladder: SHA-256 of the canonical JSON of the release's elicitation ladder.
        attempts: Tries at each item where the step has several.
        auditor: `none`, `table` or the name of an attacker model.
        auditor_turns: Further user messages in one try.
        awareness: Whether twins with notices are played and the probe is asked.
        sandbagging: Whether treatment items are played at E1 too.
        noised: Name of the model with noise in its weights, None without.
        note: At E3, how the tested model relates to the deployed one.
    """

    ladder: str
    attempts: int = 1
    auditor: str = "none"
    auditor_turns: int = 0
    awareness: bool = False
    sandbagging: bool = False
    noised: str | None = None
    note: str | None = None

    def to_json(self) -> JsonObject:
        """The predicate's `procedure`."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Intent:
    """What a run will do, signed before its first call.

    Attributes:
        created: The instant of signing.
        attempt: 1 for the first run against this subject, then counting.
        seed_commitment: Commitment to the seed of private items, None where there is none.
        engine: Versions of what runs it, by name.
        procedure: How hard it looks; one plain try without any check by default.
        sequential: What a sequential run commits to, by protocol; empty where all is played.
        regressions: Published flaws that it tests for, as `Listed.declared` writes them.
    """

    created: datetime
    release: Release
    scope: tuple[str, ...]
    elicitation: str
    planned: tuple[PlannedSamples, ...]
    attempt: int = 1
    split: Literal["public", "private"] = "public"
    seed_commitment: str | None = None
    engine: Mapping[str, str] = field(default_factory=dict[str, str])
    procedure: Procedure | None = None
    sequential: tuple[SequentialPlan, ...] = ()
    regressions: tuple[JsonObject, ...] = ()

    def predicate(self) -> JsonObject:
        """The run-intent predicate; `risk.Plan.from_predicate` reads it."""
        return {
            "created": format_instant(self.created),
            "standard": _standard(self.release),
            "scope": list(self.scope),
            "elicitation": self.elicitation,
            "planned": [row.to_json() for row in self.planned],
            "stopping_rule": "sequential" if self.sequential else "fixed",
            **({"sequential": [p.to_json() for p in self.sequential]} if self.sequential else {}),
            **({"regressions": list(self.regressions)} if self.regressions else {}),
            "attempt": self.attempt,
            "split": self.split,
            "seed_commitment": self.seed_commitment,
            "engine": dict(self.engine),
            "procedure": (
                self.procedure or Procedure(digest_json(self.release.elicitation))
            ).to_json(),
        }


@dataclass(frozen=True, slots=True)
class Run:
    """How a matrix came to be.

    Attributes:
        harness: Fingerprint of what ran it.
        imported: SHA-256 by name of files that were read instead of run.
    """

    started: datetime
    finished: datetime
    release: Release
    usage: JsonObject
    harness: JsonObject
    access: Access = "black_box"
    imported: Mapping[str, str] = field(default_factory=dict[str, str])

    def predicate(self, matrix: Matrix, intent: bytes) -> JsonObject:
        """The evaluation-evidence predicate."""
        return {
            "merkle_root": matrix.root,
            "records": len(matrix.evidence),
            "standard": _standard(self.release),
            "started": format_instant(self.started),
            "finished": format_instant(self.finished),
            "run_intent": {"sha256": sha256_hex(intent)},
            "outcomes": dict(matrix.evidence.outcomes()),
            "usage": self.usage,
            "harness": self.harness,
            "access": self.access,
            "imported": [{"name": n, "sha256": d} for n, d in sorted(self.imported.items())],
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """A classification to be signed.

    Attributes:
        classification: `risk.Classification.to_json()`.
        issued: The instant of signing.
        report: Bytes of the report that shows it.
    """

    classification: JsonObject
    issued: datetime
    report: bytes

    @property
    def expires(self) -> datetime:
        """The earliest next review of any domain: no claim outlives it."""
        return earliest_review(self.classification)

    def predicate(self, statements: Mapping[str, bytes]) -> JsonObject:
        """The classification predicate over the other envelopes."""
        return {
            "classification": self.classification,
            "decision_rule": {"package": "steelyard", "version": __version__},
            "issued": format_instant(self.issued),
            "expires": format_instant(self.expires),
            "report": {"sha256": sha256_hex(self.report)},
            "statements": {kind: {"sha256": sha256_hex(d)} for kind, d in statements.items()},
        }


def sign_identity(identity: Identity, key: PrivateKey) -> bytes:
    """Sign model-identity.

    Raises:
        ConfigurationError: a field does not follow spec/model-identity.schema.json.
    """
    return _sign("model-identity", (identity.subject,), identity.predicate(), key)


def sign_intent(intent: Intent, identity: Identity, key: PrivateKey) -> bytes:
    """Sign run-intent, about the model and the standard release.

    Raises:
        ConfigurationError: a field does not follow spec/run-intent.schema.json,
            or an arm is declared twice, which every verifier refuses.
    """
    arms = [(row.protocol, row.arm) for row in intent.planned]
    if twice := {pair for pair in arms if arms.count(pair) > 1}:
        protocol, arm = min(twice)
        message = f"protocol {protocol}, arm {arm}, is declared twice"
        hint = "run or import each protocol in one version, in one passport"
        raise ConfigurationError(message, where="run-intent", hint=hint)
    subjects = (identity.subject, Subject(RELEASE, intent.release.digest))
    return _sign("run-intent", subjects, intent.predicate(), key)


def sign_evidence(run: Run, matrix: Matrix, intent: bytes, key: PrivateKey) -> bytes:
    """Sign evaluation-evidence, about the matrix; `intent` is the signed run-intent.

    Raises:
        ConfigurationError: a field does not follow spec/evaluation-evidence.schema.json.
    """
    subjects = (Subject(MATRIX, matrix.sha256),)
    return _sign("evaluation-evidence", subjects, run.predicate(matrix, intent), key)


def sign_classification(
    claim: Claim,
    identity: Identity,
    matrix: Matrix,
    statements: Mapping[str, bytes],
    key: PrivateKey,
) -> bytes:
    """Sign classification, about the model and the matrix.

    Args:
        claim: What is claimed, when, and the report that shows it.
        identity: The model it is about.
        matrix: The evidence it follows from.
        statements: The other three signed statements by kind, and those of a round.
        key: The issuer's key.

    Raises:
        ConfigurationError: a field does not follow spec/classification-statement.schema.json.
    """
    subjects = (identity.subject, Subject(MATRIX, matrix.sha256))
    return _sign("classification", subjects, claim.predicate(statements), key)


def write_passport(
    statements: Mapping[str, bytes],
    matrix: Matrix,
    release: Release,
    report: bytes,
    keys: Sequence[PublicKey],
) -> bytes:
    """The bytes of a passport.

    Args:
        statements: All four signed statements by kind, and those of a round if there is one.
        matrix: The evidence.
        release: The standard the claim was made under.
        report: The HTML report whose digest the claim carries.
        keys: Public keys of the signers, the coordinator of a round among them.

    Raises:
        UnsafeArchive: a member is missing or larger than any reader accepts.
    """
    members = {statement_name(kind): data for kind, data in statements.items()}
    members |= {f"keys/{key.key_id}.pem": key.pem for key in keys}
    members |= {MATRIX: matrix.data, RELEASE: canonical_json(release.content), REPORT: report}
    return write_archive({INDEX: index_of(members), **members})


def index_of(members: Mapping[str, bytes]) -> bytes:
    """The bytes of `passport.json` for the other members."""
    digests = {name: {"sha256": sha256_hex(data)} for name, data in members.items()}
    return canonical_json({"schema": PASSPORT_SCHEMA, "members": digests})


def earliest_review(classification: JsonObject) -> datetime:
    """The earliest `next_review` among the determinations.

    Raises:
        MalformedEvidence: there is no determination.
    """
    determinations = cast("list[dict[str, Any]]", classification["determinations"])
    reviews = [parse_instant(row["next_review"]) for row in determinations]
    if not reviews:
        message = "a classification without any determination cannot be issued"
        raise MalformedEvidence(message, where="classification")
    return min(reviews)


def _sign(
    kind: str, subjects: tuple[Subject, ...], predicate: JsonObject, key: PrivateKey
) -> bytes:
    schema = "classification-statement" if kind == "classification" else kind
    check_schema(predicate, schema, where=kind)
    return sign_statement(Statement(subjects, predicate_type(kind), predicate), key)


def _standard(release: Release) -> JsonObject:
    return {"release": release.version, "digest": release.digest}
