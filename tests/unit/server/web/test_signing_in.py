"""Accounts by key: the first link, tickets, sessions, and forms that came from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from steelyard.attest import generate_key
from steelyard.server.people.tickets import sign_ticket
from steelyard.server.storage.tables import LINKS, SESSIONS
from steelyard.server.web.settings import Settings

from .visits import BASE, Browser, Site, text_of

SMALL_ORDER = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END PUBLIC KEY-----
"""


def ticket_for(site: Site, browser: Browser, name: str = "ana", node: str = BASE) -> str:
    browser.get("/sign-in")
    challenge = text_of(browser.html).split("--challenge ")[1].split()[0]
    return sign_ticket(site.keys[name], node, challenge, site.clock.at)


def test_the_first_link_makes_the_first_account_once(site: Site) -> None:
    ana = site.first()
    assert "Today" in ana.html
    assert "ana" in ana.html
    again = site.browser()
    assert again.get(f"/link/{'s' * 43}").status_code == 404


def test_looking_at_a_link_does_not_use_it_up(site: Site) -> None:
    link, browser = site.link(), site.browser()
    for _ in range(3):
        assert browser.get(link).status_code == 200


def test_a_link_lapses(site: Site) -> None:
    link = site.link()
    site.clock.forward(hours=25)
    assert site.browser().get(link).status_code == 404


@pytest.mark.parametrize(
    ("name", "key"),
    [("", "valid"), ("ana", "no key"), ("ana", SMALL_ORDER), ("ana", "private")],
)
def test_a_key_that_is_none_leaves_the_link_and_what_was_typed(
    site: Site, name: str, key: str
) -> None:
    made = generate_key()
    pem = {"valid": made.public_key.pem.decode(), "private": made.pem.decode()}.get(key, key)
    link, browser = site.link(), site.browser()
    browser.get(link)
    answer = browser.send(link, name=name, key=pem)
    assert answer.status_code == 422
    assert pem.splitlines()[0] in answer.text
    browser.send(link, name="ana", key=generate_key().public_key.pem.decode())
    assert "Today" in browser.html


def test_a_ticket_signs_in_once(site: Site) -> None:
    site.first()
    browser, other = site.browser(), site.browser()
    ticket = ticket_for(site, browser)
    assert "Today" in browser.send("/sign-in", ticket=ticket).text
    other.get("/sign-in")
    assert other.send("/sign-in", ticket=ticket).status_code == 422


def test_a_ticket_is_used_once_even_in_the_browser_that_asked(site: Site) -> None:
    site.first()
    browser = site.browser()
    ticket = ticket_for(site, browser)
    visitor = browser.cookie()
    browser.send("/sign-in", ticket=ticket)
    browser.client.cookies.clear()
    browser.client.cookies.set("steelyard-session", visitor)
    browser.get("/sign-in")
    refused = browser.send("/sign-in", ticket=ticket)
    assert "this ticket was used already" in refused.text


def test_a_link_with_a_ticket_signs_in_once(site: Site) -> None:
    site.first()
    ticket = sign_ticket(site.keys["ana"], BASE, "a" * 64, site.clock.at)
    browser = site.browser()
    assert "You are about to sign in as ana" in browser.get(f"/sign-in/ticket/{ticket}").text
    assert "Today" in browser.send(f"/sign-in/ticket/{ticket}").text
    again = site.browser()
    again.get(f"/sign-in/ticket/{ticket}")
    assert again.send(f"/sign-in/ticket/{ticket}").status_code == 422


@pytest.mark.parametrize(
    ("node", "late_minutes", "told"),
    [
        ("https://elsewhere.example", 0, "the ticket is for another node"),
        (BASE, 6, "the ticket is too old"),
        (BASE, -6, "the ticket is too old, or a clock is wrong"),
    ],
)
def test_a_ticket_for_elsewhere_or_another_time_is_refused(
    site: Site, node: str, late_minutes: int, told: str
) -> None:
    site.first()
    browser = site.browser()
    browser.get("/sign-in")
    ticket = ticket_for(site, browser, node=node)
    site.clock.forward(minutes=late_minutes)
    assert told in browser.send("/sign-in", ticket=ticket).text


def test_a_ticket_must_answer_the_challenge_of_the_browser(site: Site) -> None:
    site.first()
    ticket = ticket_for(site, site.browser())
    other = site.browser()
    other.get("/sign-in")
    refused = other.send("/sign-in", ticket=ticket)
    assert "the ticket answers another challenge" in refused.text
    assert refused.status_code == 422


def test_an_unknown_key_and_a_changed_signature_are_refused(site: Site) -> None:
    site.first()
    browser = site.browser()
    site.keys["stranger"] = generate_key()
    unknown = browser.send("/sign-in", ticket=ticket_for(site, browser, "stranger"))
    assert "no account here is signed in by this" in unknown.text
    ticket = ticket_for(site, browser)
    body, _, signature = ticket.partition(".")
    changed = f"{body}.{signature[:40]}{'A' if signature[40] != 'A' else 'B'}{signature[41:]}"
    assert "does not verify" in browser.send("/sign-in", ticket=changed).text


def test_signing_in_gives_a_new_token_and_only_its_digest_is_kept(site: Site) -> None:
    browser = site.browser()
    browser.get("/sign-in")
    before = browser.cookie()
    link = site.link()
    key = generate_key().public_key.pem.decode()
    browser.get(link)
    browser.send(link, name="ana", key=key)
    after = browser.cookie()
    assert before
    assert after not in {"", before}
    with site.node.database.reading() as connection:
        kept = [row.digest for row in connection.execute(select(SESSIONS))]
        links = [row.digest for row in connection.execute(select(LINKS))]
    assert len(kept) == 1
    assert after not in kept
    assert "s" * 43 not in links


def test_a_ticket_stays_used_whatever_the_provider_is_said_to_answer(site: Site) -> None:
    site.first()
    nonce = "a" * 64
    ticket = sign_ticket(site.keys["ana"], BASE, nonce, site.clock.at)
    browser = site.browser()
    browser.get(f"/sign-in/ticket/{ticket}")
    assert "Today" in browser.send(f"/sign-in/ticket/{ticket}").text
    for state in (nonce, f"ticket {nonce}"):
        site.browser().client.get("/sign-in/provider/back", params={"state": state})
    again = site.browser()
    again.get(f"/sign-in/ticket/{ticket}")
    assert again.send(f"/sign-in/ticket/{ticket}").status_code == 422
    assert again.get("/cases").status_code == 303


def test_a_link_of_another_kind_is_not_used_up(site: Site) -> None:
    link = site.link()
    site.browser().get(f"/sign-in/provider/back?state={'s' * 43}")
    assert site.browser().get(link).status_code == 200


def test_a_session_ends_unused_and_in_any_case(site: Site) -> None:
    ana = site.first()
    for _ in range(14):
        site.clock.forward(minutes=50)
        assert ana.get("/cases").status_code == 200
    site.clock.forward(minutes=50)
    assert ana.get("/cases").headers["location"] == "/sign-in?next=%2Fcases"
    bo = site.person("viewer")
    site.clock.forward(minutes=61)
    assert bo.get("/cases").status_code == 303


def test_a_part_that_refreshes_by_itself_is_not_replaced_by_the_page_to_sign_in(
    site: Site,
) -> None:
    ana = site.first()
    assert ana.get("/outbox?live=1", **{"hx-request": "true"}).status_code == 200
    site.clock.forward(hours=2)
    assert ana.get("/outbox?live=1", **{"hx-request": "true"}).status_code == 401


def test_signing_out_ends_the_session_for_its_token(site: Site) -> None:
    ana = site.first()
    token = ana.cookie()
    ana.get("/")
    ana.send("/sign-out")
    thief = site.browser()
    thief.client.cookies.set("steelyard-session", token)
    assert thief.get("/cases").status_code == 303


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Settings(Path(), url="https://node.example"), "__Host-steelyard-session"),
        (Settings(Path(), behind_proxy=True), "__Host-steelyard-session"),
        (Settings(Path()), "steelyard-session"),
    ],
)
def test_cookies_are_for_no_script_and_where_there_is_tls_for_tls_alone(
    open_site: Callable[..., Site], settings: Settings, name: str
) -> None:
    site = open_site(settings)
    cookie = site.browser().get("/sign-in").headers["set-cookie"]
    assert cookie.startswith(f"{name}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert ("Secure" in cookie) is name.startswith("__Host-")


def test_a_cookie_that_was_set_for_tls_alone_is_forgotten_so_alone(
    open_site: Callable[..., Site],
) -> None:
    site = open_site(Settings(Path(), url="https://node.example"))
    ana = site.first()
    ana.get("/")
    forgotten = ana.post("/sign-out").headers["set-cookie"]
    assert forgotten.startswith("__Host-steelyard-session=")
    assert "Max-Age=0" in forgotten
    assert "Secure" in forgotten


def test_a_token_that_a_page_elsewhere_made_up_is_no_session(site: Site) -> None:
    site.first()
    browser = site.browser()
    browser.client.cookies.set("steelyard-session", "x" * 64)
    answer = browser.get("/sign-in")
    assert answer.headers["set-cookie"].startswith("steelyard-session=")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": BASE, "sec-fetch-site": "cross-site"},
    ],
)
def test_a_form_of_another_site_is_refused(site: Site, headers: dict[str, str]) -> None:
    ana = site.first()
    ana.get("/accounts")
    fields = {name: values[0] for name, values in ana.form("/accounts").fields.items()}
    del ana.client.headers["origin"]
    sent = {**fields, "name": "eve", "roles": "admin"}
    refused = ana.client.post("/accounts", data=sent, headers=headers)
    assert refused.status_code == 403
    ana.client.headers["origin"] = BASE
    assert "eve" not in ana.get("/accounts").text


def test_browsers_that_hide_their_origin_say_that_they_are_on_the_same_one(site: Site) -> None:
    ana = site.first()
    ana.client.headers.update({"origin": "null", "sec-fetch-site": "same-origin"})
    ana.get("/accounts")
    assert ana.send("/accounts", name="bo", roles=["viewer"]).status_code == 200


@pytest.mark.parametrize("sent", ["", "0" * 64, "theirs"])
def test_a_form_needs_the_token_of_its_own_visitor(site: Site, sent: str) -> None:
    ana, bo = site.first(), site.person("admin")
    bo.get("/accounts")
    theirs = bo.form("/accounts").fields["csrf_token"][0]
    ana.get("/")
    wrong = theirs if sent == "theirs" else sent
    refused = ana.post("/sign-out", csrf_token=wrong)
    assert refused.status_code == 403
    assert ana.get("/cases").status_code == 200


def test_the_token_of_a_form_is_not_that_of_the_cookie(site: Site) -> None:
    ana = site.first()
    ana.get("/")
    assert ana.cookie() not in ana.html


def test_a_form_of_an_earlier_session_is_shown_again_as_it_was_filled_in(site: Site) -> None:
    ana = site.first()
    ana.get("/accounts")
    answer = ana.send("/accounts", csrf_token="0" * 64, name="Typed by hand", roles=["viewer"])
    assert answer.status_code == 422
    assert "This form belongs to an earlier session" in answer.text
    assert ana.form("/accounts").fields["name"] == ["Typed by hand"]
    assert "Typed by hand" in ana.send("/accounts").text


def test_attempts_are_counted_by_address_and_after_a_restart(site: Site) -> None:
    site.first()
    browser = site.browser("198.51.100.1")
    statuses = [attempt(browser) for _ in range(12)]
    assert statuses == [422] * 10 + [429] * 2
    assert browser.page is not None
    assert int(browser.page.headers["retry-after"]) <= 31
    assert attempt(site.browser("198.51.100.2")) == 422
    site.clock.forward(seconds=31)
    assert attempt(browser) == 422


def attempt(browser: Browser) -> int:
    browser.get("/sign-in")
    return browser.send("/sign-in", ticket="no ticket").status_code


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\\\\evil",
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(site: Site, where: str) -> None:
    ana = site.first()
    assert ana.get("/sign-in").headers["location"] == "/"
    answer = ana.client.get("/sign-in", params={"next": where})
    assert answer.headers["location"] == "/"


def test_where_somebody_was_going_is_where_they_arrive(site: Site) -> None:
    site.first()
    browser = site.browser()
    asked = browser.get("/cases?done=x")
    browser.get(asked.headers["location"])
    challenge = text_of(browser.html).split("--challenge ")[1].split()[0]
    ticket = sign_ticket(site.keys["ana"], BASE, challenge, site.clock.at)
    assert browser.post("/sign-in", ticket=ticket).headers["location"] == "/cases?done=x"


def test_the_node_itself_names_its_address_not_whoever_asks(open_site: Callable[..., Site]) -> None:
    site = open_site(Settings(Path(), url="https://node.example"))
    shown = site.browser().client.get("/sign-in", headers={"host": "evil.example"})
    assert "--at https://node.example " in text_of(shown.text)
