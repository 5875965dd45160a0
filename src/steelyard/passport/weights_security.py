"""The statement on the security of the weights inside a passport.

Decides whether a carried one is genuine, about these weights, and what level follows from the
evidence behind it (spec/passport.md, step 15). A passport without one is whole. Whom to
believe, and which level is enough, is for the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.attest import claimed_key_id, open_envelope, parse_public_key
from steelyard.kernel import format_instant
from steelyard.kernel.errors import BrokenSeal, CannotVerify, ConfigurationError, Expired
from steelyard.passport.archive import (
    INDEX,
    SECURITY_KINDS,
    read_archive,
    statement_name,
    write_archive,
)
from steelyard.passport.bundle import index_of
from steelyard.passport.gate import ended_security
from steelyard.passport.verification import Finding
from steelyard.weights.posture import load_catalogue
from steelyard.weights.posture.signed import REPORT_KIND, SECURITY_KIND, open_signed
from steelyard.weights.posture.statement import open_security, require_current

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.attest import Statement, Subject
    from steelyard.kernel import JsonObject
    from steelyard.passport.checks import Members, Signed
    from steelyard.passport.policy import Policy
    from steelyard.weights.posture.catalogue import Catalogue
    from steelyard.weights.posture.statement import WeightsSecurity

_TRUST: Final = "name who may sign it in a policy, once their key is known to be theirs"


@dataclass(frozen=True, slots=True)
class SecurityCarried:
    """What a passport carries on the security of its weights; nothing is a possible answer.

    Attributes:
        security: The statement, as decided here.
        ended: Why it no longer counts at the date asked about; empty where it does.
    """

    security: WeightsSecurity | None = None
    ended: str = ""

    def to_json(self) -> JsonObject | None:
        """The part of `verification.schema.json`."""
        if self.security is None:
            return None
        return {
            "framework": self.security.framework,
            "level": self.security.level,
            "cap": self.security.assessment.posture.cap,
            "signer": self.security.signer,
            "issued": format_instant(self.security.issued),
            "expires": format_instant(self.security.expires),
            "ended": self.ended,
        }


def check_weights_security(
    members: Members, signed: Signed, policy: Policy | None, at: datetime
) -> Finding[SecurityCarried]:
    """Step 15: the statement is genuine, about these weights, and follows from its report.

    Raises:
        MalformedEvidence: statement or report do not follow their schemas.
        BrokenSeal: forged, about other weights, or not what follows.
        CannotVerify: it lies after the date asked about, or it is of a catalogue that is not
            here while the policy asks for a level.
    """
    if statement_name(SECURITY_KIND) not in members:
        told = "no statement on the security of the weights comes along"
        return Finding(SecurityCarried(), told)
    statement, report = (members[statement_name(kind)] for kind in SECURITY_KINDS)
    signer = claimed_key_id(statement, where=SECURITY_KIND)
    pem = members[f"keys/{signer}.pem"]
    said = open_signed(statement, pem, SECURITY_KIND, where=SECURITY_KIND)
    if fault := _other_weights(signed.statements["model-identity"], said.subject):
        raise BrokenSeal(fault, where=SECURITY_KIND)
    catalogue = load_catalogue()
    behind = open_signed(report, pem, REPORT_KIND, where=REPORT_KIND)
    digest = behind.predicate["catalogue"]["digest"]
    if digest != catalogue.digest:
        return _other_catalogue(digest, catalogue, policy)
    security = open_security(said, behind, catalogue)
    try:
        require_current(security, at)
    except Expired as error:
        return Finding(
            SecurityCarried(security, error.message), f"{_told(security)}; {error.message}",
            warning=True, hint=error.hint,
        )  # fmt: skip
    return _held(security, policy)


def require_unended(carried: SecurityCarried, policy: Policy | None) -> SecurityCarried:
    """What is carried, unless the policy asks for a level and the statement has ended.

    Raises:
        Expired: it has.
    """
    if policy is not None and (message := ended_security(carried.to_json(), policy)):
        raise Expired(message, where=SECURITY_KIND, hint="ask for a new posture")
    return carried


def attach_security(passport: bytes, security: WeightsSecurity) -> bytes:
    """A passport with a statement on the security of its weights, in place of any other.

    The four statements stay as they were signed. Raises what `read_archive` raises, and:

    Raises:
        ConfigurationError: the statement is about other weights than those tested.
    """
    members = read_archive(passport)
    removed = _without_security(members)
    if fault := _other_weights(_identity(removed), security.model):
        hint = "assess with --weights, so that the passport is bound to the same files"
        raise ConfigurationError(fault, where=SECURITY_KIND, hint=hint)
    added = {statement_name(kind): data for kind, data in security.statements.items()}
    added[f"keys/{security.signer}.pem"] = security.statement.pem
    whole = {name: data for name, data in {**removed, **added}.items() if name != INDEX}
    return write_archive({INDEX: index_of(whole), **whole})


def _without_security(members: Members) -> Members:
    """The members without an earlier statement, and without a key that signed nothing else."""
    kept = {n: d for n, d in members.items() if n not in map(statement_name, SECURITY_KINDS)}
    statements = [data for name, data in kept.items() if name.startswith("statements/")]
    signers = {claimed_key_id(data) for data in statements}
    return {
        name: data
        for name, data in kept.items()
        if not name.startswith("keys/") or name.removeprefix("keys/")[:64] in signers
    }


def _identity(members: Members) -> Statement:
    """The identity statement, signed by the key that it names and the passport carries.

    Raises:
        BrokenSeal: there is no such key, or it did not sign.
    """
    envelope = members[statement_name("model-identity")]
    name = f"keys/{claimed_key_id(envelope)}.pem"
    if name not in members:
        raise BrokenSeal("the key of the identity statement is missing", where=name)
    key = parse_public_key(members[name], where=name)
    return open_envelope(envelope, {key.key_id: key}, where="model-identity")


def _other_weights(identity: Statement, stated: Subject) -> str:
    """How a statement misses what was tested; empty where it is about the same weights."""
    kind, tested = identity.predicate.get("kind"), identity.subjects[0].sha256
    if kind != "weights":
        return f"the passport is about a {kind} model, which is bound to no weights"
    if stated.sha256 != tested:
        return f"is about weights {stated.sha256[:16]}, tested was {tested[:16]}"
    return ""


def _other_catalogue(
    digest: str, catalogue: Catalogue, policy: Policy | None
) -> Finding[SecurityCarried]:
    message = (
        f"of posture catalogue {digest[:16]}, here is {catalogue.version} {catalogue.digest[:16]}"
    )
    hint = "verify with the version that it was made with, or ask for a new posture"
    if policy is not None and policy.weights_security is not None:
        raise CannotVerify(message, where=SECURITY_KIND, hint=hint)
    return Finding(SecurityCarried(), f"{message}: not decided", warning=True, hint=hint)


def _held(security: WeightsSecurity, policy: Policy | None) -> Finding[SecurityCarried]:
    told = f"{_told(security)}, until {format_instant(security.expires)}"
    trusted = policy.trusted_security_signers if policy is not None else frozenset[str]()
    carried = SecurityCarried(security)
    if security.signer in trusted:
        return Finding(carried, f"{told}; signer pinned")
    if trusted:
        told += f"; signer {security.signer[:16]} is not among those trusted"
    else:
        told += f"; signer not pinned: anyone could have made key {security.signer[:16]}"
    return Finding(carried, told, warning=True, hint=_TRUST)


def _told(security: WeightsSecurity) -> str:
    level = f"{security.framework} {security.level}" if security.level else "no level"
    return f"evidence supports {level} of the weights' security"
