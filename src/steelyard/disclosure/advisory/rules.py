"""What must hold between the fields of an advisory before any format is written from it.

Decides the rules of spec/disclosure-advisory.md, section 2. They are the mandatory tests of CSAF
2.0 and 2.1 that an author can break, told in the author's words.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.escape import check_url
from steelyard.disclosure.advisory.model import Advisory, Detail, Kind, Status, Verdict
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.disclosure.advisory.model import AffectednessRow, Finding, Target

# CSAF 2.0, 6.1.31: words that make a version name a range.
_RANGE: Final = re.compile(
    r"[<>]|\b(?:after|all|before|earlier|later|prior|versions)\b", re.IGNORECASE
)
# The form of CSAF's purl, and what the purl specification asks of a type and a name.
_PURL: Final = re.compile(
    r"pkg:[a-z][a-z0-9.-]*(?:/(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)+"
    r"(?:@(?:[A-Za-z0-9._~:+-]|%[0-9A-Fa-f]{2})+)?"
)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A mitigation of these says that there is something, one of the others that there is nothing.
_SOMETHING: Final = frozenset({"mitigation", "workaround", "vendor_fix"})
_ALONE: Final = frozenset({"none_available", "no_fix_planned"})
_OPEN: Final = (
    Verdict.AFFECTED,
    Verdict.UNDETERMINED,
    Verdict.NOT_CHECKED,
    Verdict.SILENT,
)
_ANSWERED: Final = (Verdict.AFFECTED, Verdict.NOT_AFFECTED, Verdict.FIXED, Verdict.UNDETERMINED)


def check_advisory(advisory: Advisory, *, where: str) -> None:
    """Refuse an advisory that contradicts itself.

    Raises:
        MalformedEvidence: naming the field and what was required.
    """
    _check_revisions(advisory, where)
    _check_unique([target.id for target in advisory.targets], "targets", where)
    _check_unique([target.full_name for target in advisory.targets], "names of targets", where)
    _check_unique([finding.id for finding in advisory.findings], "findings", where)
    _check_unique([f.cve for f in advisory.findings if f.cve], "CVE ids", where)
    _check_unique([f.osv_id for f in advisory.findings if f.osv_id], "OSV ids", where)
    check_url(advisory.publisher.namespace, where=f"{where}.publisher.namespace")
    for reference in advisory.references:
        check_url(reference.url, where=f"{where}.references")
    for target in advisory.targets:
        _check_target(target, f"{where}.targets.{target.id}")
    for finding in advisory.findings:
        _check_finding(finding, advisory, f"{where}.findings.{finding.id}")


def _check_revisions(advisory: Advisory, where: str) -> None:
    numbers = [revision.number for revision in advisory.revisions]
    if advisory.status is Status.DRAFT and numbers != [0]:
        message = f"a draft has one revision, number 0; found {numbers[:6]}"
        raise MalformedEvidence(message, where=f"{where}.revisions")
    if advisory.status is not Status.DRAFT and numbers != list(range(1, len(numbers) + 1)):
        message = f"revisions are numbered 1, 2, 3 and so on; found {numbers[:6]}"
        raise MalformedEvidence(message, where=f"{where}.revisions")
    instants = [revision.at for revision in advisory.revisions]
    if any(later <= earlier for earlier, later in pairwise(instants)):
        message = "every revision is later than the one before"
        raise MalformedEvidence(message, where=f"{where}.revisions")


def _check_target(target: Target, where: str) -> None:
    if found := _RANGE.search(target.version):
        message = f"{found.group()!r} makes the version a range"
        hint = "write one target for each version, or the date a hosted model was tested"
        raise MalformedEvidence(message, where=f"{where}.version", hint=hint)
    if target.purl:
        _check_purl(target.purl, where)
    for uri in target.uris:
        _check_uri(uri.namespace, f"{where}.uris")
        _check_uri(uri.uri, f"{where}.uris")
    _check_unique([weight.file for weight in target.weights], "weight files", where)
    if (target.kind is Kind.PACKAGE) != (target.package is not None):
        message = "a target of kind package, and no other, has the field package"
        raise MalformedEvidence(message, where=where)
    if target.package and target.package.fixed and target.package.last_affected:
        message = "a package has fixed or last_affected, not both"
        raise MalformedEvidence(message, where=f"{where}.package")


def _check_purl(purl: str, where: str) -> None:
    if not _PURL.fullmatch(purl):
        message = f"{purl[:80]!r} is no package URL without qualifiers"
        raise MalformedEvidence(message, where=f"{where}.purl")
    version = purl.partition("@")[2]
    if purl.startswith("pkg:huggingface/") and version and not _COMMIT.fullmatch(version):
        message = f"the version of a huggingface purl is a commit, found {version[:40]!r}"
        raise MalformedEvidence(message, where=f"{where}.purl")


def _check_uri(uri: str, where: str) -> None:
    """A model id may be a URN (RFC 8141) as well as an address."""
    if not re.fullmatch(r"urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[A-Za-z0-9._~:/@+-]+", uri):
        check_url(uri, where=where)


def _check_finding(finding: Finding, advisory: Advisory, where: str) -> None:
    known = {target.id for target in advisory.targets}
    _check_unique([row.target for row in finding.rows], "rows of one target", where)
    _check_unique([weakness.id for weakness in finding.weaknesses], "CWEs", where)
    named = {row.target for row in finding.rows}
    for mitigation in finding.mitigations:
        named |= set(mitigation.targets)
        if mitigation.url:
            check_url(mitigation.url, where=f"{where}.mitigations")
    if unknown := sorted(named - known):
        raise MalformedEvidence(f"no target has the id {unknown[0]!r}", where=where)
    for reference in finding.references:
        check_url(reference.url, where=f"{where}.references")
    for row in finding.rows:
        _check_row(row, f"{where}.affectedness.{row.target}")
        _check_mitigations(finding, row, where)
    if left := sorted(_mitigated(finding) - {row.target for row in finding.rows}):
        message = f"a mitigation names {left[0]!r}, of which affectedness says nothing"
        raise MalformedEvidence(message, where=f"{where}.mitigations")


def _check_row(row: AffectednessRow, where: str) -> None:
    if row.publish is not Detail.VERDICT and row.band is None and row.rate is None:
        message = f"publish is {row.publish.value!r}, and there is neither band nor rate"
        raise MalformedEvidence(message, where=where)
    if row.verdict not in _ANSWERED and (row.band or row.rate or row.why):
        message = f"a target that is {row.verdict.value!r} has no band, rate or reason"
        raise MalformedEvidence(message, where=where)
    if row.verdict is Verdict.SILENT and row.asked_at is None:
        message = "who is silent was asked: asked_at is missing"
        hint = "write not_checked where nobody was asked"
        raise MalformedEvidence(message, where=where, hint=hint)
    if row.verdict is Verdict.NOT_CHECKED and row.asked_at is not None:
        message = "whose owner was asked and did not answer is silent, not not_checked"
        raise MalformedEvidence(message, where=where)
    if row.justification and row.verdict is not Verdict.NOT_AFFECTED:
        message = "only a target that is not affected has a justification"
        raise MalformedEvidence(message, where=where)
    _check_numbers(row, where)


def _check_numbers(row: AffectednessRow, where: str) -> None:
    if row.band is not None and not row.band[0] < row.band[1]:
        raise MalformedEvidence("a band has a lower and a higher end", where=where)
    rate = row.rate
    if rate is None:
        return
    share = rate.successes / rate.tries
    # An interval rounded to three places may miss its own centre by half a thousandth.
    if not rate.low - 0.0005 <= share <= rate.high + 0.0005:
        message = (
            f"{rate.successes} of {rate.tries} lies outside the interval "
            f"{rate.low:g} to {rate.high:g}"
        )
        raise MalformedEvidence(message, where=where)


def _check_mitigations(finding: Finding, row: AffectednessRow, where: str) -> None:
    categories = {entry.category for entry in finding.mitigations_of(row.target)}
    place = f"{where}.mitigations"
    if categories and row.verdict not in _OPEN:
        message = f"{row.target!r} is {row.verdict.value!r} and has a mitigation"
        raise MalformedEvidence(message, where=place)
    for one, other in combinations(sorted(categories), 2):
        if (one in _ALONE and other in _SOMETHING) or (other in _ALONE and one in _SOMETHING):
            message = f"{row.target!r} has both {one!r} and {other!r}"
            raise MalformedEvidence(message, where=place)
    if categories >= _ALONE:
        message = f"{row.target!r} has both 'no_fix_planned' and 'none_available'"
        raise MalformedEvidence(message, where=place)


def _mitigated(finding: Finding) -> set[str]:
    return {target for entry in finding.mitigations for target in entry.targets}


def _check_unique(names: Iterable[str], what: str, where: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise MalformedEvidence(f"two {what} are called {repeated[0]!r}", where=where)
