from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelyard.attest import manifest_root, merkle_root
from steelyard.kernel import canonical_json, sha256_hex
from steelyard.kernel.errors import MalformedEvidence


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "shard").write_bytes(b"two")
    (folder / "b.json").write_bytes(b"{}")
    (folder / "a.safetensors").write_bytes(b"one")
    return folder


def test_the_root_covers_path_size_and_digest_in_path_order(weights: Path) -> None:
    files = [("a.safetensors", b"one"), ("b.json", b"{}"), ("b/shard", b"two")]
    leaves = [
        canonical_json({"path": path, "sha256": sha256_hex(data), "size": len(data)})
        for path, data in files
    ]
    assert manifest_root(weights) == merkle_root(leaves)


def test_any_change_changes_the_root(weights: Path) -> None:
    roots = [manifest_root(weights)]
    (weights / "a.safetensors").write_bytes(b"One")
    roots.append(manifest_root(weights))
    (weights / "a.safetensors").rename(weights / "c.safetensors")
    roots.append(manifest_root(weights))
    (weights / "empty").write_bytes(b"")
    roots.append(manifest_root(weights))
    assert len(set(roots)) == 4


def test_a_symbolic_link_is_refused(weights: Path) -> None:
    (weights / "b" / "link").symlink_to("/etc/hostname")
    with pytest.raises(MalformedEvidence) as caught:
        manifest_root(weights)
    assert caught.value.message == "symbolic links and special files have no place among weights"
    assert caught.value.hint == "copy the file itself into the folder"
    assert caught.value.where == str(weights / "b" / "link")


def test_a_linked_folder_is_refused(weights: Path) -> None:
    (weights / "loop").symlink_to(weights, target_is_directory=True)
    with pytest.raises(MalformedEvidence, match="symbolic links"):
        manifest_root(weights)


def test_a_pipe_is_refused(weights: Path) -> None:
    os.mkfifo(weights / "pipe")
    with pytest.raises(MalformedEvidence, match="special files"):
        manifest_root(weights)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "nothing" / "inside").mkdir(parents=True)
    with pytest.raises(MalformedEvidence) as caught:
        manifest_root(tmp_path / "nothing")
    assert caught.value.message == "the folder holds no file"


@pytest.mark.parametrize("name", ["absent", "file", "link"])
def test_something_else_than_a_folder(weights: Path, name: str) -> None:
    (weights.parent / "file").write_bytes(b"x")
    (weights.parent / "link").symlink_to(weights)
    with pytest.raises(MalformedEvidence) as caught:
        manifest_root(weights.parent / name)
    assert caught.value.message == "expected a folder with weights"
