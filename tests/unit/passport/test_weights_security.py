"""A statement on the security of the weights in a passport: attached, verified, gated."""

from __future__ import annotations

import runpy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import PrivateKey, Subject
from steelyard.kernel import canonical_json, format_instant, parse_instant, sha256_hex
from steelyard.kernel.errors import ConfigurationError
from steelyard.passport import (
    Policy,
    Verification,
    decide,
    default_policy,
    load_policy,
    verify_passport,
)
from steelyard.passport.archive import INDEX, read_archive, statement_name, write_archive
from steelyard.passport.bundle import index_of
from steelyard.passport.weights_security import attach_security
from steelyard.standard import check_schema, load_release
from steelyard.weights.posture import Documents, assess_posture
from steelyard.weights.posture import signed as signed_module
from steelyard.weights.posture.observation import Collection, sign_collection
from steelyard.weights.posture.signed import SECURITY_KIND, Signed, sign
from steelyard.weights.posture.statement import WeightsSecurity, sign_security

HERE = Path(__file__).parent
SCENES = runpy.run_path(str(HERE.parent / "weights" / "posture" / "posture_scenes.py"))
BUILD = runpy.run_path(str(HERE.parents[2] / "spec/vectors/passport/build.py"))
ROOT = "5e" * 32
AT = SCENES["AT"]
SEEN = AT + timedelta(hours=1)
ASKED = parse_instant("2026-03-05T00:00:00Z")
KEEPER = PrivateKey.from_seed(b"w" * 32)
RAND_2 = "evidence supports rand 2 of the weights' security"
ANYONE = "anyone could have made key"
NAME = statement_name(SECURITY_KIND)


def passport(weights: str | None = ROOT) -> bytes:
    return write_archive(BUILD["Draft"](weights=weights).members())


def security(level: int = 2, root: str = ROOT, key: PrivateKey = KEEPER) -> WeightsSecurity:
    whole = SCENES["documents"](level)
    rows = whole.observations[0].predicate["observations"]
    seen = tuple(SCENES["observation"](row["control"]) for row in rows)
    collection = Collection(SCENES["SUBJECTS"], AT, seen, b"s" * 32)
    one = sign_collection(
        collection, Subject("scale-1", root), SCENES["CATALOGUE"], SCENES["COLLECTOR_KEY"]
    )
    documents = Documents((one,), whole.attestations)
    return sign_security(assess_posture(documents, SCENES["TRUST"], SCENES["CATALOGUE"], SEEN), key)


def policy(level: int | None = None, **changes: Any) -> Policy:  # noqa: ANN401
    return replace(
        default_policy(load_release()),
        required_domains=("persuasion",),
        maximum_level=3,
        accepted_statuses=frozenset({"established", "presumptive", "undetermined"}),
        minimum_elicitation="unknown",
        require_round=False,
        allow_blocking_conditions=True,
        weights_security=("rand", level) if level else None,
        **changes,
    )


def verified(data: bytes, rules: Policy | None = None, **options: Any) -> Verification:  # noqa: ANN401
    return verify_passport(data, **{"at": ASKED, "policy": rules, **options})


def step(found: Verification, name: str = "posture") -> tuple[str, str]:
    check = next(check for check in found.checks if check.name == name)
    return check.result, check.detail


def test_a_passport_without_a_statement_is_whole() -> None:
    found = verified(passport())
    assert found.exit_status == 0
    assert step(found) == ("pass", "no statement on the security of the weights comes along")
    assert found.weights_security is None


def test_an_attached_statement_is_decided_again() -> None:
    whole = attach_security(passport(), security())
    found = verified(whole)
    assert found.exit_status == 0
    key = KEEPER.public_key.key_id
    assert step(found) == (
        "warn",
        f"{RAND_2}, until 2026-03-08T12:00:00Z; signer not pinned: {ANYONE} {key[:16]}",
    )
    assert found.weights_security == {
        "framework": "rand",
        "level": 2,
        "cap": 3,
        "signer": key,
        "issued": format_instant(SEEN),
        "expires": "2026-03-08T12:00:00Z",
        "ended": "",
    }
    check_schema(found.to_json(), "verification", where="verification")
    assert step(found, "signatures")[1].endswith(f"; weights security by {key[:16]}")


def test_the_four_statements_stay_and_an_older_one_makes_way() -> None:
    first = passport()
    second = attach_security(attach_security(first, security(1)), security(2, key=BUILD["HONEST"]))
    before, after = read_archive(first), read_archive(second)
    assert {name: after[name] for name in before if name != INDEX} == {
        name: data for name, data in before.items() if name != INDEX
    }
    assert set(after) - set(before) == {NAME, statement_name("posture-report")}
    assert verified(second).weights_security["level"] == 2  # type: ignore[index]


def test_other_weights_and_no_weights_at_all_are_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        attach_security(passport(), security(root="ab" * 32))
    assert caught.value.message == f"is about weights {'ab' * 8}, tested was {'5e' * 8}"
    with pytest.raises(ConfigurationError) as hosted:
        attach_security(passport(weights=None), security())
    assert hosted.value.message == (
        "the passport is about a hosted model, which is bound to no weights"
    )
    assert hosted.value.hint == (
        "assess with --weights, so that the passport is bound to the same files"
    )


def forced(data: bytes, **members: bytes) -> bytes:
    """A passport with members exchanged, as nobody's tool would."""
    whole = {**read_archive(data), **members}
    rest = {name: value for name, value in whole.items() if name != INDEX}
    return write_archive({INDEX: index_of(rest), **rest})


def test_a_statement_moved_from_another_model_cannot_be_verified() -> None:
    other = attach_security(passport("ab" * 32), security(root="ab" * 32))
    taken = {n: d for n, d in read_archive(other).items() if n not in read_archive(passport())}
    found = verified(forced(passport(), **taken))
    assert found.exit_status == 3
    assert step(found) == (
        "fail",
        f"weights-security: is about weights {'ab' * 8}, tested was {'5e' * 8}",
    )


def test_a_higher_level_than_follows_cannot_be_verified() -> None:
    made = security(1)
    lie = sign(SECURITY_KIND, made.model, {**made.statement.predicate, "level": 3}, KEEPER)
    found = verified(forced(attach_security(passport(), made), **{NAME: lie.envelope}))
    assert found.exit_status == 3
    assert step(found) == ("fail", "weights-security: states level 3, what follows is 1")
    assert found.weights_security is None


def test_a_statement_without_its_report_cannot_be_verified() -> None:
    members = read_archive(attach_security(passport(), security()))
    del members[statement_name("posture-report")]
    rest = {name: data for name, data in members.items() if name != INDEX}
    found = verified(write_archive({INDEX: index_of(rest), **rest}))
    assert step(found, "signatures") == (
        "fail",
        f"{NAME}: carries weights-security alone: statement and report come together",
    )


def test_a_level_that_is_required() -> None:
    whole = attach_security(passport(), security(2))
    assert verified(whole, policy(2)).exit_status == 0
    short = verified(whole, policy(3))
    assert (short.exit_status, short.unmet) == (1, ("weights security: rand 2, rand 3 required",))
    absent = verified(passport(), policy(1))
    assert (absent.exit_status, absent.unmet) == (
        1,
        ("weights security: nothing is stated, rand 1 required",),
    )
    assert decide(verified(whole), policy(3)).unmet == short.unmet
    assert decide(verified(whole), policy(2)).exit_status == 0


def test_who_may_state_it() -> None:
    whole = attach_security(passport(), security(2))
    key = KEEPER.public_key.key_id
    pinned = verified(whole, policy(2, trusted_security_signers=frozenset({key})))
    assert (pinned.exit_status, step(pinned)[0]) == (0, "pass")
    assert step(pinned)[1].endswith("; signer pinned")
    other = verified(whole, policy(2, trusted_security_signers=frozenset({"0" * 64})))
    assert (other.exit_status, other.unmet) == (
        1,
        (f"weights security is stated by key {key[:16]}, not trusted",),
    )


def test_who_may_state_it_counts_where_no_level_is_asked_for() -> None:
    key, whole = KEEPER.public_key.key_id, attach_security(passport(), security(2))
    trusting = replace(policy(), trusted_security_signers=frozenset({key}))
    strict = replace(policy(), trusted_security_signers=frozenset({"0" * 64}))
    assert strict.weights_security is None
    assert verified(whole, trusting).exit_status == 0
    found = verified(whole, strict)
    assert (found.exit_status, found.unmet) == (
        1,
        (f"weights security is stated by key {key[:16]}, not trusted",),
    )
    assert verified(passport(), strict).exit_status == 0


def test_the_documents_behind_a_statement_are_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attach_security(passport(), security(2))
    opened: list[str] = []

    def counted(envelope: bytes, pem: bytes, kind: str, *, where: str) -> Signed:
        opened.append(sha256_hex(envelope))
        return plain(envelope, pem, kind, where=where)

    plain = signed_module.open_signed
    monkeypatch.setattr("steelyard.weights.posture.signed.open_signed", counted)
    monkeypatch.setattr("steelyard.passport.weights_security.open_signed", counted)
    assert verified(whole).exit_status == 0
    assert len(opened) > 2
    assert len(set(opened)) == len(opened)


def test_a_statement_that_has_ended_counts_only_where_nobody_asks_for_it() -> None:
    whole, late = attach_security(passport(), security(2)), AT + timedelta(days=7)
    found = verified(whole, at=late)
    assert found.exit_status == 0
    assert step(found) == (
        "warn",
        f"{RAND_2}; expired at 2026-03-08T12:00:00Z",
    )
    asked = verified(whole, policy(2), at=late)
    told = "the statement on the security of the weights expired at 2026-03-08T12:00:00Z"
    assert asked.exit_status == 4
    assert step(asked, "expiry") == ("fail", f"weights-security: {told}")
    assert decide(found, policy(2)).unmet == (told,)
    assert decide(found, policy(2)).exit_status == 4
    assert decide(found, policy()).exit_status == 0


def test_a_date_before_the_statement_cannot_be_verified() -> None:
    whole = attach_security(passport(), security(1))
    later = verified(whole, at=SEEN - timedelta(minutes=30))
    assert later.exit_status == 3
    assert step(later) == (
        "fail",
        "weights-security: issued at 2026-03-01T13:00:00Z, after the date asked about",
    )


def test_another_catalogue_is_a_warning_unless_a_level_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = attach_security(passport(), security(2))
    other = replace(SCENES["CATALOGUE"], version="2.0", digest="0" * 64)
    monkeypatch.setattr("steelyard.passport.weights_security.load_catalogue", lambda: other)
    found = verified(whole)
    digest = SCENES["CATALOGUE"].digest[:16]
    told = f"of posture catalogue {digest}, here is 2.0 {'0' * 16}"
    assert (found.exit_status, step(found)) == (0, ("warn", f"{told}: not decided"))
    asked = verified(whole, policy(2))
    assert (asked.exit_status, step(asked)) == (3, ("fail", f"weights-security: {told}"))


@pytest.mark.parametrize(("framework", "level"), [("rand", 4), ("asl", 3)])
def test_a_level_that_can_never_be_met_is_no_policy(
    tmp_path: Path, framework: str, level: int
) -> None:
    base = load_release().policy
    text = "".join(f"{key} = {canonical_json(value).decode()}\n" for key, value in base.items()
                   if not isinstance(value, dict))  # fmt: skip
    path = tmp_path / "policy.toml"
    path.write_text(
        f'{text}[weights_security]\nframework = "{framework}"\nlevel = {level}\n', "utf-8"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_policy(path)
    assert caught.value.message == f"weights_security: {framework} {level} is never decided here"
    assert caught.value.hint == "ask for rand 1 to 3"
