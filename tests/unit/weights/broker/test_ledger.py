"""What a ledger remembers, and who may write it: one broker, and nobody behind its back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, StorageError, UsageError
from steelyard.weights.access_log import (
    AccessLog,
    Event,
    Head,
    open_checkpoint,
    read_log,
    sign_checkpoint,
)
from steelyard.weights.broker import Broker
from steelyard.weights.broker.drill import Clock

from .brokers import ALICE, POLICY, STORE, make_broker, principal

A = principal(ALICE, "Example Lab")
CHANGED = "the ledger was changed by somebody else while this broker runs"


def take(broker: Broker, clock: Clock, number: int) -> object:
    clock.now_s += 10_000.0
    return broker.hand_out(A, 0, number, 1)


def kept_head(path: Path) -> Head:
    """A checkpoint as it is kept elsewhere, signed and opened again."""
    signed = sign_checkpoint("ledger", read_log(path)[1], datetime(2027, 1, 15, tzinfo=UTC), ALICE)
    return open_checkpoint(signed, ALICE.public_key)


def test_two_brokers_on_one_ledger_would_count_twice_so_the_second_is_refused(
    tmp_path: Path,
) -> None:
    first, clock = make_broker(tmp_path)
    with pytest.raises(UsageError) as caught:
        make_broker(tmp_path, clock)
    assert caught.value.message == "another broker runs on this ledger"
    other_name = tmp_path / "other"
    other_name.symlink_to(tmp_path / "ledger.jsonl")
    with pytest.raises(UsageError, match="another broker runs on this ledger"):
        Broker(STORE, POLICY, other_name, clock)
    first.close()
    again, _ = make_broker(tmp_path, clock)
    assert take(again, clock, 0) == STORE.read(0, 0, 1)


def test_under_two_names_neither_hands_out_what_the_other_does_not_count(tmp_path: Path) -> None:
    first, clock = make_broker(tmp_path)
    os.link(tmp_path / "ledger.jsonl", tmp_path / "linked")
    second = Broker(STORE, POLICY, tmp_path / "linked", clock)
    for number in range(3):
        with pytest.raises(StorageError) as caught:
            take(first, clock, number)
        assert caught.value.message == CHANGED
    handed = [number for number in range(10, 14) if _bytes(second, clock, number)]
    assert handed == []


def _bytes(broker: Broker, clock: Clock, number: int) -> bool:
    try:
        return isinstance(take(broker, clock, number), bytes)
    except StorageError:
        return False


def _appended(path: Path) -> None:
    log = AccessLog(path)
    log.append(Event("opened", STORE.model, STORE.artifact), datetime(2027, 2, 1, tzinfo=UTC))
    log.close()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def _replaced(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def _damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"not an entry\n")


@pytest.mark.parametrize("harm", [_appended, _cut, _damaged, _replaced, Path.unlink])
def test_a_ledger_that_changes_under_a_running_broker_ends_its_handing_out(
    tmp_path: Path, harm: object
) -> None:
    broker, clock = make_broker(tmp_path)
    take(broker, clock, 0)
    harm(tmp_path / "ledger.jsonl")  # type: ignore[operator]
    for _ in range(2):
        with pytest.raises(StorageError) as caught:
            take(broker, clock, 1)
        assert caught.value.message == CHANGED


def test_a_ledger_that_is_mended_under_a_running_broker_stays_refused(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    path = tmp_path / "ledger.jsonl"
    whole = path.read_bytes()
    _damaged(path)
    with pytest.raises(StorageError):
        take(broker, clock, 0)
    path.write_bytes(whole)
    with pytest.raises(StorageError) as caught:
        take(broker, clock, 0)
    assert caught.value.message == CHANGED
    broker.close()
    again, _ = make_broker(tmp_path, clock)
    assert take(again, clock, 0) == STORE.read(0, 0, 1)


def test_a_ledger_that_was_cut_at_a_line_or_deleted_is_refused_by_a_checkpoint(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.jsonl"
    broker, clock = make_broker(tmp_path)
    take(broker, clock, 0)
    take(broker, clock, 1)
    broker.close()
    kept, whole = kept_head(path), path.read_bytes()
    for lines in (0, 1, 2):
        path.write_bytes(b"".join(whole.splitlines(keepends=True)[:lines]))
        before = path.read_bytes()
        with pytest.raises(BrokenSeal) as caught:
            Broker(STORE, POLICY, path, clock, kept)
        assert caught.value.message == f"the log has {lines} entries, it had 3"
        assert path.read_bytes() == before
    path.write_bytes(whole)
    again = Broker(STORE, POLICY, path, clock, kept)
    assert again.remembered == 3
    assert again.status(A)["coverage_bytes"] == 2 * STORE.segment_bytes


def test_a_ledger_begun_anew_by_its_keeper_is_refused_by_a_checkpoint(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    take(broker, clock, 0)
    broker.close()
    kept = kept_head(tmp_path / "ledger.jsonl")
    (tmp_path / "ledger.jsonl").unlink()
    fresh, clock = make_broker(tmp_path)
    assert fresh.remembered == 0
    for number in range(10, 13):
        take(fresh, clock, number)
    fresh.close()
    with pytest.raises(BrokenSeal, match="entry 1 is not the one that was kept"):
        Broker(STORE, POLICY, tmp_path / "ledger.jsonl", clock, kept)


SEGMENT = {"name": "n", "organization": "o", "first": "0", "count": "1"}


@pytest.mark.parametrize(
    ("name", "detail", "message"),
    [
        ("segments", {}, "this is no entry 'segments' of a broker"),
        ("segments", {"name": "n", "organization": "o"}, "['', ''] are no segments of this model"),
        ("segments", SEGMENT | {"first": "x"}, "['x', '1'] are no segments of this model"),
        ("segments", SEGMENT | {"first": "-1"}, "['-1', '1'] are no segments of this model"),
        ("segments", SEGMENT | {"count": "0"}, "['0', '0'] are no segments of this model"),
        ("segments", SEGMENT | {"first": "64"}, "['64', '1'] are no segments of this model"),
        (
            "segments",
            SEGMENT | {"count": "9" * 30},
            f"{str(['0', '9' * 30])[:80]} are no segments of this model",
        ),
        ("alarm", {}, "this is no entry 'alarm' of a broker"),
        ("granted", {"grant": "a"}, "this is no entry 'granted' of a broker"),
        ("reviewed", {"expires": "2027-01-15T00:00:00Z"}, "this is no entry 'reviewed' of a"),
        ("granted", {"grant": "a", "expires": "soon"}, "'soon' is no date"),
    ],
)
def test_an_entry_that_no_broker_writes_is_refused(
    tmp_path: Path, name: str, detail: dict[str, str], message: str
) -> None:
    path = tmp_path / "ledger.jsonl"
    log = AccessLog(path)
    event = Event(name, STORE.model, STORE.artifact, A.key_id, detail)
    log.append(event, datetime(2027, 1, 15, tzinfo=UTC))
    log.close()
    with pytest.raises(MalformedEvidence) as caught:
        make_broker(tmp_path)
    assert caught.value.message.startswith(message)
    assert caught.value.where == f"{path}:1"


def test_a_line_that_a_crash_cut_is_removed_and_counting_goes_on(tmp_path: Path) -> None:
    broker, clock = make_broker(tmp_path)
    take(broker, clock, 0)
    broker.close()
    path = tmp_path / "ledger.jsonl"
    with path.open("ab") as stream:
        stream.write(b'{"seq":2,"half')
    again, _ = make_broker(tmp_path, clock)
    assert again.remembered == 2
    assert take(again, clock, 1) == STORE.read(0, 1, 1)
    names = [logged.event.name for logged in read_log(path)[0]]
    assert names == ["started", "segments", "recovered", "started", "segments"]
