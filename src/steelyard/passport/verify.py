"""Verifying a passport: every step, in order, from bytes and a date to a verdict.

Follows spec/passport.md, section Verification, step by step. Reads no clock,
no file and no network; runs nothing that the passport carries. Fails closed:
whatever cannot be shown is not believed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from steelyard.kernel.errors import NotSatisfied
from steelyard.passport import checks, recompute
from steelyard.passport.exposure import Tested, check_advisories, unmet_by_advisories
from steelyard.passport.gate import unmet_by_security, unmet_by_triggers, unmet_requirements
from steelyard.passport.items import check_items
from steelyard.passport.proficiency import check_proficiency
from steelyard.passport.reevaluation import Since, fired_triggers
from steelyard.passport.regressions import check_regressions
from steelyard.passport.verification import CheckLog, Finding, Verification, need
from steelyard.passport.weights_security import (
    SecurityCarried,
    check_weights_security,
    require_unended,
)
from steelyard.standard import Release, load_release

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from steelyard.passport.policy import Policy


def verify_passport(
    data: bytes,
    *,
    at: datetime,
    trusted: frozenset[str] = frozenset(),
    policy: Policy | None = None,
    since: Since | None = None,
    releases: Callable[[str], Release] = load_release,
) -> Verification:
    """Verify a passport.

    Args:
        data: The archive's bytes.
        at: The aware instant the question is about.
        trusted: Key ids that may sign; empty accepts any signer with a warning.
            A policy's trusted signers must agree as well.
        policy: Requirements to apply; None leaves the last step out.
        since: What the caller knows since the passport was issued; nothing by default.
        releases: Finds an installed standard release by version.

    Returns:
        All checks, the exit status, and the classification as recomputed here
        unless something that protects it failed.
    """
    log, known = CheckLog(), since or Since()
    run = log.run
    members = run("archive", lambda: checks.open_archive(data))
    run("index", lambda: checks.check_index(need(members)))
    signed = run("signatures", lambda: checks.check_signatures(need(members)))
    signer = run("signer", lambda: checks.check_signer(need(signed), _pins(trusted, policy)))
    claims = run("statements", lambda: _claims(members, signed, signer))
    times = run("time_order", lambda: checks.check_time_order(need(claims), at))
    release = run("standard", lambda: checks.check_standard(need(members), need(claims), releases))
    matrix = run("matrix", lambda: recompute.check_matrix(need(members), need(claims)))
    case = run("plan", lambda: recompute.check_plan(need(matrix), need(claims), need(release)))
    run("items", lambda: check_items(need(case)))
    rounds = run(
        "proficiency",
        lambda: check_proficiency(need(members), need(_claimed(claims, signed)), policy),
    )
    level = run(
        "classification", lambda: recompute.check_level(need(case), need(times), need(rounds))
    )
    tested = run(
        "regressions",
        lambda: check_regressions(
            need(members), need(_claimed(claims, signed)), need(claims), need(times)
        ),
    )
    run("report", lambda: checks.check_report(need(members), need(claims)))
    carried = run(
        "posture",
        lambda: check_weights_security(need(members), need(_claimed(claims, signed)), policy, at),
    )
    view = run(
        "advisories",
        lambda: check_advisories(
            need(members),
            need(_claimed(claims, signed)),
            Tested(need(claims), need(times), need(release), need(tested)),
            known.feed,
            policy,
            at,
        ),
    )
    run("expiry", lambda: _unexpired(times, carried, policy, at))
    if not log.sound():
        log.skip("policy", "needs a check that did not pass")
        return Verification(at, tuple(log.checks), log.exit_status())
    unmet: tuple[str, ...] = ()
    subject = checks.subject_of(need(signed))
    fired = fired_triggers(subject, need(release), known.told(need(view).facts()))
    if policy is None:
        log.skip("policy", "no policy was given")
    else:
        unmet = (
            *unmet_requirements(need(level), policy, need(times).finished, at),
            *unmet_by_triggers(fired, policy),
            *unmet_by_security(need(carried).to_json(), policy),
            *unmet_by_advisories(need(view).to_json(), policy),
        )
        run("policy", partial(_met, policy.name, unmet))
    return Verification(
        at,
        tuple(log.checks),
        log.exit_status(),
        model=need(claims).identity["model"],
        subject=subject,
        run=checks.run_of(need(claims)),
        signer=signer,
        signers=tuple(sorted(set(need(signed).signers.values()))),
        issued=need(times).issued,
        expires=need(times).expires,
        evidence_finished=need(times).finished,
        classification=level,
        weights_security=need(carried).to_json(),
        regressions=tuple(row.to_json() for row in need(tested)),
        advisories=need(view).to_json(),
        unmet=unmet,
        fired=fired,
    )


def _claims(
    members: checks.Members | None, signed: checks.Signed | None, signer: str | None
) -> Finding[checks.Claims]:
    """Step 5, reached only where no pin refused the signer: nothing of a stranger's is read."""
    need(signer)
    return checks.check_statements(need(members), need(signed))


def _claimed(claims: checks.Claims | None, signed: checks.Signed | None) -> checks.Signed | None:
    """The signatures, once what they signed has been believed: no stranger's round is read."""
    return signed if claims is not None else None


def _unexpired(
    times: checks.Times | None,
    carried: SecurityCarried | None,
    policy: Policy | None,
    at: datetime,
) -> Finding[datetime]:
    """Step 17: the claim counts, and the weights' security where the policy asks for it."""
    finding = checks.check_expiry(need(times), at)
    require_unended(need(carried), policy)
    return finding


def _pins(trusted: frozenset[str], policy: Policy | None) -> tuple[frozenset[str], ...]:
    """The sets of trusted keys that were given; each must agree."""
    given = (trusted, policy.trusted_signers if policy is not None else frozenset[str]())
    return tuple(pins for pins in given if pins)


def _met(name: str, unmet: tuple[str, ...]) -> Finding[str]:
    """Step 18: the policy is met.

    Raises:
        NotSatisfied: with every unmet requirement.
    """
    if unmet:
        hint = "each line names one requirement; see spec/passport.md, section Policy"
        raise NotSatisfied("; ".join(unmet), where=f"policy {name}", hint=hint)
    return Finding(name, f"policy {name} is met")
