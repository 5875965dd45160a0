"""Rewrapping and answering leave their record first, the refused ones too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from steelyard.attest import PrivateKey
from steelyard.attest.recipients import Identity, generate_identity
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    ConfigurationError,
    NotSatisfied,
    StorageError,
    UsageError,
)
from steelyard.weights.access_log import AccessLog, Event, read_log
from steelyard.weights.quorum import (
    Member,
    Request,
    approve,
    open_request,
    release_half,
    sign_request,
)
from steelyard.weights.recorded_opening import (
    Answer,
    Record,
    answer_recorded,
    open_recorded,
    rewrap_recorded,
)
from steelyard.weights.sealed import (
    Expect,
    Opening,
    Quorum,
    Rewrapping,
    SealedHeader,
    Sealing,
    read_header,
    seal_model,
)
from steelyard.weights.sealed.recipients import wrap

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PUBLISHER, ASKER = PrivateKey.from_seed(b"p" * 32), PrivateKey.from_seed(b"a" * 32)
EXPECT = Expect(PUBLISHER.public_key)
OWN, OTHER, BROKER = (generate_identity(hybrid=False) for _ in range(3))
CUSTODIANS = [
    (PrivateKey.from_seed(bytes([n]) * 32), generate_identity(hybrid=False)) for n in range(3)
]
CHANGE = Rewrapping([OTHER.recipient], None, PUBLISHER)


def seal(base: Path) -> Path:
    (base / "plain").mkdir()
    (base / "plain" / "weights.bin").write_bytes(b"weights")
    members = [
        Member(f"c{n}", f"o{n}", sign.public_key, identity.recipient)
        for n, (sign, identity) in enumerate(CUSTODIANS)
    ]
    sealing = Sealing("mini", 1, [OWN.recipient], Quorum(members, 2, BROKER.recipient))
    seal_model(base / "plain", base / "sealed", sealing, PUBLISHER, NOW)
    return base / "sealed"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    return seal(tmp_path)


def events(log: Path) -> list[Event]:
    return [entry.event for entry in read_log(log)[0]]


def rewrap(
    sealed: Path, log: Path, identity: Identity = OWN, change: Rewrapping = CHANGE
) -> SealedHeader:
    marks = log.parent / "marks.json"
    return rewrap_recorded(sealed, identity, EXPECT, change, marks, Record(log, NOW))


def test_a_rewrap_is_recorded(sealed: Path, tmp_path: Path) -> None:
    changed = rewrap(sealed, tmp_path / "log")
    assert read_header(sealed, EXPECT) == changed
    assert events(tmp_path / "log") == [
        Event("rewrapped", "mini", changed.core.digest, OWN.recipient.key_id, {"edition": "2"})
    ]
    record = Record(tmp_path / "log", NOW)
    assert open_recorded(sealed, OTHER, EXPECT, Opening(), record).index.files


def test_without_a_record_no_header_is_replaced(sealed: Path, tmp_path: Path) -> None:
    before = (sealed / "sealed.json").read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        rewrap(sealed, tmp_path / "file" / "log")
    assert (sealed / "sealed.json").read_bytes() == before


@pytest.mark.parametrize(
    ("identity", "change", "error", "reason"),
    [
        (OTHER, CHANGE, NotSatisfied, "is none of the 1 recipients"),
        (OWN, Rewrapping([], None, PUBLISHER), ConfigurationError, "nobody could open"),
        (OWN, Rewrapping([OTHER.recipient], None, ASKER), UsageError, "must stay signed by"),
    ],
)
def test_a_refused_rewrap_is_recorded(
    sealed: Path, tmp_path: Path, identity: Identity, change: Rewrapping,
    error: type[Exception], reason: str,
) -> None:  # fmt: skip
    before = (sealed / "sealed.json").read_bytes()
    with pytest.raises(error, match=reason):
        rewrap(sealed, tmp_path / "log", identity, change)
    (event,) = events(tmp_path / "log")
    assert (event.name, event.detail["act"]) == ("refused", "rewrapped")
    assert event.who == identity.recipient.key_id
    assert reason in event.detail["reason"]
    assert (sealed / "sealed.json").read_bytes() == before


def test_an_older_header_put_back_is_not_rewrapped(sealed: Path, tmp_path: Path) -> None:
    old = (sealed / "sealed.json").read_bytes()
    both = Rewrapping([OWN.recipient, OTHER.recipient], None, PUBLISHER)
    rewrap(sealed, tmp_path / "log", change=both)
    assert rewrap(sealed, tmp_path / "log", change=both).edition == 3
    (sealed / "sealed.json").write_bytes(old)
    with pytest.raises(CannotVerify, match="release 1, edition 1 of mini; release 1, edition 3"):
        rewrap(sealed, tmp_path / "log")
    assert [e.name for e in events(tmp_path / "log")] == ["rewrapped", "rewrapped", "refused"]


def asked(sealed: Path) -> tuple[SealedHeader, Request]:
    header = read_header(sealed, EXPECT)
    until = (NOW, NOW + timedelta(hours=1))
    envelope = sign_request(header.subject, "benchmark", OWN.recipient, until, ASKER)
    return header, open_request(envelope, ASKER.public_key)


def approved(header: SealedHeader, request: Request, number: int) -> bytes:
    assert header.custody is not None
    return approve(header.custody, request, *CUSTODIANS[number], NOW)


def released(header: SealedHeader, request: Request, approvals: list[bytes]) -> Answer:
    def make() -> bytes:
        assert header.custody is not None
        return release_half(header.custody, request, approvals, BROKER, NOW)

    return Answer("released", header, request, BROKER.recipient.key_id, make)


def test_an_approval_is_recorded_before_it_is_written(sealed: Path, tmp_path: Path) -> None:
    header, request = asked(sealed)
    answer = Answer("approved", header, request, "a" * 64, lambda: approved(header, request, 0))
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        answer_recorded(answer, tmp_path / "out", Record(tmp_path / "file" / "log", NOW))
    assert not (tmp_path / "out").exists()
    answer_recorded(answer, tmp_path / "out", Record(tmp_path / "log", NOW))
    detail = {"purpose": "benchmark", "request": request.digest, "nonce": request.nonce}
    detail["requester"] = ASKER.public_key.key_id
    assert events(tmp_path / "log") == [
        Event("approved", "mini", header.core.digest, "a" * 64, detail)
    ]
    answer_recorded(answer, tmp_path / "again", Record(tmp_path / "log", NOW))
    assert (tmp_path / "again").read_bytes()


def test_a_refused_approval_is_recorded(sealed: Path, tmp_path: Path) -> None:
    header, request = asked(sealed)
    stranger = PrivateKey.from_seed(b"s" * 32)

    def make() -> bytes:
        assert header.custody is not None
        return approve(header.custody, request, stranger, OTHER, NOW)

    answer = Answer("approved", header, request, stranger.public_key.key_id, make)
    with pytest.raises(NotSatisfied, match="is none of this model's custodians"):
        answer_recorded(answer, tmp_path / "out", Record(tmp_path / "log", NOW))
    (event,) = events(tmp_path / "log")
    assert (event.name, event.detail["act"]) == ("refused", "approved")
    assert not (tmp_path / "out").exists()


def test_a_half_is_released_once_and_only_to_enough(sealed: Path, tmp_path: Path) -> None:
    header, request = asked(sealed)
    record = Record(tmp_path / "log", NOW)
    both = [approved(header, request, number) for number in (0, 1)]
    with pytest.raises(NotSatisfied, match="1 of 2 approvals count"):
        answer_recorded(released(header, request, both[:1]), tmp_path / "out", record)
    assert not (tmp_path / "out").exists()
    answer_recorded(released(header, request, both), tmp_path / "out", record)
    with pytest.raises(NotSatisfied) as caught:
        answer_recorded(released(header, request, both), tmp_path / "again", record)
    assert caught.value.message == "this request released the weights before, entry 1 of the log"
    assert not (tmp_path / "again").exists()
    assert [e.name for e in events(tmp_path / "log")] == ["refused", "released", "refused"]


def test_a_taken_name_costs_no_release(sealed: Path, tmp_path: Path) -> None:
    header, request = asked(sealed)
    record = Record(tmp_path / "log", NOW)
    both = [approved(header, request, number) for number in (0, 1)]
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match="this exists; nothing is written over it"):
        answer_recorded(released(header, request, both), tmp_path / "taken", record)
    assert (tmp_path / "taken").read_text() == "mine"
    assert not (tmp_path / "log").exists()
    answer_recorded(released(header, request, both), tmp_path / "out", record)


def test_two_releases_at_once_are_told_apart_by_the_log(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, request = asked(sealed)
    record = Record(tmp_path / "log", NOW)
    both = [approved(header, request, number) for number in (0, 1)]
    real = AccessLog.append

    def late(log: AccessLog, event: Event, at: datetime) -> object:
        monkeypatch.setattr(AccessLog, "append", real)
        answer_recorded(released(header, request, both), tmp_path / "one" / "half", record)
        return real(log, event, at)

    monkeypatch.setattr(AccessLog, "append", late)
    with pytest.raises(NotSatisfied, match="this request released the weights before, entry 0"):
        answer_recorded(released(header, request, both), tmp_path / "two" / "half", record)
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["half"]
    assert not list((tmp_path / "two").iterdir())


def test_a_wrapped_key_that_is_not_of_the_streams_is_not_wrapped_again(
    sealed: Path, tmp_path: Path
) -> None:
    """A publisher who signed another key for a recipient: it is not passed on."""
    header = read_header(sealed, EXPECT)
    false = replace(header, recipients=(wrap(b"\x07" * 32, header.core, OWN.recipient),))
    (sealed / "sealed.json").write_bytes(false.sign(PUBLISHER))
    with pytest.raises(BrokenSeal, match="of another key, or bound to another header"):
        rewrap(sealed, tmp_path / "log")
    assert read_header(sealed, EXPECT) == false
