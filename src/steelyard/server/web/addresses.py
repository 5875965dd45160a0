"""Addresses of pages and forms, for templates and routes alike.

Decides every path of the node's pages in one place, and quotes what goes into one.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

HOME: Final = "/"
CASES: Final = "/cases"
SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
TICKET: Final = "/sign-in/ticket/{ticket}"
PROVIDER: Final = "/sign-in/provider"
PROVIDER_BACK: Final = "/sign-in/provider/back"
LINK: Final = "/link/{secret}"
ACCOUNTS: Final = "/accounts"
REPORT: Final = "/report"
RESUME: Final = "/report/resume"
RECEIPT: Final = "/report/receipt"
FOLLOW: Final = "/report/follow"
REPORTS: Final = "/reports"
DEADLINES: Final = "/deadlines"
CALENDAR_FILE: Final = "/deadlines.ics"
CALENDAR_LINK: Final = "/deadlines/link"
CALENDAR: Final = "/calendar"
OUTBOX: Final = "/outbox"
ADVISORIES: Final = "/advisories"
FEED: Final = "/advisories/feed.atom"
ORGANIZATIONS: Final = "/organizations"
STATIC: Final = "/static"


def with_query(path: str, **values: str) -> str:
    """A path with the values that are not empty as its query."""
    kept = {name: value for name, value in values.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def case(case_id: str, tab: str = "") -> str:
    """A page of a case; the board without a tab."""
    path = f"{CASES}/{quote(case_id, safe='')}"
    return f"{path}/{tab}" if tab else path


def act(case_id: str, kind: str, **values: str) -> str:
    """Where an act is written (GET) and done (POST)."""
    return with_query(f"{case(case_id)}/acts/{quote(kind, safe='')}", **values)


def intake(step: str) -> str:
    """A step of the report form, GET and POST."""
    return f"{REPORT}/{quote(step, safe='')}"


def advisory(name: str) -> str:
    """A public advisory."""
    return f"{ADVISORIES}/{quote(name, safe='')}"


def organization(name: str) -> str:
    """An organization of the directory."""
    return f"{ORGANIZATIONS}/{quote(name, safe='')}"


def follow(secret: str) -> str:
    """A report, for who has its private link."""
    return f"{FOLLOW}/{quote(secret, safe='')}"


def report(number: str, tab: str = "") -> str:
    """A report that came in, for who handles it."""
    path = f"{REPORTS}/{quote(number, safe='')}"
    return f"{path}/{tab}" if tab else path


def account(account_id: str, tab: str = "") -> str:
    """An account, for who manages accounts."""
    path = f"{ACCOUNTS}/{quote(account_id, safe='')}"
    return f"{path}/{tab}" if tab else path
