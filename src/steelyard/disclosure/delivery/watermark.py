"""Marks in prose that tell which recipient's copy leaked.

Decides spec/disclosure-delivery.md, section 7: which of two spaces each recipient gets at a place,
and when a leaked text names a recipient. Only the spaces of prose change: no word, no zero-width
character, never a reproducer. A name is given with a bound on the probability that it is wrong;
short of that the answer is undecided. It names a copy: who let it out is for people to find.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.delivery.framing import require_organization
from steelyard.disclosure.delivery.prose import (
    find_places,
    require_length,
    require_prose,
    set_places,
)
from steelyard.kernel import keyed_digest
from steelyard.kernel.errors import ConfigurationError
from steelyard.stats.special import beta_cdf

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from steelyard.disclosure.delivery.prose import Place

SECRET_BYTES: Final = 32
FALSE_ACCUSATION: Final = 1e-6
# Nothing is claimed beyond it: arithmetic and a well-kept secret are no surer.
LEAST_PROBABILITY: Final = 1e-12
REMOVED_BY: Final = (
    "retyping, translating, paraphrasing or summarizing the text",
    "collapsing runs of spaces and turning no-break spaces into spaces",
    "formatting that reflows the text or sets its own spaces",
    "publishing the text as it was before it was marked",
    "mixing the copies of several recipients",
)
_DOMAIN: Final = "steelyard/disclosure-watermark/1"
_EVEN: Final = 0.5
Context = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How well a text agrees with one recipient's copy.

    Attributes:
        agree: Places at which it does.
        probability: Bound, over all recipients asked about, on the probability that a text made
            without this recipient's copy agrees as well with that of any of them.
    """

    organization: str
    agree: int
    probability: float


@dataclass(frozen=True, slots=True)
class Tracing:
    """What a leaked text says of where it came from.

    Attributes:
        named: Recipients whose copy it was made from; empty where that is undecided.
        false_accusation: The probability, at most, of naming anybody wrongly.
        places: How many could be compared.
        scores: Of every recipient, the likeliest first.
        removed_by: What leaves nothing to compare; undecided says nothing in anybody's favour.
    """

    named: tuple[str, ...]
    false_accusation: float
    places: int
    scores: tuple[Score, ...]
    removed_by: tuple[str, ...] = REMOVED_BY

    @property
    def undecided(self) -> bool:
        """Whether nobody is named."""
        return not self.named


def mark(text: str, secret: bytes, organization: str, *, media_type: str = "text/plain") -> str:
    """A recipient's copy of a text.

    Args:
        text: Prose, plain or Markdown.
        secret: At least 32 bytes; one for each text, kept with it.
        organization: Who gets the copy.
        media_type: Of the text.

    Raises:
        ConfigurationError: no prose, too long, a short secret, or no id of an organization.
    """
    require_prose(text, media_type)
    _require(secret, (organization,))
    values = [
        (place, _bit(secret, organization, context)) for context, place in _usable(text).items()
    ]
    return set_places(text, values)


def capacity(text: str, *, media_type: str = "text/plain") -> int:
    """Number of places that a copy can differ by.

    A name takes at least 20 of them, and one more for each doubling of the recipients.

    Raises:
        ConfigurationError: no prose, or too long.
    """
    require_prose(text, media_type)
    return len(_usable(text))


def places_to_name(recipients: int, *, false_accusation: float = FALSE_ACCUSATION) -> int:
    """The fewest places at which a whole copy names its reader among so many."""
    return math.ceil(math.log2(recipients / false_accusation))


def trace(
    text: str,
    secret: bytes,
    organizations: Collection[str],
    original: str,
    *,
    false_accusation: float = FALSE_ACCUSATION,
) -> Tracing:
    """Whose copy a leaked text was made from.

    The bits of a recipient whose copy was not used are, to whoever has not the secret, fair
    coins: how many agree is binomial with probability 1/2, whatever was done to the text. Each
    recipient is named on its own tail, times the number of recipients (Bonferroni).

    Args:
        text: What leaked, or a part of it.
        secret: As it was marked with.
        organizations: Everybody who got a copy.
        original: The text that was marked.
        false_accusation: Probability, at most, that anybody is named wrongly.

    Raises:
        ConfigurationError: a text too long, a short secret, nobody, no id, or no probability.
    """
    if not LEAST_PROBABILITY <= false_accusation < _EVEN:
        message = f"{false_accusation} is no probability of a false accusation"
        raise ConfigurationError(message, hint=f"give {LEAST_PROBABILITY:g} to {_EVEN:g}")
    require_length(text)
    require_prose(original, "text/plain")
    _require(secret, organizations)
    observed = _observed(text, original)
    names = sorted(set(organizations))
    scores = sorted(
        (_score(secret, name, observed, len(names)) for name in names),
        key=lambda score: (score.probability, score.organization),
    )
    named = tuple(s.organization for s in scores if s.probability <= false_accusation)
    return Tracing(named, false_accusation, len(observed), tuple(scores))


def _usable(text: str, *, everywhere: bool = False) -> dict[Context, Place]:
    """Places by context, without those that occur more than once."""
    places = find_places(text, everywhere=everywhere)
    times = Counter(place.context for place in places)
    return {place.context: place for place in places if times[place.context] == 1}


def _observed(text: str, original: str) -> Mapping[Context, int]:
    """What a leaked text has at the places of the original.

    A channel that has one value throughout was set by some tool and carries nothing. This looks
    at the text alone, so it favours no recipient.
    """
    wanted = _usable(original)
    # Who leaks a text may well quote it.
    leaked = _usable(text, everywhere=True)
    found = {context: place for context, place in leaked.items() if context in wanted}
    seen: dict[str, set[int]] = {}
    for place in found.values():
        seen.setdefault(place.channel, set()).add(place.value)
    return {
        context: place.value for context, place in found.items() if len(seen[place.channel]) > 1
    }


def _score(secret: bytes, name: str, observed: Mapping[Context, int], asked: int) -> Score:
    agree = sum(_bit(secret, name, context) == value for context, value in observed.items())
    tail = beta_cdf(_EVEN, agree, len(observed) - agree + 1) if agree else 1.0
    return Score(name, agree, min(max(tail * asked, LEAST_PROBABILITY), 1.0))


def _bit(secret: bytes, organization: str, context: Context) -> int:
    return keyed_digest(secret, _DOMAIN, organization, *context)[0] & 1


def _require(secret: bytes, organizations: Collection[str]) -> None:
    if len(secret) < SECRET_BYTES:
        message = f"a secret of marks needs at least {SECRET_BYTES} bytes, found {len(secret)}"
        raise ConfigurationError(message, hint="openssl rand -out SECRET 32")
    if not organizations:
        raise ConfigurationError("nobody is asked about")
    for organization in organizations:
        require_organization(organization, where="organizations")
