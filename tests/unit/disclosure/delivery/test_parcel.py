"""Parcels: what comes out is what the sender signed for this receiver, or nothing does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.attest import Statement, open_envelope, sign_statement
from steelyard.attest.recipients import generate_identity
from steelyard.disclosure.delivery import (
    Parcel,
    Receiver,
    SignedParcel,
    encrypt_parcel,
    open_parcel,
    pack,
    sign_parcel,
    unpack,
)
from steelyard.disclosure.delivery.framing import join_parts, pad, split_parts
from steelyard.disclosure.delivery.parcel import receiver_key_id
from steelyard.kernel import JsonObject
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    ConfigurationError,
    MalformedEvidence,
    NotSatisfied,
)
from steelyard.standard import check_schema

from .parties import ALICE, BOB, CAROL, DAVE, MADE, Party, keys, parcel

MAGIC = b"steelyard/disclosure-parcel/1\n"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def packed(sent: Parcel, sender: Party = ALICE, receiver: Party = BOB) -> bytes:
    return pack(sent, sender.key, receiver.hybrid.recipient)


def forged(content: bytes, receiver: Party = BOB) -> bytes:
    """Any content, encrypted as everybody can who knows the receiver's key."""
    key_id = receiver.hybrid.recipient.key_id
    info = f"steelyard/disclosure-parcel/1\0{receiver.organization}\0{key_id}".encode()
    sealed = receiver.hybrid.recipient.encrypt(pad(content, least=4096), info)
    return MAGIC + bytes.fromhex(key_id) + sealed


def framed(envelope: bytes, *attachments: bytes, sender: Party = ALICE) -> bytes:
    number = bytes.fromhex(sender.organization.removeprefix("org:"))
    return join_parts((number, envelope, *attachments))


def resigned(sent: Parcel, changes: JsonObject) -> bytes:
    """The envelope of a parcel with other fields in its predicate."""
    envelope = sign_parcel(sent, ALICE.key).envelope
    statement = open_envelope(envelope, keys(ALICE.organization))
    return sign_statement(replace(statement, predicate=statement.predicate | changes), ALICE.key)


@settings(max_examples=40)
@given(
    st.dictionaries(st.text(max_size=8), VALUES, max_size=4),
    st.lists(st.binary(max_size=5000), max_size=3),
    st.none() | st.from_regex(r"[ -~]{1,40}", fullmatch=True),
)
def test_what_is_packed_comes_out(
    body: JsonObject, attachments: list[bytes], case: str | None
) -> None:
    sent = parcel(body=body, attachments=tuple(attachments), case=case)
    assert unpack(packed(sent), BOB.receiver, keys) == sent


def test_the_format_is_as_the_specification_says_it() -> None:
    sent = parcel(attachments=(b"sealed",))
    data = packed(sent)
    key_id = BOB.hybrid.recipient.key_id
    assert data[: len(MAGIC) + 32] == MAGIC + bytes.fromhex(key_id)
    info = f"steelyard/disclosure-parcel/1\0{BOB.organization}\0{key_id}".encode()
    plain = BOB.hybrid.decrypt(data[len(MAGIC) + 32 :], info)
    assert len(plain) == 4096
    end = 4 + int.from_bytes(plain[:4], "big")
    assert not any(plain[end:])
    sender, envelope, attachment = split_parts(plain[4:end], most=3, where="")
    assert (sender, attachment) == (bytes([1]) * 32, b"sealed")
    statement = open_envelope(envelope, keys(ALICE.organization))
    check_schema(statement.predicate, "disclosure-parcel", where="")
    assert statement.predicate_type == "urn:steelyard:predicate:disclosure-parcel:1"
    assert [(subject.name, subject.sha256) for subject in statement.subjects] == [
        ("receiver", BOB.organization[4:]),
        ("attachment-0", hashlib.sha256(b"sealed").hexdigest()),
    ]


def test_the_id_is_that_of_the_envelope_and_the_same_for_every_delivery() -> None:
    signed = sign_parcel(parcel(), ALICE.key)
    deliveries = {encrypt_parcel(signed, BOB.hybrid.recipient) for _ in range(2)}
    assert len(deliveries) == 2
    opened = {open_parcel(data, BOB.receiver, keys).parcel_id for data in deliveries}
    assert opened == {signed.parcel_id} == {hashlib.sha256(signed.envelope).hexdigest()}
    assert sign_parcel(parcel(), ALICE.key).parcel_id == signed.parcel_id
    later = parcel(made=MADE + timedelta(seconds=1))
    assert sign_parcel(later, ALICE.key).parcel_id != signed.parcel_id
    assert signed.key_id == ALICE.key.public_key.key_id


def test_only_the_key_of_the_receiver_is_readable_from_outside() -> None:
    sent = parcel(body={"secret": "MARKER"})
    data = packed(sent)
    assert receiver_key_id(data) == BOB.hybrid.recipient.key_id
    for hidden in (b"MARKER", b"event", b"case-7", bytes([1]) * 32, bytes([2]) * 32):
        assert hidden not in data


def test_length_tells_little() -> None:
    lengths = {len(packed(parcel(body={"text": "x" * count}))) for count in range(0, 1800, 100)}
    assert len(lengths) == 1
    longer = {len(packed(parcel(body={"text": "x" * count}))) for count in range(9000, 12000, 100)}
    assert len(longer) < 10


@settings(max_examples=60)
@given(st.data())
def test_any_bit_that_flips_is_refused(data: st.DataObject) -> None:
    good = packed(parcel())
    at = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[at // 8] ^= 1 << at % 8
    with pytest.raises((CannotVerify, NotSatisfied)):
        unpack(bytes(bad), BOB.receiver, keys)


def test_what_is_cut_added_or_something_else_is_refused() -> None:
    good = packed(parcel())
    for bad in (good[:-1], good + b"\0", good + good, good[:40], MAGIC, b""):
        with pytest.raises(CannotVerify):
            unpack(bad, BOB.receiver, keys)
    with pytest.raises(MalformedEvidence, match="16,777,217 bytes, and at most 16,777,216 are"):
        unpack(bytes((16 << 20) + 1), BOB.receiver, keys)


def test_a_parcel_for_another_key_is_not_ours() -> None:
    with pytest.raises(NotSatisfied) as caught:
        unpack(packed(parcel()), CAROL.receiver, keys)
    assert caught.value.hint == "ask the sender which key it was given"


def test_every_key_that_the_receiver_has_had_opens() -> None:
    receiver = Receiver.of(BOB.organization, (generate_identity(hybrid=True), BOB.hybrid))
    assert unpack(packed(parcel()), receiver, keys) == parcel()


def test_a_key_that_two_organizations_share_opens_for_the_one_that_is_named() -> None:
    sharing = Receiver.of(CAROL.organization, (BOB.hybrid,))
    with pytest.raises(BrokenSeal, match=r"not encrypted to key .* for this purpose"):
        unpack(packed(parcel()), sharing, keys)


def test_what_was_sent_to_one_cannot_be_passed_on_as_if_sent_to_another() -> None:
    envelope = sign_parcel(parcel(receiver=CAROL), ALICE.key).envelope
    with pytest.raises(BrokenSeal) as caught:
        unpack(forged(framed(envelope)), BOB.receiver, keys)
    assert caught.value.message.startswith("made for org:0303")
    assert caught.value.hint == "somebody passed on what was sent to it alone"


def test_a_sender_must_sign_with_its_own_key() -> None:
    strange = encrypt_parcel(sign_parcel(parcel(), DAVE.key), BOB.hybrid.recipient)
    with pytest.raises(BrokenSeal, match="is not among the keys given"):
        unpack(strange, BOB.receiver, keys)


def test_nobody_speaks_for_another_by_naming_it_outside_the_signature() -> None:
    envelope = sign_parcel(parcel(sender=CAROL), CAROL.key).envelope
    with pytest.raises(BrokenSeal, match="is not among the keys given"):
        unpack(forged(framed(envelope, sender=ALICE)), BOB.receiver, keys)
    claiming = sign_parcel(parcel(sender=CAROL), ALICE.key).envelope
    with pytest.raises(BrokenSeal, match=r"signed as org:0303.*, delivered as from org:0101"):
        unpack(forged(framed(claiming, sender=ALICE)), BOB.receiver, keys)


def test_a_stranger_has_no_keys() -> None:
    stranger = replace(ALICE, organization="org:" + "f" * 64)
    with pytest.raises(BrokenSeal, match="is not among the keys given"):
        unpack(packed(parcel(sender=stranger)), BOB.receiver, keys)


def test_another_statement_of_the_sender_is_no_parcel() -> None:
    statement = open_envelope(sign_parcel(parcel(), ALICE.key).envelope, keys(ALICE.organization))
    other = replace(statement, predicate_type="urn:steelyard:predicate:disclosure-event:1")
    with pytest.raises(BrokenSeal, match=r"is of type .*disclosure-event:1', not of a parcel"):
        unpack(forged(framed(sign_statement(other, ALICE.key))), BOB.receiver, keys)


def test_the_kind_cannot_be_exchanged() -> None:
    envelope = json.loads(sign_parcel(parcel(kind="event"), ALICE.key).envelope)
    other = json.loads(sign_parcel(parcel(kind="report"), ALICE.key).envelope)
    envelope["payload"] = other["payload"]
    text = json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(BrokenSeal, match="the signature does not verify"):
        unpack(forged(framed(text)), BOB.receiver, keys)


def test_a_second_spelling_of_an_envelope_would_be_a_second_id() -> None:
    envelope = sign_parcel(parcel(), ALICE.key).envelope
    spelled = [envelope + b" ", envelope.replace(b'","', b'", "'), b" " + envelope]
    reordered = json.dumps(dict(reversed(json.loads(envelope).items())), separators=(",", ":"))
    for other in (*spelled, reordered.encode()):
        assert json.loads(other) == json.loads(envelope)
        with pytest.raises(MalformedEvidence, match="no envelope in canonical JSON"):
            unpack(forged(framed(other)), BOB.receiver, keys)


@pytest.mark.parametrize(
    "attachments", [(), (b"one",), (b"two", b"one"), (b"one", b"two", b"three"), (b"one", b"2")]
)
def test_attachments_are_those_that_were_signed(attachments: tuple[bytes, ...]) -> None:
    envelope = sign_parcel(parcel(attachments=(b"one", b"two")), ALICE.key).envelope
    with pytest.raises(BrokenSeal, match="receiver or attachments are others than were signed"):
        unpack(forged(framed(envelope, *attachments)), BOB.receiver, keys)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sender": "alice"}, "'alice' is no organization"),
        ({"kind": "Event"}, "'Event' is no identifier"),
        ({"case": ""}, "'' is no printable label"),
        ({"case": 7}, "a parcel has sender, receiver, kind, case, body and made"),
        ({"body": []}, "a parcel has sender, receiver, kind, case, body and made"),
        ({"extra": 1}, "a parcel has sender, receiver, kind, case, body and made"),
        ({"made": "2026-05-04T12:00:00+00:00"}, "'2026-05-04T12:00:00+00:00' is another spelling"),
        ({"made": "soon"}, "'soon' is no date"),
    ],
)
def test_fields_are_those_of_the_format(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        unpack(forged(framed(resigned(parcel(), changes))), BOB.receiver, keys)
    assert caught.value.message.startswith(message)


def test_content_without_a_sender_is_no_parcel() -> None:
    envelope = sign_parcel(parcel(), ALICE.key).envelope
    for content in (b"", join_parts((b"x", envelope)), join_parts((bytes(32),))):
        with pytest.raises(MalformedEvidence, match="a parcel holds a sender, an envelope and"):
            unpack(forged(content), BOB.receiver, keys)


def test_no_more_than_an_envelope_is_ever_parsed() -> None:
    for envelope in (b"[" * 2000, b'{"payload":' + b"[" * 2000, bytes((1 << 20) + 1)):
        with pytest.raises(MalformedEvidence, match="no envelope in canonical JSON of at most"):
            unpack(forged(framed(envelope)), BOB.receiver, keys)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "Event"}, "'Event' is no identifier (a-z, 0-9, '_', '-', '.')"),
        ({"case": "a\nb"}, "'a\\nb' is no printable label of 1 to 512 characters"),
        ({"body": {"text": "x" * (1 << 20)}}, "envelope of 1,398,"),
        ({"attachments": (b"",) * 65}, "65 attachments, at most 64 are sent"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is_signed(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sign_parcel(parcel(**changes), ALICE.key)
    assert caught.value.message.startswith(message)


def test_a_body_without_canonical_json_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="value has no canonical JSON form"):
        sign_parcel(parcel(body={"large": 2**53}), ALICE.key)


def test_a_parcel_over_the_limit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="and at most 16,777,216 are sent") as caught:
        packed(parcel(attachments=(bytes(16 << 20),)))
    assert caught.value.hint == "send large material as attachments, in several parcels"


def test_the_longest_sealed_object_fits() -> None:
    sent = parcel(attachments=(bytes(13 << 20),))
    assert unpack(packed(sent), BOB.receiver, keys) == sent


def test_a_classic_key_is_used_only_where_the_caller_says_so() -> None:
    with pytest.raises(NotSatisfied, match="is X25519 alone"):
        pack(parcel(), ALICE.key, BOB.classic.recipient)
    data = pack(parcel(), ALICE.key, BOB.classic.recipient, allow_classic=True)
    assert unpack(data, BOB.receiver, keys) == parcel()


def test_the_envelope_alone_proves_who_said_it() -> None:
    opened = open_parcel(packed(parcel()), BOB.receiver, keys)
    assert isinstance(opened, SignedParcel)
    statement = open_envelope(opened.envelope, keys(ALICE.organization))
    assert isinstance(statement, Statement)
    assert statement.predicate["body"] == {"name": "EP", "note": "ninety days"}
