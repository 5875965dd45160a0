"""Which role may do what: the table, every pair of it, and the pages that follow from it."""

from __future__ import annotations

import pytest

from steelyard.kernel.errors import ConfigurationError, UnknownName
from steelyard.server.node import saying
from steelyard.server.people.permissions import ROLES, may, permissions, require
from steelyard.server.web.routes.act_bodies import KINDS

from .visits import Site, report

ANALYST = {
    "see", "findings", "read-h1", "triage", "act-judge", "act-fix", "act-note", "act-target",
    "act-progress", "act-status", "act-draft",
}  # fmt: skip
ACTS = {f"act-{kind}" for kind in KINDS}
ALLOWED = {
    "admin": {"see", "accounts"},
    "coordinator": {
        "see", "findings", "read-h1", "read-h2", "triage", "open-case", "organizations", *ACTS,
    },
    "analyst": ANALYST,
    "viewer": {"see"},
}  # fmt: skip
PAGES = {
    "/": "see",
    "/cases": "see",
    "/deadlines": "see",
    "/deadlines.ics": "see",
    "/deadlines/link": "see",
    "/outbox": "see",
    "/organizations": "see",
    "/reports": "triage",
    "/accounts": "accounts",
}


@pytest.mark.parametrize("permission", sorted(permissions()))
@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_it_needs_and_no_more(role: str, permission: str) -> None:
    assert may([role], permission) is (permission in ALLOWED[role])


def test_roles_add_up_and_nobody_has_nothing() -> None:
    assert may(["viewer", "admin"], "accounts")
    assert not may([], "see")
    assert not may(["root"], "see")


def test_every_act_of_a_form_is_in_the_table() -> None:
    assert {name for name in permissions() if name.startswith("act-")} == ACTS


def test_a_refusal_does_not_tell_what_is_there() -> None:
    with pytest.raises(UnknownName, match="nothing here for these roles"):
        require(["viewer"], "accounts")
    with pytest.raises(ConfigurationError, match="no permission is called 'fly'"):
        may(["viewer"], "fly")


@pytest.mark.parametrize("role", ROLES)
def test_each_page_is_shown_to_its_roles_and_absent_for_others(site: Site, role: str) -> None:
    person = site.person(role)
    missing = person.get("/no-such-page")
    for path, permission in PAGES.items():
        answer = person.get(path)
        allowed = permission in ALLOWED[role]
        assert answer.status_code == (200 if allowed else 404), path
        if not allowed:
            told = answer.text.replace(path, "/no-such-page")
            assert words(told) == words(missing.text)


def words(html: str) -> str:
    """What a page of a problem says, without the token of its form."""
    return html.partition('<main id="content"')[2].partition("</main>")[0]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_in_particular_is_asked_to_sign_in_alike(site: Site, path: str) -> None:
    answer = site.browser().get(path)
    assert answer.status_code == 303
    where = answer.headers["location"]
    assert where == "/advisories" if path == "/" else where.startswith("/sign-in?next=")


def test_a_page_that_is_not_there_asks_nobody_to_sign_in(site: Site) -> None:
    assert site.browser().get(f"/cases/{'0' * 64}/nothing").status_code == 404
    shown = site.browser().get(f"/cases/{'0' * 64}")
    assert shown.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("role", ROLES)
def test_each_act_is_offered_and_done_by_its_roles_alone(site: Site, role: str) -> None:
    coordinator = site.person("coordinator")
    case = open_case(site)
    person = site.person(role)
    offered = person.get(f"/cases/{case}/acts").text
    for kind in sorted(KINDS):
        allowed = f"act-{kind}" in ALLOWED[role]
        path = f"/cases/{case}/acts/{kind}"
        assert person.get(path).status_code == (200 if allowed else 404), kind
        if not allowed:
            assert f'href="{path}"' not in offered
    person.get("/cases")
    token = person.form("/sign-out").fields["csrf_token"][0]
    sent = person.client.post(
        f"/cases/{case}/acts/world",
        data={"csrf_token": token, "event": "A", "evidence": "seen"},
    )
    assert sent.status_code == (303 if role == "coordinator" else 404)
    assert coordinator.get(f"/cases/{case}").status_code == 200


def test_a_viewer_cannot_reach_a_report_by_any_path(site: Site) -> None:
    report(site.browser())
    number = site.person("coordinator").get("/reports").text.split("/reports/R")[1][:11]
    viewer = site.person("viewer")
    for tail in ("", "/case", f"/files/{'0' * 64}"):
        assert viewer.get(f"/reports/R{number}{tail}").status_code == 404


def test_an_analyst_reads_a_report_and_opens_no_case(site: Site) -> None:
    report(site.browser())
    analyst = site.person("analyst")
    path = analyst.get("/reports").text.split('href="/reports/R')[1].split('"')[0]
    page = analyst.get(f"/reports/R{path}")
    assert page.status_code == 200
    assert "Turn it into a case" not in page.text
    assert analyst.get(f"/reports/R{path}/case").status_code == 404


def open_case(site: Site) -> str:
    """A case with a second organization's place still empty."""
    opening = saying.Opening("a title", "an abstract", ("coordinator", "reporter"))
    return site.node.run(lambda c: saying.open_case(site.node, c, opening)).case
