"""Every opening leaves a record, the refused ones too, and a request opens once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from steelyard.attest import PrivateKey
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import BrokenSeal, NotSatisfied, StorageError, UsageError
from steelyard.weights import recorded_opening
from steelyard.weights.access_log import AccessLog, Event, read_log
from steelyard.weights.quorum import Member, QuorumOpening, approve, open_request, sign_request
from steelyard.weights.recorded_opening import Record, open_recorded
from steelyard.weights.sealed import (
    Expect,
    Opening,
    Quorum,
    SealedHeader,
    Sealing,
    read_header,
    seal_model,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PUBLISHER, ASKER = PrivateKey.from_seed(b"p" * 32), PrivateKey.from_seed(b"a" * 32)
EXPECT = Expect(PUBLISHER.public_key)
OWN = generate_identity(hybrid=False)
CUSTODIANS = [
    (PrivateKey.from_seed(bytes([n]) * 32), generate_identity(hybrid=True)) for n in range(3)
]


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "weights.bin").write_bytes(b"weights")
    members = [
        Member(f"c{n}", f"o{n}", sign.public_key, identity.recipient)
        for n, (sign, identity) in enumerate(CUSTODIANS)
    ]
    sealing = Sealing("mini", 1, [OWN.recipient], Quorum(members, 2))
    seal_model(tmp_path / "plain", tmp_path / "sealed", sealing, PUBLISHER, NOW)
    return tmp_path / "sealed"


def asked(sealed: Path, who: tuple[int, ...]) -> QuorumOpening:
    header = read_header(sealed, EXPECT)
    until = (NOW, NOW + timedelta(hours=1))
    envelope = sign_request(header.subject, "benchmark", OWN.recipient, until, ASKER)
    request = open_request(envelope, ASKER.public_key)
    assert header.custody is not None
    approvals = [approve(header.custody, request, *CUSTODIANS[n], NOW) for n in who]
    return QuorumOpening(request, approvals, OWN, NOW)


def test_an_opening_by_key_is_recorded(sealed: Path, tmp_path: Path) -> None:
    record = Record(tmp_path / "log", NOW, "look")
    reader = open_recorded(sealed, OWN, EXPECT, Opening(), record)
    assert bytes(reader.read("weights.bin")) == b"weights"
    (entry,), _ = read_log(tmp_path / "log")
    assert entry.event == Event(
        "opened", "mini", reader.header.core.digest, OWN.recipient.key_id, {"purpose": "look"}
    )


def test_a_refusal_is_recorded_with_its_reason(sealed: Path, tmp_path: Path) -> None:
    stranger = generate_identity(hybrid=False)
    record = Record(tmp_path / "log", NOW)
    with pytest.raises(NotSatisfied, match="is none of the 1 recipients"):
        open_recorded(sealed, stranger, EXPECT, Opening(), record)
    opening = asked(sealed, (0,))
    with pytest.raises(NotSatisfied, match="1 of 2 approvals count"):
        open_recorded(sealed, opening, EXPECT, Opening(), record)
    entries, _ = read_log(tmp_path / "log")
    assert [entry.event.name for entry in entries] == ["refused", "refused"]
    assert entries[0].event.who == stranger.recipient.key_id
    assert entries[1].event.who == ASKER.public_key.key_id
    assert entries[1].event.detail["reason"] == "1 of 2 approvals count: no more were given"


def test_a_changed_stream_is_recorded(sealed: Path, tmp_path: Path) -> None:
    data = bytearray((sealed / "000000.floe").read_bytes())
    data[-1] ^= 1
    (sealed / "000000.floe").write_bytes(data)
    with pytest.raises(BrokenSeal):
        open_recorded(sealed, OWN, EXPECT, Opening(), Record(tmp_path / "log", NOW))
    (entry,), _ = read_log(tmp_path / "log")
    assert "segment 0 was changed" in entry.event.detail["reason"]


def test_a_request_opens_once(sealed: Path, tmp_path: Path) -> None:
    opening, record = asked(sealed, (0, 2)), Record(tmp_path / "log", NOW)
    assert open_recorded(sealed, opening, EXPECT, Opening(), record).index.files
    with pytest.raises(NotSatisfied) as caught:
        open_recorded(sealed, opening, EXPECT, Opening(), record)
    assert caught.value.message == "this request opened the weights before, entry 0 of the log"
    assert open_recorded(sealed, asked(sealed, (1, 2)), EXPECT, Opening(), record).index.files
    names = [entry.event.name for entry in read_log(tmp_path / "log")[0]]
    assert names == ["opened", "refused", "opened"]


def test_two_openings_at_once_are_told_apart_by_the_log(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process opens with the same request between our look and our entry."""
    opening, record = asked(sealed, (0, 2)), Record(tmp_path / "log", NOW)
    real = AccessLog.append

    def late(log: AccessLog, event: Event, at: datetime) -> object:
        monkeypatch.setattr(AccessLog, "append", real)
        open_recorded(sealed, opening, EXPECT, Opening(), record)
        return real(log, event, at)

    monkeypatch.setattr(AccessLog, "append", late)
    with pytest.raises(NotSatisfied, match="this request opened the weights before, entry 0"):
        open_recorded(sealed, opening, EXPECT, Opening(), record)


def test_without_a_record_nothing_opens(sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write: (Not a directory|File exists)"):
        open_recorded(sealed, OWN, EXPECT, Opening(), Record(tmp_path / "file" / "log", NOW))
    assert not (tmp_path / "log").exists()


def test_what_is_logged_is_what_opens(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody exchanges the header after it was read."""

    def then_exchanged(folder: Path, expect: Expect) -> SealedHeader:
        header = read_header(folder, expect)
        (folder / "sealed.json").write_bytes(b"{}")
        return header

    monkeypatch.setattr(recorded_opening, "read_header", then_exchanged)
    reader = open_recorded(sealed, OWN, EXPECT, Opening(), Record(tmp_path / "log", NOW))
    (entry,), _ = read_log(tmp_path / "log")
    assert entry.event.artifact == reader.header.core.digest


@pytest.mark.parametrize("purpose", ["x" * 4097, "two\nlines", "\udcff"])
def test_a_purpose_that_no_entry_holds_is_refused_first(tmp_path: Path, purpose: str) -> None:
    with pytest.raises(UsageError) as caught:
        Record(tmp_path / "log", NOW, purpose)
    assert caught.value.message == "a purpose is printable text of at most 4096 characters"
    assert Record(tmp_path / "log", NOW, "x" * 4096).purpose
