"""Who is known before a form is read, and the last account that manages others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from steelyard.attest import generate_key
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.people import enrolling
from steelyard.server.storage import accounts
from steelyard.server.web import app
from steelyard.server.web.guard import Limits

from .visits import BASE, Browser, Site


def test_a_form_is_not_read_from_somebody_who_may_not_send_it(site: Site) -> None:
    site.first()
    form = {"content-type": "application/x-www-form-urlencoded"}

    def ask(browser: Browser, origin: str = BASE) -> int:
        endless = (b"x" * 65536 for _ in range(32))
        headers = {**form, "origin": origin}
        return browser.client.post("/accounts", content=endless, headers=headers).status_code

    assert ask(site.browser()) == 401
    assert ask(site.person("viewer")) == 404
    assert ask(site.person("admin"), "https://evil.example") == 403
    assert ask(site.person("admin")) == 413


def test_strangers_do_not_take_the_room_of_people_who_signed_in(
    open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "Limits", partial(Limits, strangers_bytes=2000))
    site = open_site()
    ana, stranger = site.first(), site.browser()
    for browser, path, status in ((stranger, "/sign-in", 503), (ana, "/accounts", 422)):
        browser.get(path)
        assert browser.post(path, roles="x" * 3000).status_code == status


def one_account(browser: Browser, name: str) -> str:
    """The path of an account's page, which is shown."""
    rows = browser.get("/accounts").text.split('href="/accounts/')[1:]
    path = next(f"/accounts/{row.split(chr(34))[0]}" for row in rows if f">{name}<" in row)
    browser.get(path)
    return path


LEFT = "nobody would be left to manage accounts by a key"


@pytest.mark.parametrize("other", ["no key", "a provider"])
def test_the_last_who_manages_accounts_by_a_key_stays(site: Site, other: str) -> None:
    ana, node, now = site.first(), site.node, site.clock.at
    if other == "no key":
        node.run(lambda c: enrolling.add_account(c, "bo", ["admin"], node.random, now))
    else:
        who = enrolling.Vouched("https://id.example", "1", "bo", frozenset({"admin"}))
        bo = node.run(lambda c: enrolling.vouched(c, who, node.random, now))
        pem = generate_key().public_key.pem.decode()
        node.run(lambda c: enrolling.add_key(c, bo.id, pem, now))
    path = one_account(ana, "ana")
    for changed in ({"barred": "yes"}, {"roles": ["coordinator"]}):
        assert LEFT in ana.send(path, **changed).text
        assert ana.page is not None
        assert ana.page.status_code == 409
    ana.get(path)
    assert LEFT in ana.send(f"{path}/remove").text
    assert ana.get("/accounts").status_code == 200


def test_the_last_who_manages_accounts_through_a_provider_stays(site: Site) -> None:
    node, now = site.node, site.clock.at

    def through_a_provider(name: str) -> str:
        who = enrolling.Vouched("https://id.example", name, name, frozenset({"admin"}))
        return node.run(lambda c: enrolling.vouched(c, who, node.random, now)).id

    def demote(account: str, *, disabled: bool = False) -> None:
        node.run(lambda c: enrolling.change(c, account, ["viewer"], disabled=disabled))

    ana, bo = through_a_provider("ana"), through_a_provider("bo")
    node.run(lambda c: enrolling.add_account(c, "who cannot sign in", ["admin"], node.random, now))
    demote(bo)
    for disabled in (False, True):
        with pytest.raises(NotSatisfied) as refused:
            demote(ana, disabled=disabled)
        assert refused.value.message == LEFT
        assert refused.value.hint == "give another account the role admin, and a key"
    demote(bo, disabled=True)
    key = generate_key().public_key
    node.run(lambda c: enrolling.add_key(c, ana, key.pem.decode(), now))
    node.run(lambda c: enrolling.remove_key(c, ana, key.key_id))
    with node.database.reading() as connection:
        found = accounts.find_account(connection, ana)
    assert found is not None
    assert found.roles == {"admin"}


def test_who_manages_accounts_may_go_where_another_one_has_a_key(site: Site) -> None:
    ana = site.first()
    site.person("admin")
    path = one_account(ana, "ana")
    assert ana.send(f"{path}/remove").status_code == 200
    assert ana.get("/accounts").status_code == 303


def test_a_key_of_another_account_is_not_removed_with_it(site: Site) -> None:
    ana = site.first()
    site.person("admin")
    path = one_account(ana, "person 1")
    own = ana.form(f"{path}/remove").fields["key"][0]
    mine = one_account(ana, "ana")
    assert ana.send(f"{mine}/remove", key=own).status_code == 404
