"""From signed files to a report, and back from a report to the same verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from steelyard.attest import PrivateKey, Subject
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import BrokenSeal, CannotVerify, ConfigurationError, Expired
from steelyard.weights.posture import Documents, Trust, assess_posture, recompute, signed
from steelyard.weights.posture.levels import MODEL, SubjectName
from steelyard.weights.posture.observation import Collection, check_facts, sign_collection
from steelyard.weights.posture.signed import REPORT_KIND, SECURITY_KIND, Signed, sign
from steelyard.weights.posture.statement import open_security, require_current, sign_security

from .posture_scenes import (
    ASSESSOR_KEY,
    AT,
    CATALOGUE,
    COLLECTOR_KEY,
    MODEL_SUBJECT,
    REPOSITORY,
    SUBJECTS,
    TRUST,
    attestation,
    attested,
    documents,
    observation,
    observed,
    signed_collection,
)

LATER = AT + timedelta(hours=1)
SIGNER = PrivateKey.from_seed(b"r" * 32)
STRANGER = PrivateKey.from_seed(b"x" * 32)


def report(level: int = 2) -> dict[str, Any]:
    found = assess_posture(documents(level), TRUST, CATALOGUE, LATER)
    return cast("dict[str, Any]", parse_json_object(canonical_json(found.to_json())))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_documents_that_cover_a_level_give_it(level: int) -> None:
    found = assess_posture(documents(level), TRUST, CATALOGUE, LATER)
    assert found.posture.level == level
    assert found.refused == ()
    assert found.model == MODEL_SUBJECT


def test_an_observation_that_fails_outweighs_somebodys_word() -> None:
    one = observed(1, swap_protection="not_satisfied")
    words = (*attested(1), attestation("swap-protection"))
    found = assess_posture(Documents((one,), words), TRUST, CATALOGUE, LATER)
    state = next(s for s in found.posture.controls if s.control.id == "swap-protection")
    assert (found.posture.level, state.status, state.missing) == (
        0,
        "not_satisfied",
        ("host:alpha: seen",),
    )


def test_somebodys_word_fills_in_where_a_collector_could_not_look() -> None:
    one = observed(1, swap_protection="unknown")
    without = assess_posture(Documents((one,), tuple(attested(1))), TRUST, CATALOGUE, LATER)
    words = (*attested(1), attestation("swap-protection"))
    found = assess_posture(Documents((one,), words), TRUST, CATALOGUE, LATER)
    assert (without.posture.level, found.posture.level) == (0, 1)


def test_a_report_gives_the_same_verdict_again() -> None:
    found = recompute(report(), CATALOGUE)
    assert found.posture.level == 2
    assert recompute(report(), CATALOGUE, AT + timedelta(days=8)).posture.level == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("level", 3), ("expires", "2030-01-01T00:00:00Z"), ("refused", [{}]), ("vectors", [])],
)
def test_a_report_that_says_more_than_it_carries_is_refused(field: str, value: object) -> None:
    with pytest.raises(BrokenSeal) as caught:
        recompute(report() | {field: value}, CATALOGUE)
    assert caught.value.message == (
        f"the report says something else about {field} than what it carries"
    )


def test_a_failing_observation_cannot_be_left_out_of_its_document() -> None:
    raw = report(1)
    envelope = raw["documents"]["observations"][0]["envelope"]
    envelope["payload"] = envelope["payload"][:-8] + "AAAAAAA="
    with pytest.raises(BrokenSeal) as caught:
        recompute(raw, CATALOGUE)
    assert "the signature does not verify" in caught.value.message


def test_a_report_of_another_catalogue_is_refused() -> None:
    raw = report()
    raw["catalogue"]["digest"] = "0" * 64
    with pytest.raises(BrokenSeal) as caught:
        recompute(raw, CATALOGUE)
    assert caught.value.message == (
        f"the report is of catalogue 1.0 {'0' * 16}, here is 1.0 {CATALOGUE.digest[:16]}"
    )


def test_observations_of_a_strangers_key_are_refused() -> None:
    stranger = PrivateKey.from_seed(b"x" * 32)
    one = signed_collection(Collection(SUBJECTS, AT, (), b"s" * 32), stranger)
    with pytest.raises(BrokenSeal) as caught:
        assess_posture(Documents((one,), ()), TRUST, CATALOGUE, LATER)
    key = stranger.public_key.key_id[:16]
    assert caught.value.message == f"observations signed by key {key}, which may not collect"
    assert caught.value.hint == "name it with --collector"


def test_observations_of_two_models_do_not_mix() -> None:
    empty = Collection(SUBJECTS, AT, (), b"s" * 32)
    other = sign_collection(empty, Subject("other", "cd" * 32), CATALOGUE, COLLECTOR_KEY)
    with pytest.raises(BrokenSeal) as caught:
        assess_posture(Documents((observed(1), other), ()), TRUST, CATALOGUE, LATER)
    assert caught.value.hint == "assess one model at a time"


def test_without_observations_there_is_nothing_to_assess() -> None:
    with pytest.raises(CannotVerify) as caught:
        assess_posture(Documents((), tuple(attested(3))), TRUST, CATALOGUE, LATER)
    assert caught.value.message == "no observations: a posture starts from what was seen"


def test_facts_stay_apart_and_can_be_shown_later() -> None:
    seen = Collection(SUBJECTS, AT, (observation("swap-protection"),), b"s" * 32)
    one, facts = signed_collection(seen), seen.facts()
    assert b'"control":"swap-protection","facts"' not in one.data
    shown = check_facts(one, facts)
    assert list(shown.values()) == [{"control": "swap-protection"}]
    changed = parse_json_object(
        canonical_json(facts).replace(b'{"control":"swap-p', b'{"control":"swat-p')
    )
    with pytest.raises(BrokenSeal) as caught:
        check_facts(one, changed)
    assert caught.value.message == ("swap-protection: the facts are not those that were signed for")


def test_equal_facts_on_two_machines_have_unequal_digests() -> None:
    seen = Collection(SUBJECTS, AT, (observation("swap-protection"),), b"s" * 32)
    other = replace(seen, salt=b"t" * 32)
    assert set(seen.facts()["facts"]) != set(other.facts()["facts"])  # type: ignore[arg-type]


def test_a_statement_follows_from_its_report() -> None:
    made = sign_security(assess_posture(documents(2), TRUST, CATALOGUE, LATER), SIGNER)
    found = open_security(made.statement, made.report, CATALOGUE)
    assert (found.framework, found.level, found.model) == ("rand", 2, MODEL_SUBJECT)
    assert require_current(found, LATER).level == 2
    assert found.expires == AT + timedelta(days=7)


def test_a_statement_of_a_higher_level_is_refused() -> None:
    made = sign_security(assess_posture(documents(1), TRUST, CATALOGUE, LATER), SIGNER)
    lie = sign(SECURITY_KIND, MODEL_SUBJECT, {**made.statement.predicate, "level": 3}, SIGNER)
    with pytest.raises(BrokenSeal) as caught:
        open_security(lie, made.report, CATALOGUE)
    assert caught.value.message == "states level 3, what follows is 1"
    assert caught.value.hint == "believe what follows from the evidence, not what is stated"


def test_a_statement_about_another_model_is_refused() -> None:
    made = sign_security(assess_posture(documents(1), TRUST, CATALOGUE, LATER), SIGNER)
    lie = sign(SECURITY_KIND, Subject("other", "cd" * 32), made.statement.predicate, SIGNER)
    with pytest.raises(BrokenSeal) as caught:
        open_security(lie, made.report, CATALOGUE)
    assert caught.value.message == ("statement, report and observations are about different models")


def test_a_report_by_another_key_than_the_statement_is_refused() -> None:
    found = assess_posture(documents(1), TRUST, CATALOGUE, LATER)
    made, other = sign_security(found, SIGNER), sign_security(found, STRANGER)
    with pytest.raises(BrokenSeal) as caught:
        open_security(made.statement, other.report, CATALOGUE)
    assert caught.value.message == (
        f"signed by key {other.signer[:16]}, the statement by {made.signer[:16]}"
    )


def test_a_file_that_nobody_would_read_is_not_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = assess_posture(documents(1), TRUST, CATALOGUE, LATER)
    size = len(sign_security(found, SIGNER).report.data) + 1
    monkeypatch.setattr(signed, "FILE_LIMIT_BYTES", size)
    assert sign_security(found, SIGNER).level == 1
    monkeypatch.setattr(signed, "FILE_LIMIT_BYTES", size - 1)
    with pytest.raises(ConfigurationError) as caught:
        sign_security(found, SIGNER)
    assert caught.value.message == (
        f"the file would have {size} bytes, at most {size - 1} are read"
    )


def test_a_report_that_names_a_key_on_both_sides_is_broken_and_no_configuration() -> None:
    report = assess_posture(documents(1), TRUST, CATALOGUE, LATER).to_json()
    own = COLLECTOR_KEY.public_key.key_id
    report["trust"]["assessors"][own] = "auditor"  # type: ignore[index,call-overload]
    with pytest.raises(BrokenSeal) as caught:
        recompute(report, CATALOGUE)
    assert caught.value.message == f"key {own[:16]} is named as one from outside and as one's own"


def test_an_attestation_about_a_host_that_nobody_looked_at_is_told() -> None:
    word = attestation("swap-protection", subjects=("host:zeta",))
    found = assess_posture(Documents((observed(1),), (word,)), TRUST, CATALOGUE, LATER)
    assert found.to_json()["refused"] == [
        {
            "attestation": word.digest,
            "control": "swap-protection",
            "reason": "host:zeta is not in scope: no observation names it",
        }
    ]


def test_a_statement_ends_with_the_first_evidence_it_rests_on() -> None:
    made = sign_security(assess_posture(documents(1), TRUST, CATALOGUE, LATER), SIGNER)
    with pytest.raises(Expired) as caught:
        require_current(made, AT + timedelta(days=7))
    assert caught.value.message == "expired at 2026-03-08T12:00:00Z"
    with pytest.raises(CannotVerify) as early:
        require_current(made, AT)
    assert early.value.message == "issued at 2026-03-01T13:00:00Z, after the date asked about"


def test_evidence_that_begins_to_fail_later_ends_a_statement() -> None:
    tomorrow = attestation(
        "insider-program", claim="not_satisfied", start=AT + timedelta(days=1), role="manager",
        key=PrivateKey.from_seed(b"m" * 32),
    )  # fmt: skip
    manager = {PrivateKey.from_seed(b"m" * 32).public_key.key_id: "manager"}
    trust = Trust(TRUST.collectors, {**TRUST.attesters, **manager}, TRUST.assessors)
    whole = documents(3)
    both = Documents(whole.observations, (*whole.attestations, tomorrow))
    made = sign_security(assess_posture(both, trust, CATALOGUE, LATER), SIGNER)
    assert made.level == 3
    with pytest.raises(Expired) as caught:
        require_current(made, AT + timedelta(days=2))
    assert caught.value.message == "no longer follows: by now the evidence gives 2"


def test_who_assesses_from_outside_does_not_sign_the_report() -> None:
    found = assess_posture(documents(3), TRUST, CATALOGUE, LATER)
    with pytest.raises(ConfigurationError) as caught:
        sign_security(found, ASSESSOR_KEY)
    assert caught.value.hint == "who is assessed cannot be the assessor"
    # A report that another tool signed so all the same is refused when it is read.
    key, content = ASSESSOR_KEY, found.to_json()
    behind = sign(REPORT_KIND, MODEL_SUBJECT, content, key)
    made = sign_security(found, SIGNER)
    said = sign(SECURITY_KIND, MODEL_SUBJECT, made.statement.predicate, key)
    with pytest.raises(BrokenSeal, match="named as an assessor from outside"):
        open_security(said, behind, CATALOGUE)


def test_without_any_evidence_nothing_is_stated() -> None:
    empty = signed_collection(Collection(SUBJECTS, AT, (), b"s" * 32))
    found = assess_posture(Documents((empty,), ()), TRUST, CATALOGUE, LATER)
    with pytest.raises(CannotVerify) as caught:
        sign_security(found, SIGNER)
    assert caught.value.message == ("no evidence counts at this date, so there is nothing to state")


def two_hosts(first: str, second: str, **outcomes: str) -> Documents:
    """Two documents by one collector, a day apart: the first saw all, the second as said."""
    found: list[Signed] = []
    for number, name in enumerate((first, second)):
        host = SubjectName("host", f"host:{name}")
        seen = tuple(
            replace(
                observation(
                    c.id,
                    outcomes.get(c.id.replace("-", "_"), "satisfied") if number else "satisfied",
                ),
                subject=host.id if c.about == "host" else "model",
            )
            for c in CATALOGUE.controls
            if c.level == 1 and "automated" in c.accepts and c.about in ("host", "model")
        )
        at = AT - timedelta(days=1 - number)
        found.append(signed_collection(Collection((host, MODEL), at, seen, b"s" * 32)))
    return Documents(tuple(found), ())


def state_of(documents: Documents, control: str) -> str:
    posture = assess_posture(documents, TRUST, CATALOGUE, LATER).posture
    return next(s.status for s in posture.controls if s.control.id == control)


def test_two_documents_about_one_host_are_refused() -> None:
    for outcome in ("satisfied", "unknown", "not_satisfied"):
        with pytest.raises(BrokenSeal) as caught:
            state_of(two_hosts("main", "main", swap_protection=outcome), "swap-protection")
        assert caught.value.message == "two documents are about host:main"
    again = two_hosts("main", "other").observations[:1] * 2
    assert state_of(Documents(again, ()), "swap-protection") == "satisfied"


def test_a_gap_on_one_host_is_not_filled_by_another() -> None:
    gap = two_hosts("alpha", "beta", swap_protection="unknown")
    assert state_of(gap, "swap-protection") == "unassessed"
    assert state_of(two_hosts("alpha", "beta"), "swap-protection") == "satisfied"


def test_what_the_newest_look_at_the_model_did_not_see_is_not_known() -> None:
    gap = two_hosts("alpha", "beta", safe_serialization="unknown")
    assert state_of(gap, "safe-serialization") == "unassessed"


def test_two_documents_about_repositories_of_one_name_are_refused() -> None:
    found = [
        signed_collection(
            Collection((SubjectName("host", f"host:{name}"), REPOSITORY), AT, (), b"s" * 32)
        )
        for name in ("alpha", "beta")
    ]
    with pytest.raises(BrokenSeal) as caught:
        assess_posture(Documents(tuple(found), ()), TRUST, CATALOGUE, LATER)
    assert caught.value.message == "two documents are about repository:serving"
