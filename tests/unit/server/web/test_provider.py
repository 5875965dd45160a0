"""Signing in by a provider: what a token must say, who may ask, and where nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from steelyard.kernel.errors import ConfigurationError
from steelyard.server.storage.accounts import all_accounts
from steelyard.server.web.routes import signing_in
from steelyard.server.web.settings import Oidc, Settings, read_settings

from . import small_provider as fake
from .visits import BASE, START, Browser, Clock, Site

ROLES = {"staff": "analyst", "leads": "coordinator"}


@dataclass
class Joined:
    """A node and its provider."""

    site: Site
    provider: fake.Provider
    clock: Clock

    def away(self, browser: Browser) -> str:
        """Where the provider sends a browser back to."""
        asked = browser.get("/sign-in/provider?next=/cases")
        assert asked.status_code == 303, browser.html
        assert asked.headers["location"].startswith(f"{self.provider.issuer}/authorize?")
        return self.provider.authorize(asked.headers["location"])

    def sign_in(self, browser: Browser) -> str:
        """The page after a whole round, as text."""
        browser.get(self.away(browser))
        return browser.follow().text

    def accounts(self) -> list[tuple[str, frozenset[str]]]:
        with self.site.node.database.reading() as connection:
            return [(item.name, item.roles) for item in all_accounts(connection)]


@pytest.fixture
def joined(open_site: Callable[..., Site]) -> Iterator[Joined]:
    clock = Clock()
    with fake.provider(clock) as found:
        oidc = Oidc(found.issuer, fake.CLIENT, "secret", "House login", roles=ROLES)
        site = open_site(Settings(Path(), allow_private=True, oidc=oidc))
        (site.settings.folder / "secret").write_text(f"{fake.SECRET}\n")
        clock.at = START
        site.clock.at = START
        yield Joined(site, found, site.clock)


def test_somebody_signs_in_and_gets_roles_of_the_mapping(joined: Joined) -> None:
    browser = joined.site.browser()
    assert "House login" in browser.get("/sign-in").text
    page = joined.sign_in(browser)
    assert "<h1>Cases</h1>" in page
    assert joined.accounts() == [("Olu", frozenset({"analyst"}))]
    joined.sign_in(joined.site.browser())
    assert len(joined.accounts()) == 1


def test_roles_follow_the_provider_and_end_older_sessions(joined: Joined) -> None:
    first, second = joined.site.browser(), joined.site.browser()
    joined.sign_in(first)
    joined.provider.claims = {"groups": ["leads", "unknown"], "name": "Another Name"}
    joined.sign_in(second)
    assert joined.accounts() == [("Olu", frozenset({"coordinator"}))]
    assert first.get("/cases").status_code == 303
    assert second.get("/cases").status_code == 200


@pytest.mark.parametrize("groups", [[], ["guests"], None, "guests", {"staff": 1}, [["staff"]]])
def test_without_a_role_nobody_gets_in(joined: Joined, groups: Any) -> None:  # noqa: ANN401
    joined.provider.claims = {"groups": groups}
    browser = joined.site.browser()
    assert "the provider gives you no role at this node" in joined.sign_in(browser)
    assert joined.accounts() == []


ATTACKS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "another nonce": ({"nonce": "0" * 64}, None, "the token answers another request"),
    "no nonce": ({"nonce": None}, None, "missing the &#34;nonce&#34; claim"),
    "alg none": ({}, fake.by_none, "signed by &#39;none&#39;"),
    "HS256 with the public key": ({}, fake.by_public_key_as_secret, "signed by &#39;HS256&#39;"),
    "another key": ({}, fake.by_another_key, "the token does not verify"),
    "a key that is not listed": ({}, fake.by_an_unknown_name, "0 keys of the provider fit"),
    "a key in the token": ({}, fake.by_a_key_of_its_own, "0 keys of the provider fit"),
    "expired": ({"exp": int(START.timestamp()) - 61}, None, "the token has expired"),
    "of long ago": ({"iat": int(START.timestamp()) - 601}, None, "the token has expired"),
    "of the future": ({"iat": int(START.timestamp()) + 61}, None, "the token is of the future"),
    "not yet": ({"nbf": int(START.timestamp()) + 61}, None, "the token is of the future"),
    "no expiry": ({"exp": None}, None, "missing the &#34;exp&#34; claim"),
    "expiry in words": ({"exp": "soon"}, None, "exp is no time"),
    "another audience": ({"aud": "another-node"}, None, "Audience doesn&#39;t match"),
    "several audiences": ({"aud": [fake.CLIENT, "x"]}, None, "made for another party"),
    "another party": ({"azp": "x"}, None, "made for another party"),
    "another issuer": ({"iss": "https://evil.example"}, None, "Invalid issuer"),
    "nobody": ({"sub": ""}, None, "the token names nobody"),
    "no token": ({}, lambda _: "x.y", "the token does not verify"),
    "too long": ({"name": "n" * 40_000}, None, "the token is too long"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_token_that_does_not_hold_signs_nobody_in(joined: Joined, attack: str) -> None:
    claims, sign, told = ATTACKS[attack]
    joined.provider.claims, joined.provider.sign = claims, sign
    browser = joined.site.browser()
    page = joined.sign_in(browser)
    assert told in page
    assert joined.accounts() == []
    assert browser.get("/cases").status_code == 303


def test_a_code_and_its_answer_are_used_once(joined: Joined) -> None:
    browser = joined.site.browser()
    back = joined.away(browser)
    visitor = browser.cookie()
    browser.get(back)
    browser.follow()
    browser.client.cookies.clear()
    browser.client.cookies.set("steelyard-session", visitor)
    assert "nobody asked the provider for this" in browser.get(back).text
    code = parse_qs(urlsplit(back).query)["code"][0]
    other = joined.away(browser)
    fresh = parse_qs(urlsplit(other).query)["code"][0]
    assert "the provider refuses: 400" in browser.get(other.replace(fresh, code)).text


def test_an_answer_is_for_the_browser_that_asked(joined: Joined) -> None:
    back = joined.away(joined.site.browser())
    victim = joined.site.browser()
    victim.get("/sign-in")
    assert "another browser asked the provider for this" in victim.get(back).text
    assert joined.accounts() == []


def test_an_answer_comes_within_ten_minutes(joined: Joined) -> None:
    browser = joined.site.browser()
    back = joined.away(browser)
    joined.clock.forward(minutes=11)
    assert "nobody asked the provider for this" in browser.get(back).text


def test_another_provider_cannot_answer(joined: Joined) -> None:
    browser = joined.site.browser()
    back = joined.away(browser)
    answer = browser.get(f"{back}&iss=https%3A%2F%2Fevil.example")
    assert "another provider answers" in answer.text


def test_a_refusal_of_the_provider_is_told(joined: Joined) -> None:
    browser = joined.site.browser()
    state = parse_qs(urlsplit(joined.away(browser)).query)["state"][0]
    answer = browser.get(f"/sign-in/provider/back?error=access_denied&state={state}")
    assert "the provider did not sign you in" in answer.text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": "https://evil.example"}, "calls itself another issuer"),
        ({"token_endpoint": "http://127.0.0.2:1/token"}, "an endpoint lies at another host"),
        ({"jwks_uri": "http://localhost:1/jwks"}, "an endpoint lies at another host"),
        ({"authorization_endpoint": "https://evil.example/a"}, "an endpoint lies at another host"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "an endpoint lies at another host"),
        ({"jwks_uri": None}, "the provider names no jwks_uri"),
    ],
)
def test_nobody_is_sent_to_another_host(joined: Joined, changes: dict[str, Any], told: str) -> None:
    joined.provider.document = changes
    answer = joined.site.browser().get("/sign-in/provider")
    assert answer.status_code == 422
    assert told in answer.text


def test_no_redirect_is_followed_and_no_flood_is_read(joined: Joined) -> None:
    known = "/.well-known/openid-configuration"
    headers = {"location": f"{joined.provider.issuer}/jwks"}
    joined.provider.answers[known] = (302, headers, b"")
    assert "the provider refuses: 302" in joined.site.browser().get("/sign-in/provider").text
    assert "/jwks" not in joined.provider.seen
    joined.provider.answers[known] = (200, {}, b"[" * 300_000)
    assert "the provider says too much" in joined.site.browser().get("/sign-in/provider").text
    joined.provider.answers[known] = (200, {}, b'{"issuer": NaN}')
    assert joined.site.browser().get("/sign-in/provider").status_code == 422


@pytest.mark.parametrize(
    "issuer",
    ["http://127.0.0.1:9", "https://127.0.0.1:9", "https://169.254.169.254", "https://[::1]"],
)
def test_a_private_address_is_not_asked(open_site: Callable[..., Site], issuer: str) -> None:
    site = open_site(Settings(Path(), oidc=Oidc(issuer, "x", roles=ROLES)))
    answer = site.browser().get("/sign-in/provider")
    assert "the provider cannot be asked: AddressDenied" in answer.text


def test_a_name_that_is_known_already_is_no_account_of_anybody_else(joined: Joined) -> None:
    joined.site.first("Olu")
    joined.sign_in(joined.site.browser())
    assert sorted(len(roles) for _, roles in joined.accounts()) == [1, 2]


def test_a_slow_provider_holds_up_nobody_else(joined: Joined) -> None:
    with signing_in._ASKING, signing_in._ASKING:
        answer = joined.site.browser().get("/sign-in/provider")
        assert "the provider is slow, and others wait" in answer.text
    assert joined.site.browser().get("/sign-in/provider").status_code == 303


def test_without_a_provider_there_is_none(site: Site) -> None:
    assert site.browser().get("/sign-in/provider").status_code == 404


def test_settings_name_the_provider_and_its_roles(tmp_path: Path) -> None:
    path = tmp_path / "steelyard.toml"
    path.write_text(
        '[oidc]\nissuer = "https://id.example"\nclient_id = "x"\n[oidc.roles]\nstaff = "viewer"\n'
    )
    found = read_settings(tmp_path, {}).oidc
    assert found == replace(Oidc("https://id.example", "x"), roles={"staff": "viewer"})
    path.write_text(
        '[oidc]\nissuer = "https://id.example"\nclient_id = "x"\nroles = {a = "root"}\n'
    )
    with pytest.raises(ConfigurationError, match="roles are no table of roles"):
        read_settings(tmp_path, {})
    path.write_text('[oidc]\nissuer = "https://id.example"\n')
    with pytest.raises(ConfigurationError, match="issuer and client_id belong together"):
        read_settings(tmp_path, {})


def test_the_way_back_is_the_address_of_this_node(joined: Joined) -> None:
    asked = joined.site.browser().get("/sign-in/provider").headers["location"]
    query = parse_qs(urlsplit(asked).query)
    assert query["redirect_uri"] == [f"{BASE}/sign-in/provider/back"]
    assert "code_verifier" not in query
