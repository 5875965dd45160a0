"""Asking "are you affected?", and answering with no more than was asked.

Decides the signed query and the signed answer (spec/reproducer.md, section Queries and
answers): an answer names the query, the reproducer, the target and the runner, so that none
passes for another. How participants see the answers of others is in `counts`, how an answer
is held against a second run in `audit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from steelyard.attest import Statement, Subject, open_envelope, predicate_type, sign_statement
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel import check_label, digest_json, exact_instant, format_instant
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, Expired, MalformedEvidence
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey, PublicKey
    from steelyard.disclosure.reproducer.commitment import Root
    from steelyard.disclosure.reproducer.verdict import Finding
    from steelyard.kernel import JsonObject

QUERY_KIND: Final = "affectedness-query"
ANSWER_KIND: Final = "affectedness-answer"
LEVELS: Final = ("verdict", "band", "counts")
"""What an answer may tell, from least to most."""
BAND_EDGES: Final = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)
"""Edges of the bands that a rate is told in."""


@dataclass(frozen=True, slots=True)
class Query:
    """A coordinator's question.

    Attributes:
        case: Name of the case.
        reproducer: Digest of what is to be run.
        level: The most that an answer may tell.
        nonce: 32 hex digits of its own.
        issued: When it was asked.
        until: When it lapses.
    """

    case: str
    reproducer: str
    level: str
    nonce: str
    issued: datetime
    until: datetime

    def to_json(self) -> JsonObject:
        """The query as it is signed."""
        return {
            "case": self.case,
            "reproducer": self.reproducer,
            "level": self.level,
            "nonce": self.nonce,
            "issued": format_instant(self.issued),
            "until": format_instant(self.until),
        }

    @property
    def digest(self) -> str:
        """What an answer names it by."""
        return digest_json(self.to_json())


@dataclass(frozen=True, slots=True)
class Counts:
    """Tries of the treatment arm: k that showed the flaw, n answered, over variants."""

    k: int
    n: int
    variants: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A participant's answer about one target of its own.

    Attributes:
        query: Digest of the query.
        reproducer: Digest of what was run.
        target: The participant's handle of the target: no name that tells more is needed.
        runner: Name and version of what ran it.
        level: What it tells, at most the query's.
        verdict: Of the run.
        band: Band of the lower and of the upper limit, from level `band` on.
        counts: Counts, at level `counts`.
        interval: Limits, at level `counts`.
        logs: Salted root over the records, for a later audit; their number would tell when a
            sequential run stopped.
        answered: When.
    """

    query: str
    reproducer: str
    target: str
    runner: str
    level: str
    verdict: Verdict
    band: tuple[str, str] | None
    counts: Counts | None
    interval: tuple[float, float] | None
    logs: str
    answered: datetime

    def to_json(self) -> JsonObject:
        """The answer as it is signed."""
        counts = self.counts
        return {
            "query": self.query,
            "reproducer": self.reproducer,
            "target": self.target,
            "runner": self.runner,
            "level": self.level,
            "verdict": self.verdict.value,
            "band": list(self.band) if self.band else None,
            "counts": {"k": counts.k, "n": counts.n, "variants": counts.variants}
            if counts
            else None,
            "interval": list(self.interval) if self.interval else None,
            "logs": self.logs,
            "answered": format_instant(self.answered),
        }


@dataclass(frozen=True, slots=True)
class Ran:
    """What a participant has of its own run, before it decides what to tell."""

    reproducer: str
    target: str
    runner: str
    finding: Finding
    counts: Counts
    logs: Root


def sign_query(query: Query, key: PrivateKey) -> bytes:
    """A signed query."""
    return _sign(QUERY_KIND, query.reproducer, query.to_json(), key)


def open_query(envelope: bytes, keys: Mapping[str, PublicKey], *, now: datetime) -> Query:
    """A query that a known key signed and that has not lapsed.

    Raises:
        BrokenSeal: another key, kind or subject.
        MalformedEvidence: breaks its schema.
        Expired: it lapsed, or was issued later than now.
    """
    query = open_past_query(envelope, keys)
    if not query.issued <= now <= query.until:
        span = f"{format_instant(query.issued)} to {format_instant(query.until)}"
        message = f"the query stands from {span}"
        raise Expired(message, where=QUERY_KIND, hint="ask the coordinator for a new one")
    return query


def open_past_query(envelope: bytes, keys: Mapping[str, PublicKey]) -> Query:
    """A query that a known key signed, whether or not it still stands.

    Raises:
        BrokenSeal: another key, kind or subject.
        MalformedEvidence: breaks its schema.
    """
    fields = _opened(envelope, keys, QUERY_KIND)
    issued = exact_instant(fields.pop("issued"), where=QUERY_KIND)
    until = exact_instant(fields.pop("until"), where=QUERY_KIND)
    return Query(**fields, issued=issued, until=until)


def make_answer(query: Query, ran: Ran, *, level: str, now: datetime) -> Answer:
    """The answer to a query from a run of one's own.

    Raises:
        ConfigurationError: a run of another reproducer, more told than was asked, or a target
            or runner without a name.
    """
    if ran.reproducer != query.reproducer:
        message = f"the run is of {ran.reproducer[:16]}, asked is {query.reproducer[:16]}"
        raise ConfigurationError(message, hint="run the reproducer that the query names")
    if LEVELS.index(level) > LEVELS.index(query.level):
        message = f"the query asks for {query.level}, not for {level}"
        raise ConfigurationError(message, hint="tell no more than the case's policy asks")
    for text in (ran.target, ran.runner):
        try:
            check_label(text)
        except ValueError as error:
            raise ConfigurationError(str(error), where="answer") from error
    found, whole = ran.finding, level == "counts"
    return Answer(
        query=query.digest,
        reproducer=ran.reproducer,
        target=ran.target,
        runner=ran.runner,
        level=level,
        verdict=found.verdict,
        band=None if level == "verdict" else (band_of(found.lower), band_of(found.upper)),
        counts=ran.counts if whole else None,
        interval=(found.lower, found.upper) if whole else None,
        logs=ran.logs.root,
        answered=now,
    )


def sign_answer(answer: Answer, key: PrivateKey) -> bytes:
    """A signed answer."""
    return _sign(ANSWER_KIND, answer.reproducer, answer.to_json(), key)


def open_answer(
    envelope: bytes,
    keys: Mapping[str, PublicKey],
    query: Query,
    *,
    seen: Collection[tuple[str, str]] = (),
) -> Answer:
    """An answer to this very query, by a known key, about a target that has not answered yet.

    Args:
        envelope: The signed answer.
        keys: Participants' keys by key id.
        query: What was asked.
        seen: Pairs of query digest and target that were answered before.

    Raises:
        BrokenSeal: edited, by another key, to another query, of another reproducer, answered
            outside the query's time, more told than was asked, or a second answer.
        MalformedEvidence: breaks its schema, or tells other things than its level.
    """
    fields = _opened(envelope, keys, ANSWER_KIND)
    answer = _answer(fields)
    _require_level(answer)
    if answer.query != query.digest:
        message = f"it answers query {answer.query[:16]}, not {query.digest[:16]}"
        raise BrokenSeal(message, where=ANSWER_KIND, hint="an old answer was sent again")
    if answer.reproducer != query.reproducer:
        message = f"it is about {answer.reproducer[:16]}, asked was {query.reproducer[:16]}"
        raise BrokenSeal(message, where=ANSWER_KIND)
    if not query.issued <= answer.answered <= query.until:
        message = f"it was given at {format_instant(answer.answered)}, outside the query's time"
        raise BrokenSeal(message, where=ANSWER_KIND)
    if LEVELS.index(answer.level) > LEVELS.index(query.level):
        message = f"it tells {answer.level}, asked was {query.level}"
        raise BrokenSeal(message, where=ANSWER_KIND, hint="it must not be kept")
    if (answer.query, answer.target) in seen:
        message = f"target {answer.target} has answered this query"
        raise BrokenSeal(message, where=ANSWER_KIND, hint="a new run needs a new query")
    return answer


def query_of(envelope: bytes, keys: Mapping[str, PublicKey], queries: Mapping[str, Query]) -> Query:
    """The query that an answer by a known key names, among those that were asked.

    Raises:
        BrokenSeal: another key or kind, or to none of them.
        MalformedEvidence: breaks its schema.
    """
    digest = _opened(envelope, keys, ANSWER_KIND)["query"]
    if digest not in queries:
        message = f"it answers query {digest[:16]}, which is none of those asked"
        raise BrokenSeal(message, where=ANSWER_KIND)
    return queries[digest]


def band_of(rate: float) -> str:
    """The band of a rate, such as `5-20 %`; what is below 0 is in the first one."""
    for low, high in pairwise(BAND_EDGES):
        if rate <= high:
            return f"{100 * low:g}-{100 * high:g} %"
    return f"{100 * BAND_EDGES[-2]:g}-{100 * BAND_EDGES[-1]:g} %"


def _answer(fields: dict[str, Any]) -> Answer:
    counts, interval, band = fields["counts"], fields["interval"], fields["band"]
    read: dict[str, Any] = {
        "verdict": Verdict(fields["verdict"]),
        "band": tuple(band) if band else None,
        "counts": Counts(**counts) if counts else None,
        "interval": tuple(interval) if interval else None,
        "answered": exact_instant(fields["answered"], where=ANSWER_KIND),
    }
    return Answer(**{**fields, **read})


def _require_level(answer: Answer) -> None:
    """Refuse an answer that tells more or less than its level says."""
    rank = LEVELS.index(answer.level)
    told = [answer.band is not None, answer.counts is not None, answer.interval is not None]
    if told != [rank >= 1, rank >= 2, rank >= 2]:  # noqa: PLR2004 - ranks of LEVELS
        message = f"level {answer.level} does not go with what the answer tells"
        raise MalformedEvidence(message, where=ANSWER_KIND)
    counts, interval = answer.counts, answer.interval
    if counts and counts.k > counts.n:
        raise MalformedEvidence(f"{counts.k} of {counts.n} is no count", where=ANSWER_KIND)
    if interval and interval[0] > interval[1]:
        raise MalformedEvidence("the interval is upside down", where=ANSWER_KIND)


def _sign(kind: str, reproducer: str, predicate: JsonObject, key: PrivateKey) -> bytes:
    subject = Subject("reproducer", reproducer)
    return sign_statement(Statement((subject,), predicate_type(kind), predicate), key)


def _opened(envelope: bytes, keys: Mapping[str, PublicKey], kind: str) -> dict[str, Any]:
    statement = open_envelope(envelope, keys, where=kind)
    if statement.predicate_type != predicate_type(kind) or len(statement.subjects) != 1:
        raise BrokenSeal(f"this is no {kind}", where=kind)
    require_schema(statement.predicate, kind, where=kind)
    fields: dict[str, Any] = dict(statement.predicate)
    if statement.subjects[0] != Subject("reproducer", fields["reproducer"]):
        raise BrokenSeal("the subject is not the reproducer that it names", where=kind)
    return fields
