"""The report in a real browser: structure after parsing, widths, screenshots, print."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from steelyard.passport.report import render_report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--allow-file-access-from-files", "--virtual-time-budget=4000",
)  # fmt: skip
PNG_SIZE = slice(16, 24)
PROBE = """
<body style="margin:0"><iframe id="f" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="r"></pre><script>
const frame = document.getElementById("f");
frame.onload = () => {{
  const page = frame.contentDocument;
  page.querySelectorAll("details").forEach(d => d.open = true);
  const wide = [...page.querySelectorAll("body *")].filter(e => !e.closest(".skip, thead"))
    .filter(e => e.getBoundingClientRect().right > {width} + 0.5)
    .map(e => e.outerHTML.slice(0, 90));
  const shown = [...page.querySelectorAll("svg.chart")].filter(e => e.getClientRects().length);
  const small = shown.map(e => 12 * e.getBoundingClientRect().width / e.viewBox.baseVal.width);
  document.getElementById("r").textContent = JSON.stringify({{
    scroll: page.documentElement.scrollWidth, wide, charts: shown.length,
    text: Math.min(...small), scripts: page.scripts.length, title: page.title}});
}};
frame.src = {address};
</script>
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome"),
]


def load_samples() -> dict[str, Any]:
    """The inputs of the unit tests; the folder is no package."""
    path = Path(__file__).parents[1] / "unit" / "passport" / "report_samples.py"
    spec = importlib.util.spec_from_file_location("browser_report_samples", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.SAMPLES


SAMPLES = load_samples()


def browse(folder: Path, target: Path, *options: str) -> str:
    """Open a page in a fresh profile and return what the browser wrote to stdout."""
    assert BROWSER is not None
    profile = folder / "profile"
    process = subprocess.Popen(
        [BROWSER, *FLAGS, f"--user-data-dir={profile}", *options, target.as_uri()],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.communicate(timeout=90)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def saved(folder: Path, html: str) -> Path:
    page = folder / "report.html"
    page.write_text(html, "utf-8")
    return page


def measured(folder: Path, html: str, width: int) -> dict[str, Any]:
    """Lay the page out at a width; the measuring script lives in the page around it."""
    page = saved(folder, html)
    probe = folder / "probe.html"
    probe.write_text(PROBE.format(width=width, address=json.dumps(page.as_uri())), "utf-8")
    dom = browse(folder, probe, "--dump-dom")
    found = re.search(r'<pre id="r">(.*?)</pre>', dom, re.DOTALL)
    assert found is not None
    return json.loads(unescape(found.group(1)))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [360, 1280])
def test_no_horizontal_overflow_and_readable_charts(tmp_path: Path, name: str, width: int) -> None:
    layout = measured(tmp_path, render_report(SAMPLES[name]), width)
    assert layout["wide"] == []
    assert layout["scroll"] <= width
    assert layout["charts"] >= len(SAMPLES[name].classification["determinations"])
    assert layout["text"] >= 9.5


def test_the_overflow_probe_can_fail(tmp_path: Path) -> None:
    html = render_report(SAMPLES["all-low"]).replace(
        "<main>", '<main><p style="width:700px">too wide</p>'
    )
    assert measured(tmp_path, html, 360)["scroll"] >= 700


def test_long_and_hostile_names_neither_run_nor_overflow(tmp_path: Path) -> None:
    report = SAMPLES["mixed"]
    name = "<script>document.title='owned'</script>" + "y" * 200
    hostile = replace(
        report,
        classification={**report.classification, "model": name},
        identity={**report.identity, "model": name},
    )
    layout = measured(tmp_path, render_report(hostile), 360)
    assert layout["scripts"] == 0
    assert layout["title"].startswith("<script>document.title='owned'</script>yyy")
    assert layout["wide"] == []


def test_parsed_page_keeps_its_structure(tmp_path: Path) -> None:
    dom = browse(tmp_path, saved(tmp_path, render_report(SAMPLES["mixed"])), "--dump-dom")
    assert dom.count("<article ") == 4
    assert [len(re.findall(f"<{tag}[ >]", dom)) for tag in ("main", "header", "footer", "h1")] == [
        1, 1, 1, 1,
    ]  # fmt: skip
    assert dom.count('role="img"') == dom.count("<desc ") == 14
    assert "<script" not in dom


@pytest.mark.parametrize("width", [1280, 500])
def test_screenshot_has_the_asked_size_and_is_not_blank(tmp_path: Path, width: int) -> None:
    page, shot = saved(tmp_path, render_report(SAMPLES["mixed"])), tmp_path / "shot.png"
    browse(tmp_path, page, f"--window-size={width},1600", f"--screenshot={shot}")
    data = shot.read_bytes()
    size = data[PNG_SIZE]
    assert (int.from_bytes(size[:4]), int.from_bytes(size[4:])) == (width, 1600)
    assert len(data) > 40_000


def test_print_opens_what_is_folded(tmp_path: Path) -> None:
    html = render_report(SAMPLES["mixed"])
    unfolded = "details::details-content { content-visibility: visible;"
    assert unfolded in html
    pages = [printed_pages(tmp_path, text) for text in (html, html.replace(unfolded, "x {"))]
    assert pages[0] > pages[1] > 3


def printed_pages(folder: Path, html: str) -> int:
    target = folder / "report.pdf"
    browse(folder, saved(folder, html), f"--print-to-pdf={target}")
    return len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))
