"""People at a node: the real application, and browsers that fill in its forms as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

from httpx import Response
from starlette.testclient import TestClient

from steelyard.attest import PrivateKey, generate_key
from steelyard.server.node import About, Node, create_identity, open_node
from steelyard.server.people import enrolling
from steelyard.server.storage.accounts import Link, add_link
from steelyard.server.web.app import make_app
from steelyard.server.web.settings import Settings

BASE = "http://127.0.0.1:8767"
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
WORDS = "the unmistakable words of a reporter"
Files = dict[str, tuple[str, bytes]]


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class FoundForm:
    """A form of a page, with what stands in its fields."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class FormReader(HTMLParser):
    """Reads the forms of a page as a browser would send them untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FoundForm] = []
        self._area = ""
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(FoundForm(given.get("action", "")))
            return
        if not self.forms:
            return
        form, name = self.forms[-1], given.get("name", "")
        if name:
            form.names.add(name)
        if tag == "input" and name and given.get("type") not in {"file", "submit"}:
            if given.get("type") not in {"radio", "checkbox"} or "checked" in given:
                form.fields.setdefault(name, []).append(given.get("value", ""))
        elif tag == "textarea":
            self._area = name
            form.fields[name] = [""]
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            form.fields[self._select] = [given.get("value", "")]

    def take_text(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area][0] += data

    handle_data = take_text

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            text = self.forms[-1].fields[self._area]
            text[0] = text[0].removeprefix("\n")
            self._area = ""
        elif tag == "select":
            self._select = ""


def forms_of(html: str) -> list[FoundForm]:
    """The forms of a page."""
    reader = FormReader()
    reader.feed(html)
    return reader.forms


class Browser:
    """A browser with cookies of its own; follows no redirect by itself."""

    def __init__(self, site: Site, address: str = "203.0.113.7") -> None:
        self.site = site
        base = BASE.replace("http", "https") if site.settings.is_secure else BASE
        self.client = TestClient(
            site.app, base_url=base, client=(address, 5000), follow_redirects=False,
            headers={"accept": "text/html", "origin": base},
        )  # fmt: skip
        self.page: Response | None = None

    def get(self, path: str, **headers: str) -> Response:
        self.page = self.client.get(path, headers=headers)
        return self.page

    @property
    def html(self) -> str:
        assert self.page is not None
        return self.page.text

    def form(self, action: str) -> FoundForm:
        """The form of the page that is sent to an address."""
        found = [item for item in forms_of(self.html) if item.action.split("?")[0] == action]
        assert found, (action, [item.action for item in forms_of(self.html)])
        return found[0]

    def send(
        self, action: str, files: Files | None = None, **values: str | list[str] | None
    ) -> Response:
        """Fill in the form of the page that goes to an address, send it, and follow its answer."""
        self.post(action, files, **values)
        return self.follow()

    def post(
        self, action: str, files: Files | None = None, **values: str | list[str] | None
    ) -> Response:
        """As `send`, without going where the answer leads."""
        filled: dict[str, list[str]] = {**self.form(action).fields}
        for name, value in values.items():
            if value is None:
                filled.pop(name.replace("_0", "-"), None)
            else:
                filled[name] = [value] if isinstance(value, str) else value
        sent = {name: list(found) for name, found in filled.items()}
        self.page = self.client.post(action, data=sent, files=files or None)
        return self.page

    def follow(self) -> Response:
        assert self.page is not None
        while self.page.status_code == 303:
            self.page = self.client.get(self.page.headers["location"])
        return self.page

    def cookie(self, name: str = "steelyard-session") -> str:
        return self.client.cookies.get(name) or ""


class Site:
    """A node with its application and a clock that moves when told to."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.clock = Clock()
        self.node: Node = replace_clock(open_node(folder), self.clock)
        self.settings = replace(settings, folder=folder) if settings else Settings(folder)
        self.app = make_app(self.node, self.settings)
        self.keys: dict[str, PrivateKey] = {}

    def browser(self, address: str = "203.0.113.7") -> Browser:
        return Browser(self, address)

    def link(self, kind: str = "admin", subject: str = "", secret: str = "s" * 43) -> str:
        until = self.clock.at + timedelta(hours=24)
        self.node.run(lambda c: add_link(c, secret, Link(kind, subject, until)))
        return f"/link/{secret}"

    def first(self, name: str = "ana") -> Browser:
        """The first account, signed in by the link of the first start."""
        browser, link = self.browser(), self.link()
        key = self.keys[name] = generate_key()
        browser.get(link)
        browser.send(link, name=name, key=key.public_key.pem.decode())
        assert browser.page is not None
        assert browser.page.status_code == 200, browser.html
        return browser

    def person(self, *roles: str) -> Browser:
        """Somebody with these roles, signed in."""
        name = f"person {len(self.keys)}"
        key = self.keys[name] = generate_key()
        node, now = self.node, self.clock.at
        made = node.run(lambda c: enrolling.add_account(c, name, roles, node.random, now))
        pem = key.public_key.pem.decode()
        node.run(lambda c: enrolling.add_key(c, made.id, pem, now))
        link = self.link("sign-in", made.id, secret=f"{len(self.keys):043}")
        browser = self.browser()
        browser.get(link)
        browser.send(link)
        return browser

    def close(self) -> None:
        self.node.close()


def make_node(folder: Path) -> Path:
    """A node with its tables, to be copied: making tables takes longer than most tests."""
    create_identity(folder, About("Hub", ("coordinator", "reporter"), policy="We answer."), START)
    open_node(folder).close()
    return folder


def replace_clock(node: Node, clock: Clock) -> Node:
    """The same node by another clock."""
    node.now = clock
    return node


def report(browser: Browser, title: str = "A model leaks", summary: str = "It tells.") -> str:
    """Send a report with an abstract alone; the path of its private link."""
    browser.get("/report/abstract")
    browser.send("/report/abstract", title=title, summary=summary, go="next")
    return send_draft(browser)


def begun(site: Site, address: str = "203.0.113.7", **values: str) -> Browser:
    """Somebody who has filled in the abstract."""
    browser = site.browser(address)
    browser.get("/report")
    browser.follow()
    filled = {"title": "A model leaks", "summary": WORDS, **values}
    browser.send("/report/abstract", go="next", **filled)
    return browser


def number_of(browser: Browser) -> str:
    """The number of the latest report."""
    return browser.get("/reports?state=all").text.split('href="/reports/')[1].split('"')[0]


def send_draft(browser: Browser) -> str:
    """Send what was saved; the path of its private link."""
    browser.get("/report/send")
    browser.send("/report/send", go="send")
    assert browser.page is not None
    assert browser.page.status_code == 200, browser.html
    found = re.search(r'href="[^"]*(/report/follow/[\w-]{43})"', browser.html)
    assert found, browser.html
    return found[1]


def text_of(html: str) -> str:
    """A page's text without its markup."""
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", html).split()))
