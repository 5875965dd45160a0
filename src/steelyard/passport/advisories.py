"""Advisories against the subject of a passport: known at issue, and published since.

Decides which findings name what was tested, its base, or a class of flaws in scope, what answers
them, and which stay open (spec/regression.md, sections 3 and 4). A passport cannot know what
came after it: that is read from the verifier's own feed. What is enough is for the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from steelyard.attest import Statement, predicate_type, sign_statement
from steelyard.disclosure.advisory.feed import AFFECTED, INVESTIGATED
from steelyard.disclosure.advisory.handles import endpoint_handle, subject_handle
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel import format_instant, parse_instant
from steelyard.passport.archive import KNOWN_ADVISORIES
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from steelyard.attest import PrivateKey, Subject
    from steelyard.disclosure.advisory.feed import Feed, PublishedAdvisory, PublishedFinding
    from steelyard.disclosure.reproducer.regression import Regressed
    from steelyard.kernel import JsonObject
    from steelyard.risk.triggers import Fact

KNOWN: Final = KNOWN_ADVISORIES
Relation = Literal["subject", "base", "class"]
_INSTANTS: Final = ("published", "changed")


@dataclass(frozen=True, slots=True)
class Names:
    """What an advisory may mean a passport by.

    Attributes:
        subject: Handles of what was tested.
        bases: Handles of what it was derived from, as the signer says.
        classes: Classes of flaws in scope.
    """

    subject: tuple[str, ...]
    bases: tuple[str, ...]
    classes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Exposure:
    """A finding that names the subject, its base or a class in scope.

    Attributes:
        publisher: Key id of who signed the advisory.
        document: SHA-256 of the advisory.
        status: What the advisory says of what it names.
        published: Instant of the first version.
        changed: Instant of this version.
    """

    advisory: str
    version: int
    finding: str
    title: str
    publisher: str
    document: str
    relation: Relation
    status: str
    flaw_class: str
    reproducer: str
    published: datetime
    changed: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """Whose finding it is: another publisher's of the same name is another."""
        return (self.publisher, self.advisory, self.finding)

    @property
    def is_told(self) -> bool:
        """Whether it says, or leaves open, that what it names is affected."""
        return self.status in (AFFECTED, INVESTIGATED)

    @property
    def accuses(self) -> bool:
        """Whether it says so of the model or its base; a class alone accuses nobody."""
        return self.is_told and self.relation != "class"

    def to_json(self) -> JsonObject:
        """A row of `known-advisories.schema.json`."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return {**row, **{name: format_instant(row[name]) for name in _INSTANTS}}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Exposure:
        """Read such a row."""
        fields: dict[str, Any] = {**row}
        fields |= {name: parse_instant(row[name]) for name in _INSTANTS}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Standing:
    """An exposure, and where it stands for one passport.

    Attributes:
        known_at_issue: Whether the signer said so.
        after_evidence: Whether this version is later than the end of the run.
        answered: Verdict of the regression by its reproducer; None without one.
    """

    exposure: Exposure
    known_at_issue: bool
    after_evidence: bool
    answered: Verdict | None

    @property
    def concerns(self) -> bool:
        """Whether it says, or leaves open, that what it names is affected, and nothing answers."""
        return self.exposure.is_told and self.answered is not Verdict.NOT_AFFECTED

    @property
    def open(self) -> bool:
        """Whether it accuses the model or its base, and nothing answers."""
        return self.concerns and self.exposure.accuses

    def to_json(self) -> JsonObject:
        """A row of `verification.schema.json`."""
        return {
            **self.exposure.to_json(),
            "known_at_issue": self.known_at_issue,
            "after_evidence": self.after_evidence,
            "answered": self.answered.value if self.answered else None,
            "open": self.open,
        }

    def sentence(self) -> str:
        """What is open, for people."""
        found = self.exposure
        whom = "the base of the model" if found.relation == "base" else "the model"
        what = "is affected" if found.status == AFFECTED else "is under investigation"
        answer = f", and a regression is {self.answered.value}" if self.answered else ""
        return f"{found.advisory}#{found.finding} says that {whom} {what}{answer}"


def names_of(identity: Mapping[str, Any], digest: str, classes: Iterable[str] = ()) -> Names:
    """What an advisory may mean a model by.

    Args:
        identity: The model-identity predicate.
        digest: Digest of its subject.
        classes: Classes of flaws in scope.
    """
    subject = [subject_handle(digest)]
    if identity["kind"] != "weights" and identity["endpoint"] is not None:
        subject.append(endpoint_handle(identity["endpoint"], identity["model"]))
    bases = tuple(subject_handle(base) for base in identity.get("bases", ()))
    return Names(tuple(subject), bases, frozenset(classes))


def exposures(feed: Feed, names: Names) -> tuple[Exposure, ...]:
    """Every finding of a feed that names the subject, its base or a class in scope.

    What an advisory says of the subject itself counts before what it says of the base.
    """
    return tuple(
        found
        for advisory in feed.advisories
        for finding in advisory.findings
        if (found := _exposure(advisory, finding, names)) is not None
    )


def sign_known(
    feed: Feed, names: Names, subject: Subject, as_of: datetime, key: PrivateKey
) -> bytes:
    """Sign which advisories name a model, or its base, at issue."""
    rows = [row.to_json() for row in exposures(feed, names) if row.relation != "class"]
    predicate: JsonObject = {
        "as_of": format_instant(as_of),
        "documents": len(feed.advisories),
        "publishers": list(feed.publishers),
        "not_believed": len(feed.not_believed),
        "rows": cast("Any", rows),
    }
    check_schema(predicate, KNOWN, where=KNOWN)
    return sign_statement(Statement((subject,), predicate_type(KNOWN), predicate), key)


def standings(
    known: Sequence[Exposure],
    feed: Feed | None,
    names: Names,
    regressions: Sequence[Regressed],
    finished: datetime,
) -> tuple[Standing, ...]:
    """Where each exposure stands; where the feed holds an advisory, the signer only accuses.

    Args:
        known: What the signer said at issue.
        feed: The verifier's; None where none was given.
        names: What an advisory may mean the passport by.
        regressions: What the run tested for.
        finished: End of the run.
    """
    said = {row.key for row in known}
    published = _last(exposures(feed, names) if feed is not None else ())
    held = {(one.publisher, one.id): one.version for one in feed.advisories} if feed else {}
    added = [
        row
        for row in _last(known).values()
        if _adds(row, published.get(row.key), held.get((row.publisher, row.advisory)))
    ]
    return tuple(
        Standing(row, row.key in said, row.changed > finished, _answer(row, regressions))
        for row in sorted((*published.values(), *added), key=lambda row: row.key[1:])
    )


def advisory_facts(found: Sequence[Standing]) -> dict[str, Fact]:
    """Facts for the triggers of re-evaluation."""
    due = [row for row in found if row.after_evidence and row.concerns]
    return {
        "advisory_on_subject": any(row.open for row in due),
        "advisory_in_class": any(row.exposure.relation == "class" for row in due),
    }


def _last(rows: Iterable[Exposure]) -> dict[tuple[str, str, str], Exposure]:
    """Of each finding the later version, and of equal ones that which accuses."""
    last: dict[tuple[str, str, str], Exposure] = {}
    for row in rows:
        if row.key not in last or _rank(row) >= _rank(last[row.key]):
            last[row.key] = row
    return last


def _rank(row: Exposure) -> tuple[int, bool, bool]:
    return row.version, row.accuses, row.is_told


def _adds(row: Exposure, published: Exposure | None, held: int | None) -> bool:
    """Whether the signer's word of a finding counts beside what the feed holds.

    Args:
        row: What the signer said.
        published: What the feed says of the same finding, where it concerns the model.
        held: The version of the advisory in the feed; None where it is not there.
    """
    if held is None:
        return True
    told = published is not None and published.accuses
    return row.accuses and row.version >= held and not told


def _exposure(
    advisory: PublishedAdvisory, finding: PublishedFinding, names: Names
) -> Exposure | None:
    told = next(_told(finding, names), None)
    if told is None:
        return None
    return Exposure(
        advisory.id, advisory.version, finding.id, finding.title[:2000], advisory.publisher,
        advisory.document, *told, finding.flaw_class, finding.reproducer,
        advisory.published, advisory.changed,
    )  # fmt: skip


def _told(finding: PublishedFinding, names: Names) -> Iterator[tuple[Relation, str]]:
    """What a finding says of what it names, the nearest first."""
    if said := _worst(finding, names.subject):
        yield "subject", said
    if said := _worst(finding, names.bases):
        yield "base", said
    if finding.affects and finding.flaw_class in names.classes:
        yield "class", AFFECTED


def _worst(finding: PublishedFinding, handles: Iterable[str]) -> str:
    """The worst that a finding says of any of the handles; empty where it names none."""
    said = [finding.statuses[handle] for handle in handles if handle in finding.statuses]
    return next((s for s in (AFFECTED, INVESTIGATED) if s in said), said[0] if said else "")


def _answer(row: Exposure, regressions: Sequence[Regressed]) -> Verdict | None:
    """What a regression by exactly the reproducer that the advisory names says."""
    wanted = (row.advisory, row.finding, row.reproducer)
    found = {r.verdict for r in regressions if (r.advisory, r.finding, r.reproducer) == wanted}
    worst = (Verdict.AFFECTED, Verdict.UNDETERMINED, Verdict.NOT_AFFECTED)
    return next((verdict for verdict in worst if verdict in found), None)
