"""One walk through a real node in a real browser, from its first start to the board of a case."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.browser.devtools import BROWSER, Tab, chromium
from tests.unit.disclosure.reproducer.toy_documents import toy_document

from steelyard.attest import generate_key
from steelyard.disclosure.case import Draft, View, sign_event
from steelyard.kernel import utc_now
from steelyard.server.node import About, Identity, create_identity, open_node

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome"),
]
GRACE_S = 30


@dataclass(frozen=True)
class Served:
    """A node that runs as its users run it.

    Attributes:
        link: That the first start printed.
    """

    folder: Path
    base: str
    link: str


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "node"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).with_name("steelyard"))
    command = [
        program, "serve", str(folder), "--init", "--name", "Hub",
        "--role", "coordinator", "--role", "reporter", "--port", str(port),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        assert process.stdout is not None
        try:
            first, ready = process.stdout.readline(), process.stdout.readline()
            assert ready.startswith("serving "), (first, ready, (tmp_path / "log").read_text())
            link = first.removeprefix("admin link: ").strip()
            yield Served(folder, f"http://127.0.0.1:{port}", link)
        finally:
            process.terminate()
            process.wait(GRACE_S)
            process.stdout.close()


@dataclass
class Walker:
    """Somebody at a browser.

    Attributes:
        scripts: Whether pages may run any.
    """

    tab: Tab
    base: str
    scripts: bool = True

    def go(self, path: str) -> None:
        address = path if path.startswith("http") else f"{self.base}{path}"
        self.tab.show(address, scripts=self.scripts)

    def fill(self, **values: str) -> None:
        """Type into fields by their names; radio buttons and check boxes are ticked."""
        for name, value in values.items():
            self.tab.ask(f"""
            (() => {{
              const found = [...document.querySelectorAll(`[name="{name}"]`)];
              const choice = found.find(e => ["radio", "checkbox"].includes(e.type));
              if (choice) found.find(e => e.value === {json.dumps(value)}).checked = true;
              else found.at(-1).value = {json.dumps(value)};
            }})()""")

    def attach(self, name: str, path: Path) -> None:
        document = self.tab.call("DOM.getDocument")["root"]["nodeId"]
        found = self.tab.call("DOM.querySelector", nodeId=document, selector=f'[name="{name}"]')
        self.tab.call("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(path)])

    def press(self, label: str) -> None:
        """Press the button, or follow the link, of this text, and wait for the page."""
        ours = f"e => e.textContent.trim() === {json.dumps(label)}"
        self.tab.ask(f"[...document.querySelectorAll('main a, main button')].find({ours}).focus()")
        self.tab.events.clear()
        self.tab.press("Enter")
        self.tab.wait("Page.loadEventFired")

    def text(self) -> str:
        return str(self.tab.ask("document.querySelector('main').innerText"))

    def path(self) -> str:
        return str(self.tab.ask("location.pathname"))

    def address_of(self, pattern: str) -> str:
        """The first link of the page that matches."""
        links: list[str] = self.tab.ask("[...document.links].map(e => e.getAttribute('href'))")
        return next(link for link in links if re.search(pattern, link))


def report_without_scripts(reporter: Walker) -> str:
    """A report by somebody unknown; the private link."""
    reporter.go("/")
    reporter.go("/report")
    assert "No account and no name are needed." in reporter.text()
    reporter.fill(title="Shared prompts leak", summary="It tells what it was told to keep.")
    reporter.press("Save and continue")
    assert reporter.path() == "/report/details"
    assert "Resume code" in reporter.text()
    reporter.fill(description="At length.")
    reporter.press("Save and continue")
    reporter.go("/report/send")
    assert "At length." in reporter.text()
    reporter.press("Send the report")
    assert reporter.path() == "/report/receipt"
    assert "Your report was taken" in reporter.text()
    return reporter.address_of("/report/follow/")


def enrol(admin: Walker, served: Served) -> None:
    admin.go(served.link)
    admin.fill(name="Ana", key=generate_key().public_key.pem.decode())
    admin.press("Enrol and sign in")
    assert admin.path() == "/"
    assert "1 thing needs attention." in admin.text()


def open_case(admin: Walker) -> str:
    """From the morning's list to a case: two clicks once the report is read."""
    admin.press("Shared prompts leak")
    assert "It tells what it was told to keep." in admin.text()
    admin.press("Turn it into a case")
    admin.press("Open the case")
    assert "The case is open." in admin.text()
    return admin.path().rpartition("/")[2]


def invite(admin: Walker, case: str, identity: Identity, folder: Path) -> None:
    admin.go("/organizations")
    admin.attach("card", folder / "card.json")
    admin.press("Take it in")
    admin.fill(digits=identity.organization[-8:])
    admin.press("They agree")
    assert "compared with its owner" in admin.text()
    admin.go(f"/cases/{case}/acts/invite")
    admin.fill(organization=identity.organization, roles="developer")
    admin.press("Invite it")
    assert identity.card.name in admin.text()


def answer(served: Served, case: str, identity: Identity, kind: str, **body: Any) -> None:  # noqa: ANN401
    """What another organization says, handed to the node as its machine would."""
    view = view_of(served, case)
    member = view.members[identity.organization]
    draft = Draft(
        case, identity.organization, member.sequence + 1, member.previous, view.size, view.head,
        utc_now(), kind, body,
    )  # fmt: skip
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{served.base}/events",
        sign_event(draft, identity.key),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 - our own server
        assert response.status == 201


def view_of(served: Served, case: str) -> View:
    node = open_node(served.folder)
    try:
        with node.database.reading() as connection:
            return node.chains.get(connection, case).view
    finally:
        node.close()


def ask(admin: Walker, case: str, vendors: list[Identity], document: Path) -> None:
    admin.go(f"/cases/{case}/acts/query")
    admin.attach("reproducer", document)
    for vendor in vendors:
        admin.fill(to=vendor.organization)
    admin.press("Ask them")
    assert "It is said" in admin.text()


def looks(admin: Walker) -> dict[str, tuple[str, str]]:
    """Words of each mark on the board, with its shape and its border as a browser shows it."""
    found: list[list[str]] = admin.tab.ask("""
    [...document.querySelectorAll("tbody .chip")].map(e => [
      e.innerText.trim().split(/\\s+\\d/)[0], e.querySelector("use").getAttribute("href"),
      getComputedStyle(e).color + getComputedStyle(e).borderStyle])""")
    return {words: (shape, style) for words, shape, style in found}


def test_from_the_first_start_to_the_board(served: Served, tmp_path: Path) -> None:
    vendors = {
        name: create_identity(tmp_path / name, About(name, ("developer",)), utc_now())
        for name in ("Lab-A", "Lab-B")
    }
    document = tmp_path / "flaw.json"
    document.write_text(json.dumps(toy_document()))
    with chromium(tmp_path / "one") as first, chromium(tmp_path / "two") as second:
        reporter, admin = Walker(first, served.base, scripts=False), Walker(second, served.base)
        follow = report_without_scripts(reporter)
        enrol(admin, served)
        case = open_case(admin)
        for name, vendor in vendors.items():
            invite(admin, case, vendor, tmp_path / name)
        admin.go(f"/cases/{case}/acts/propose")
        admin.fill(text="Nobody tells before the fix.")
        admin.press("Propose these terms")
        terms = view_of(served, case).table
        assert terms is not None
        answer(served, case, vendors["Lab-A"], "accept", terms=terms.digest)
        admin.go(f"/cases/{case}/embargo")
        assert "embargo in force" in admin.text()
        ask(admin, case, [*vendors.values()], document)
        body = {"handle": "m1", "version": "1", "commitment": None, "guardrail": ""}
        answer(served, case, vendors["Lab-A"], "target", **body)
        answer(served, case, vendors["Lab-A"], "progress", target="m1", event="acknowledge")
        admin.go(f"/cases/{case}")
        shown = looks(admin)
        assert {"silent", "not checked"} <= set(shown)
        assert shown["silent"][0] != shown["not checked"][0]
        assert admin.tab.complaints() == []
        reporter.go(follow)
        assert "A case was opened." in reporter.text()
        assert "embargo in force, until " in reporter.text()
        reporter.fill(text="Thank you.")
        reporter.press("Send")
        assert "Thank you." in reporter.text()
