"""Signed answers gathered for a matrix: each checked, each once, with the consents to them.

Decides which answers count (spec/reproducer.md, sections Queries and answers, and Transfer): to a
query that was asked, about a reproducer that is at hand, by a known key. A consent is to one
answer, and of that answer's key; another one changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.attest import claimed_key_id
from steelyard.disclosure.reproducer.consent import open_consent
from steelyard.disclosure.reproducer.matrix import Told, require_owners
from steelyard.disclosure.reproducer.query import open_answer, query_of
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from steelyard.attest import PublicKey
    from steelyard.disclosure.reproducer.query import Query


@dataclass(frozen=True, slots=True)
class Asked:
    """What answers are held against.

    Attributes:
        queries: That were asked, by digest.
        classes: Flaw class by digest of the reproducer.
        keys: Of whoever may answer, by key id.
    """

    queries: Mapping[str, Query]
    classes: Mapping[str, str]
    keys: Mapping[str, PublicKey]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Answers that were checked.

    Attributes:
        unused: How many consents are to none of the answers, or not of their keys.
    """

    told: list[Told]
    unused: int


def gather(answers: Iterable[bytes], consents: Iterable[bytes], asked: Asked) -> Gathered:
    """Check signed answers, and match signed consents to them.

    Raises:
        BrokenSeal: edited, by another key, to a query that was not asked, or a second answer.
        MalformedEvidence: breaks its schema, or two keys answer about one target.
        ConfigurationError: about a reproducer that is none of those at hand.
    """
    opened = [open_consent(data, asked.keys) for data in consents]
    given = {(consent.answer, consent.target, signer) for consent, signer in opened}
    told: list[Told] = []
    seen: set[tuple[str, str]] = set()
    for data in answers:
        query = query_of(data, asked.keys, asked.queries)
        found = open_answer(data, asked.keys, query, seen=seen)
        seen.add((found.query, found.target))
        signer = claimed_key_id(data)
        agreed = (sha256_hex(data), found.target, signer) in given
        told.append(Told(_class_of(found.reproducer, asked), found, signer, agreed))
    require_owners(told)
    return Gathered(told, len(given) - sum(one.consent for one in told))


def _class_of(reproducer: str, asked: Asked) -> str:
    if reproducer not in asked.classes:
        message = f"an answer is about {reproducer[:16]}, which is none of the reproducers"
        raise ConfigurationError(message, hint="give the document it is about")
    return asked.classes[reproducer]
