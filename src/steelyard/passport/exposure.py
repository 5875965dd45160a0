"""The step of a verification that looks for advisories against the passport's subject.

Decides spec/passport.md, step 16: what the signer knew, what the verifier's feed says, and what
is open. A feed in part of which nothing can be believed answers no policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from steelyard.kernel import format_instant
from steelyard.kernel.errors import CannotVerify
from steelyard.passport.advisories import (
    KNOWN,
    Exposure,
    Names,
    Standing,
    advisory_facts,
    names_of,
    standings,
)
from steelyard.passport.archive import statement_name
from steelyard.passport.regressions import own_statement, require_between, unresolved
from steelyard.passport.verification import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from steelyard.disclosure.advisory.feed import Feed
    from steelyard.disclosure.reproducer.regression import Regressed
    from steelyard.kernel import JsonObject
    from steelyard.passport.checks import Claims, Members, Signed, Times
    from steelyard.passport.policy import Policy
    from steelyard.risk.triggers import Facts
    from steelyard.standard import Release

_TRUST: Final = "name whom you trust with --publisher or in a policy"


@dataclass(frozen=True, slots=True)
class AdvisoryView:
    """Advisories against a passport's subject.

    Attributes:
        known_at_issue: When the signer looked at a feed; None where it did not.
        feed: The verifier's; None where none was given.
        regressions: Those that stay open although no advisory here names them.
    """

    names: Names
    known_at_issue: datetime | None
    feed: Feed | None
    found: tuple[Standing, ...]
    regressions: tuple[Regressed, ...]

    def open(self) -> tuple[str, ...]:
        """One sentence for each that is open."""
        told = [row.sentence() for row in self.found if row.open]
        return (
            *told,
            *(f"{r.name}: the regression is {r.verdict.value}" for r in self.regressions),
        )

    def facts(self) -> Facts:
        """What the feed tells the triggers of re-evaluation; nothing without one."""
        return advisory_facts(self.found) if self.feed is not None else {}

    def to_json(self) -> JsonObject:
        """The part of `verification.schema.json`."""
        known = self.known_at_issue
        return {
            "handles": list(self.names.subject),
            "bases": list(self.names.bases),
            "known_at_issue": format_instant(known) if known else None,
            "feed": _feed_json(self.feed) if self.feed is not None else None,
            "found": [row.to_json() for row in self.found],
            "open": list(self.open()),
        }


@dataclass(frozen=True, slots=True)
class Tested:
    """What the run says of itself, as earlier steps have established it."""

    claims: Claims
    times: Times
    release: Release
    regressions: tuple[Regressed, ...]


def check_advisories(
    members: Members,
    signed: Signed,
    tested: Tested,
    feed: Feed | None,
    policy: Policy | None,
    at: datetime,
) -> Finding[AdvisoryView]:
    """Step 16: which advisories concern the subject.

    One that is dated after the instant asked about counts all the same: it is here, so the
    clock, or the question, is of the past.

    Raises:
        MalformedEvidence: the signer's statement does not follow its schema.
        BrokenSeal: it is forged, or about another model.
        CannotVerify: it lies outside the run; or the policy limits open advisories, and part of
            the feed cannot be believed.
    """
    claims, times = tested.claims, tested.times
    digest = signed.statements["model-identity"].subjects[0].sha256
    names = names_of(claims.identity, digest, _classes(tested))
    as_of, known = _known(members, signed, times)
    found = standings(known, feed, names, tested.regressions, times.finished)
    named = {(row.exposure.advisory, row.exposure.finding) for row in found if row.open}
    alone = [r for r in unresolved(tested.regressions) if (r.advisory, r.finding) not in named]
    view = AdvisoryView(names, as_of, feed, found, tuple(alone))
    _require_readable(feed, policy)
    return Finding(view, *_told(view, at))


def unmet_by_advisories(view: JsonObject | None, policy: Policy) -> tuple[str, ...]:
    """Sentences about open advisories, where the policy limits them."""
    limit = policy.maximum_open_advisories
    if limit is None or view is None:
        return ()
    plain: dict[str, Any] = view
    if plain["feed"] is None:
        return (f"no advisories were looked at, at most {limit} open accepted",)
    found = plain["open"]
    if len(found) <= limit:
        return ()
    return tuple(f"open advisory: {sentence}" for sentence in found)


def unreadable(view: JsonObject | None, policy: Policy) -> tuple[str, ...]:
    """What of a feed cannot be believed, where the policy limits open advisories."""
    if policy.maximum_open_advisories is None or view is None:
        return ()
    plain: dict[str, Any] = view
    rows: list[dict[str, str]] = plain["feed"]["not_believed"] if plain["feed"] else []
    return tuple(f"advisories: {row['file']} {row['why']}" for row in rows)


def _require_readable(feed: Feed | None, policy: Policy | None) -> None:
    if feed is None or policy is None or policy.maximum_open_advisories is None:
        return
    if feed.not_believed:
        first = feed.not_believed[0]
        message = f"{first.file} {first.why}, so what is open cannot be told"
        hint = "get the feed again from its publisher, or take out what you do not trust"
        raise CannotVerify(message, hint=hint)


def _classes(tested: Tested) -> Iterable[str]:
    """Classes of the domains in scope, and those that the run tested for."""
    domains = tested.release.framework.domains
    for name in tested.claims.intent["scope"]:
        yield from domains[name].flaw_classes if name in domains else ()
    yield from (row.flaw_class for row in tested.regressions)


def _known(
    members: Members, signed: Signed, times: Times
) -> tuple[datetime | None, tuple[Exposure, ...]]:
    """What the signer says it knew; nothing where it looked at no feed."""
    if statement_name(KNOWN) not in members:
        return None, ()
    predicate = own_statement(members, signed, KNOWN)
    as_of = require_between(predicate["as_of"], times, KNOWN)
    return as_of, tuple(Exposure.from_json(row) for row in predicate["rows"])


def _told(view: AdvisoryView, at: datetime) -> tuple[str, bool, str]:
    """Detail, whether it is a warning, and hint."""
    open_, feed = view.open(), view.feed
    parts = [f"{len(open_)} open" if open_ else "none open"]
    more = f", and {len(open_) - 1} more" if open_[1:] else ""
    hints = [f"open: {open_[0]}{more}"] if open_ else []
    if view.known_at_issue is not None:
        parts.append(f"signer looked {format_instant(view.known_at_issue)}")
    if feed is None:
        parts.append("no feed was given, so nothing later is known")
        return "; ".join(parts), bool(open_), "; ".join(hints)
    parts.append(f"advisories read: {len(feed.advisories)}")
    if later := sum(row.exposure.changed > at for row in view.found):
        parts.append(f"{later} dated after {format_instant(at)}, counted all the same")
    if feed.not_believed:
        first = feed.not_believed[0]
        parts.append(f"{len(feed.not_believed)} not believed: {first.file} {first.why}")
    if feed.advisories and not feed.pinned:
        parts.append(f"publisher not pinned: anyone could have made key {feed.publishers[0][:16]}")
        hints.append(_TRUST)
    return "; ".join(parts), bool(hints or feed.not_believed), "; ".join(hints)


def _feed_json(feed: Feed) -> JsonObject:
    return {
        "documents": len(feed.advisories),
        "publishers": list(feed.publishers),
        "not_believed": [{"file": row.file, "why": row.why} for row in feed.not_believed],
    }
