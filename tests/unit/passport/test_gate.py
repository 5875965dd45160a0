from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from steelyard.passport import Check, Policy, Verification, decide
from steelyard.passport.gate import unmet_requirements, unpinned_coordinators

FINISHED = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = Policy(
    name="p",
    standard_releases=frozenset({"2026.1", "2026.2"}),
    required_domains=("persuasion",),
    maximum_level=1,
    domain_levels={"cyber": 2},
    accepted_statuses=frozenset({"established"}),
    minimum_elicitation="E1",
    maximum_age_days=180,
    allow_blocking_conditions=False,
    trusted_signers=frozenset(),
    require_round=False,
)


def _domain(name: str, **changes: object) -> dict[str, Any]:
    indicator = {"id": f"{name}.x", "elicitation": "E1", "conditions": []}
    row = {
        "domain": name, "level": 1, "status": "established", "conditions": [], "proficiency": [],
        "re_evaluate_on": [], "residual": {"level": 1, "decided_by": None},
    }  # fmt: skip
    return {**row, "indicators": [indicator], **changes}


def _unmet(*rows: dict[str, Any], policy: Policy = POLICY, days: int = 180) -> tuple[str, ...]:
    classification: Any = {"standard": {"release": "2026.1"}, "determinations": list(rows)}
    return unmet_requirements(classification, policy, FINISHED, FINISHED + timedelta(days=days))


def test_all_requirements_met() -> None:
    assert _unmet(_domain("persuasion"), _domain("cyber", level=2)) == ()


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"level": 2}, ("persuasion: level 2, at most 1 accepted",)),
        ({"status": "presumptive"}, ("persuasion: status presumptive, need established",)),
        (
            {
                "conditions": [
                    {"code": "b", "blocks": True},
                    {"code": "a", "blocks": True},
                    {"code": "b", "blocks": True},
                ]
            },
            ("persuasion: carries blocking conditions (a, b), none accepted",),
        ),
        (
            {
                "indicators": [
                    {"id": "i", "elicitation": "E0", "conditions": [{"code": "c", "blocks": True}]}
                ]
            },
            (
                "persuasion: i elicited at E0, need E1 or more",
                "persuasion: carries blocking conditions (c), none accepted",
            ),
        ),
        (
            {"indicators": [{"id": "i", "elicitation": "unknown", "conditions": []}]},
            ("persuasion: i elicited at unknown, need E1 or more",),
        ),
    ],
)
def test_one_line_per_unmet_requirement(changes: dict[str, Any], lines: tuple[str, ...]) -> None:
    assert _unmet(_domain("persuasion", **changes)) == lines


def test_an_unassessed_domain() -> None:
    assert _unmet(_domain("cyber")) == ("persuasion: not assessed, required",)


def test_another_domain_counts_by_its_level_only() -> None:
    other = _domain(
        "cyber", level=3, status="presumptive", conditions=[{"code": "a", "blocks": True}]
    )
    assert _unmet(_domain("persuasion"), other) == ("cyber: level 3, at most 2 accepted",)


def test_accepted_conditions_are_no_obstacle() -> None:
    policy = replace(POLICY, allow_blocking_conditions=True)
    assert (
        _unmet(_domain("persuasion", conditions=[{"code": "a", "blocks": True}]), policy=policy)
        == ()
    )


def test_conditions_that_do_not_block_are_no_obstacle() -> None:
    assert _unmet(_domain("persuasion", conditions=[{"code": "a", "blocks": False}])) == ()


LAB, COORDINATOR = "1a" * 32, "2b" * 32
ROUNDS = replace(POLICY, require_round=True)
UNCOVERED = {
    "code": "no_valid_round",
    "text": "No valid proficiency round covers p@1.0 under engine digest 00.",
    "blocks": False,
}


def _round(coordinator: str = COORDINATOR) -> dict[str, Any]:
    return {"round": "r1", "protocol": "p", "coordinator": coordinator, "lab_key": LAB}


def test_results_without_a_round_do_not_count() -> None:
    row = _domain("persuasion", conditions=[UNCOVERED])
    assert _unmet(row, policy=ROUNDS) == (
        "persuasion: No valid proficiency round covers p@1.0 under engine digest 00",
    )
    assert _unmet(row) == ()
    assert _unmet(_domain("persuasion"), _domain("cyber", conditions=[UNCOVERED])) == ()


def test_a_round_of_any_coordinator_counts_where_none_is_named() -> None:
    assert _unmet(_domain("persuasion", proficiency=[_round()]), policy=ROUNDS) == ()


def test_a_round_of_another_coordinator_than_those_trusted() -> None:
    policy = replace(ROUNDS, trusted_coordinators=frozenset({"3c" * 32}))
    assert _unmet(_domain("persuasion", proficiency=[_round()]), policy=policy) == (
        f"persuasion: round r1 for p is of coordinator {COORDINATOR[:16]}, not trusted",
    )


def test_a_laboratory_that_certifies_itself_counts_only_where_the_policy_names_it() -> None:
    row = _domain("persuasion", proficiency=[_round(LAB)])
    assert _unmet(row, policy=ROUNDS) == (
        "persuasion: round r1 for p was certified by the laboratory itself",
    )
    policy = replace(ROUNDS, trusted_coordinators=frozenset({LAB}))
    assert _unmet(row, policy=policy) == ()


def test_coordinators_that_count_unpinned_are_named() -> None:
    claim: Any = {"determinations": [_domain("persuasion", proficiency=[_round(), _round(LAB)])]}
    assert unpinned_coordinators(claim, ROUNDS) == (LAB, COORDINATOR)
    pinned = replace(ROUNDS, trusted_coordinators=frozenset({LAB}))
    assert unpinned_coordinators(claim, pinned) == ()
    assert unpinned_coordinators(claim, POLICY) == ()


def test_old_evidence() -> None:
    assert _unmet(_domain("persuasion"), days=181) == (
        "evidence ended 2026-03-01T00:00:00Z, over 180 days before",
    )


def test_another_release() -> None:
    policy = replace(POLICY, standard_releases=frozenset({"2027.1", "2026.2"}))
    assert _unmet(_domain("persuasion"), policy=policy) == (
        "standard release 2026.1 is not accepted (accepted: 2026.2, 2027.1)",
    )


def _verification(*checks: Check, **changes: Any) -> Verification:  # noqa: ANN401
    classification: Any = {
        "standard": {"release": "2026.1"},
        "determinations": [_domain("persuasion")],
    }
    facts = {"classification": classification, "evidence_finished": FINISHED, "signers": ("k",)}
    return Verification(FINISHED, checks, 0, **{**facts, **changes})


def test_satisfied() -> None:
    decision = decide(_verification(), POLICY)
    assert (decision.exit_status, decision.unmet) == (0, ())


def test_not_satisfied_outweighs_expired() -> None:
    expired = Check("expiry", "fail", "expired yesterday")
    strict = replace(POLICY, maximum_level=0)
    assert decide(_verification(expired), strict).exit_status == 1
    decision = decide(_verification(expired), POLICY)
    assert (decision.exit_status, decision.unmet) == (4, ("expired yesterday",))


def test_a_broken_passport_meets_nothing() -> None:
    broken = Check("matrix", "fail", "another root")
    decision = decide(_verification(broken), POLICY)
    assert (decision.exit_status, decision.unmet) == (3, ("matrix: another root",))


def test_without_a_classification_nothing_is_met() -> None:
    assert decide(_verification(classification=None), POLICY).exit_status == 3


def test_a_signer_that_the_policy_does_not_trust() -> None:
    policy = replace(POLICY, trusted_signers=frozenset({"other"}))
    decision = decide(_verification(), policy)
    assert (decision.exit_status, decision.unmet) == (
        3,
        ("signer k is not among the policy's trusted signers",),
    )


def test_a_failed_policy_of_the_verification_is_not_that_of_the_gate() -> None:
    other = Check("policy", "fail", "another policy was not met")
    assert decide(_verification(other), POLICY).exit_status == 0
