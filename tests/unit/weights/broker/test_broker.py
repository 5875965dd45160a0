from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.kernel import digest_json
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    DuplicateRecord,
    Expired,
    NotSatisfied,
    StorageError,
    UnknownName,
)
from steelyard.weights.broker import Approver, Broker
from steelyard.weights.broker.drill import Clock
from steelyard.weights.broker.meter import Decision

from .brokers import ALICE, BOB, CUSTODIANS, POLICY, STORE, make_broker, make_grant, principal

A, B = principal(ALICE, "Example Lab"), principal(BOB, "Sample Works")
WHOLE = range(0, 64, 32)


def patient(broker: Broker, clock: Clock, number: int) -> bytes | Decision:
    while True:
        handed = broker.hand_out(A, 0, number, 1)
        if not isinstance(handed, Decision) or handed.verdict != "wait":
            return handed
        clock.now_s += handed.wait_s + 0.01


def verdict(handed: bytes | Decision) -> str:
    return handed.verdict if isinstance(handed, Decision) else "granted"


def test_segments_are_handed_out_slowly_until_the_alarm(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    assert verdict(broker.hand_out(A, 0, 0, 1)) == "wait"
    for number in range(4):
        assert patient(broker, clock, number) == STORE.read(0, number, 1)
    assert verdict(patient(broker, clock, 4)) == "alarm"
    assert verdict(patient(broker, clock, 0)) == "blocked"
    assert broker.alarms == (f"principal {A.key_id}",)


def test_a_restart_forgets_neither_counts_nor_alarms(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    for number in range(4):
        patient(broker, clock, number)
    patient(broker, clock, 4)
    broker.close()
    again, _ = make_broker(tmp_path, clock)
    assert again.alarms == (f"principal {A.key_id}",)
    assert verdict(again.hand_out(A, 0, 0, 1)) == "blocked"


def test_a_clock_that_was_set_back_gives_no_tokens(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    patient(broker, clock, 0)
    broker.close()
    clock.now_s -= 100_000.0
    again, _ = make_broker(tmp_path, clock)
    assert verdict(again.hand_out(A, 0, 1, 1)) == "wait"
    clock.now_s += 90_000.0
    assert verdict(again.hand_out(A, 0, 1, 1)) == "wait"


def test_what_cannot_be_recorded_is_not_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, clock = make_broker(tmp_path)
    clock.now_s += 10_000.0

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        broker.hand_out(A, 0, 0, 1)
    monkeypatch.undo()
    lines = (tmp_path / "ledger.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["started"]


def test_a_kill_loses_nothing_that_was_handed_out(tmp_path: Path) -> None:
    script = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from steelyard.weights.broker import Approver, Broker
from tests.unit.weights.broker.brokers import POLICY, STORE, make_broker, principal, ALICE
broker, clock = make_broker(Path({str(tmp_path)!r}))
who = principal(ALICE, "Example Lab")
for number in range(3):
    clock.now_s += 10_000
    assert broker.hand_out(who, 0, number, 1) == STORE.read(0, number, 1)
    print(number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=root
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "0\n1\n2\n"), done.stderr
    with (tmp_path / "ledger.jsonl").open("ab") as stream:
        stream.write(b'{"seq":4,"half')
    again, _ = make_broker(tmp_path)
    assert again.status(A)["coverage_bytes"] == 3 * STORE.segment_bytes


def test_a_ledger_that_was_changed_is_refused(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    for number in range(3):
        patient(broker, clock, number)
    broker.close()
    path = tmp_path / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    with pytest.raises(BrokenSeal, match="entry 1 does not follow from the one before"):
        make_broker(tmp_path, clock)


def test_a_ledger_of_another_model_is_refused(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    broker.close()
    other = replace(STORE, artifact="cd" * 32)
    with pytest.raises(BrokenSeal, match="the log is of 'drill'"):
        Broker(other, POLICY, tmp_path / "ledger.jsonl", clock)


def test_a_grant_loads_the_whole_model_at_once_and_survives_a_restart(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    grant = make_grant(clock)
    broker.accept_grant([grant.approve(key) for key in CUSTODIANS[1:]])
    broker.close()
    again, _ = make_broker(tmp_path, clock)
    for first in WHOLE:
        assert again.hand_out(A, 0, first, 32, grant.digest) == STORE.read(0, first, 32)
    assert again.status(A)["coverage_bytes"] == 0
    assert verdict(again.hand_out(A, 0, 0, 1)) == "wait"
    with pytest.raises(BrokenSeal, match="no such grant for this principal"):
        again.hand_out(B, 0, 0, 1, grant.digest)
    clock.now_s += 86_400.0
    with pytest.raises(Expired, match="the grant is over"):
        again.hand_out(A, 0, 0, 1, grant.digest)


@pytest.mark.parametrize(
    ("signers", "error", "message"),
    [
        ([1], NotSatisfied, "approved by 1 organizations other than the principal's, need 2"),
        ([1, 1], NotSatisfied, "approved by 1 organizations other than the principal's, need 2"),
        ([0, 1], NotSatisfied, "approved by 1 organizations other than the principal's, need 2"),
        ([], BrokenSeal, "the approvals are of 0 grants, need one"),
    ],
)
def test_too_few_organizations_make_no_grant(
    tmp_path: Path, signers: list[int], error: type[CannotVerify], message: str
) -> None:
    broker, clock = make_broker(tmp_path)
    grant = make_grant(clock)
    with pytest.raises(error) as caught:
        broker.accept_grant([grant.approve(CUSTODIANS[index]) for index in signers])
    assert caught.value.message == message


def test_a_grant_of_another_model_two_grants_or_a_stranger_are_refused(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    grant = make_grant(clock)
    other = replace(grant, artifact="cd" * 32)
    longer = replace(grant, nonce="cd" * 16)
    with pytest.raises(BrokenSeal, match="the grant is of another model"):
        broker.accept_grant([other.approve(key) for key in CUSTODIANS[1:]])
    with pytest.raises(BrokenSeal, match="the approvals are of 2 grants, need one"):
        broker.accept_grant([grant.approve(CUSTODIANS[1]), longer.approve(CUSTODIANS[2])])
    with pytest.raises(BrokenSeal, match="which is not among the keys given"):
        broker.accept_grant([grant.approve(CUSTODIANS[1]), grant.approve(BOB)])
    stranger = replace(grant, principal="ef" * 32)
    with pytest.raises(NotSatisfied, match="the principal is not known here"):
        broker.accept_grant([stranger.approve(key) for key in CUSTODIANS[1:]])


def test_the_principals_own_key_approves_nothing_under_another_name(tmp_path: Path) -> None:
    disguised = Approver("alias", "Trust Three", ALICE.public_key)
    approvers = {**POLICY.approvers, ALICE.public_key.key_id: disguised}
    clock = Clock()
    broker = Broker(STORE, replace(POLICY, approvers=approvers), tmp_path / "ledger.jsonl", clock)
    grant = make_grant(clock)
    with pytest.raises(NotSatisfied, match="approved by 1 organizations other than"):
        broker.accept_grant([grant.approve(CUSTODIANS[1]), grant.approve(ALICE)])


@pytest.mark.parametrize(("days", "later_s"), [(1.0, 86_400.0), (1.0, -10.0), (8.0, 0.0)])
def test_a_grant_outside_its_time_is_refused(tmp_path: Path, days: float, later_s: float) -> None:
    broker, clock = make_broker(tmp_path)
    grant = make_grant(Clock(clock.now_s + 20.0), days=days)
    clock.now_s += 20.0 + later_s
    with pytest.raises((Expired, BrokenSeal), match=r"the grant is valid from|at most 7 days"):
        broker.accept_grant([grant.approve(key) for key in CUSTODIANS[1:]])


def test_a_grant_names_its_principal_in_its_digest(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    grant = make_grant(clock)
    predicate = {
        "purpose": "full-load",
        "principal": ALICE.public_key.key_id,
        "issued": "2027-01-15T08:00:00Z",
        "expires": "2027-01-16T08:00:00Z",
        "nonce": "ab" * 16,
    }
    assert grant.to_json() == predicate
    assert grant.digest == digest_json(
        {"model": STORE.model, "artifact": STORE.artifact, **predicate}
    )
    for_bob = replace(grant, principal=BOB.public_key.key_id)
    broker.accept_grant([for_bob.approve(key) for key in CUSTODIANS[1:]])
    with pytest.raises(BrokenSeal, match="no such grant for this principal"):
        broker.hand_out(A, 0, 0, 1, grant.digest)


def test_more_segments_than_one_request_may_have_are_too_much(tmp_path: Path) -> None:
    clock = Clock()
    broker = Broker(replace(STORE, segments=65), POLICY, tmp_path / "ledger.jsonl", clock)
    grant = make_grant(clock)
    broker.accept_grant([grant.approve(key) for key in CUSTODIANS[1:]])
    for name in ("", grant.digest):
        assert broker.hand_out(A, 0, 0, 65, name) == Decision("too_much", "request")
    whole = broker.hand_out(A, 0, 0, 64, grant.digest)
    assert isinstance(whole, bytes)
    assert len(whole) == 64 * STORE.segment_bytes
    # What was loaded once may be loaded again, where the first try broke off.
    assert broker.hand_out(A, 0, 0, 64, grant.digest) == whole


def test_a_review_lifts_an_alarm_once(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    for number in range(5):
        patient(broker, clock, number)
    assert broker.alarms
    review = make_grant(clock, purpose="review")
    approvals = [review.approve(key) for key in CUSTODIANS]
    broker.accept_grant(approvals)
    assert broker.alarms == ()
    assert patient(broker, clock, 5) == STORE.read(0, 5, 1)
    with pytest.raises(DuplicateRecord, match="this grant was handed in before"):
        broker.accept_grant(approvals)
    broker.close()
    again, _ = make_broker(tmp_path, clock)
    assert again.alarms == ()
    assert again.status(A)["coverage_bytes"] == STORE.segment_bytes


@pytest.mark.parametrize(
    ("stream", "first", "count"), [(1, 0, 1), (0, 64, 1), (0, 63, 2), (0, 0, 0), (-1, 0, 1)]
)
def test_segments_that_are_not_there_are_refused(
    tmp_path: Path, stream: int, first: int, count: int
) -> None:
    broker, _ = make_broker(tmp_path)
    with pytest.raises(UnknownName, match="no such segments"):
        broker.hand_out(A, stream, first, count)
