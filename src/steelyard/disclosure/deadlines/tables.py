"""The rules of deadlines as Markdown, for the reference page.

Decides the form only; a test compares the page with what these functions give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steelyard.disclosure.deadlines.rules import Rule, Rulebook


def rule_rows(book: Rulebook) -> str:
    """Rules as a Markdown table."""
    lines = [
        "| rule | report | due | after | applies if | in force | source |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{rule.id}` v{rule.version} | {rule.title}: {rule.artefact} | {rule.duration.text}, "
        f"`{rule.calendar}` | {_start(rule)} | {', '.join(rule.applies_if)} | "
        f"{rule.in_force.isoformat()} | {rule.citation}{_doubt(rule.confidence)} |"
        for rule in book.rules
    ]
    return "\n".join(lines)


def _start(rule: Rule) -> str:
    start = " or ".join(f"`{name}` was sent" for name in rule.follows) or rule.trigger_event
    if rule.after_event:
        start += f", not before {rule.after_event}"
    return f"{start}, and again until {rule.repeats_until}" if rule.repeats_until else start


def calendar_rows(book: Rulebook) -> str:
    """Calendars as a Markdown table."""
    lines = ["| calendar | zone | hours | a last day off | source |", "|---|---|---|---|---|"]
    for row in book.calendars.values():
        hours = "from the next full hour" if row.hours == "next-full-hour" else "elapsed"
        rolls = "moves to the next working day" if row.rolls else "stays"
        if row.least_working_days:
            rolls += f"; at least {row.least_working_days} working days"
        lines.append(
            f"| `{row.id}` | {row.zone or 'from the facts'} | {hours} | {rolls} | "
            f"{row.citation}{_doubt(row.confidence)} |"
        )
    return "\n".join(lines)


def name_rows(book: Rulebook) -> str:
    """Events and conditions as a Markdown table."""
    lines = ["| name | kind | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | event | {text} |" for name, text in book.events.items()]
    lines += [f"| `{name}` | condition | {text} |" for name, text in book.conditions.items()]
    return "\n".join(lines)


def note_lines(book: Rulebook) -> str:
    """What is noted about rules and calendars, as a Markdown list."""
    noted = [*book.calendars.values(), *book.rules]
    return "\n".join(f"- `{row.id}`: {row.note}." for row in noted if row.note)


def _doubt(confidence: str) -> str:
    return " (**unconfirmed**)" if confidence == "unconfirmed" else ""
