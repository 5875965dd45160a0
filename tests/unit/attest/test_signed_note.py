"""Signed notes: the bytes of others verify, and one changed character is refused."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.attest import PrivateKey, PublicKey, generate_key
from steelyard.attest.signed_note import (
    Checkpoint,
    Note,
    cosign_note,
    read_checkpoint,
    read_note,
    sign_note,
    signed_part,
    verify_cosignature,
    verify_signature,
)
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

# The example of golang.org/x/mod/sumdb/note: a key pair, a text, its signature.
PUBLIC = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PRIVATE = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
)
EXAMPLE = f"{TEXT}\n{LINE}".encode()
# A witness's key as its operator publishes it: name, key id, and 0x04 with the key.
WITNESS = ("remora.n621.de", "da77ade7", "BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2")
KEY, OTHER = PrivateKey.from_seed(b"\x01" * 32), PrivateKey.from_seed(b"\x02" * 32)
KEYS = {"own": KEY.public_key}
BODY = Checkpoint("log.example/1", 7, b"\x05" * 32).to_text()


def test_the_example_of_go_verifies_and_is_what_its_key_signs() -> None:
    note = read_note(EXAMPLE)
    key = PublicKey(PUBLIC[1:])
    assert verify_signature(note, "PeterNeumann", {"any": key}) == key
    assert note.signatures[0][1][:4].hex() == "c74f20a3"
    assert sign_note(TEXT, "PeterNeumann", PrivateKey.from_seed(PRIVATE[1:])).to_bytes() == EXAMPLE


def test_the_example_of_go_with_one_letter_changed_is_refused() -> None:
    note = read_note(EXAMPLE.replace(b"answer", b"Answer"))
    with pytest.raises(BrokenSeal) as refused:
        verify_signature(note, "PeterNeumann", {"any": PublicKey(PUBLIC[1:])})
    assert refused.value.message.startswith("the signature does not verify with key ")


def test_the_key_id_of_a_cosignature_is_that_of_a_published_witness() -> None:
    name, mark, key = WITNESS
    raw = base64.b64decode(key)[1:]
    signed = cosign_note(sign_note(BODY, "log", KEY), name, KEY, at=5)
    own = hashlib.sha256(f"{name}\n".encode() + b"\x04" + KEY.public_key.raw).digest()[:4]
    assert signed.signatures[1][1][:4] == own
    assert hashlib.sha256(f"{name}\n".encode() + b"\x04" + raw).hexdigest()[:8] == mark


def test_a_cosignature_is_time_and_signature_over_header_time_and_text() -> None:
    note = cosign_note(sign_note(BODY, "log", KEY), "witness", OTHER, at=1_700_000_000)
    data = note.signatures[1][1]
    assert len(data) == 4 + 8 + 64
    assert data[4:12] == (1_700_000_000).to_bytes(8, "big")
    message = f"cosignature/v1\ntime 1700000000\nlog.example/1\n7\n{'BQUF' * 10}BQU=\n"
    OTHER.public_key.verify(data[12:], message.encode())
    assert verify_cosignature(note, "witness", {"w": OTHER.public_key}) == 1_700_000_000


def test_a_signature_is_no_cosignature_nor_the_other_way() -> None:
    signed = sign_note(BODY, "log", KEY)
    with pytest.raises(BrokenSeal, match=r"^note: not cosigned by log with a key of its own$"):
        verify_cosignature(signed, "log", KEYS)
    cosigned = Note(BODY, cosign_note(signed, "log", KEY, at=1).signatures[1:])
    with pytest.raises(BrokenSeal, match=r"^note: not signed by log with a key of its own$"):
        verify_signature(cosigned, "log", KEYS)


def test_the_time_of_a_cosignature_cannot_be_changed() -> None:
    note = cosign_note(sign_note(BODY, "log", KEY), "log", KEY, at=100)
    name, data = note.signatures[1]
    later = Note(
        BODY, (note.signatures[0], (name, data[:4] + (101).to_bytes(8, "big") + data[12:]))
    )
    with pytest.raises(BrokenSeal):
        verify_cosignature(later, "log", KEYS)
    cut = Note(BODY, (note.signatures[0], (name, data[:7])))
    with pytest.raises(BrokenSeal):
        verify_cosignature(cut, "log", KEYS)


def test_a_known_key_s_bad_line_spoils_the_note_wherever_it_stands() -> None:
    good = cosign_note(sign_note(BODY, "log", KEY), "log", KEY, at=100)
    for index, check in ((0, verify_signature), (1, verify_cosignature)):
        name, data = good.signatures[index]
        bad = (name, data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BrokenSeal):
            check(Note(BODY, (*good.signatures, bad)), "log", KEYS)


def test_lines_of_unknown_keys_and_kinds_are_passed_over() -> None:
    note = sign_note(BODY, "log", KEY)
    others = (("log", b"\x00" * 68), ("other", note.signatures[0][1]), ("pq", b"\x01" * 5000))
    read = read_note(Note(BODY, (*others, *note.signatures)).to_bytes())
    assert verify_signature(read, "log", KEYS) == KEY.public_key
    assert read.signatures[:3] == others
    with pytest.raises(BrokenSeal, match="not signed by log"):
        verify_signature(Note(BODY, others), "log", KEYS)


def test_notes_of_one_text_are_joined_and_no_line_stands_twice() -> None:
    first = sign_note(BODY, "log", KEY)
    second = cosign_note(first, "witness", OTHER, at=3)
    assert first.joined(second) == second
    assert second.joined(first) == second
    with pytest.raises(BrokenSeal, match=r"^the notes say different things$"):
        first.joined(sign_note("x\n", "log", KEY))


def test_no_line_is_joined_that_a_note_has_no_room_for() -> None:
    """Or who adds a line of its own would write what nobody reads."""
    lines = tuple((f"w{number}", b"\x00" * 68) for number in range(300))
    full = Note(BODY, lines)
    assert full.joined(Note(BODY, lines[:7])) == full
    with pytest.raises(MalformedEvidence, match="a note has at most 300 signatures"):
        cosign_note(full, "log", KEY, at=1)
    large = Note(BODY, tuple(("pq", bytes([number]) * 6000) for number in range(8)))
    assert len(read_note(large.to_bytes()).signatures) == 8
    with pytest.raises(MalformedEvidence, match="a note has at most 65536 bytes"):
        large.joined(Note(BODY, (("pq", b"\x09" * 6000),)))


def test_every_line_of_every_known_key_must_verify() -> None:
    keys = {"first": KEY.public_key, "second": OTHER.public_key}
    signed = sign_note(BODY, "log", KEY).joined(sign_note(BODY, "log", OTHER))
    cosigned = cosign_note(cosign_note(signed, "log", KEY, at=9), "log", OTHER, at=5)
    assert verify_signature(cosigned, "log", keys) == KEY.public_key
    for place, check in ((1, verify_signature), (3, verify_cosignature)):
        lines = list(cosigned.signatures)
        lines[place] = ("log", lines[place][1][:-1] + bytes([lines[place][1][-1] ^ 1]))
        with pytest.raises(BrokenSeal, match="the signature does not verify with key"):
            check(Note(BODY, tuple(lines)), "log", keys)
        check(Note(BODY, tuple(lines)), "log", KEYS)


@pytest.mark.parametrize("times", [(7, 3, 5), (3, 5, 7), (300, 2, 256)])
def test_of_several_cosignatures_the_earliest_counts_in_whatever_order(
    times: tuple[int, ...],
) -> None:
    """A signer that dates a note anew takes nothing back of what it signed before."""
    note = sign_note(BODY, "log", KEY)
    for at in times:
        note = cosign_note(note, "log", KEY, at=at)
    assert verify_cosignature(note, "log", KEYS) == min(times)
    part = signed_part(note, "log", KEYS)
    assert part == cosign_note(sign_note(BODY, "log", KEY), "log", KEY, at=min(times))


def test_the_signed_part_of_a_note_is_of_one_name_and_its_keys() -> None:
    own = cosign_note(sign_note(BODY, "log", KEY), "log", OTHER, at=3)
    crowd = sign_note(BODY, "other", KEY).joined(cosign_note(own, "log", KEY, at=4))
    keys = {"first": KEY.public_key, "second": OTHER.public_key}
    assert signed_part(crowd, "log", {"second": OTHER.public_key}).signatures == (
        own.signatures[1],
    )
    assert signed_part(crowd, "log", keys).signatures == crowd.signatures[1:]
    assert signed_part(crowd, "nobody", keys).signatures == ()


def test_two_keys_that_one_hash_names_both_sign() -> None:
    """A line names its key by four bytes, which somebody can make two keys share."""
    first, second = (PrivateKey.from_seed(seed.to_bytes(32, "big")) for seed in (16018, 63453))
    notes = [sign_note(BODY, "log", key) for key in (first, second)]
    marks = {note.signatures[0][1][:4] for note in notes}
    assert len(marks) == 1
    keys = {"first": first.public_key, "second": second.public_key}
    assert verify_signature(notes[0], "log", keys) == first.public_key
    assert verify_signature(notes[1], "log", keys) == second.public_key
    line = notes[0].signatures[0][1]
    bad = Note(BODY, (("log", line[:-1] + bytes([line[-1] ^ 1])),))
    with pytest.raises(BrokenSeal):
        verify_signature(bad, "log", keys)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a note ends in signature lines"),
        (TEXT.encode(), "a note ends in signature lines"),
        (EXAMPLE[:-1], "a note ends in signature lines"),
        (f"{TEXT}\n\n".encode(), "a note ends in signature lines"),
        (EXAMPLE + b"x\n", "a signature line is malformed"),
        (EXAMPLE.replace(b" Peter", b" Peter "), "a signature line is malformed"),
        (EXAMPLE.replace(b"PeterNeumann", b"Peter+Neumann"), "a signature line is malformed"),
        (EXAMPLE.replace(b"PeterNeumann", b"Peter\x07Neumann"), "a signature line is malformed"),
        (
            EXAMPLE.replace(b"PeterNeumann", "Peter\u2003N".encode()),
            "a signature line is malformed",
        ),
        (EXAMPLE.replace("\u2014".encode(), b"-"), "a signature line is malformed"),
        (EXAMPLE.replace(b"nAM=", b"nAN="), "a signature is not in canonical base64"),
        (f"{TEXT}\n\u2014 x AAAA\n".encode(), "a signature line is too short"),
        (f"{TEXT}\n\u2014 x AAAAA\n".encode(), "a signature is not base64"),
        (EXAMPLE + LINE.encode(), "a signature line stands twice"),
        (EXAMPLE.replace(b"answer", b"an\rswer"), "lines without control characters"),
        (EXAMPLE.replace(b"answer", b"an\xffswer"), "a note is UTF-8"),
        (b"a" * 65537, "a note has at most 65536 bytes"),
    ],
)
def test_what_is_no_note_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(MalformedEvidence) as refused:
        read_note(data)
    assert message in refused.value.message


def test_more_than_three_hundred_lines_are_refused() -> None:
    lines = tuple((f"w{number}", b"\x00" * 68) for number in range(301))
    assert len(read_note(Note(BODY, lines[:300]).to_bytes()).signatures) == 300
    with pytest.raises(MalformedEvidence):
        read_note(Note(BODY, lines).to_bytes())


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\x01", "a" * 201])
def test_nobody_signs_in_a_name_that_no_note_can_hold(name: str) -> None:
    message = f"note: {name[:60]!r} cannot be the name of a signer"
    with pytest.raises(MalformedEvidence) as refused:
        sign_note(BODY, name, KEY)
    assert str(refused.value) == message
    with pytest.raises(MalformedEvidence) as refused:
        cosign_note(sign_note(BODY, "log", KEY), name, KEY, at=1)
    assert str(refused.value) == message


@pytest.mark.parametrize("text", ["", "no break", "a\x00b\n", "a\tb\n"])
def test_a_text_that_is_no_note_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedEvidence):
        sign_note(text, "log", KEY)


@given(
    lines=st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=8), max_size=5),
    times=st.lists(st.integers(0, 2**63 - 1), max_size=3, unique=True),
)
def test_what_is_signed_is_read_and_verified(lines: list[str], times: list[int]) -> None:
    text = "".join(f"{line}\n" for line in ["x", *lines, "y"])
    note = sign_note(text, "log", KEY)
    for at in times:
        note = cosign_note(note, f"w{at}", OTHER, at=at)
    read = read_note(note.to_bytes())
    assert read == note
    assert verify_signature(read, "log", KEYS) == KEY.public_key
    for at in times:
        assert verify_cosignature(read, f"w{at}", {"": OTHER.public_key}) == at


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("log.example/1\n07\nBQUF\n", "a checkpoint has an origin, a size and a root"),
        ("log.example/1\n-1\nBQUF\n", "a checkpoint has an origin, a size and a root"),
        (f"log.example/1\n{10**15}\nBQUF\n", "a checkpoint has an origin, a size and a root"),
        ("log.example/1\n7\n", "a checkpoint has an origin, a size and a root"),
        (BODY + "extension\n", "a checkpoint has an origin, a size and a root"),
        ("log.example/1\n7\nBQUF\n", "the root has not 32 bytes"),
        ("log.example/1\n7\n!\n", "the root is not base64"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str, message: str) -> None:
    with pytest.raises(MalformedEvidence) as refused:
        read_checkpoint(sign_note(text, "log", KEY), "log.example/1")
    assert refused.value.message == message


def test_a_checkpoint_is_of_its_own_log() -> None:
    note = sign_note(BODY, "log", generate_key())
    assert read_checkpoint(note, "log.example/1") == Checkpoint("log.example/1", 7, b"\x05" * 32)
    with pytest.raises(BrokenSeal) as refused:
        read_checkpoint(note, "log.example/2")
    assert refused.value.message == "the checkpoint is of log.example/1, not of log.example/2"
