"""The node's pages in a real browser: policy, widths, contrast, keyboard, scripts on and off."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.browser.devtools import BROWSER, Tab, chromium
from tests.unit.server.pages.case_samples import crowd
from tests.unit.server.pages.page_samples import context, pages, rendered

from steelyard.server.web.pages import HEADERS, board, render, static_file

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome"),
]
SHOWN = (
    "home", "home vendor", "cases", "board", "timeline", "embargo", "affectedness",
    "affectedness vendor", "publication", "payloads", "acts", "act note", "act invite",
    "act hazard", "deadlines", "deadlines of a case", "outbox", "directory", "organization",
    "problem", "sign in",
    "advisories", "advisory", "intake begun", "intake abstract", "intake models",
    "intake attachments", "intake send", "receipt", "follow",
)  # fmt: skip
PNG_SIZE = slice(16, 24)
TOO_WIDE = """
[...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".skip, .unseen, .sprite, thead, .options.many"))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 90))
"""
# WCAG 2.2, success criterion 1.4.3: 4.5 to 1, or 3 to 1 for large text.
TOO_FAINT = """
(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const under = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest(".unseen, .skip, script")) continue;
    if (!element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(under(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), bold = parseInt(style.fontWeight) >= 700;
    const enough = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if (ratio < enough) found.add(`${ratio.toFixed(2)} ${element.tagName} ${element.className}`);
  }
  return [...found];
})()
"""
STOPS = """
(() => {
  const all = [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary")]
    .filter(e => e.getClientRects().length && getComputedStyle(e).visibility === "visible");
  const groups = new Set();
  return all.filter(e => {
    if (e.type !== "radio") return true;
    const key = `${e.form.id} ${e.name}`, first = !groups.has(key);
    groups.add(key);
    return first;
  }).length;
})()
"""
FOCUSED = """
(() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  e.dataset.reached = "yes";
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {name: e.outerHTML.slice(0, 70), outline: style.outlineStyle,
          width: parseFloat(style.outlineWidth), left: box.left, href: e.getAttribute("href")};
})()
"""
REACHED = 'document.querySelectorAll("[data-reached]").length'


@dataclass
class Site:
    """Pages on a loopback port, and the forms that were sent to it."""

    port: int
    sent: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{quote(path)}"

    def answer(self, request: Request) -> Response:
        """A page by its name; the board by its address."""
        name = request.path_params["name"]
        if name == "spoiled":
            html = rendered()["cases"].replace(
                "</body>", "<script>document.title = 1</script></body>"
            )
            return HTMLResponse(html, headers=dict(HEADERS))
        return HTMLResponse(rendered()[name], headers=dict(HEADERS))

    def board(self, request: Request) -> Response:
        scene, now = crowd().scene, crowd().now
        asked = board.read_asked(request.query_params)
        page = board.present(scene.view, scene["hub"].id, now, asked)
        return HTMLResponse(render("board", page, context(request.url.path)), headers=dict(HEADERS))

    def static(self, request: Request) -> Response:
        content, media_type = static_file(request.path_params["name"])
        return Response(content, media_type=media_type, headers=dict(HEADERS))

    async def take(self, request: Request) -> Response:
        async with request.form() as form:
            self.sent.append((request.url.path, {key: str(value) for key, value in form.items()}))
        return RedirectResponse("/page/cases", status_code=303)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/page/{name}", self.answer),
                Route("/static/{name}", self.static),
                Route("/cases/{case}", self.board),
                Route("/{path:path}", self.take, methods=["POST"]),
            ]
        )


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        made = Site(listener.getsockname()[1])
        config = uvicorn.Config(made.app(), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield made
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        made.call("Emulation.setTimezoneOverride", timezoneId="America/Los_Angeles")
        yield made


def test_pages_that_are_shown_stand_for_every_template() -> None:
    assert {pages()[name][0] for name in SHOWN} == {parts[0] for parts in pages().values()}


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_keeps_to_its_policy_its_width_and_its_contrast(
    tab: Tab, site: Site, name: str
) -> None:
    for width in (1400, 390):
        for dark in (False, True):
            tab.show(site.at(f"/page/{name}"), width=width, dark=dark)
            tab.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
            assert tab.complaints() == []
            assert tab.ask("document.documentElement.scrollWidth") <= width
            assert tab.ask(TOO_WIDE) == []
            assert tab.ask(TOO_FAINT) == []


def test_the_probes_can_fail(tab: Tab, site: Site) -> None:
    tab.show(site.at("/page/spoiled"))
    assert any("Content Security Policy" in text for text in tab.complaints())
    tab.ask("document.querySelector('main p, main h1').className = 'spoiled'")
    spoil = "new CSSStyleSheet()"
    tab.ask(
        f"(() => {{ const sheet = {spoil}; sheet.replaceSync("
        "'.spoiled { min-width: 2000px; color: #999; background: #aaa }');"
        "document.adoptedStyleSheets = [sheet]; })()"
    )
    assert any("spoiled" in text for text in tab.ask(TOO_WIDE))
    assert any("spoiled" in text for text in tab.ask(TOO_FAINT))


def test_screenshots_have_the_asked_size_and_dark_is_dark(
    tab: Tab, site: Site, tmp_path: Path
) -> None:
    found: dict[tuple[int, bool], bytes] = {}
    for width in (1400, 390):
        for dark in (False, True):
            tab.show(site.at("/page/home"), width=width, dark=dark)
            found[width, dark] = tab.picture(tmp_path / "shot.png", whole=False)
    sizes = {key: data[PNG_SIZE] for key, data in found.items()}
    assert {int.from_bytes(size[:4]) for size in sizes.values()} == {1400, 390}
    assert all(len(data) > 20_000 for data in found.values())
    assert found[1400, False] != found[1400, True]


@pytest.mark.parametrize("name", ["home", "embargo", "act invite", "intake models", "deadlines"])
def test_everything_is_reached_by_keyboard_and_shows_it(tab: Tab, site: Site, name: str) -> None:
    tab.show(site.at(f"/page/{name}"))
    stops = tab.ask(STOPS)
    tab.press("Tab")
    first = tab.ask(FOCUSED)
    assert first["href"] == "#content"
    assert first["left"] >= 0
    for _ in range(stops + 40):
        tab.press("Tab")
        focused = tab.ask(FOCUSED)
        if focused is None:
            break
        assert focused["outline"] != "none", focused["name"]
        assert focused["width"] >= 2, focused["name"]
    assert tab.ask(REACHED) >= stops


def test_the_skip_link_leads_to_the_content(tab: Tab, site: Site) -> None:
    tab.show(site.at("/page/board"))
    tab.press("Tab")
    tab.press("Enter")
    assert tab.ask("document.activeElement.id") == "content"


def test_the_readers_own_time_stands_beside_utc(tab: Tab, site: Site) -> None:
    tab.show(site.at("/page/embargo"))
    assert tab.ask("document.querySelector('.clock + p time').textContent").endswith(" UTC")
    local = tab.ask("document.querySelector('.clock + p .local').textContent")
    assert "07:38" in local
    assert tab.ask("document.querySelector('input[data-utc] + .local').textContent.length") > 10


def test_without_scripts_utc_stays_and_nothing_is_missing(tab: Tab, site: Site) -> None:
    tab.show(site.at("/page/embargo"), scripts=False)
    assert tab.ask("document.querySelectorAll('.local').length") == 0
    assert tab.ask("document.querySelector('.clock + p time').textContent").endswith(" UTC")
    tab.show(site.at("/page/board"), scripts=False)
    hidden = "[...document.querySelectorAll('.js-only')].every(e => !e.getClientRects().length)"
    assert tab.ask(hidden)


def test_without_scripts_a_form_is_sent_and_answered_with_another_page(
    tab: Tab, site: Site
) -> None:
    site.sent.clear()
    tab.show(site.at("/page/act emergency"), scripts=False)
    tab.ask("document.querySelector('#emergency-facts').value = 'Stop it.'")
    tab.ask("document.querySelector('#emergency button').focus()")
    tab.events.clear()
    tab.press("Enter")
    tab.wait("Page.loadEventFired")
    assert tab.ask("location.pathname") == "/page/cases"
    path, form = site.sent[0]
    assert path == f"/cases/{crowd().scene.view.case}/acts/emergency"
    assert form == {"csrf_token": "t0ken", "facts": "Stop it.", "told": ""}


def test_without_scripts_the_board_is_filtered_by_its_address(tab: Tab, site: Site) -> None:
    address = f"/cases/{crowd().scene.view.case}"
    tab.show(site.at(address), scripts=False)
    tab.ask("document.querySelector('#filter-affected').value = 'silent'")
    tab.ask("document.querySelector('.filters button').focus()")
    tab.events.clear()
    tab.press("Enter")
    tab.wait("Page.loadEventFired")
    assert rows(tab) == 40


def rows(tab: Tab) -> int:
    return tab.ask("document.querySelectorAll('#board tbody tr').length")


def test_with_scripts_a_filter_changes_the_board_alone(tab: Tab, site: Site) -> None:
    tab.show(site.at(f"/cases/{crowd().scene.view.case}"))
    assert rows(tab) == 121
    tab.ask("window.mark = 1")
    choose = "document.querySelector('#filter-affected')"
    tab.ask(f"{choose}.focus()")
    tab.ask(f"{choose}.value = 'silent'")
    tab.ask(f"{choose}.dispatchEvent(new Event('change', {{bubbles: true}}))")
    wait_until(tab, "document.querySelectorAll('#board tbody tr').length === 40")
    assert tab.ask("window.mark") == 1
    assert "affected=silent" in tab.ask("location.search")
    assert tab.ask("document.activeElement.id") == "filter-affected"
    assert tab.ask("document.querySelector('.tile[aria-current]').textContent.includes('silent')")
    assert tab.ask("document.querySelectorAll('#board .when .local').length") == rows_heard(tab)
    assert tab.complaints() == []


def rows_heard(tab: Tab) -> int:
    return tab.ask("document.querySelectorAll('#board .when time').length")


def wait_until(tab: Tab, expression: str) -> None:
    until = time.monotonic() + 20
    while not tab.ask(expression):
        assert time.monotonic() < until, expression
        time.sleep(0.05)


def test_nothing_moves_for_who_wants_no_motion() -> None:
    css: Any = static_file("steelyard.css")[0].decode()
    calm = css.replace(
        css[css.index("@media (prefers-reduced-motion: no-preference)") :].splitlines()[0], ""
    )
    assert "transition" in css
    assert "transition" not in calm
    assert "animation" not in calm
