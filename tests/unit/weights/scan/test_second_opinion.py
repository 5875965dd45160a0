"""What another scanner says beside ours: it only adds, and what it was not asked is told."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path

import pytest

from steelyard.kernel.errors import ConfigurationError
from steelyard.standard import check_schema
from steelyard.weights.model_folder import entries
from steelyard.weights.scan import (
    Finding,
    Opinion,
    Report,
    ask_fickling,
    scan_model,
    second_opinion,
    with_opinions,
)

from .assembling import checkpoint


def test_another_scanner_only_adds(spoiled: Path) -> None:
    pytest.importorskip("fickling")
    (spoiled / "clean.pt").write_bytes(checkpoint())
    (spoiled / "notes.txt").write_text("text", "utf-8")
    report = scan_model(spoiled)
    opinions = tuple(ask_fickling()(entries(spoiled)))
    assert [opinion.file for opinion in opinions] == ["clean.pt", "m.pt", "odd name.bin"]
    assert not opinions[1].safe
    second = with_opinions(report, opinions)
    assert set(report.findings) <= set(second.findings)
    assert second.verdict == "blocked"
    check_schema(second.to_json(), "weights-scan", where="report")


def test_another_scanner_is_asked_about_what_a_link_leads_to(tmp_path: Path) -> None:
    pytest.importorskip("fickling")
    (tmp_path / "blob").write_bytes(checkpoint())
    (tmp_path / "m.pt").symlink_to("blob")
    (tmp_path / "n.pt").symlink_to("nowhere")
    assert [each.file for each in ask_fickling()(entries(tmp_path))] == ["blob", "m.pt"]


def test_what_is_too_large_for_another_scanner_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fickling")
    monkeypatch.setattr(second_opinion, "_READ_LIMIT_BYTES", 20)
    (tmp_path / "large.pkl").write_bytes(pickle.dumps("x" * 20))
    (tmp_path / "small.pkl").write_bytes(pickle.dumps(1))
    report = scan_model(tmp_path, ask=ask_fickling())
    large, small = report.opinions
    assert (large.verdict, large.safe) == ("not asked: 35 bytes", None)
    assert (small.verdict, small.safe) == ("likely safe", True)
    assert report.findings == ()
    check_schema(report.to_json(), "weights-scan", where="report")


def test_a_fault_that_only_the_other_finds_is_a_warning() -> None:
    opinions = (
        Opinion("a", "other 1", "unsafe", safe=False),
        Opinion("b", "other 1", "unsafe", safe=False),
    )
    blocked = Finding("polyglot", "b", "", None, "t")
    report = with_opinions(Report(("a", "b"), (blocked,), ()), opinions)
    assert report.findings == (
        Finding("second-opinion", "a", "", None, "other 1 says unsafe"), blocked,
    )  # fmt: skip
    assert report.opinions == opinions


def test_another_scanner_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(second_opinion.importlib, "import_module", refuse)
    assert importlib.import_module is refuse
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(1))
    with pytest.raises(ConfigurationError, match=r"^fickling is not installed$") as caught:
        ask_fickling()
    assert caught.value.hint == "pip install fickling"
