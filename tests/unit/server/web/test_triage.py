"""Handling reports: which can be executed, who sees what, and the case that one becomes."""

from __future__ import annotations

import json

import pytest

from steelyard.kernel import sha256_hex

from .visits import WORDS, Browser, Site, begun, number_of, report, send_draft, text_of


def with_file(site: Site, name: str, data: bytes, tier: str = "h1") -> Browser:
    browser = begun(site)
    browser.get("/report/attachments")
    browser.send("/report/attachments", {"attachment": (name, data)}, go="next")
    browser.get("/report/hazard")
    browser.send("/report/hazard", hazard_tier=tier, go="next")
    return browser


def test_triage_sees_which_reports_can_be_executed(site: Site, reproducer: bytes) -> None:
    report(site.browser())
    send_draft(with_file(site, "flaw.json", reproducer))
    broken = json.dumps({"schema": "steelyard/reproducer/1"}).encode()
    send_draft(with_file(site, "flaw.json", broken))
    coordinator = site.person("coordinator")
    shown = text_of(coordinator.get("/reports").text)
    assert shown.count("can be executed") == 1
    assert shown.count("reproducer with errors") == 1
    assert shown.count("text alone") == 1
    pages = [
        text_of(coordinator.get(f"/reports/{part.split(chr(34))[0]}").text)
        for part in coordinator.get("/reports").text.split('href="/reports/')[1:]
    ]
    assert sum("A valid reproducer: " in page for page in pages) == 1
    assert sum("It was not run." in page for page in pages) == 1
    assert sum("Says that it is a reproducer, and is none" in page for page in pages) == 1


def test_an_attachment_is_saved_and_never_shown(site: Site) -> None:
    data = b"<script>alert(1)</script>"
    send_draft(with_file(site, 'a"\r\n<b>.html', data))
    coordinator = site.person("coordinator")
    path = f"/reports/{number_of(coordinator)}/files/{sha256_hex(data)}"
    answer = coordinator.get(path)
    assert answer.content == data
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "\n" not in answer.headers["content-disposition"]
    assert coordinator.get(f"{path[:-1]}0").status_code == 404


@pytest.mark.parametrize(
    ("tier", "role", "status"),
    [
        ("h1", "analyst", 200),
        ("h2", "analyst", 404),
        ("h2", "coordinator", 200),
        ("h3", "coordinator", 404),
        ("h3", "analyst", 404),
    ],
)
def test_tiers_say_who_sees_details(site: Site, tier: str, role: str, status: int) -> None:
    data = b"the payload itself"
    browser = with_file(site, "a.txt", data, tier)
    browser.get("/report/details")
    browser.send("/report/details", reproduction="step by step", go="next")
    send_draft(browser)
    person = site.person(role)
    number = number_of(person)
    page = person.get(f"/reports/{number}").text
    assert (("step by step" in page), WORDS in page) == (status == 200, True)
    assert person.get(f"/reports/{number}/files/{sha256_hex(data)}").status_code == status


def test_a_coordinator_turns_a_report_into_a_case_with_two_clicks(site: Site) -> None:
    reporter = with_file(site, "a.txt", b"the payload itself", "h3")
    follow = send_draft(reporter)
    coordinator = site.person("coordinator")
    path = f"/reports/{number_of(coordinator)}"
    coordinator.get(f"{path}/case")
    board = coordinator.send(f"{path}/case")
    assert "The case is open." in board.text
    case = str(board.url).split("/cases/")[1].split("?")[0]
    listed = text_of(coordinator.get(f"/cases/{case}/payloads").text)
    assert listed.count("H3 sealed") >= 2
    with site.node.database.reading() as connection:
        view = site.node.chains.get(connection, case).view
    assert [item.media_type for item in view.payloads.values()] == [
        "application/json", "text/plain",
    ]  # fmt: skip
    for name in view.payloads:
        assert coordinator.get(f"/cases/{case}/payloads/{name}").status_code == 404
    shown = text_of(reporter.get(follow).text)
    assert "A case was opened." in shown
    assert "Embargo no embargo" in shown
    assert "Advisory not public yet" in shown
    again = coordinator.get(f"{path}/case")
    assert again.headers["location"] == f"/cases/{case}"


def test_what_a_case_refuses_is_shown_beside_the_form(site: Site) -> None:
    report(site.browser(), title="\u202e" * 3 + "x")
    coordinator = site.person("coordinator")
    path = f"/reports/{number_of(coordinator)}"
    coordinator.get(f"{path}/case")
    refused = coordinator.send(f"{path}/case", title=" ", abstract="kept as typed")
    assert refused.status_code == 422
    assert "expected text of at most 200 characters" in refused.text
    assert coordinator.form(f"{path}/case").fields["abstract"] == ["kept as typed"]


def test_a_report_is_sorted_and_its_reporter_sees_it(site: Site) -> None:
    reporter = site.browser()
    follow = report(reporter)
    coordinator = site.person("coordinator")
    path = f"/reports/{number_of(coordinator)}"
    coordinator.get(path)
    coordinator.send(f"{path}/sort", state="out")
    assert "Out of scope here." in reporter.get(follow).text
    assert "There is none." in coordinator.get("/reports").text
    coordinator.get(path)
    assert coordinator.send(f"{path}/sort", state="case").status_code == 422
