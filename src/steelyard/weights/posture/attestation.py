"""A person's signed word that a control is satisfied, or is not, for a time.

Decides which attestations count (spec/weights-posture.md, section Attestations): the role and
the key must be those that the assessor named, the control must still read as it did, and the
time must lie within what the control allows. What does not count is told with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from steelyard.attest import Subject
from steelyard.kernel import days_after, exact_instant, format_instant
from steelyard.kernel.errors import ConfigurationError
from steelyard.weights.posture.levels import Evidence
from steelyard.weights.posture.signed import ATTESTATION_KIND, Signed, sign

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from steelyard.attest import PrivateKey
    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.catalogue import Catalogue, Control, EvidenceClass

Claim = Literal["satisfied", "not_satisfied"]


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose word counts, by key id.

    Attributes:
        collectors: Keys that may have signed observations.
        attesters: Role by key, for people of the organization itself.
        assessors: Role by key, for people from outside it.

    Raises:
        ConfigurationError: a key from outside is also one of the organization's own.
    """

    collectors: frozenset[str]
    attesters: Mapping[str, str]
    assessors: Mapping[str, str]

    def __post_init__(self) -> None:
        own = self.collectors | self.attesters.keys()
        if both := sorted(own & self.assessors.keys()):
            message = f"key {both[0][:16]} is named as one from outside and as one's own"
            raise ConfigurationError(message, hint="who is assessed cannot be the assessor")

    def role_of(self, key_id: str) -> str:
        """The role that a key was named for, empty for a stranger's."""
        return {**self.attesters, **self.assessors}.get(key_id, "")

    def to_json(self) -> JsonObject:
        """The keys as a report names them."""
        return {
            "collectors": list(sorted(self.collectors)),  # noqa: C413 - a list of JSON values
            "attesters": dict(sorted(self.attesters.items())),
            "assessors": dict(sorted(self.assessors.items())),
        }


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody attests.

    Attributes:
        claim: That the control is satisfied, or that it is not.
        role: In which role, as the assessor knows it.
        statement: What is attested, in the person's own words.
        evidence: Where it can be looked up: a document, a ticket, a report.
        subjects: Ids of what it covers; `organization` for controls of the organization.
    """

    claim: Claim
    role: str
    statement: str
    evidence: str
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that does not count, and why."""

    digest: str
    control: str
    reason: str


def attest_control(
    control: Control, word: Word, span: tuple[datetime, int], key: PrivateKey
) -> Signed:
    """Sign an attestation.

    Args:
        control: What it is about.
        word: What is attested.
        span: From when it is valid, and for how many days.
        key: The person's own.

    Raises:
        ConfigurationError: the control takes no attestation, or none that long.
    """
    start, days = span
    if not control.attestation_days:
        message = f"{control.id} rests on what a collector sees; nobody's word replaces that"
        raise ConfigurationError(message, hint="steelyard weights posture collect")
    if not 0 < days <= control.attestation_days:
        message = f"{control.id} takes attestations of 1 to {control.attestation_days} days"
        raise ConfigurationError(f"{message}, asked for {days}")
    predicate: JsonObject = {
        "control": control.id,
        "control_digest": control.digest,
        "claim": word.claim,
        "role": word.role,
        "statement": word.statement,
        "evidence": word.evidence,
        "subjects": list(word.subjects),
        "valid_from": format_instant(start),
        "valid_until": format_instant(days_after(start, days)),
    }
    return sign(ATTESTATION_KIND, Subject(control.id, control.digest), predicate, key)


def accept_attestations(
    items: Iterable[Signed],
    catalogue: Catalogue,
    trust: Trust,
    scope: Collection[str],
    at: datetime,
) -> tuple[list[Evidence], list[Refused]]:
    """Those attestations that count as evidence, and the reasons why others do not.

    What the rule would not count either is told apart here: an expired one, one of a class that
    its control does not accept, one about something that is not in `scope`.
    """
    accepted: list[tuple[Signed, Control]] = []
    refused: list[Refused] = []
    known = {control.id: control for control in catalogue.controls}
    for item in sorted({item.digest: item for item in items}.values(), key=lambda i: i.digest):
        name = item.predicate["control"]
        control = known.get(name)
        reason = "" if control else f"no control {name!r} in this catalogue"
        reason = reason or _shortcoming(item, known[name], trust, at)
        if reason:
            refused.append(Refused(item.digest, name, reason))
        else:
            accepted.append((item, known[name]))
    contradictory = _contradictions(item for item, _ in accepted)
    evidence: list[Evidence] = []
    for item, control in accepted:
        if item.digest in contradictory:
            reason = f"key {item.signer[:16]} attests both that it is satisfied and that it is not"
            refused.append(Refused(item.digest, control.id, reason))
        else:
            evidence += _evidence(item, trust, scope)
            refused += _out_of_scope(item, scope)
    return evidence, refused


def _shortcoming(item: Signed, control: Control, trust: Trust, at: datetime) -> str:
    """Why an attestation does not count; empty where it does."""
    raw = item.predicate
    start, end = exact_instant(raw["valid_from"]), exact_instant(raw["valid_until"])
    role, most = trust.role_of(item.signer), timedelta(days=control.attestation_days)
    digests = {raw["control_digest"], item.subject.sha256}
    own = _class(item, trust)
    unfit = raw["claim"] == "satisfied" and own not in control.accepts
    needed = " or ".join(control.accepts)
    reasons = (
        (not role, f"signed by key {item.signer[:16]}, which was not named for any role"),
        (role != raw["role"], f"claims the role {raw['role']!r}, its key was named for {role!r}"),
        (item.subject.name != control.id, f"is signed about {item.subject.name[:80]!r}"),
        (digests != {control.digest}, "speaks about another version of the control"),
        (unfit, f"{own} evidence does not count for its control (needs {needed})"),
        (end <= start, "ends before it begins"),
        (end - start > most, f"is valid for longer than the {most.days} days of its control"),
        (start > at, f"is dated in the future: valid from {raw['valid_from']}"),
        (at >= end, f"expired at {raw['valid_until']}"),
    )
    return next((reason for wrong, reason in reasons if wrong), "")


def _contradictions(items: Iterable[Signed]) -> set[str]:
    """Digests of attestations by which one key says two things about one subject."""
    words: defaultdict[tuple[str, str, str], dict[str, set[str]]] = defaultdict(dict)
    for item in items:
        for subject in item.predicate["subjects"]:
            claims = words[item.signer, item.predicate["control"], subject]
            claims.setdefault(item.predicate["claim"], set()).add(item.digest)
    return {
        digest
        for claims in words.values()
        if len(claims) > 1
        for digests in claims.values()
        for digest in digests
    }


def _class(item: Signed, trust: Trust) -> EvidenceClass:
    return "external" if item.signer in trust.assessors else "attested"


def _out_of_scope(item: Signed, scope: Collection[str]) -> list[Refused]:
    raw = item.predicate
    return [
        Refused(item.digest, raw["control"], f"{subject} is not in scope: no observation names it")
        for subject in raw["subjects"]
        if subject not in scope
    ]


def _evidence(item: Signed, trust: Trust, scope: Collection[str]) -> list[Evidence]:
    raw = item.predicate
    return [
        Evidence(
            control=raw["control"],
            subject=subject,
            outcome=raw["claim"],
            evidence_class=_class(item, trust),
            collected=exact_instant(raw["valid_from"]),
            expires=exact_instant(raw["valid_until"]),
            summary=f"{raw['role']} attests: {raw['statement']}",
        )
        for subject in raw["subjects"]
        if subject in scope
    ]
