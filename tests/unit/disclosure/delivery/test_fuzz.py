"""Foreign bytes, damaged in every way we could think of, are refused by our own errors alone."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest
from tests.unit.disclosure.abuse.hostile import damaged

from steelyard.disclosure.delivery import (
    object_id,
    open_object,
    open_parcel,
    pack,
    read_bundle,
    recipients_of,
    seal_object,
    sign_parcel,
    trace,
    write_bundle,
)
from steelyard.disclosure.delivery.framing import join_parts, pad
from steelyard.kernel.errors import SteelyardError

from .parties import ALICE, BOB, keys, parcel

# Set it higher to look longer: every parser gets so many seconds.
SECONDS = float(os.environ.get("STEELYARD_FUZZ_SECONDS", "0.7"))
RECIPIENTS = {one.organization: one.hybrid.recipient for one in (ALICE, BOB)}
OBJECT = seal_object(b"x", media_type="text/plain", recipients=RECIPIENTS, random=os.urandom)
PARCEL = pack(parcel(), ALICE.key, BOB.hybrid.recipient)
INSIDE = join_parts(
    (bytes([1]) * 32, sign_parcel(parcel(attachments=(b"a",)), ALICE.key).envelope, b"a")
)
HEAD = b"steelyard/disclosure-parcel/1\n" + bytes.fromhex(BOB.hybrid.recipient.key_id)
INFO = f"steelyard/disclosure-parcel/1\0{BOB.organization}\0{HEAD[-32:].hex()}".encode()


def open_inside(content: bytes) -> object:
    """What somebody sends who can encrypt to us, and does not follow the format."""
    sealed = BOB.hybrid.recipient.encrypt(pad(content, least=4096), INFO)
    return open_parcel(HEAD + sealed, BOB.receiver, keys)


PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "object": (lambda data: open_object(data, BOB.organization, BOB.hybrid), OBJECT),
    "object id": (object_id, OBJECT),
    "recipients": (recipients_of, OBJECT),
    "parcel": (lambda data: open_parcel(data, BOB.receiver, keys), PARCEL),
    "inside a parcel": (open_inside, INSIDE),
    "bundle": (read_bundle, write_bundle([PARCEL])),
}
# What anybody can write, and whose reader says so.
UNPROVEN = {"object id", "recipients", "bundle"}


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_bytes_are_refused(name: str) -> None:
    parse, good = PARSERS[name]
    wanted = parse(good)
    drawn = random.Random(name)  # noqa: S311 - the same damage every time
    until, refused = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        bad = damaged(good, drawn)
        try:
            found = parse(bad)
        except SteelyardError:
            refused += 1
        else:
            assert bad == good or name in UNPROVEN
            assert found == wanted or name in UNPROVEN
    assert refused > 20


def test_no_text_breaks_tracing() -> None:
    drawn = random.Random(7)  # noqa: S311
    original = "A note of 7 lines. It is on time, as we said to all of you. We wait for it."
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        text = damaged(original.encode(), drawn).decode("utf-8", "surrogateescape")
        assert trace(text, bytes(32), [ALICE.organization], original).undecided
