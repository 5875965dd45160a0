"""Opening by approvals: enough of them open, and every false one is named."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from steelyard.attest import Statement, Subject, open_envelope, sign_statement
from steelyard.attest.recipients import Recipient, generate_identity
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    ConfigurationError,
    Expired,
    NotSatisfied,
    UsageError,
)
from steelyard.weights.quorum import (
    QuorumOpening,
    open_half,
    open_request,
    release_half,
    sign_request,
)
from steelyard.weights.quorum.approval import APPROVAL_KIND
from steelyard.weights.quorum.custody import release_info
from steelyard.weights.quorum.sharing import to_bytes

from .conftest import CONTENT_KEY, CORE, NOW, SUBJECT, Keys, Room, keys


def altered(envelope: bytes, signer: Keys, **changes: object) -> bytes:
    """The same approval with other fields, signed by somebody."""
    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    predicate = payload["predicate"] | changes
    subject = Subject(payload["subject"][0]["name"], payload["subject"][0]["digest"]["sha256"])
    return sign_statement(Statement((subject,), payload["predicateType"], predicate), signer.sign)


@pytest.mark.parametrize("who", [(0, 1), (1, 2), (2, 0), (3, 2), (0, 1, 2)])
def test_enough_approvals_open(room: Room, who: tuple[int, ...]) -> None:
    request = room.request()
    approvals = [room.approve(number, request) for number in who]
    assert room.open(request, *approvals) == CONTENT_KEY


def test_a_threshold_of_three_needs_three(make_room: Callable[..., Room]) -> None:
    room = make_room(3)
    request = room.request()
    approvals = [room.approve(number, request) for number in range(3)]
    assert room.open(request, *approvals) == CONTENT_KEY
    with pytest.raises(NotSatisfied) as caught:
        room.open(request, *approvals[:2])
    assert caught.value.message == "2 of 3 approvals count: no more were given"


def test_one_organization_counts_once(room: Room) -> None:
    request = room.request()
    with pytest.raises(NotSatisfied) as caught:
        room.open(request, room.approve(0, request), room.approve(3, request))
    assert caught.value.message == (
        "1 of 2 approvals count: approval 2: custodian 3: Aster is counted already"
    )


def test_one_approval_twice_counts_once(room: Room) -> None:
    request = room.request()
    approval = room.approve(0, request)
    with pytest.raises(NotSatisfied, match="approval 2: custodian 0: Aster is counted already"):
        room.open(request, approval, approval)


def test_an_approval_is_for_one_request(room: Room) -> None:
    """Replayed: signed for an earlier request of the same requester and purpose."""
    first, second = room.request(), room.request()
    with pytest.raises(NotSatisfied, match="custodian 0: the approval is for another request"):
        room.open(second, room.approve(0, first), room.approve(1, second))


def test_an_approval_is_for_one_requester(room: Room) -> None:
    other = keys(77)
    theirs = room.request(by=other)
    ours = room.request()
    stolen = altered(room.approve(0, theirs), room.people[0], request=ours.digest)
    with pytest.raises(NotSatisfied, match="custodian 0: the approval is for another requester"):
        room.open(ours, stolen, room.approve(1, ours))


def test_an_approval_is_for_one_purpose_and_one_model(room: Room) -> None:
    request = room.request()
    harmless = altered(room.approve(0, request), room.people[0], purpose="look at the shapes")
    with pytest.raises(NotSatisfied, match="the approval is for another purpose"):
        room.open(request, harmless, room.approve(1, request))
    elsewhere = room.request(subject=Subject("other", "ab" * 32))
    with pytest.raises(BrokenSeal, match="the request is for another model"):
        room.open(elsewhere)


def test_a_self_made_approval_does_not_count(room: Room) -> None:
    """The requester signs as a custodian, and with a key of its own."""
    request = room.request()
    genuine = room.approve(0, request)
    forged = altered(genuine, room.asker)
    with pytest.raises(NotSatisfied, match="which is not among the keys given"):
        room.open(request, genuine, forged)
    as_another = altered(genuine, room.people[0], custodian=2)
    with pytest.raises(NotSatisfied, match="which is not among the keys given"):
        room.open(request, genuine, as_another)
    nobody = altered(genuine, room.people[1], custodian=7)
    with pytest.raises(NotSatisfied, match="names no custodian of this model"):
        room.open(request, genuine, nobody)


def test_nobody_approves_their_own_request(room: Room) -> None:
    request = room.request(by=room.people[0])
    with pytest.raises(NotSatisfied) as caught:
        room.approve(0, request)
    assert str(caught.value) == "custodian 0: nobody approves a request of their own"
    with pytest.raises(NotSatisfied) as caught:
        room.approve(3, request)
    assert str(caught.value) == "custodian 3: the requester is of the same organization, Aster"


def test_an_own_approval_made_by_other_means_does_not_count(room: Room) -> None:
    requester = room.people[0]
    request = room.request(by=requester)
    stranger = room.request()
    borrowed = altered(
        room.approve(0, stranger), requester, request=request.digest, requester=request.requester
    )
    opening = QuorumOpening(
        request, [borrowed, room.approve(1, request)], requester.identity, NOW
    )  # fmt: skip
    with pytest.raises(NotSatisfied, match="nobody approves a request of their own"):
        opening.content_key(room.custody, CORE)


def test_a_bad_share_is_traced_to_its_custodian(room: Room) -> None:
    request = room.request()
    info = release_info(CORE, bytes.fromhex(request.digest))
    bad = request.recipient.encrypt(to_bytes(12345), info)
    lying = altered(room.approve(1, request), room.people[1], share=base64.b64encode(bad).decode())
    with pytest.raises(NotSatisfied) as caught:
        room.open(request, room.approve(0, request), lying)
    assert caught.value.message == (
        "1 of 2 approvals count: approval 2: custodian 1: a bad share: "
        "the share of custodian 2 does not fit the commitments"
    )
    assert (
        room.open(request, lying, room.approve(0, request), room.approve(2, request)) == CONTENT_KEY
    )


def test_a_share_for_another_request_cannot_be_read(room: Room) -> None:
    first, second = room.request(), room.request()
    share = open_envelope(
        room.approve(1, first), {k.sign.public_key.key_id: k.sign.public_key for k in room.people}
    ).predicate["share"]
    moved = altered(room.approve(1, second), room.people[1], share=share)
    with pytest.raises(NotSatisfied, match="a bad share: not encrypted to key"):
        room.open(second, room.approve(0, second), moved)


def test_time_bounds_a_request(room: Room) -> None:
    request = room.request(hours=4)
    approvals = [room.approve(number, request) for number in (0, 1)]
    assert room.open(request, *approvals, at=NOW + timedelta(hours=4)) == CONTENT_KEY
    late = NOW + timedelta(hours=4, seconds=1)
    with pytest.raises(Expired, match="the request expired 2026-05-04T16:00:00Z"):
        room.open(request, *approvals, at=late)
    with pytest.raises(Expired, match="the request expired"):
        room.approve(2, request, at=late)
    early = NOW - timedelta(minutes=6)
    with pytest.raises(CannotVerify, match="the request is of 2026-05-04T12:00:00Z, later than"):
        room.open(request, *approvals, at=early)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expires": "2026-05-04T12:00:00Z"}, "expired 2026-05-04T12:00:00Z"),
        ({"expires": "2026-05-05T12:00:00Z"}, "expired 2026-05-05T12:00:00Z"),
        ({"approved": "2026-05-04T11:00:00Z"}, "approved before the request was made"),
        ({"approved": "2026-05-04T15:00:00Z"}, "approved in the future"),
    ],
)
def test_time_bounds_an_approval(room: Room, changes: dict[str, str], reason: str) -> None:
    request = room.request()
    odd = altered(room.approve(0, request), room.people[0], **changes)
    with pytest.raises(NotSatisfied, match=reason):
        room.open(request, odd, room.approve(1, request), at=NOW + timedelta(minutes=10))


def test_a_request_is_short_and_says_why(room: Room) -> None:
    with pytest.raises(UsageError, match="a request lasts at most 7 days from now"):
        room.request(hours=7 * 24 + 1)
    with pytest.raises(UsageError, match="purpose: '' is no printable label"):
        room.request(purpose="")


def test_a_request_of_another_signer_or_kind_is_refused(room: Room) -> None:
    request = room.request()
    approval = room.approve(0, request)
    with pytest.raises(BrokenSeal, match="this is no request to open sealed weights"):
        open_request(approval, room.people[0].sign.public_key)
    with pytest.raises(BrokenSeal, match="which is not among the keys given"):
        open_request(approval, keys(50).sign.public_key)
    assert (
        APPROVAL_KIND
        in json.loads(base64.b64decode(json.loads(approval)["payload"]))["predicateType"]
    )


def test_who_is_no_custodian_cannot_approve(room: Room) -> None:
    stranger = keys(60)
    intruder = replace(room, people=(stranger, *room.people[1:]))
    with pytest.raises(NotSatisfied, match="is none of this model's custodians"):
        intruder.approve(0, room.request())
    confused = replace(
        room, people=(Keys(room.people[0].sign, stranger.identity), *room.people[1:])
    )
    with pytest.raises(BrokenSeal, match="not encrypted to key"):
        confused.approve(0, room.request())


def test_a_broker_adds_its_half_or_nothing_opens(make_room: Callable[..., Room]) -> None:
    broker = generate_identity(hybrid=True)
    room = make_room(2, broker)
    request = room.request()
    approvals = [room.approve(number, request) for number in (0, 1)]
    with pytest.raises(NotSatisfied, match="this model needs the broker's half as well"):
        room.open(request, *approvals)
    released = release_half(room.custody, request, approvals, broker, NOW)
    half = open_half(released, request, room.asker.identity)
    assert room.open(request, *approvals, half=half) == CONTENT_KEY
    with pytest.raises(BrokenSeal, match="the shares do not open this model"):
        room.open(request, *approvals, half=bytes(32))
    with pytest.raises(NotSatisfied, match="1 of 2 approvals count"):
        release_half(room.custody, request, approvals[:1], broker, NOW)
    with pytest.raises(Expired):
        release_half(room.custody, request, approvals, broker, NOW + timedelta(days=1))
    with pytest.raises(BrokenSeal, match="not encrypted to key"):
        release_half(room.custody, request, approvals, generate_identity(hybrid=True), NOW)
    with pytest.raises(BrokenSeal, match="not encrypted to key"):
        open_half(released, room.request(), room.asker.identity)
    assert SUBJECT.sha256 == CORE.hex()


def test_where_there_is_no_broker_no_half_is_given_or_taken(room: Room) -> None:
    request = room.request()
    approvals = [room.approve(number, request) for number in (0, 1)]
    with pytest.raises(NotSatisfied) as caught:
        room.open(request, *approvals, half=bytes(32))
    assert caught.value.message == "these weights have no broker, and a half was given"
    broker = generate_identity(hybrid=True)
    with pytest.raises(NotSatisfied) as caught:
        release_half(room.custody, request, approvals, broker, NOW)
    assert caught.value.message == "these weights have no broker, so there is no half to release"
    assert caught.value.hint == "approvals suffice: steelyard weights open"


@pytest.mark.parametrize(
    "instant",
    [
        "2026-99-99T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "2026-05-04T12:00:00Z\n",
        "٢٠٢٦-05-04T12:00:00Z",
    ],
)
def test_a_custodian_who_writes_nonsense_is_named_and_stops_nobody(
    room: Room, instant: str
) -> None:
    request = room.request()
    odd = altered(room.approve(0, request), room.people[0], approved=instant)
    good = [room.approve(number, request) for number in (1, 2)]
    assert room.open(request, odd, *good) == CONTENT_KEY
    with pytest.raises(NotSatisfied, match=r"1 of 2 approvals count: approval 1: "):
        room.open(request, odd, good[0])


def test_the_key_that_answers_are_sealed_to_tells_a_custodian(room: Room) -> None:
    """A custodian asks under a fresh signing key, with its own registered key to decrypt."""
    disguised = Keys(keys(70).sign, room.people[0].identity)
    request = room.request(by=disguised)
    with pytest.raises(NotSatisfied, match="nobody approves a request of their own"):
        room.approve(0, request)
    with pytest.raises(NotSatisfied, match="the requester is of the same organization, Aster"):
        room.approve(3, request)


def test_another_key_than_the_requests_is_told_from_bad_shares(room: Room) -> None:
    request = room.request()
    approvals = [room.approve(number, request) for number in (0, 1)]
    opening = QuorumOpening(request, approvals, keys(80).identity, NOW)
    with pytest.raises(NotSatisfied) as caught:
        opening.content_key(room.custody, CORE)
    assert caught.value.message == "the approvals are sealed to another key than the one given"


def test_a_request_with_an_unsafe_key_gets_no_share(room: Room) -> None:
    """All zeros: a point of low order, which would make the shared secret known."""
    zero = Recipient(X25519PublicKey.from_public_bytes(bytes(32)))
    until = (NOW, NOW + timedelta(hours=1))
    signed = sign_request(SUBJECT, "benchmark", zero, until, room.asker.sign)
    request = open_request(signed, room.asker.sign.public_key)
    with pytest.raises(ConfigurationError, match="nothing can be encrypted to key"):
        room.approve(0, request)
