"""Hostile words in every field that somebody can fill in, and what every page makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.server.pages.html_checks import faults, read

from steelyard.attest import generate_key

from .others import join, open_case, say
from .visits import Browser, Site, send_draft

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></textarea></title><!--"
    "{{ 7 * 7 }}{% raw %}&lt;b&gt;<svg/onload=alert(1)>"
)
ALIVE = "alert(1)"
OWN_SCRIPTS = re.compile(r"/static/(?:htmx-[\d.]+\.min|steelyard)\.js\?[0-9a-f]{12}")


def live(html: str) -> list[str]:
    """What of a page a browser would run, fetch from elsewhere, or take for markup of ours."""
    found: list[str] = []
    for element in read(html).elements:
        given = element.attributes
        found += [f"{element.tag} {name}" for name in given if name.startswith("on")]
        if element.tag == "script" and not OWN_SCRIPTS.fullmatch(given.get("src", "")):
            found.append(f"script {given}")
        if element.tag in {"img", "iframe", "object", "embed", "base", "style", "b"}:
            found.append(element.tag)
        for name in ("href", "src", "action"):
            if given.get(name, "").strip().lower().startswith(("javascript:", "data:", "//")):
                found.append(f"{name}={given[name]}")
    return found


def test_the_check_itself_finds_what_is_alive() -> None:
    page = f'<html lang="en"><p>{HOSTILE.replace("</textarea></title><!--", "")}</p>'
    assert {"img", "img onerror", "svg onload", "script {}"} <= set(live(page))


@pytest.fixture
def filled(site: Site, tmp_path: Path) -> list[tuple[Browser, str]]:
    """A node where every field was filled with hostile words, and all paths that show them."""
    ana = site.browser()
    link, key = site.link(), site.keys.setdefault("ana", generate_key())
    ana.get(link)
    ana.send(link, name=HOSTILE[:120], key=key.public_key.pem.decode())
    reporter = site.browser()
    follow = hostile_report(reporter)
    other = join(site, tmp_path / "o", HOSTILE[:100].replace("\n", ""), "developer", "deployer")
    number = ana.get("/reports").text.split('href="/reports/')[1].split('"')[0]
    case = hostile_case(ana, number)
    ana.get(f"/cases/{case}/acts/invite")
    ana.send(f"/cases/{case}/acts/invite", organization=other.id, roles=["developer", "deployer"])
    hostile_acts(ana, case)
    say(site, other, case, "target", handle="m1", version=HOSTILE[:120], commitment=None,
        guardrail=HOSTILE[:120])  # fmt: skip
    say(site, other, case, "emergency", facts=HOSTILE, told=[HOSTILE[:200]])
    reporter.get(follow)
    reporter.send(follow, text=HOSTILE)
    ana.get(f"/reports/{number}")
    ana.send(f"/reports/{number}/answer", text=HOSTILE)
    organization = f"/organizations/{other.id.replace(':', '%3A')}"
    account = ana.get("/accounts").text.split('href="/accounts/')[1].split('"')[0]
    base = f"/cases/{case}"
    tabs = ("", "/timeline", "/embargo", "/affectedness", "/deadlines", "/publication",
            "/payloads", "/acts", "/acts/note", "/acts/propose", "/facts")  # fmt: skip
    own = ["/", "/cases", "/reports", "/reports?state=all", f"/reports/{number}", "/deadlines",
           "/outbox", "/organizations", organization, "/accounts", f"/accounts/{account}",
           *(f"{base}{tab}" for tab in tabs)]  # fmt: skip
    return [(reporter, follow), (reporter, "/advisories"), *((ana, path) for path in own)]


def hostile_report(browser: Browser) -> str:
    browser.get("/report/abstract")
    browser.send("/report/abstract", title=HOSTILE[:200], summary=HOSTILE, go="next")
    for step in ("details", "models", "hazard", "contact"):
        browser.get(f"/report/{step}")
        form = browser.form(f"/report/{step}")
        values = dict.fromkeys(form.names - {"csrf_token", "go", "hazard_tier"}, HOSTILE)
        browser.send(f"/report/{step}", go="next", **values)
    browser.get("/report/attachments")
    files = {"attachment": (f"{HOSTILE}.json", b'{"schema": "steelyard/reproducer/1", "<b>": 1}')}
    browser.send("/report/attachments", files, go="next")
    for path in ("/report/abstract", "/report/details", "/report/models", "/report/send"):
        assert live(browser.get(path).text) == []
    return send_draft(browser)


def hostile_case(ana: Browser, number: str) -> str:
    ana.get(f"/reports/{number}/case")
    answer = ana.send(f"/reports/{number}/case", title=HOSTILE[:200], abstract=HOSTILE)
    return str(answer.url).split("/cases/")[1].split("?")[0]


def hostile_acts(ana: Browser, case: str) -> None:
    acts = {
        "note": {"audience": "everybody", "tier": "h1", "text": HOSTILE},
        "propose": {"until": "2026-12-01T00:00", "text": HOSTILE},
        "world": {"event": "A", "evidence": HOSTILE},
        "emergency": {"facts": HOSTILE, "told": HOSTILE[:200]},
    }
    for kind, values in acts.items():
        path = f"/cases/{case}/acts/{kind}"
        ana.get(path)
        answer = ana.send(path, **values)
        assert answer.status_code == 200, (kind, answer.text)


def test_no_page_runs_what_somebody_wrote(filled: list[tuple[Browser, str]]) -> None:
    seen = 0
    for browser, path in filled:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert live(answer.text) == [], path
        assert faults(answer.text) == [], path
        assert "49" not in re.findall(r"\b49\b", answer.text), path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        seen += ALIVE in answer.text
    assert seen >= 12


@pytest.mark.parametrize(
    "path",
    [
        f"/{HOSTILE}",
        f"/cases/{HOSTILE}",
        f"/sign-in?next=/{HOSTILE}",
        f"/advisories?text={HOSTILE}",
        f"/report/{HOSTILE}",
        f"/link/{HOSTILE}",
        "/sign-in?done=<script>",
        f"/sign-in/provider/back?state={HOSTILE}&code={HOSTILE}",
    ],
)
def test_no_page_repeats_an_address_as_markup(site: Site, path: str) -> None:
    browser = site.browser()
    assert live(browser.get(path).text) == []


@pytest.mark.parametrize("query", ["text", "role", "affected", "sort", "kind", "author", "month"])
def test_no_page_of_a_case_repeats_its_query_as_markup(site: Site, query: str) -> None:
    ana, case = site.first(), open_case(site)
    for tab in ("", "/timeline", "/deadlines"):
        answer = ana.client.get(f"/cases/{case}{tab}", params={query: HOSTILE})
        assert answer.status_code == 200
        assert live(answer.text) == []


def test_forms_that_are_refused_repeat_what_was_typed_as_text(site: Site) -> None:
    browser = site.browser()
    browser.get("/report/abstract")
    page = browser.send("/report/abstract", title=HOSTILE * 9, summary="", go="next").text
    assert live(page) == []
    assert faults(page) == []
    browser.get("/sign-in")
    assert live(browser.send("/sign-in", ticket=HOSTILE).text) == []
