"""What needs attention: counted for each kind of reader, now and then, whatever cannot be read."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text as sql

from steelyard.server.web.pages import home

from .others import open_case
from .visits import Browser, Site, number_of, report, text_of


def waiting(browser: Browser, path: str = "/advisories") -> int:
    """The number in the head of a page."""
    found = re.search(r'<span class="count">(\d+)', browser.get(path).text)
    return int(found[1]) if found else 0


def test_a_reader_is_told_of_what_waits_for_it_alone(site: Site) -> None:
    report(site.browser())
    chief, viewer = site.person("coordinator"), site.person("viewer")
    for path in ("/", "/advisories"):
        assert waiting(chief, path) == 1
        assert waiting(viewer, path) == 0
    assert waiting(site.browser()) == 0


def test_it_is_counted_once_a_minute_and_by_the_page_of_the_morning(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[home.Held] = []
    present = home.present

    def noted(held: home.Held, *others: object) -> home.HomePage:
        made.append(held)
        return present(held, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(home, "present", noted)
    chief = site.person("coordinator")
    assert waiting(chief) == 0
    report(site.browser())
    made.clear()
    assert [waiting(chief) for _ in range(5)] == [0] * 5
    assert not made
    site.clock.forward(minutes=1)
    assert [waiting(chief) for _ in range(5)] == [1] * 5
    assert len(made) == 1
    report(site.browser("203.0.113.8"))
    assert [waiting(chief), waiting(chief, "/"), waiting(chief)] == [1, 2, 2]


def test_no_page_waits_for_cases_that_were_not_read_yet(site: Site) -> None:
    case, chief = open_case(site), site.person("coordinator")
    before = waiting(chief)
    report(site.browser())
    site.clock.forward(minutes=2)
    site.node.chains.drop_all()
    assert waiting(chief) == before
    assert site.node.chains.held(case) is None
    assert waiting(chief, "/") == before + 1
    assert waiting(chief) == before + 1


def test_a_report_that_does_not_open_is_told_beside_those_that_do(site: Site) -> None:
    report(site.browser(), "A first one")
    chief = site.person("coordinator")
    lost = number_of(chief)
    report(site.browser(), "A second one")
    with site.node.database.writing() as connection:
        broken = {"number": lost, "sealed": b"nothing"}
        connection.execute(
            sql("UPDATE reports SET sealed = :sealed WHERE number = :number"), broken
        )
    listed = text_of(chief.get("/reports").text)
    assert f"Report {lost} does not open here" in listed
    assert "A second one" in listed
    today = chief.get("/")
    assert today.status_code == 200
    assert lost in text_of(today.text)
    assert "A second one" in today.text
