"""Custody and the arithmetic below it: secret below the threshold, exact above."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.attest import PrivateKey
from steelyard.attest.recipients import generate_identity
from steelyard.kernel.errors import BrokenSeal, ConfigurationError
from steelyard.standard import check_schema
from steelyard.weights.quorum import Custody, Member, take_into_custody
from steelyard.weights.quorum.sharing import (
    ORDER,
    PRIME,
    combine,
    require_fit,
    require_members,
    share_secret,
)

from .conftest import CONTENT_KEY, CORE, Room


def test_the_prime_is_that_of_the_rfc() -> None:
    """RFC 7919, appendix A.2: p = 2^3072 - 2^3008 + (floor(2^2942 e) + 2625351) 2^64 - 1."""
    guard, term, total, divisor = 64, 1 << (2942 + 64), 1 << (2942 + 64), 1
    while term:
        term //= divisor
        total += term
        divisor += 1
    assert (1 << 3072) - (1 << 3008) + (((total >> guard) + 2625351) << 64) - 1 == PRIME
    assert pow(3, PRIME - 1, PRIME) == 1
    assert pow(3, ORDER - 1, ORDER) == 1
    assert pow(2, ORDER, PRIME) == 1


@settings(max_examples=4)
@given(st.integers(2, 4), st.integers(0, 2))
def test_any_threshold_of_shares_gives_the_secret(threshold: int, more: int) -> None:
    secret, shares, commitments = share_secret(threshold, threshold + more)
    for chosen in combinations(range(1, len(shares) + 1), threshold):
        assert combine({index: shares[index - 1] for index in chosen}) == secret
    for index, share in enumerate(shares, start=1):
        assert require_fit(share, index, commitments) == share


def test_fewer_shares_fit_every_secret() -> None:
    """For any other secret there is a polynomial through the shares that are known."""
    secret, shares, _ = share_secret(3, 5)
    known = {1: shares[0], 4: shares[3]}
    assert combine(known) != secret
    for guess in (0, 1, ORDER - 1):
        # The third share that would make `guess` the secret exists: solve for it.
        weight = 1 * 4 * pow((1 - 2) * (4 - 2), -1, ORDER) % ORDER
        rest = sum(
            share * other * 2 % ORDER * pow((other - index) * (2 - index), -1, ORDER)
            for (index, share), other in zip(known.items(), (4, 1), strict=True)
        )
        third = (guess - rest) * pow(weight, -1, ORDER) % ORDER
        assert combine(known | {2: third}) == guess


def test_a_share_that_was_changed_or_exchanged_does_not_fit() -> None:
    _, shares, commitments = share_secret(2, 3)
    for share, index in ((shares[0] + 1, 1), (shares[1], 1), (shares[0] + ORDER, 1), (-1, 1)):
        with pytest.raises(BrokenSeal, match="the share of custodian 1 does not fit"):
            require_fit(share, index, commitments)


@pytest.mark.parametrize("value", [0, 1, PRIME - 1, PRIME, PRIME + 2])
def test_a_commitment_outside_the_group_is_refused(value: int) -> None:
    with pytest.raises(BrokenSeal, match="commitment 1 is no element of the group"):
        require_members([4, value])


def test_the_quick_test_of_membership_is_the_slow_one() -> None:
    for value in range(2, 14):
        inside = pow(value, ORDER, PRIME) == 1
        if inside:
            require_members([value])
        else:
            with pytest.raises(BrokenSeal):
                require_members([value])


def test_a_custody_comes_back_from_its_document(room: Room) -> None:
    document: dict[str, Any] = dict(room.custody.to_json())
    check_schema(document, "weights-quorum", where="custody")
    assert Custody.from_json(document) == room.custody


def changed(room: Room, **changes: object) -> dict[str, Any]:
    return dict(room.custody.to_json()) | changes


def test_a_custody_that_contradicts_itself_is_refused(room: Room) -> None:
    custodians = list(changed(room)["custodians"])
    twice = [custodians[0], custodians[0], *custodians[2:]]
    with pytest.raises(BrokenSeal, match="a custodian is listed twice"):
        Custody.from_json(changed(room, custodians=twice))
    alone = [c | {"organization": "Aster"} for c in custodians]
    with pytest.raises(BrokenSeal, match="a quorum of 2 needs custodians of as many organizations"):
        Custody.from_json(changed(room, custodians=alone))
    with pytest.raises(BrokenSeal, match="there is not one commitment for each approval"):
        Custody.from_json(changed(room, threshold=3))
    with pytest.raises(BrokenSeal, match="a quorum of 5 among 4 custodians"):
        Custody.from_json(changed(room, threshold=5))


def test_a_custody_of_too_few_is_not_made(room: Room) -> None:
    with pytest.raises(ConfigurationError, match="a quorum of 1 among 4 custodians: need at least"):
        take_into_custody(CONTENT_KEY, CORE, room.members, 1)
    same = [replace(member, organization="Aster") for member in room.members]
    with pytest.raises(ConfigurationError, match="needs custodians of as many organizations"):
        take_into_custody(CONTENT_KEY, CORE, same, 2)
    key = PrivateKey.from_seed(b"s" * 32).public_key
    own = generate_identity(hybrid=False).recipient
    shared = [
        Member(f"n{n}", f"o{n}", PrivateKey.from_seed(bytes([n]) * 32).public_key, own)
        for n in (1, 2)
    ]
    with pytest.raises(ConfigurationError, match="a custodian is listed twice, or two share a key"):
        take_into_custody(CONTENT_KEY, CORE, shared, 2)
    spelled = [
        replace(member, organization=name)
        for member, name in zip(
            room.members,
            ("Aster", "aster ", "\uff21\uff33\uff34\uff25\uff32", " Aster"),
            strict=True,
        )
    ]
    with pytest.raises(ConfigurationError, match="needs custodians of as many organizations"):
        take_into_custody(CONTENT_KEY, CORE, spelled, 2)
    twins = [
        Member(f"n{n}", f"o{n}", key, generate_identity(hybrid=False).recipient) for n in (1, 2)
    ]
    with pytest.raises(ConfigurationError, match="a custodian is listed twice"):
        take_into_custody(CONTENT_KEY, CORE, twins, 2)


def test_the_wrapped_key_is_bound_to_its_core(room: Room) -> None:
    with pytest.raises(BrokenSeal, match="the shares do not open this model"):
        room.custody.unwrap(1, b"", CORE)
    with pytest.raises(BrokenSeal, match="the shares do not open this model"):
        room.custody.unwrap(1, b"", bytes(32))
