"""Verifiable secret sharing: Shamir's scheme with Feldman's commitments.

Decides shares, whether a share fits, and the secret of enough shares, in the group of
ffdhe3072 (spec/weights-quorum.md, section 1; Shamir 1979; Feldman, FOCS 1987; RFC 7919,
appendix A.2). Whose shares count is decided elsewhere. Python's integers do not take
constant time: a custodian's own machine is trusted with its own share.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import BrokenSeal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ELEMENT_BYTES: Final = 384
PRIME: Final = int(
    "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695"
    "A9E13641146433FBCC939DCE249B3EF97D2FE363630C75D8F681B202AEC4617A"
    "D3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935"
    "984F0C70E0E68B77E2A689DAF3EFE8721DF158A136ADE73530ACCA4F483A797A"
    "BC0AB182B324FB61D108A94BB2C8E3FBB96ADAB760D7F4681D4F42A3DE394DF4"
    "AE56EDE76372BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F61"
    "9172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005"
    "C58EF1837D1683B2C6F34A26C1B2EFFA886B4238611FCFDCDE355B3B6519035B"
    "BC34F4DEF99C023861B46FC9D6E6C9077AD91D2691F7F7EE598CB0FAC186D91C"
    "AEFE130985139270B4130C93BC437944F4FD4452E2D74DD364F2E21E71F54BFF"
    "5CAE82AB9C9DF69EE86D2BC522363A0DABC521979B0DEADA1DBF9A42D5C4484E"
    "0ABCD06BFA53DDEF3C1B20EE3FD59D7C25E41D2B66C62E37FFFFFFFFFFFFFFFF",
    16,
)
"""The safe prime of ffdhe3072."""
ORDER: Final = (PRIME - 1) // 2
_GENERATOR: Final = 2


def share_secret(threshold: int, shares: int) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """A random secret, its shares for custodians 1, 2, ..., and the commitments.

    Returns:
        Secret below `ORDER`; `shares` shares; `threshold` commitments below `PRIME`.
    """
    coefficients = [secrets.randbelow(ORDER) for _ in range(threshold)]
    values = tuple(_polynomial(coefficients, index) for index in range(1, shares + 1))
    return coefficients[0], values, tuple(pow(_GENERATOR, c, PRIME) for c in coefficients)


def require_fit(share: int, index: int, commitments: Sequence[int]) -> int:
    """The share, if it is that of custodian `index` under the commitments.

    Raises:
        BrokenSeal: it is not.
    """
    expected = 1
    for power, commitment in enumerate(commitments):
        expected = expected * pow(commitment, pow(index, power, ORDER), PRIME) % PRIME
    if not 0 <= share < ORDER or pow(_GENERATOR, share, PRIME) != expected:
        raise BrokenSeal(f"the share of custodian {index} does not fit the commitments")
    return share


def require_members(commitments: Sequence[int]) -> None:
    """Refuse a commitment outside the group of order `ORDER`.

    Raises:
        BrokenSeal: with its position.
    """
    for position, value in enumerate(commitments):
        if not 1 < value < PRIME or not _is_square(value):
            raise BrokenSeal(f"commitment {position} is no element of the group")


def combine(shares: Mapping[int, int]) -> int:
    """The secret of as many shares as the threshold, by custodian (Lagrange at 0).

    Every share must have been held against the commitments before.
    """
    total = 0
    for index, share in shares.items():
        upper = lower = 1
        for other in shares:
            if other != index:
                upper = upper * other % ORDER
                lower = lower * (other - index) % ORDER
        total = (total + share * upper * pow(lower, -1, ORDER)) % ORDER
    return total


def to_bytes(value: int) -> bytes:
    """A number of the scheme as 384 big-endian bytes."""
    return value.to_bytes(ELEMENT_BYTES, "big")


def _is_square(value: int) -> bool:
    """Whether a number below the safe prime lies in the subgroup of order `ORDER`.

    By the Jacobi symbol, which costs a fiftieth of raising to the power of `ORDER` (Cohen, A
    Course in Computational Algebraic Number Theory, algorithm 1.4.10).
    """
    upper, lower, sign = value, PRIME, 1
    while upper:
        twos = (upper & -upper).bit_length() - 1
        upper >>= twos
        if twos & 1 and lower & 7 in {3, 5}:
            sign = -sign
        if upper & lower & 2:
            sign = -sign
        upper, lower = lower % upper, upper
    return sign == 1


def _polynomial(coefficients: Sequence[int], at: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * at + coefficient) % ORDER
    return value
