"""A page that tells why there is no other page.

Decides the words for the few statuses that a reader meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_TITLES: Final = {
    400: "This cannot be read",
    401: "Sign in first",
    403: "Not for you",
    404: "Not here",
    409: "The case has moved on",
    413: "Too large",
    429: "Too many at once",
    503: "Not now",
}


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """Template `problem`."""

    title: str
    status: int
    message: str
    hint: str


def present(status: int, message: str, hint: str = "") -> ProblemPage:
    """A problem for `problem.html`.

    Args:
        status: HTTP status that is sent with it.
        message: What was found and what was required, as an error of the tree says it.
        hint: What to do next.
    """
    return ProblemPage(_TITLES.get(status, "Something went wrong"), status, message, hint)
