"""Every page: valid, escaped whatever it is given, usable without eyes and without scripts."""

from __future__ import annotations

import time
from dataclasses import replace
from html import unescape

import pytest

from steelyard.kernel.errors import UnknownName
from steelyard.server.web.pages import CSRF_FIELD, HEADERS, board, render, static_file

from .case_samples import HEBREW, IMAGE, LONG, SCRIPT, crowd
from .html_checks import faults, read
from .page_samples import context, pages, rendered

NAMES = tuple(pages())


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_no_fault(name: str) -> None:
    assert faults(rendered()[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_foreign_text_is_text(name: str) -> None:
    html = rendered()[name]
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "49 {% raw" not in html
    texts = "".join(item.text for item in read(html).elements[:1])
    assert "{{ 7 * 7 }}" in texts or "alert(1)" in texts or name in {"receipt", "intake begun"}


def test_the_checks_find_what_is_wrong() -> None:
    html = rendered()["board"]
    spoiled = {
        "<h1>": "<h4>",
        "</table>": "",
        'scope="col"': "",
        'href="#content"': 'href="#nowhere"',
        "<caption>": "<p>",
        'id="board"': 'id="board" style="x"',
        'id="filter-text"': 'id="filter-role"',
        f'name="{CSRF_FIELD}"': 'name="x"',
        'src="/static/': 'src="https://elsewhere.example/',
        'aria-label="Case"': 'aria-label="Main"',
    }
    unnoticed = [old for old, new in spoiled.items() if not faults(html.replace(old, new))]
    assert unnoticed == []
    assert all(old in html for old in spoiled)


def test_hostile_names_stand_isolated_beside_their_key() -> None:
    elements = read(rendered()["board"]).elements
    isolated = {item.text for item in elements if item.tag == "bdi"}
    assert {SCRIPT, IMAGE, LONG, HEBREW} <= isolated
    keys = [item for item in elements if item.attributes.get("class") == "key"]
    assert len(keys) >= len(crowd().scene.view.members)


def test_a_board_of_121_participants_takes_less_than_a_tenth_of_a_second() -> None:
    view, now = crowd().scene.view, crowd().now
    hub, spent = crowd().scene["hub"].id, list[float]()
    for _ in range(5):
        begun = time.perf_counter()
        html = render("board", board.present(view, hub, now), context())
        spent.append(time.perf_counter() - begun)
    assert html.count("<tr") == 122
    assert min(spent) < 0.1


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_form_token_is_that_of_the_context() -> None:
    name, page, shared = pages()["act note"]
    html = render(name, page, replace(shared, csrf='"><b>'))
    assert '<input type="hidden" name="csrf_token" value="&#34;&gt;&lt;b&gt;">' in html


def test_what_was_done_and_refused_is_announced() -> None:
    name, page, shared = pages()["cases"]
    html = unescape(render(name, page, replace(shared, notice="Invited.")))
    assert '<p class="notice" role="status">' in html
    assert "Invited." in html


def test_unknown_pages_and_files_are_refused() -> None:
    with pytest.raises(UnknownName, match="no page is called 'nothing'"):
        render("nothing", object(), context())
    with pytest.raises(UnknownName, match=r"no file '\.\./words\.py'"):
        static_file("../words.py")


def test_files_have_their_media_types() -> None:
    assert static_file("steelyard.css")[1] == "text/css; charset=utf-8"
    assert static_file("steelyard.js")[1] == "text/javascript; charset=utf-8"
    assert b"Zero-Clause BSD" in static_file("htmx-LICENSE.txt")[0]
