"""A case whose rows in the database were changed: named as such, and no other is held up by it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from sqlalchemy import text as sql

from steelyard.server.web.warming import warm

from .others import open_case
from .test_attention import waiting
from .visits import Browser, Site, report, text_of

TOLD = (
    "annot be verified: what is stored of it was changed. Restore the database from a backup, as "
    "docs/how-to/run-a-node.md says under Keep it safe."
)
TABS = (
    "", "/timeline", "/embargo", "/affectedness", "/deadlines", "/deadlines.ics", "/publication",
    "/payloads", "/payloads/x", "/acts", "/acts/note", "/facts",
)  # fmt: skip


def change_row(site: Site, case: str) -> bytes:
    """Change an entry of a case in the database, and start the node anew; how it was."""
    one = {"case": case}
    with site.node.database.writing() as connection:
        query = "SELECT event FROM entries WHERE case_id = :case AND place = 0"
        before: bytes = connection.execute(sql(query), one).scalar_one()
    put_row(site, case, before.replace(b'"', b"'", 1))
    site.node.chains.drop_all()
    return before


def put_row(site: Site, case: str, event: bytes) -> None:
    """Write the first entry of a case over."""
    with site.node.database.writing() as connection:
        query = "UPDATE entries SET event = :event WHERE case_id = :case AND place = 0"
        connection.execute(sql(query), {"case": case, "event": event})


@pytest.fixture
def cases(site: Site) -> tuple[str, str]:
    """A case that verifies, and one that does not."""
    sound, broken = open_case(site, title="A sound one"), open_case(site, title="A broken one")
    change_row(site, broken)
    return sound, broken


@pytest.mark.parametrize("path", ["/", "/cases", "/deadlines"])
def test_lists_show_the_others_and_name_the_one_that_does_not_verify(
    ana: Browser, cases: tuple[str, str], path: str
) -> None:
    sound, broken = cases
    shown = ana.get(path)
    assert shown.status_code == 200
    assert TOLD in text_of(shown.text)
    assert "A broken one" in shown.text
    if path != "/deadlines":
        assert f'href="/cases/{sound}"' in shown.text
        assert f'href="/cases/{broken}"' in shown.text


@pytest.mark.usefixtures("cases")
def test_it_needs_attention_as_long_as_it_does_not_verify(site: Site, ana: Browser) -> None:
    today = text_of(ana.get("/").text)
    assert "Changed in the database 1" in today
    assert waiting(ana) == 1
    report(site.browser())
    site.clock.forward(minutes=2)
    assert waiting(ana) == 2


@pytest.mark.parametrize("tab", TABS)
def test_its_own_pages_say_what_to_do(ana: Browser, cases: tuple[str, str], tab: str) -> None:
    sound, broken = cases
    shown = ana.get(f"/cases/{broken}{tab}")
    assert shown.status_code == 500
    assert f"Case {broken[:12]} c{TOLD}" in text_of(shown.text)
    assert ana.get(f"/cases/{sound}{tab}").status_code == (404 if tab == "/payloads/x" else 200)


def test_what_is_said_in_it_is_refused_alike(ana: Browser, cases: tuple[str, str]) -> None:
    ana.get("/cases")
    token, broken = ana.form("/sign-out").fields["csrf_token"][0], cases[1]
    for path, sent in (("/acts/leave", {"reason": ""}), ("/facts", {"facts": "x"})):
        said = {"csrf_token": token, **sent}
        answer = ana.client.post(f"/cases/{broken}{path}", data=said)
        assert answer.status_code == 500
        assert TOLD in text_of(answer.text)


def test_no_calendar_is_silent_about_it(ana: Browser, cases: tuple[str, str]) -> None:
    shown = ana.get("/deadlines.ics")
    assert shown.status_code == 500
    assert f"Case {cases[1][:12]} c{TOLD}" in text_of(shown.text)


def test_the_log_tells_of_it_once(
    site: Site, ana: Browser, cases: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    broken = cases[1]
    with caplog.at_level(logging.ERROR, "steelyard.failures"):
        asyncio.run(warm(site.app.state.holdings))
        for path in ("/", "/cases", f"/cases/{broken}", "/deadlines", "/deadlines.ics", "/"):
            ana.get(path)
    told = [item.getMessage() for item in caplog.records]
    assert told == [f"case {broken[:16]} c{TOLD}"]


def test_it_is_read_once_for_all_lists_and_again_when_somebody_opens_it(
    site: Site, ana: Browser
) -> None:
    case = open_case(site, title="A broken one")
    before = change_row(site, case)
    assert TOLD in text_of(ana.get("/cases").text)
    put_row(site, case, before)
    assert TOLD in text_of(ana.get("/cases").text)
    assert ana.get(f"/cases/{case}").status_code == 200
    for path in ("/", "/cases"):
        assert TOLD not in text_of(ana.get(path).text)
