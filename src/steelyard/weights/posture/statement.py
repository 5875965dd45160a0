"""The `weights-security` statement: which level a report supports, for a passport to carry.

Decides what is signed and when it is believed (spec/weights-posture.md, section Statement).
The statement is never believed by itself: its level is computed again from the report, and
the report from the documents that it carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard.kernel import digest_json, exact_instant, format_instant
from steelyard.kernel.errors import BrokenSeal, CannotVerify, ConfigurationError, Expired
from steelyard.weights.posture.assessment import assess_posture, recompute
from steelyard.weights.posture.signed import (
    REPORT_KIND,
    SECURITY_KIND,
    Signed,
    sign,
)

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.attest import PrivateKey, Subject
    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.assessment import Assessment
    from steelyard.weights.posture.catalogue import Catalogue

_HINT = "believe what follows from the evidence, not what is stated"


@dataclass(frozen=True, slots=True)
class WeightsSecurity:
    """A statement that follows from the report beside it.

    Attributes:
        framework: Whose level it is.
        level: As computed here; 0 for none.
        assessment: The posture behind it.
        statement: What was signed about the level.
        report: What was signed about the posture.
    """

    framework: str
    level: int
    issued: datetime
    expires: datetime
    model: Subject
    signer: str
    assessment: Assessment
    statement: Signed
    report: Signed

    @property
    def statements(self) -> dict[str, bytes]:
        """Both envelopes by kind, as a passport carries them."""
        return {item.kind: item.envelope for item in (self.statement, self.report)}


def sign_security(assessment: Assessment, key: PrivateKey) -> WeightsSecurity:
    """Sign a report and the statement that rests on it.

    Raises:
        CannotVerify: no evidence counts, so that there is nothing to state.
        ConfigurationError: the signer is one of the assessors from outside.
    """
    posture = assessment.posture
    if posture.expires is None:
        message = "no evidence counts at this date, so there is nothing to state"
        raise CannotVerify(message, hint="steelyard weights posture collect")
    signer = key.public_key.key_id
    _require_no_assessor(assessment, signer, ConfigurationError)
    content = assessment.to_json()
    report = sign(REPORT_KIND, assessment.model, content, key)
    statement = sign(SECURITY_KIND, assessment.model, _predicate(assessment, content), key)
    return _security(assessment, statement, report)


def open_security(said: Signed, behind: Signed, catalogue: Catalogue) -> WeightsSecurity:
    """A statement and the report behind it, both opened, computed again.

    Whether it has expired is for `require_current`.

    Raises:
        BrokenSeal: signed by two keys, about another model, or not what follows.
    """
    if behind.signer != said.signer:
        message = f"signed by key {behind.signer[:16]}, the statement by {said.signer[:16]}"
        raise BrokenSeal(message, where=REPORT_KIND)
    assessment = recompute(behind.predicate, catalogue)
    if not said.subject == behind.subject == assessment.model:
        message = "statement, report and observations are about different models"
        raise BrokenSeal(message, where=SECURITY_KIND)
    _require_no_assessor(assessment, said.signer, BrokenSeal)
    if assessment.posture.expires is None:
        message = "the report rests on no evidence that counts"
        raise BrokenSeal(message, where=SECURITY_KIND, hint=_HINT)
    wanted = _predicate(assessment, behind.predicate)
    for name, value in wanted.items():
        if said.predicate.get(name) != value:
            message = f"states {name} {_shown(said.predicate.get(name))}, what follows is "
            raise BrokenSeal(f"{message}{_shown(value)}", where=SECURITY_KIND, hint=_HINT)
    return _security(assessment, said, behind)


def require_current(security: WeightsSecurity, at: datetime) -> WeightsSecurity:
    """The statement, if it holds at an instant.

    Raises:
        CannotVerify: the instant lies before it was issued.
        Expired: some evidence that the level rests on has ended.
    """
    if at < security.issued:
        message = f"issued at {format_instant(security.issued)}, after the date asked about"
        raise CannotVerify(message, where=SECURITY_KIND, hint="check the clock, or --at")
    if at >= security.expires:
        message = f"expired at {format_instant(security.expires)}"
        raise Expired(message, where=SECURITY_KIND, hint="ask for a new posture")
    own = security.assessment
    later = assess_posture(own.documents, own.trust, own.catalogue, at)
    if later.posture.level < security.level:
        message = f"no longer follows: by now the evidence gives {later.posture.level}"
        raise Expired(message, where=SECURITY_KIND, hint="ask for a new posture")
    return security


def _predicate(assessment: Assessment, content: JsonObject) -> JsonObject:
    posture, catalogue = assessment.posture, assessment.catalogue
    return {
        "framework": posture.framework,
        "level": posture.level,
        "cap": posture.cap,
        "catalogue": {
            "id": catalogue.id,
            "version": catalogue.version,
            "digest": catalogue.digest,
        },
        "report": digest_json(content),
        "vectors": digest_json(content["vectors"]),
        "evidence_classes": dict(posture.evidence_classes),
        "issued": format_instant(assessment.at),
        "expires": content["expires"],
    }


def _security(assessment: Assessment, statement: Signed, report: Signed) -> WeightsSecurity:
    raw: dict[str, Any] = statement.predicate
    return WeightsSecurity(
        framework=raw["framework"],
        level=assessment.posture.level,
        issued=exact_instant(raw["issued"]),
        expires=exact_instant(raw["expires"]),
        model=statement.subject,
        signer=statement.signer,
        assessment=assessment,
        statement=statement,
        report=report,
    )


def _require_no_assessor(
    assessment: Assessment, signer: str, error: type[BrokenSeal | ConfigurationError]
) -> None:
    if signer in assessment.trust.assessors:
        message = f"key {signer[:16]} signs the report and is named as an assessor from outside"
        raise error(message, where=SECURITY_KIND, hint="who is assessed cannot be the assessor")


def _shown(value: object) -> str:
    return str(value)[:60]
