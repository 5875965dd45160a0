"""Walking a model: every entry, in one order, nothing followed and nothing odd let through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights import Entry, entries, model_folder, regular_files


def test_entries_come_in_the_order_of_code_points(tmp_path: Path) -> None:
    for name in ("b", "a/b", "a.b", "Z", "ä", "a/a/a"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    found = entries(tmp_path)
    assert [entry.name for entry in found] == ["Z", "a.b", "a/a/a", "a/b", "b", "ä"]
    assert found[2] == Entry("a/a/a", tmp_path / "a/a/a", "file", 5)
    assert regular_files(tmp_path) == found


def test_a_single_file_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"123")
    expected = (Entry("m.safetensors", tmp_path / "m.safetensors", "file", 3),)
    assert entries(tmp_path / "m.safetensors") == expected
    assert regular_files(tmp_path / "m.safetensors") == expected


def test_links_and_pipes_are_entries_and_no_plain_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"")
    (tmp_path / "to-folder").symlink_to("folder")
    (tmp_path / "to-itself").symlink_to("to-itself")
    os.mkfifo(tmp_path / "pipe")
    assert [(e.name, e.kind, e.size_bytes) for e in entries(tmp_path)] == [
        ("folder/file", "file", 0), ("pipe", "special", 0),
        ("to-folder", "link", 0), ("to-itself", "link", 0),
    ]  # fmt: skip
    with pytest.raises(MalformedEvidence) as caught:
        regular_files(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'pipe'}: symbolic links and special files have no place among weights"
    )
    assert caught.value.hint == "copy the file itself into the folder"


def test_a_link_given_as_the_model_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"1")
    (tmp_path / "link").symlink_to("m")
    assert [entry.kind for entry in entries(tmp_path / "link")] == ["link"]


def test_a_folder_without_files_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert entries(tmp_path) == ()
    with pytest.raises(MalformedEvidence, match=r"the folder holds no file$"):
        regular_files(tmp_path)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MalformedEvidence, match=r"cannot read: No such file or directory$"):
        entries(tmp_path / "nothing")


@pytest.mark.parametrize("name", [b"a\nb", b"a\\b", b"a\x7fb", b"a\xffb", "a\u202eb".encode()])
def test_names_that_others_read_differently(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"")
    with pytest.raises(MalformedEvidence, match=r"is no portable file name$"):
        entries(tmp_path)


def test_folders_nested_too_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 32)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"")
    assert len(entries(tmp_path)) == 1
    (deep / "d").mkdir()
    with pytest.raises(MalformedEvidence, match=r"folders are nested deeper than 32$"):
        entries(tmp_path)


def test_more_files_than_a_model_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "ENTRY_LIMIT", 2)
    for name in "abc":
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(MalformedEvidence, match=r"a model has at most 2 files, found more$"):
        entries(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(MalformedEvidence, match=r"cannot read: Permission denied$"):
        entries(tmp_path)
