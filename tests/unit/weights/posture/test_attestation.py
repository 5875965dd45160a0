"""Attestations: those that count, and the reason for each that does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from steelyard.attest import PrivateKey, Subject
from steelyard.kernel import days_after, format_instant
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, MalformedEvidence
from steelyard.weights.posture import Trust, Word, attest_control
from steelyard.weights.posture.attestation import accept_attestations
from steelyard.weights.posture.signed import ATTESTATION_KIND, Signed, read_signed, sign

from .posture_scenes import (
    ASSESSOR_KEY,
    AT,
    CATALOGUE,
    COLLECTOR_KEY,
    LEAD_KEY,
    NAMES,
    TRUST,
    attestation,
)

SCOPE = frozenset(NAMES.values())
STRANGER = PrivateKey.from_seed(b"x" * 32)


def reasons(*items: Signed, after: timedelta = timedelta(hours=1)) -> list[str]:
    evidence, refused = accept_attestations(items, CATALOGUE, TRUST, SCOPE, AT + after)
    assert len(evidence) + len(refused) >= 1
    return [item.reason for item in refused]


def forged(**changes: object) -> Signed:
    """An attestation as a tool without our checks could sign it."""
    raw = dict(attestation("insider-program").predicate) | changes
    digest = str(raw["control_digest"])
    return sign(ATTESTATION_KIND, Subject("insider-program", digest), raw, LEAD_KEY)  # type: ignore[arg-type]


def test_one_that_counts_is_evidence_of_its_class() -> None:
    evidence, refused = accept_attestations(
        [attestation("insider-program"), attestation("external-red-team")],
        CATALOGUE,
        TRUST,
        SCOPE,
        AT,
    )
    assert refused == []
    found = {item.control: item for item in evidence}
    assert found["insider-program"].evidence_class == "attested"
    assert found["external-red-team"].evidence_class == "external"
    assert found["insider-program"].expires == days_after(AT, 183)
    assert found["insider-program"].summary == (
        "security-lead attests: A programme against insider threats."
    )


def test_a_strangers_key_does_not_count() -> None:
    item = attestation("insider-program", key=STRANGER)
    key = STRANGER.public_key.key_id[:16]
    assert reasons(item) == [f"signed by key {key}, which was not named for any role"]


def test_a_role_is_that_of_the_key() -> None:
    item = attestation("insider-program", role="chief executive")
    assert reasons(item) == [
        "claims the role 'chief executive', its key was named for 'security-lead'"
    ]


def test_one_that_has_expired_does_not_count() -> None:
    item = attestation("insider-program", days=10)
    end = format_instant(days_after(AT, 10))
    assert reasons(item, after=timedelta(days=10)) == [f"expired at {end}"]
    assert reasons(item, after=timedelta(days=10) - timedelta(seconds=1)) == []


def test_one_from_tomorrow_does_not_count() -> None:
    start = AT + timedelta(days=1)
    item = attestation("insider-program", start=start)
    assert reasons(item) == [f"is dated in the future: valid from {format_instant(start)}"]


def test_one_that_is_valid_for_too_long_does_not_count() -> None:
    item = forged(valid_until=format_instant(days_after(AT, 184)))
    assert reasons(item) == ["is valid for longer than the 183 days of its control"]


def test_one_that_ends_before_it_begins_does_not_count() -> None:
    item = forged(valid_until=format_instant(days_after(AT, -1)))
    assert reasons(item) == ["ends before it begins"]


def test_one_about_another_text_of_the_control_does_not_count() -> None:
    assert reasons(forged(control_digest="0" * 64)) == [
        "speaks about another version of the control"
    ]


def test_one_whose_subject_is_another_text_of_the_control_does_not_count() -> None:
    raw = attestation("insider-program").predicate
    item = sign(ATTESTATION_KIND, Subject("insider-program", "0" * 64), raw, LEAD_KEY)
    assert reasons(item) == ["speaks about another version of the control"]


def test_one_signed_about_another_control_does_not_count() -> None:
    raw = attestation("insider-program").predicate
    digest = CATALOGUE.control("insider-program").digest
    item = sign(ATTESTATION_KIND, Subject("external-red-team", digest), raw, LEAD_KEY)
    assert reasons(item) == ["is signed about 'external-red-team'"]


def test_one_of_a_class_that_its_control_does_not_accept_is_told() -> None:
    row = CATALOGUE.control("external-red-team")
    raw = dict(attestation("external-red-team").predicate) | {"role": "security-lead"}
    item = sign(ATTESTATION_KIND, Subject(row.id, row.digest), raw, LEAD_KEY)
    assert reasons(item) == ["attested evidence does not count for its control (needs external)"]
    refuted = sign(
        ATTESTATION_KIND, Subject(row.id, row.digest), raw | {"claim": "not_satisfied"}, LEAD_KEY
    )
    evidence, refused = accept_attestations([refuted], CATALOGUE, TRUST, SCOPE, AT)
    assert ([item.outcome for item in evidence], refused) == (["not_satisfied"], [])


def test_what_is_out_of_scope_is_told_and_the_rest_counts() -> None:
    item = attestation("swap-protection", subjects=("host:alpha", "host:zeta"))
    evidence, refused = accept_attestations([item], CATALOGUE, TRUST, SCOPE, AT)
    assert [found.subject for found in evidence] == ["host:alpha"]
    told = "host:zeta is not in scope: no observation names it"
    assert [(one.control, one.reason) for one in refused] == [("swap-protection", told)]


def test_one_about_no_control_does_not_count() -> None:
    assert reasons(forged(control="moat")) == ["no control 'moat' in this catalogue"]


def test_who_says_both_is_not_heard_at_all() -> None:
    pair = (attestation("insider-program"), attestation("insider-program", claim="not_satisfied"))
    key = LEAD_KEY.public_key.key_id[:16]
    told = f"key {key} attests both that it is satisfied and that it is not"
    assert reasons(*pair) == [told, told]
    evidence, _ = accept_attestations(pair, CATALOGUE, TRUST, SCOPE, AT)
    assert evidence == []


def test_two_people_who_disagree_are_both_heard() -> None:
    other = PrivateKey.from_seed(b"m" * 32)
    trust = Trust(
        TRUST.collectors, {**TRUST.attesters, other.public_key.key_id: "manager"}, TRUST.assessors
    )
    pair = (
        attestation("insider-program"),
        attestation("insider-program", claim="not_satisfied", role="manager", key=other),
    )
    evidence, refused = accept_attestations(pair, CATALOGUE, trust, SCOPE, AT)
    assert refused == []
    assert {item.outcome for item in evidence} == {"satisfied", "not_satisfied"}


def test_the_same_one_twice_counts_once() -> None:
    item = attestation("insider-program")
    evidence, _ = accept_attestations([item, item], CATALOGUE, TRUST, SCOPE, AT)
    assert len(evidence) == 1


def test_a_control_that_needs_a_collector_takes_nobodys_word() -> None:
    with pytest.raises(ConfigurationError) as caught:
        attestation("weights-permissions")
    assert caught.value.message == (
        "weights-permissions rests on what a collector sees; nobody's word replaces that"
    )
    assert caught.value.hint == "steelyard weights posture collect"


@pytest.mark.parametrize("days", [0, -1, 184])
def test_a_term_beyond_that_of_the_control_is_refused_when_signing(days: int) -> None:
    row = CATALOGUE.control("insider-program")
    word = Word("satisfied", "security-lead", "s", "e", ("organization",))
    with pytest.raises(ConfigurationError) as caught:
        attest_control(row, word, (AT, days), LEAD_KEY)
    assert caught.value.message == (
        f"insider-program takes attestations of 1 to 183 days, asked for {days}"
    )


@pytest.mark.parametrize("own", [COLLECTOR_KEY, LEAD_KEY])
def test_nobody_is_both_inside_and_outside(own: PrivateKey) -> None:
    key = own.public_key.key_id
    with pytest.raises(ConfigurationError) as caught:
        Trust(TRUST.collectors, TRUST.attesters, {key: "auditor"})
    assert caught.value.message == (f"key {key[:16]} is named as one from outside and as one's own")
    assert caught.value.hint == "who is assessed cannot be the assessor"


def test_a_line_break_cannot_be_smuggled_into_a_report() -> None:
    with pytest.raises(ConfigurationError, match=r"^posture-attestation: statement: "):
        attestation("insider-program", statement="fine\nlevel: rand 3")


def test_a_file_reads_back_and_a_changed_one_does_not() -> None:
    item = attestation("external-red-team")
    assert read_signed(item.data, ATTESTATION_KIND) == item
    assert item.signer == ASSESSOR_KEY.public_key.key_id
    other = item.data.replace(ASSESSOR_KEY.public_key.pem[30:60], LEAD_KEY.public_key.pem[30:60])
    assert other != item.data
    with pytest.raises(BrokenSeal):
        read_signed(other, ATTESTATION_KIND)


def test_a_file_of_another_kind_is_told() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_signed(attestation("insider-program").data, "posture-report", where="a.json")
    assert str(caught.value) == (
        "a.json: the file is a 'posture-attestation', wanted a 'posture-report'"
    )
