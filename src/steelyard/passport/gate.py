"""The gate: whether a verified claim meets a policy.

Decides yes or no, one line per unmet requirement (spec/passport.md, section
Policy). Only recomputed classifications reach it; whether the passport itself
holds is decided by `verify`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.kernel import format_instant
from steelyard.passport.exposure import unmet_by_advisories, unreadable
from steelyard.risk.coverage import NO_VALID_ROUND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.kernel import JsonObject
    from steelyard.passport.policy import Policy
    from steelyard.passport.verification import Verification

_ELICITATION_LADDER: Final = ("unknown", "E0", "E1", "E2", "E3")


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What the gate says.

    Attributes:
        exit_status: 0 satisfied, 1 not satisfied, 3 cannot verify, 4 expired.
        unmet: One sentence per requirement that was not met.
    """

    exit_status: int
    unmet: tuple[str, ...]


def decide(verification: Verification, policy: Policy) -> GateDecision:
    """Apply `policy` to a verification, whatever policy it was verified with.

    A passport that could not be verified meets nothing, and one that meets the
    policy but is past its date is expired, not satisfied.
    """
    broken = verification.failures(besides=("expiry", "policy"))
    if broken or verification.classification is None or verification.evidence_finished is None:
        return GateDecision(3, tuple(f"{check.name}: {check.detail}" for check in broken))
    if foreign := tuple(_foreign_signers(verification.signers, policy)):
        return GateDecision(3, foreign)
    if hidden := unreadable(verification.advisories, policy):
        return GateDecision(3, hidden)
    unmet = (
        *unmet_requirements(
            verification.classification, policy, verification.evidence_finished, verification.at
        ),
        *unmet_by_triggers(verification.fired, policy),
        *unmet_by_security(verification.weights_security, policy),
        *unmet_by_advisories(verification.advisories, policy),
    )
    if unmet:
        return GateDecision(1, unmet)
    expired = verification.failures(besides=("policy",))
    if not expired and (ended := ended_security(verification.weights_security, policy)):
        return GateDecision(4, (ended,))
    return GateDecision(4 if expired else 0, tuple(check.detail for check in expired))


def unmet_requirements(
    classification: JsonObject, policy: Policy, finished: datetime, at: datetime
) -> tuple[str, ...]:
    """Sentences about what `classification` does not meet; empty when it meets all."""
    plain = cast("dict[str, Any]", classification)
    found: list[str] = []
    release = plain["standard"]["release"]
    if release not in policy.standard_releases:
        accepted = ", ".join(sorted(policy.standard_releases))
        found.append(f"standard release {release} is not accepted (accepted: {accepted})")
    if at - finished > timedelta(days=policy.maximum_age_days):
        limit = policy.maximum_age_days
        found.append(f"evidence ended {format_instant(finished)}, over {limit} days before")
    assessed = {row["domain"]: row for row in plain["determinations"]}
    absent = [domain for domain in policy.required_domains if domain not in assessed]
    found += [f"{domain}: not assessed, required" for domain in absent]
    for domain, row in assessed.items():
        found += _domain(row, policy, required=domain in policy.required_domains)
    return tuple(found)


def unmet_by_triggers(fired: tuple[str, ...], policy: Policy) -> tuple[str, ...]:
    """Sentences about triggers that are known to have fired, where the policy refuses them."""
    if not policy.refuse_fired_triggers:
        return ()
    return tuple(f"re-evaluation is due: {title.removesuffix('.')}" for title in fired)


def unmet_by_security(carried: JsonObject | None, policy: Policy) -> tuple[str, ...]:
    """Sentences about the security of the weights: who states it, and the level asked for."""
    found, sentences = cast("dict[str, Any]", carried), list[str]()
    trusted = policy.trusted_security_signers
    if carried is not None and trusted and found["signer"] not in trusted:
        sentences.append(f"weights security is stated by key {found['signer'][:16]}, not trusted")
    if policy.weights_security is None:
        return tuple(sentences)
    framework, level = policy.weights_security
    if carried is None:
        return (f"weights security: nothing is stated, {framework} {level} required",)
    if found["framework"] != framework or found["level"] < level:
        reached = f"{found['framework']} {found['level']}" if found["level"] else "no level"
        sentences.append(f"weights security: {reached}, {framework} {level} required")
    return tuple(sentences)


def ended_security(carried: JsonObject | None, policy: Policy) -> str:
    """Why a statement that the policy asks for counts no longer; empty where it does."""
    if policy.weights_security is None or carried is None or not carried["ended"]:
        return ""
    return f"the statement on the security of the weights {carried['ended']}"


def _domain(row: dict[str, Any], policy: Policy, *, required: bool) -> Iterator[str]:
    """A level counts in every assessed domain, the rest only where the domain is required."""
    domain, level, limit = row["domain"], row["level"], policy.level_limit(row["domain"])
    if level > limit:
        yield f"{domain}: level {level}, at most {limit} accepted"
    if not required:
        return
    if row["status"] not in policy.accepted_statuses:
        accepted = " or ".join(sorted(policy.accepted_statuses))
        yield f"{domain}: status {row['status']}, need {accepted}"
    for indicator in row["indicators"]:
        step = indicator["elicitation"]
        if _rank(step) < _rank(policy.minimum_elicitation):
            yield (
                f"{domain}: {indicator['id']} elicited at {step}, "
                f"need {policy.minimum_elicitation} or more"
            )
    conditions = [*row["conditions"], *(c for i in row["indicators"] for c in i["conditions"])]
    blocking = sorted({c["code"] for c in conditions if c["blocks"]})
    if blocking and not policy.allow_blocking_conditions:
        yield f"{domain}: carries blocking conditions ({', '.join(blocking)}), none accepted"
    if policy.require_round:
        yield from _uncovered(row, policy)
    if policy.refuse_fired_triggers:
        due = (trigger["title"] for trigger in row["re_evaluate_on"] if trigger["fired"])
        yield from (f"{domain}: re-evaluation is due: {t.removesuffix('.')}" for t in due)
    if policy.maximum_residual_level is not None:
        yield from _residual(row, policy.maximum_residual_level)


def _residual(row: dict[str, Any], limit: int) -> Iterator[str]:
    """What safeguards leave of a level, where the policy asks for it to be measured."""
    residual = row["residual"]
    if residual["level"] > limit:
        decided = residual["decided_by"]
        why = f"decided by {decided}" if decided else "safeguards were not measured"
        yield (
            f"{row['domain']}: residual level {residual['level']} ({why}), at most {limit} accepted"
        )


def unpinned_coordinators(classification: JsonObject, policy: Policy) -> tuple[str, ...]:
    """Coordinators whose rounds count although the policy names none; sorted key ids."""
    if policy.trusted_coordinators or not policy.require_round:
        return ()
    plain = cast("dict[str, Any]", classification)
    rows = (row for d in plain["determinations"] for row in d["proficiency"])
    return tuple(sorted({row["coordinator"] for row in rows}))


def _uncovered(row: dict[str, Any], policy: Policy) -> Iterator[str]:
    """What keeps a domain's results from standing under a round that the policy accepts."""
    domain, trusted = row["domain"], policy.trusted_coordinators
    for condition in row["conditions"]:
        if condition["code"] == NO_VALID_ROUND:
            yield f"{domain}: {condition['text'].removesuffix('.')}"
    for found in row["proficiency"]:
        if found["coordinator"] in trusted:
            continue
        covered = f"{domain}: round {found['round']} for {found['protocol']}"
        if trusted:
            yield f"{covered} is of coordinator {found['coordinator'][:16]}, not trusted"
        elif found["coordinator"] == found["lab_key"]:
            yield f"{covered} was certified by the laboratory itself"


def _rank(step: str) -> int:
    return _ELICITATION_LADDER.index(step)


def _foreign_signers(signers: tuple[str, ...], policy: Policy) -> Iterator[str]:
    if policy.trusted_signers:
        for signer in signers:
            if signer not in policy.trusted_signers:
                yield f"signer {signer[:16]} is not among the policy's trusted signers"
