"""What an advisory says in words: one sentence for each row, so that silence is never a verdict.

Decides the texts of spec/disclosure-advisory.md, section 3; every format carries the same ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.model import Verdict
from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.model import (
        Advisory,
        AffectednessRow,
        Credit,
        Finding,
        Mitigation,
        Rate,
    )

NO_MITIGATION: Final = "No mitigation is known to the publisher."
_VERDICTS: Final = {
    Verdict.AFFECTED: "affected",
    Verdict.NOT_AFFECTED: "not affected",
    Verdict.FIXED: "fixed",
    Verdict.UNDETERMINED: "undetermined: it was tested, and the results allow no verdict",
    Verdict.NOT_CHECKED: "not checked: nobody was asked about it and it was not tested",
    Verdict.SILENT: "silent",
}


def row_text(row: AffectednessRow) -> str:
    """What is known of one target, in one sentence without its name."""
    text = _VERDICTS[row.verdict]
    if row.verdict is Verdict.SILENT and row.asked_at is not None:
        asked = format_instant(row.asked_at)
        text = f"silent: its owner was asked at {asked} and has not answered"
    shown = [part for part in (rate_text(row), row.why.rstrip(".")) if part]
    return f"{text} ({'; '.join(shown)})." if shown else f"{text}."


def rate_text(row: AffectednessRow) -> str:
    """The rate as far as its owner agreed to show it; empty for nothing."""
    if row.shown_rate is not None:
        return _counts_text(row.shown_rate)
    if row.shown_band is not None:
        low, high = row.shown_band
        return f"the rate lies between {low:g} and {high:g}"
    return ""


def affectedness_text(advisory: Advisory, finding: Finding) -> str:
    """Every target and what is known of it, one a line, then those without a name."""
    lines = [f"{advisory.target(row.target).full_name}: {row_text(row)}" for row in finding.rows]
    if shown := finding.unnamed.shown():
        counts = ", ".join(f"{count} {name}" for name, count in shown.items())
        lines.append(f"Targets that are not named: {counts}; counts below three are not shown.")
    lines.append(
        "Neither silence nor the absence of a test says that a target is affected or is not."
    )
    return "\n".join(lines)


def impact_text(row: AffectednessRow) -> str:
    """Why a target is not affected, for formats that require a reason."""
    if row.why:
        return row.why
    tested = rate_text(row)
    return "Its owner reports that the flaw does not reproduce" + (
        f" ({tested})." if tested else "."
    )


def mitigation_text(mitigation: Mitigation) -> str:
    """What to do, and what sealed variants showed of it."""
    if mitigation.verification:
        return f"{mitigation.details}\nVerified: {mitigation.verification}"
    return f"{mitigation.details}\nNot verified on sealed variants."


def action_text(finding: Finding, row: AffectednessRow) -> str:
    """What to do about one target."""
    texts = [mitigation_text(entry) for entry in finding.mitigations_of(row.target)]
    return "\n\n".join(texts) or NO_MITIGATION


def facts_text(finding: Finding) -> str:
    """Flaw class and reproducer, which no published format has a field for; empty for none."""
    facts = [
        f"Flaw class: {finding.flaw_class}." if finding.flaw_class else "",
        f"SHA-256 of the reproducer: {finding.reproducer}." if finding.reproducer else "",
    ]
    return "\n".join(fact for fact in facts if fact)


def timeline_text(advisory: Advisory) -> str:
    """The timeline, one event a line."""
    return "\n".join(
        f"{format_instant(entry.at)} {entry.event.replace('_', ' ')}: {entry.text}"
        for entry in advisory.timeline
    )


def credit_text(credit: Credit) -> str:
    """Names, organization and reason in one line."""
    who = ", ".join(part for part in (*credit.names, credit.organization) if part)
    return ": ".join(part for part in (who, credit.summary) if part)


def _counts_text(rate: Rate) -> str:
    return (
        f"{rate.successes} of {rate.tries} tries, "
        f"{rate.low:g} to {rate.high:g} at {100 * rate.coverage:g} %"
    )
