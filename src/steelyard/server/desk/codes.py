"""Codes and numbers that a reporter is given: to resume, to follow, to speak of a report.

Decides their form. A code has 128 bits and no letter that is read as a digit, and is typed in any
case, with or without its dashes; a number tells nothing of how many
reports there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

# Crockford's base 32: no I, L, O or U.
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})
_CODE_LETTERS: Final = 26
_NUMBER_LETTERS: Final = 8
_GROUP: Final = 5


def new_code(random: Callable[[int], bytes]) -> str:
    """A resume code, in groups."""
    text = _letters(random, _CODE_LETTERS)
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def code_digest(code: str) -> str:
    """What is kept of a code, however it was typed."""
    return sha256_hex(f"resume {code.strip().upper().translate(_READ_AS)}".encode())


def follow_digest(secret: str) -> str:
    """What is kept of the secret of a private link."""
    return sha256_hex(f"follow {secret}".encode())


def new_number(random: Callable[[int], bytes], at: datetime) -> str:
    """A number to speak of a report."""
    return f"R{at:%y}-{_letters(random, _NUMBER_LETTERS)}"


def _letters(random: Callable[[int], bytes], count: int) -> str:
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in random(count))
