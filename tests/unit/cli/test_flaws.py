"""What `assess` says of published flaws that it tested for."""

from __future__ import annotations

import runpy
from pathlib import Path

from steelyard.cli.flaws import flaw_lines

DRAFT = runpy.run_path(
    str(Path(__file__).parents[3] / "spec" / "vectors" / "passport" / "flaws_draft.py")
)


def test_a_line_says_what_is_needed_to_decide() -> None:
    made = DRAFT["reproducer"]()
    rows = [DRAFT["shown"](made, affected) for affected in (0, 2, 20)]
    name = "    EX-SA-2026-0001#F1"
    assert list(flaw_lines(rows)) == [
        "",
        "  published flaws (they move no level):",
        f"{name}: not affected",
        f"{name}: undetermined; about 50 variants in all would decide",
        f"{name}: affected",
    ]
    assert list(flaw_lines([])) == []
