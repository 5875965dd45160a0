"""Every vector of spec/vectors/passport, and what a verification may hand out."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from steelyard.disclosure.advisory.feed import Feed
from steelyard.kernel import parse_instant
from steelyard.passport import (
    Policy,
    Since,
    Verification,
    decide,
    default_policy,
    verify_passport,
)
from steelyard.passport.verification import CHECK_NAMES, Check, CheckLog, Finding
from steelyard.redteam.kit import find_protocol
from steelyard.standard import load_release, load_schema

FOLDER = Path(__file__).parents[3] / "spec/vectors/passport"
BUILD = runpy.run_path(str(FOLDER / "build.py"))
FLAWS = runpy.run_path(str(FOLDER / "flaws_draft.py"))
CASES: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text("utf-8"))["cases"]
HONEST = BUILD["HONEST"].public_key.key_id
STRANGER = BUILD["STRANGER"].public_key.key_id
AT = parse_instant("2026-03-10T00:00:00Z")
EXPIRES = parse_instant("2026-05-30T12:00:00Z")


def _verify(name: str = "honest", at: datetime = AT, **options: Any) -> Verification:  # noqa: ANN401
    return verify_passport(BUILD["VECTORS"][name](), at=at, **options)


def _results(verification: Verification) -> dict[str, str]:
    return {check.name: check.result for check in verification.checks}


def _lenient(**changes: object) -> Policy:
    """A policy that the honest passport meets."""
    policy = default_policy(load_release())
    return replace(
        policy,
        required_domains=("persuasion",),
        maximum_level=3,
        accepted_statuses=frozenset({"established", "presumptive", "undetermined"}),
        minimum_elicitation="unknown",
        require_round=False,
        **changes,
    )


def _feed(told: dict[str, Any]) -> Feed:
    """The feed of a case: one advisory about one handle, without a reproducer."""
    return FLAWS["feed"](told["status"], told["handle"], "", version=told["version"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vector(case: dict[str, Any]) -> None:
    verification = verify_passport(
        BUILD["VECTORS"][case["archive"]](),
        at=parse_instant(case["at"]),
        trusted=frozenset(case["trusted"]),
        since=Since(feed=_feed(case["feed"]) if "feed" in case else None),
    )
    found = [c.to_json() for c in verification.checks if c.result in ("fail", "warn")]
    digests = {
        "{installed}": BUILD["release"]().digest[:16],
        "{other}": BUILD["_other_release"]().digest[:16],
    }
    expected = json.dumps(case["expect"]["checks"])
    for placeholder, digest in digests.items():
        expected = expected.replace(placeholder, digest)
    assert found == json.loads(expected)
    assert verification.exit_status == case["expect"]["exit_status"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_nothing_is_handed_out_unless_every_protecting_check_passed(case: dict[str, Any]) -> None:
    verification = verify_passport(
        BUILD["VECTORS"][case["archive"]](),
        at=parse_instant(case["at"]),
        trusted=frozenset(case["trusted"]),
        policy=_lenient(),
    )
    Draft202012Validator(load_schema("verification")).validate(verification.to_json())
    assert tuple(check.name for check in verification.checks) == CHECK_NAMES
    believed = verification.exit_status != 3
    assert (verification.classification is not None) == believed
    assert (verification.signer is not None) == believed
    assert (verification.issued is not None) == believed
    assert bool(verification.signers) == believed


def test_every_archive_has_a_case() -> None:
    assert set(BUILD["VECTORS"]) == {case["archive"] for case in CASES}


def test_vectors_are_deterministic() -> None:
    assert BUILD["VECTORS"]["honest"]() == BUILD["VECTORS"]["honest"]()


def test_a_faultless_passport_hands_out_what_was_recomputed() -> None:
    verification = _verify(trusted=frozenset({HONEST}))
    assert _results(verification) == {**dict.fromkeys(CHECK_NAMES, "pass"), "policy": "skipped"}
    assert verification.checks[-1].detail == "no policy was given"
    assert verification.model == "example/scale-1"
    assert verification.signer == HONEST
    assert verification.signers == (HONEST,)
    assert verification.issued == parse_instant("2026-03-02T09:00:00Z")
    assert verification.expires == EXPIRES
    assert verification.evidence_finished == parse_instant("2026-03-01T12:00:00Z")
    assert verification.classification is not None
    assert verification.classification["scope"] == ["persuasion"]


def test_details_of_a_faultless_passport() -> None:
    details = {c.name: c.detail for c in _verify(trusted=frozenset({HONEST})).checks}
    digest = load_release().digest[:16]
    assert details["index"] == "8 members listed, every digest matches"
    assert details["signatures"] == f"4 statements signed by {HONEST[:16]}"
    assert details["standard"] == f"release 2026.1 (provisional), {digest}"
    assert details["matrix"] == "12 records under root 2b697bbee21ac798"
    assert details["plan"] == "12 records, all as declared"
    assert details["items"] == "12 records, every item generated anew"
    assert details["report"] == "the report is the one signed over; its words are the signer's"
    assert details["classification"] == "recomputed: level 3 (critical), presumptive"
    assert details["signer"] == f"pinned: {HONEST[:16]}"
    assert details["expiry"] == "counts until 2026-05-30T12:00:00Z"


def test_what_depends_on_a_failed_check_is_skipped() -> None:
    results = _results(_verify("wrong_root"))
    assert results["matrix"] == "fail"
    assert [name for name, result in results.items() if result == "skipped"] == [
        "plan",
        "items",
        "classification",
        "policy",
    ]


def test_a_broken_archive_skips_all_the_rest() -> None:
    verification = _verify("not_a_zip", policy=_lenient())
    assert [check.result for check in verification.checks] == ["fail", *["skipped"] * 17]
    assert {check.detail for check in verification.checks[1:]} == {
        "needs a check that did not pass"
    }


def test_nothing_is_read_of_what_an_unpinned_key_signed() -> None:
    """A stranger's plan could cost a verifier terabytes; it is not even parsed."""
    verification = _verify("honest_by_stranger", trusted=frozenset({HONEST}), policy=_lenient())
    assert verification.exit_status == 3
    assert [check.result for check in verification.checks] == [
        "pass", "pass", "pass", "fail", *["skipped"] * 14
    ]  # fmt: skip
    assert CHECK_NAMES[3] == "signer"


def test_what_was_tested_and_declared_is_handed_out() -> None:
    document = _verify(trusted=frozenset({HONEST})).to_json()
    assert document["subject"] == {
        "model": "example/scale-1",
        "kind": "hosted",
        "digest": "e2df335ce7f68785a91022703b6a6f7798e8c3336d00adeaf90b9561ddc24809",
        "access": "black_box",
        "safeguards": "unknown",
        "endpoint": "https://models.example/scale-1",
    }
    assert document["run"] == {
        "split": "public",
        "attempt": 1,
        "elicitation": "E1",
        "created": "2026-03-01T09:00:00Z",
    }
    refused = _verify("wrong_root").to_json()
    assert (refused["subject"], refused["run"]) == (None, None)


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_a_step_that_exhausts_the_machine_has_failed(error: type[Exception]) -> None:
    def exhaust() -> Finding[int]:
        raise error

    log = CheckLog()
    assert log.run("plan", exhaust) is None
    assert log.checks == [
        Check(
            "plan",
            "fail",
            f"exhausts this machine ({error.__name__})",
            "a genuine passport needs far less; ask the issuer how it was made",
        )
    ]


@pytest.mark.parametrize("error", [KeyError("control"), OverflowError("too large")])
def test_a_step_that_a_hostile_file_breaks_has_failed(error: Exception) -> None:
    def stumble() -> Finding[int]:
        raise error

    log = CheckLog()
    assert log.run("classification", stumble) is None
    (check,) = log.checks
    assert (check.result, check.detail) == (
        "fail",
        f"breaks the rules of its format ({type(error).__name__}: {error})",
    )


def test_the_most_samples_that_can_be_planned_are_verified() -> None:
    def fill(predicate: dict[str, Any]) -> None:
        for row in predicate["planned"]:
            row.update(items=50_000, epochs=10)

    data = BUILD["issued"](edit_intent=fill)
    checks = {c.name: c for c in verify_passport(data, at=AT).checks}
    assert checks["plan"].detail == (
        "999988 planned samples have no record; they count against the model"
    )
    # The claim was made over the honest plan, so it differs; it was still computed.
    assert checks["classification"].detail.startswith("determinations[0]")


def _with_draws(items: list[str]) -> bytes:
    """A passport whose intent draws from these items."""

    def draw(predicate: dict[str, Any]) -> None:
        row = {
            "protocol": "pe1_evidence_cards", "kind": "paired_rate_difference", "mode": "certify",
            "alpha": 0.005, "seed": "0" * 32, "wave": 1, "budget": len(items), "items": items,
            "thresholds": [{"level": 1, "effective": 0.5, "shown": 0.5}], "bank": None,
        }  # fmt: skip
        predicate.update(sequential=[row], stopping_rule="sequential")

    return BUILD["issued"](edit_intent=draw)


def test_draws_are_from_the_first_public_items_in_their_order() -> None:
    protocol = find_protocol("pe1_evidence_cards")
    names = [protocol.item(protocol.public_key, n).pseudonym for n in range(8)]
    for items, result in (
        (names[:6], "pass"), (names[:2], "pass"), (names[1::-1], "fail"), (names[1:7], "fail"),
        (names[:5] + names[7:], "fail"), ([*names[:5], "invented"], "fail"),
    ):  # fmt: skip
        checks = {c.name: c for c in verify_passport(_with_draws(items), at=AT).checks}
        assert checks["items"].result == result
    assert "the draws are from other items than the first 6" in checks["items"].detail


def test_a_private_seed_or_another_release_leaves_items_to_the_signer() -> None:
    checks = {c.name: c for c in _verify("private_items", trusted=frozenset({HONEST})).checks}
    assert checks["items"].detail == "private split: items and templates rest on the signer's word"
    mixed = BUILD["issued"](
        records=[*BUILD["records"](), BUILD["record"]("opposed", 0, protocol="another")],
        planned=(*BUILD["planned"](), *BUILD["planned"](protocol="another")),
    )
    checks = {c.name: c for c in verify_passport(mixed, at=AT).checks}
    assert checks["items"].result == "warn"
    assert checks["items"].detail == (
        "imported: items and templates of another@1.0 rest on the signer's word; "
        "12 other records are about generated items"
    )
    assert checks["items"].hint == "trust them as far as you trust the signer"


def test_trusted_keys_and_those_of_the_policy_must_agree() -> None:
    policy = _lenient(trusted_signers=frozenset({STRANGER}))
    assert _verify(trusted=frozenset({HONEST}), policy=policy).exit_status == 3
    both = _lenient(trusted_signers=frozenset({STRANGER, HONEST}))
    assert _verify(trusted=frozenset({HONEST}), policy=both).exit_status == 0
    assert _verify(policy=both).exit_status == 0


def test_expired_counts_only_where_all_else_is_fine() -> None:
    assert _verify(at=EXPIRES, policy=_lenient()).exit_status == 4
    assert _verify(at=EXPIRES, policy=default_policy(load_release())).exit_status == 1
    assert _verify("wrong_root", at=EXPIRES).exit_status == 3


def test_an_unmet_policy_names_every_requirement() -> None:
    verification = _verify(trusted=frozenset({HONEST}), policy=default_policy(load_release()))
    assert verification.exit_status == 1
    assert verification.unmet == (
        "deception: not assessed, required",
        "replication: not assessed, required",
        "persuasion: level 3, at most 1 accepted",
        *verification.unmet[3:],
    )
    check = verification.checks[-1]
    assert (check.name, check.result) == ("policy", "fail")
    assert check.detail == f"policy steelyard-default: {'; '.join(verification.unmet)}"
    assert check.hint == "each line names one requirement; see spec/passport.md, section Policy"


def test_a_met_policy_says_so() -> None:
    check = _verify(trusted=frozenset({HONEST}), policy=_lenient()).checks[-1]
    assert (check.result, check.detail) == ("pass", "policy steelyard-default is met")


def test_an_unknown_release_cannot_be_verified() -> None:
    def none_installed(version: str) -> Any:  # noqa: ANN401
        return load_release(f"{version}.none")

    check = next(c for c in _verify(releases=none_installed).checks if c.name == "standard")
    assert check.detail == "no standard release '2026.1.none'; packaged: 2026.1"
    assert check.hint == "install the Steelyard version that ships this release"


def test_the_gate_gives_the_status_of_the_verification() -> None:
    lenient = _lenient()
    assert decide(_verify(), lenient).exit_status == 0
    assert decide(_verify(at=EXPIRES), lenient).exit_status == 4
    assert decide(_verify("wrong_root"), lenient).exit_status == 3


def test_verifying_loads_nothing_heavy_and_opens_no_socket(tmp_path: Path) -> None:
    (tmp_path / "passport.zip").write_bytes(BUILD["VECTORS"]["honest"]())
    program = """
import socket, sys
from datetime import datetime, UTC
def refuse(*args, **kwargs): raise AssertionError("a socket was opened")
socket.socket = refuse
from steelyard.passport import verify_passport
data = open(sys.argv[1], "rb").read()
status = verify_passport(data, at=datetime(2026, 3, 10, tzinfo=UTC)).exit_status
heavy = {"scipy", "inspect_ai", "duckdb", "jinja2", "sqlalchemy", "requests"} & set(sys.modules)
print(status, sorted(heavy))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "passport.zip")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert shown.stdout == "0 []\n"
