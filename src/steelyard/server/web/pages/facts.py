"""Facts of a case for its legal deadlines, entered as strict YAML."""

from __future__ import annotations

from steelyard.server.node.legal import FACTS_LIMIT
from steelyard.server.web.forms import Button, Field, Form
from steelyard.server.web.pages.sign_in import LinkPage


def present(action: str, case: str, text: str) -> LinkPage:
    """The page for `link.html` where facts are entered; its form sends `facts`.

    Args:
        action: Where the form is sent.
        case: Title of the case.
        text: Facts as they are, or as they were typed before.
    """
    hint = (
        "Events, conditions, zones, holidays and what was sent, as "
        "spec/disclosure-deadlines.md has them. The first word of attacks, and your own first "
        "fix, are taken from the case."
    )
    facts = Field("facts", "Facts", "text", text, hint, limit=FACTS_LIMIT)
    form = Form("facts", "Facts", action, (facts,), (Button("Keep them"),))
    return LinkPage(f"Facts of {case}", "What starts and ends legal deadlines of this case.", form)


def present_calendar(action: str, link: str = "") -> LinkPage:
    """The page for `link.html` that makes a private link for programs that show calendars.

    Args:
        action: Where the form is sent.
        link: What was just made; shown once, empty otherwise.
    """
    lead = (
        f"Your link, shown once: {link}"
        if link
        else "A program that shows calendars reads the deadlines of all cases by a private link."
    )
    form = Form(
        "calendar",
        "Make a private link",
        action,
        buttons=(Button("Make a link"),),
        explains="Whoever has it reads titles of cases and their deadlines. An earlier one of "
        "yours becomes void.",
    )
    return LinkPage("Private calendar", lead, form)
