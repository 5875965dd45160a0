"""Sealed objects: who can open, what everybody notices, and what spec and code agree on."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.delivery import (
    object_id,
    open_object,
    recipients_of,
    seal_object,
)
from steelyard.disclosure.delivery.framing import join_parts, pad, split_parts
from steelyard.disclosure.delivery.object_header import (
    Container,
    Core,
    list_tag,
    read_container,
    wrap_key,
)
from steelyard.disclosure.delivery.sealed_object import (
    PLAINTEXT_LIMIT_BYTES,
    check_revealed,
    commit_content,
)
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    ConfigurationError,
    MalformedEvidence,
    NotSatisfied,
)
from steelyard.standard import check_schema

from .parties import ALICE, BOB, CAROL, Party, counting

MAGIC = b"steelyard/disclosure-object/1\n"


def sealed(
    *parties: Party, plaintext: bytes = b"the flaw", media_type: str = "text/plain"
) -> bytes:
    recipients = {one.organization: one.hybrid.recipient for one in parties}
    return seal_object(plaintext, media_type=media_type, recipients=recipients, random=os.urandom)


def parts_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    header, body = split_parts(data.removeprefix(MAGIC), most=2, where="")
    return json.loads(header), body


def rebuilt(header: dict[str, Any], body: bytes) -> bytes:
    return MAGIC + join_parts((canonical_json(header), body))


@settings(max_examples=30)
@given(st.binary(max_size=3000), st.sampled_from(["text/plain", "application/json"]))
def test_every_recipient_opens_what_was_sealed(plaintext: bytes, media_type: str) -> None:
    data = sealed(ALICE, BOB, plaintext=plaintext, media_type=media_type)
    for party in (ALICE, BOB):
        opened = open_object(data, party.organization, party.hybrid)
        assert (opened.media_type, opened.plaintext) == (media_type, plaintext)
        assert opened.object_id == object_id(data)
        assert opened.recipients == recipients_of(data)


def test_the_format_is_as_the_specification_says_it() -> None:
    data = sealed(ALICE, plaintext=b"hello")
    header, body = parts_of(data)
    check_schema(header, "disclosure-object", where="")
    number = hashlib.sha256(canonical_json(header["core"])).hexdigest()
    assert number == object_id(data)
    entry = header["recipients"][0]
    container = read_container(data)
    info = f"steelyard/disclosure-object/1 data key\0{number}\0{ALICE.organization}".encode()
    data_key = ALICE.hybrid.decrypt(container.wraps[0].wrapped, info)

    def derived(use: str) -> bytes:
        label = f"steelyard/disclosure-object/1 {use}".encode()
        return hmac.digest(data_key, len(label).to_bytes(4, "big") + label, "sha256")

    tagged = bytes.fromhex(number) + canonical_json([entry])
    assert header["tag"] == hmac.digest(derived("recipients"), tagged, "sha256").hex()
    commitment = bytes.fromhex(header["core"]["commitment"])
    plain = AESGCM(derived("body")).decrypt(
        bytes(12), body, b"steelyard/disclosure-object/1 body\0" + commitment
    )
    assert len(plain) == 1024
    salt, media_type, content = split_parts(
        plain[4 : 4 + int.from_bytes(plain[:4], "big")], most=3, where=""
    )
    assert (media_type, content) == (b"text/plain", b"hello")
    domain = b"steelyard/disclosure-object/1 content\0"
    framed = domain + salt + len(media_type).to_bytes(4, "big") + media_type + content
    assert hashlib.sha256(framed).digest() == commitment


def test_randomness_is_an_argument_and_nothing_else_is_in_the_id() -> None:
    recipients = {ALICE.organization: ALICE.hybrid.recipient}
    made = [
        seal_object(b"x", media_type="text/plain", recipients=recipients, random=counting)
        for _ in range(2)
    ]
    assert made[0] != made[1]
    assert object_id(made[0]) == object_id(made[1])
    assert object_id(made[0]) != object_id(sealed(ALICE, plaintext=b"x"))


def test_length_tells_little_and_the_printed_form_nothing() -> None:
    lengths = {len(sealed(ALICE, plaintext=b"x" * count)) for count in range(0, 900, 50)}
    assert len(lengths) == 1
    shown = repr(open_object(sealed(ALICE), ALICE.organization, ALICE.hybrid))
    assert "the flaw" not in shown
    assert "salt" not in shown


@settings(max_examples=60)
@given(st.data())
def test_any_bit_that_flips_is_refused(data: st.DataObject) -> None:
    good = sealed(ALICE, BOB)
    at = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[at // 8] ^= 1 << at % 8
    with pytest.raises((CannotVerify, NotSatisfied)):
        open_object(bytes(bad), ALICE.organization, ALICE.hybrid)


def test_any_byte_that_is_cut_or_added_is_refused() -> None:
    good = sealed(ALICE)
    for bad in (good[:-1], good + b"\0", good[1:], b"", good + good):
        with pytest.raises(CannotVerify):
            open_object(bad, ALICE.organization, ALICE.hybrid)


def test_only_the_organization_that_was_named_opens_with_the_key_that_was_named() -> None:
    data = sealed(ALICE, BOB)
    with pytest.raises(NotSatisfied) as caught:
        open_object(data, CAROL.organization, CAROL.hybrid)
    assert caught.value.message.startswith("not sealed to key ")
    assert caught.value.hint.startswith("recipients: org:0101")
    for organization, identity in (
        (BOB.organization, ALICE.hybrid),
        (ALICE.organization, ALICE.classic),
    ):
        with pytest.raises(NotSatisfied):
            open_object(data, organization, identity)


def dropped(header: dict[str, Any]) -> None:
    del header["recipients"][1]


def added(header: dict[str, Any]) -> None:
    entry = header["recipients"][1] | {"organization": CAROL.organization}
    header["recipients"].append(entry)


def swapped(header: dict[str, Any]) -> None:
    header["recipients"][1]["id"] = CAROL.hybrid.recipient.key_id


def rewrapped(header: dict[str, Any]) -> None:
    other, _ = parts_of(sealed(ALICE, BOB))
    header["recipients"][1]["wrapped"] = other["recipients"][1]["wrapped"]


@pytest.mark.parametrize("change", [dropped, added, swapped, rewrapped])
def test_a_recipient_notices_what_happened_to_another_one(
    change: Callable[[dict[str, Any]], None],
) -> None:
    header, body = parts_of(sealed(ALICE, BOB))
    change(header)
    with pytest.raises(BrokenSeal) as caught:
        open_object(rebuilt(header, body), ALICE.organization, ALICE.hybrid)
    wanted = "the list of recipients was changed by somebody without the data key"
    assert caught.value.message == wanted
    assert caught.value.hint.startswith("ask another recipient for object ")


def test_the_entries_of_another_object_do_not_fit() -> None:
    header, _ = parts_of(sealed(ALICE, plaintext=b"one"))
    other, body = parts_of(sealed(ALICE, plaintext=b"two"))
    header["core"] = other["core"]
    with pytest.raises(BrokenSeal, match="not encrypted to key"):
        open_object(rebuilt(header, body), ALICE.organization, ALICE.hybrid)


def test_content_other_than_was_committed_to_is_refused() -> None:
    """AES-GCM alone lets a sealer make one body that two keys open to different content."""
    data_key, promised = bytes(32), commit_content(bytes(32), "text/plain", b"promised")
    content = pad(join_parts((bytes(32), b"text/plain", b"delivered")), least=1024)
    label = b"steelyard/disclosure-object/1 body"
    key = hmac.digest(data_key, len(label).to_bytes(4, "big") + label, "sha256")
    body = AESGCM(key).encrypt(bytes(12), content, label + b"\0" + bytes.fromhex(promised))
    core = Core(promised, hashlib.sha256(body).hexdigest())
    wraps = (wrap_key(data_key, core.object_id, BOB.organization, BOB.hybrid.recipient),)
    tag = list_tag(data_key, core.object_id, wraps)
    data = Container(core, core.object_id, wraps, tag, body).to_bytes()
    with pytest.raises(BrokenSeal, match=f"the content does not open commitment {promised[:16]}"):
        open_object(data, BOB.organization, BOB.hybrid)


def test_a_classic_key_is_taken_only_where_the_caller_says_so() -> None:
    classic = {ALICE.organization: ALICE.classic.recipient}
    with pytest.raises(NotSatisfied, match="is X25519 alone, and what is sent must last"):
        seal_object(b"x", media_type="text/plain", recipients=classic, random=os.urandom)
    data = seal_object(
        b"x", media_type="text/plain", recipients=classic, random=os.urandom, allow_classic=True
    )
    assert open_object(data, ALICE.organization, ALICE.classic).plaintext == b"x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plaintext": bytes(PLAINTEXT_LIMIT_BYTES + 1)}, "12,582,913 bytes, and at most"),
        ({"media_type": "Text/Plain"}, "'Text/Plain' is no media type"),
        ({"media_type": "text/plain; charset=utf-8"}, "'text/plain; charset=utf-8' is no"),
        ({"recipients": {}}, "0 recipients: need 1 to 512"),
        ({"recipients": {"bob": BOB.hybrid.recipient}}, "'bob' is no organization"),
    ],
)
def test_what_cannot_be_sealed_is_refused(change: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {
        "plaintext": b"x",
        "media_type": "text/plain",
        "recipients": {ALICE.organization: ALICE.hybrid.recipient},
        "random": os.urandom,
    }
    fields |= change
    plaintext = fields.pop("plaintext")
    with pytest.raises(ConfigurationError) as caught:
        seal_object(plaintext, **fields)
    assert caught.value.message.startswith(message)


def test_the_longest_content_is_sealed_and_fits_a_parcel() -> None:
    content = bytes(PLAINTEXT_LIMIT_BYTES)
    data = sealed(ALICE, plaintext=content)
    assert len(data) < 13 << 20
    assert open_object(data, ALICE.organization, ALICE.hybrid).plaintext == content


def test_revealed_content_is_held_against_the_commitment() -> None:
    opened = open_object(sealed(ALICE), ALICE.organization, ALICE.hybrid)
    revealed = (opened.salt, opened.media_type, opened.plaintext)
    assert check_revealed(opened.commitment, *revealed) == b"the flaw"
    for other in (
        (bytes(32), opened.media_type, opened.plaintext),
        (opened.salt, "text/markdown", opened.plaintext),
        (opened.salt, opened.media_type, b"another flaw"),
    ):
        with pytest.raises(BrokenSeal) as caught:
            check_revealed(opened.commitment, *other)
        assert caught.value.hint == "ask its author for the content as sealed"


def test_a_header_over_its_limit_is_not_parsed() -> None:
    data = MAGIC + join_parts((b'{"core":' + b"[" * (1 << 20), b""))
    with pytest.raises(MalformedEvidence, match="need a header of at most 1,048,576 bytes"):
        object_id(data)
