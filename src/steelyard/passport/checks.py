"""The steps that show a passport holds together: seals, statements, time, standard.

Each function decides one step of spec/passport.md, section Verification, and
either returns what it established or raises. What the evidence says is for
`recompute`; the order of steps is in `verify`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import (
    PREDICATE_KINDS,
    PublicKey,
    Statement,
    Subject,
    claimed_key_id,
    open_envelope,
    parse_public_key,
    predicate_type,
)
from steelyard.kernel import (
    JsonObject,
    format_instant,
    parse_instant,
    parse_json_object,
    sha256_hex,
)
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    ConfigurationError,
    Expired,
    MalformedEvidence,
    UnknownName,
    UsageError,
)
from steelyard.passport.archive import (
    CERTIFICATE_KINDS,
    FLAW_KINDS,
    INDEX,
    KEY_NAME,
    MATRIX,
    RELEASE,
    REPORT,
    read_archive,
    statement_name,
)
from steelyard.passport.bundle import earliest_review, endpoint_digest, index_of
from steelyard.passport.companions import companion_detail, companion_signers
from steelyard.passport.verification import Finding
from steelyard.standard import Release, require_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


Members = dict[str, bytes]
# Clocks of issuer and verifier may differ by this much; NTP keeps them within seconds.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_ON_FLAWS: Final = "statement on published flaws"
_SCHEMAS: Final = {kind: kind for kind in PREDICATE_KINDS} | {
    "classification": "classification-statement"
}


@dataclass(frozen=True, slots=True)
class Signed:
    """Statements whose signatures verify, and who made them, by kind."""

    statements: Mapping[str, Statement]
    signers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Claims:
    """The four predicates, each following its schema and tied to the others."""

    identity: dict[str, Any]
    intent: dict[str, Any]
    evidence: dict[str, Any]
    claim: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Times:
    """The instants of a passport, in the order in which they must lie."""

    created: datetime
    started: datetime
    finished: datetime
    as_of: datetime
    issued: datetime
    expires: datetime


def open_archive(data: bytes) -> Finding[Members]:
    """Step 1: unpack the archive under its limits."""
    members = read_archive(data)
    total = sum(map(len, members.values()))
    return Finding(members, f"{len(members)} members, {total} bytes unpacked")


def check_index(members: Members) -> Finding[Members]:
    """Step 2: passport.json lists exactly the members, with their digests.

    Raises:
        MalformedEvidence: it is no index of this format.
        BrokenSeal: a member is not the one it lists.
    """
    index = parse_json_object(members[INDEX], where=INDEX)
    require_schema(index, "passport", where=INDEX)
    listed = cast("dict[str, dict[str, str]]", index["members"])
    others = {name: data for name, data in members.items() if name != INDEX}
    if listed.keys() != others.keys():
        message = f"members listed and present differ: {sorted(listed.keys() ^ others.keys())[:4]}"
        raise BrokenSeal(message, where=INDEX)
    for name, data in others.items():
        if listed[name]["sha256"] != sha256_hex(data):
            raise BrokenSeal("not the member that was listed", where=name)
    if index_of(others) != members[INDEX]:
        raise MalformedEvidence("not in canonical JSON (RFC 8785)", where=INDEX)
    return Finding(members, f"{len(others)} members listed, every digest matches")


def check_signatures(members: Members) -> Finding[Signed]:
    """Step 3: each statement is signed by a key that the passport carries.

    The signers of companions, such as a round's certificate, are no signers of the passport.

    Raises:
        BrokenSeal: a signature does not verify, or a key is not the one its name says.
    """
    keys = _carried_keys(members)
    others = companion_signers(members, keys)
    statements: dict[str, Statement] = {}
    signers: dict[str, str] = {}
    for kind in PREDICATE_KINDS:
        envelope = members[statement_name(kind)]
        statements[kind] = open_envelope(envelope, keys, where=kind)
        signers[kind] = claimed_key_id(envelope, where=kind)
    if spare := sorted(keys.keys() - set(signers.values()) - set(others.values())):
        message = f"key {spare[0][:16]} signed nothing here"
        raise BrokenSeal(message, where="keys")
    names = ", ".join(key[:16] for key in sorted(set(signers.values())))
    detail = f"4 statements signed by {names}{companion_detail(others)}"
    return Finding(Signed(statements, signers), detail)


def check_signer(signed: Signed, pins: tuple[frozenset[str], ...]) -> Finding[str]:
    """Step 4: every signer is in every set of trusted keys that was given.

    Raises:
        CannotVerify: a signer is in none of them.
    """
    signers = sorted(set(signed.signers.values()))
    for signer in signers:
        if any(signer not in pin for pin in pins):
            message = f"signed by key {signer}, which is not among the trusted signers"
            hint = "compare the key id with one the issuer published elsewhere"
            raise CannotVerify(message, hint=hint)
    signer_of_claim = signed.signers["classification"]
    names = ", ".join(signer[:16] for signer in signers)
    if not pins:
        hint = f"pin it with --key or a policy, once known to be theirs: {signer_of_claim}"
        return Finding(
            signer_of_claim,
            f"not pinned: anyone could have made key {names}",
            warning=True,
            hint=hint,
        )
    return Finding(signer_of_claim, f"pinned: {names}")


def check_statements(members: Members, signed: Signed) -> Finding[Claims]:
    """Step 5: predicates follow their schemas, and subjects tie the statements together.

    Raises:
        MalformedEvidence: a predicate is of another type or does not follow its schema.
        BrokenSeal: a statement speaks about something else than this passport holds.
    """
    for kind, statement in signed.statements.items():
        if statement.predicate_type != predicate_type(kind):
            message = f"predicate type is {statement.predicate_type[:80]!r}"
            raise MalformedEvidence(message, where=kind)
        require_schema(statement.predicate, _SCHEMAS[kind], where=kind)
    predicates = [cast("dict[str, Any]", signed.statements[k].predicate) for k in PREDICATE_KINDS]
    claims = Claims(*predicates)
    _require_identity(signed.statements["model-identity"], claims)
    _require_subjects(members, signed, claims)
    _require_digests(members, claims)
    return Finding(claims, "4 predicates, every subject leads to this model and this matrix")


def check_time_order(claims: Claims, at: datetime) -> Finding[Times]:
    """Step 6: intent before evidence, evidence before claim, nothing in the future.

    Raises:
        CannotVerify: two instants lie the wrong way round.
    """
    times = _times(claims)
    named = [(name.replace("_", " "), getattr(times, name)) for name in Times.__slots__]
    for (before, first), (after, second) in pairwise(named):
        if first > second:
            found = f"{before} {format_instant(first)} is later than {after}"
            message = f"{found} {format_instant(second)}"
            raise CannotVerify(message)
    if times.issued > at + CLOCK_TOLERANCE:
        message = f"issued {format_instant(times.issued)}, after {format_instant(at)}"
        hint = "check this machine's clock, or the date given with --at"
        raise CannotVerify(message, hint=hint)
    if times.expires > earliest_review(claims.claim["classification"]):
        message = "the claim outlives the next review of one of its domains"
        raise CannotVerify(message)
    return Finding(times, f"intent {format_instant(times.created)} precedes evidence and claim")


def check_standard(
    members: Members, claims: Claims, releases: Callable[[str], Release]
) -> Finding[Release]:
    """Step 7: one standard release throughout, and it is the one installed here.

    Raises:
        BrokenSeal: statements name different releases or another content.
        CannotVerify: the release is not installed.
    """
    named = claims.intent["standard"]
    claimed = claims.claim["classification"]["standard"]
    if claims.evidence["standard"] != named or {k: claimed[k] for k in named} != named:
        message = "the statements name different standard releases"
        raise BrokenSeal(message)
    try:
        release = releases(named["release"])
    except UnknownName as error:
        hint = "install the Steelyard version that ships this release"
        raise CannotVerify(error.message, hint=hint) from error
    if sha256_hex(members[RELEASE]) != named["digest"] or release.digest != named["digest"]:
        message = (
            f"release {release.version} has digest {release.digest[:16]} here, "
            f"{named['digest'][:16]} in the passport"
        )
        hint = "compare with: steelyard standard show"
        raise BrokenSeal(message, hint=hint)
    status = release.framework.status
    return Finding(release, f"release {release.version} ({status}), {release.digest[:16]}")


def check_report(members: Members, claims: Claims) -> Finding[str]:
    """Step 14: the report is the one the claim was signed over.

    Raises:
        BrokenSeal: it is another.
    """
    digest = sha256_hex(members[REPORT])
    if digest != claims.claim["report"]["sha256"]:
        message = "not the report that the claim was signed over"
        raise BrokenSeal(message, where=REPORT)
    return Finding(digest, "the report is the one signed over; its words are the signer's")


def check_expiry(times: Times, at: datetime) -> Finding[datetime]:
    """Step 17: the claim still counts at the date asked about.

    Raises:
        Expired: it does not.
    """
    if at >= times.expires:
        message = f"expired {format_instant(times.expires)}, asked about {format_instant(at)}"
        hint = "ask the issuer for a passport from a new run"
        raise Expired(message, hint=hint)
    return Finding(times.expires, f"counts until {format_instant(times.expires)}")


def subject_of(signed: Signed) -> JsonObject:
    """Who was tested, as the model-identity statement says."""
    statement = signed.statements["model-identity"]
    names = ("model", "kind", "access", "safeguards", "endpoint")
    said = {name: statement.predicate[name] for name in names}
    return {**said, "digest": statement.subjects[0].sha256}


def run_of(claims: Claims) -> JsonObject:
    """What was declared of the run as a whole, as the run-intent statement says."""
    return {name: claims.intent[name] for name in ("split", "attempt", "elicitation", "created")}


def _carried_keys(members: Members) -> dict[str, PublicKey]:
    keys: dict[str, PublicKey] = {}
    for name, pem in members.items():
        if match := KEY_NAME.fullmatch(name):
            try:
                key = parse_public_key(pem, where=name)
            except ConfigurationError as error:
                raise BrokenSeal(error.message, where=name) from error
            if key.key_id != match[1] or key.pem != pem:
                message = f"the file holds key {key.key_id[:16]} or is not in plain PEM form"
                raise BrokenSeal(message, where=name)
            keys[key.key_id] = key
    return keys


def _require_identity(statement: Statement, claims: Claims) -> None:
    identity = claims.identity
    names = {subject.name for subject in statement.subjects}
    if len(statement.subjects) != 1 or names != {identity["model"]}:
        message = f"model-identity must be about exactly the model {identity['model']}"
        raise BrokenSeal(message, where="model-identity")
    if identity["salt"] is None or identity["endpoint"] is None or identity["kind"] == "weights":
        return
    salt = bytes.fromhex(identity["salt"])
    digest = endpoint_digest(identity["model"], identity["endpoint"], identity["generation"], salt)
    if digest != statement.subjects[0].sha256:
        message = "salt and endpoint do not open the commitment to the endpoint"
        raise BrokenSeal(message, where="model-identity")


def _require_subjects(members: Members, signed: Signed, claims: Claims) -> None:
    model = signed.statements["model-identity"].subjects[0]
    matrix = Subject(MATRIX, sha256_hex(members[MATRIX]))
    expected = {
        "run-intent": (model, Subject(RELEASE, claims.intent["standard"]["digest"])),
        "evaluation-evidence": (matrix,),
        "classification": (model, matrix),
    }
    for kind, subjects in expected.items():
        if signed.statements[kind].subjects != subjects:
            message = "the statement is about another subject than this passport's"
            raise BrokenSeal(message, where=kind)
    if claims.claim["classification"]["model"] != model.name:
        message = f"the classification is about {claims.claim['classification']['model'][:60]!r}"
        raise BrokenSeal(message, where="classification")


def _require_digests(members: Members, claims: Claims) -> None:
    """Evidence names its intent, and the claim names all others, by envelope digest."""
    for kinds, what in ((CERTIFICATE_KINDS, "certificate of a round"), (FLAW_KINDS, _ON_FLAWS)):
        carried = {kind for kind in kinds if statement_name(kind) in members}
        if carried != set(kinds) & claims.claim["statements"].keys():
            message = f"the claim was signed with another {what}, or without one"
            raise BrokenSeal(message, where="classification")
    named = {
        ("evaluation-evidence", "run-intent"): claims.evidence["run_intent"]["sha256"],
        **{("classification", k): v["sha256"] for k, v in claims.claim["statements"].items()},
    }
    for (kind, target), digest in named.items():
        if sha256_hex(members[statement_name(target)]) != digest:
            message = f"was signed over another {target} statement"
            raise BrokenSeal(message, where=kind)


def _times(claims: Claims) -> Times:
    texts = {
        "created": claims.intent["created"],
        "started": claims.evidence["started"],
        "finished": claims.evidence["finished"],
        "as_of": claims.claim["classification"]["as_of"],
        "issued": claims.claim["issued"],
        "expires": claims.claim["expires"],
    }
    return Times(**{name: _instant(text, name) for name, text in texts.items()})


def _instant(text: str, where: str) -> datetime:
    """An instant in exactly the form `format_instant` writes."""
    try:
        instant = parse_instant(text)
    except UsageError as error:
        raise MalformedEvidence(error.message, where=where) from error
    if format_instant(instant) != text:
        raise MalformedEvidence(f"{text!r} is no canonical instant", where=where)
    return instant
