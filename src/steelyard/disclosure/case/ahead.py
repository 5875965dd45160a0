"""Claims of coming entries, read and their signatures checked while those before are folded.

Decides nothing: a key is tried that some card of the entries brings, and `chain` counts the
result only for the very key that speaks for the author when its turn comes. Checking Ed25519
signatures leaves the interpreter free, so one other thread halves the time of a replay.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.event import read_claim
from steelyard.disclosure.case.organization import card_from_json
from steelyard.kernel.errors import SteelyardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from steelyard.attest import PublicKey
    from steelyard.disclosure.case.entry import Entry
    from steelyard.disclosure.case.event import Claim

_WINDOW: Final = 256


def read_ahead(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Claim | None]]:
    """Each entry with the claim of its event; None for an event that is malformed."""
    rest, keys = iter(entries), dict["str", "PublicKey"]()
    waiting: list[tuple[Entry, Claim | None]] = []
    with ThreadPoolExecutor(max_workers=1) as other:
        proofs: Future[None] | None = None
        while window := [(entry, _claim(entry.event)) for entry in islice(rest, _WINDOW)]:
            claims = [claim for _, claim in window if claim is not None]
            keys.update(_brought(claims))
            coming = other.submit(_prove, claims, dict(keys))
            if proofs is not None:
                proofs.result()
            yield from waiting
            waiting, proofs = window, coming
        if proofs is not None:
            proofs.result()
        yield from waiting


def _claim(event: bytes) -> Claim | None:
    try:
        return read_claim(event)
    except SteelyardError:
        return None


def _brought(claims: Iterable[Claim]) -> Iterator[tuple[str, PublicKey]]:
    """Keys of the cards that events carry."""
    for claim in claims:
        if "card" in claim.event.body:
            try:
                card = card_from_json(claim.event.body["card"])
            except SteelyardError:
                continue
            yield from ((item.key.key_id, item.key) for item in card.keys)


def _prove(claims: Iterable[Claim], keys: Mapping[str, PublicKey]) -> None:
    for claim in claims:
        key = keys.get(claim.signed.key_id)
        if key is not None:
            claim.prove(key)
