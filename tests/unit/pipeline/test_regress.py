"""Lists of regressions and of base weights, from files."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from steelyard.attest import manifest_root
from steelyard.kernel import canonical_json, digest_json
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.pipeline.regress import read_regressions
from steelyard.pipeline.request import base_roots

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
    found = read_regressions([one])
    assert [(row.advisory, row.finding) for row in found] == [("EX-1", "F1")]
    assert read_regressions([one / "regressions.yaml"]) == found
    assert read_regressions([]) == ()


def test_a_finding_stands_in_one_list_only(tmp_path: Path) -> None:
    folders = [listed(tmp_path / "one"), listed(tmp_path / "two"), listed(tmp_path / "more", "F2")]
    assert len(read_regressions(folders[1:])) == 2
    with pytest.raises(ConfigurationError) as caught:
        read_regressions(folders)
    assert caught.value.message == "EX-1#F1 is in another list too"
    assert caught.value.where == str(tmp_path / "two" / "regressions.yaml")
    assert caught.value.hint == "list each finding once"


def test_a_folder_without_a_list_is_no_regression(tmp_path: Path) -> None:
    with pytest.raises(MalformedEvidence, match="cannot read"):
        read_regressions([tmp_path])


def test_bases_are_digests_or_folders_each_once(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    root = manifest_root(tmp_path)
    assert base_roots(["ab" * 32, str(tmp_path), root]) == ("ab" * 32, root)
