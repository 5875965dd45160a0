"""What `assess` makes of lists of regressions and of base weights."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from steelyard.attest import manifest_root
from steelyard.cli.flaws import base_roots, flaw_lines, known_flaws
from steelyard.kernel import canonical_json, digest_json
from steelyard.kernel.errors import MalformedEvidence, UsageError

DRAFT = runpy.run_path(
    str(Path(__file__).parents[3] / "spec" / "vectors" / "passport" / "flaws_draft.py")
)


def listed(folder: Path, finding: str = "F1") -> Path:
    folder.mkdir()
    document = DRAFT["document"]()
    (folder / "vault.json").write_bytes(canonical_json(document))
    row = f"advisory: EX-1, finding: {finding}, reproducer: vault.json"
    row += f", sha256: {digest_json(document)!r}"
    text = f"schema: steelyard/regressions/1\nregressions:\n  - {{{row}}}\n"
    (folder / "regressions.yaml").write_text(text)
    return folder


def test_a_list_and_the_folder_that_holds_it_are_the_same(tmp_path: Path) -> None:
    one = listed(tmp_path / "one")
    by_folder = known_flaws([one], None, None).regressions
    assert by_folder == known_flaws([one / "regressions.yaml"], None, None).regressions
    assert known_flaws([], None, None) == known_flaws((), None, None)


def test_a_finding_stands_in_one_list_only(tmp_path: Path) -> None:
    folders = [listed(tmp_path / "one"), listed(tmp_path / "two"), listed(tmp_path / "more", "F2")]
    assert len(known_flaws(folders[1:], None, None).regressions) == 2
    with pytest.raises(UsageError) as caught:
        known_flaws(folders, None, None)
    assert caught.value.message == "EX-1#F1 is listed 2 times"
    assert caught.value.hint == "list each finding once"


def test_a_folder_without_a_list_is_no_regression(tmp_path: Path) -> None:
    with pytest.raises(MalformedEvidence, match="cannot read"):
        known_flaws([tmp_path], None, None)


def test_bases_are_digests_or_folders_each_once(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    root = manifest_root(tmp_path)
    assert base_roots(["ab" * 32, str(tmp_path), root]) == ("ab" * 32, root)


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
