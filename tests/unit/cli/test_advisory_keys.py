"""Keys of advisories that nobody reads are told, not passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.cli.main import run


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "passport.zip"],
        ["gate", "passport.zip"],
        ["assess", "steelyard/random", "--samples", "1", "--out", "run"],
    ],
)
def test_a_publisher_without_advisories_is_refused(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run([*command, "--publisher", "ab" * 32]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: --publisher belongs to --advisories",
        "hint: --advisories FOLDER",
    ]
    assert list(tmp_path.iterdir()) == []
