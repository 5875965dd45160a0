"""Permissions, readers and import paths, with real files and recorded accounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.machine import Machine

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, machine, said

ACCOUNTS = "root:x:0:0::/root:/bin/sh\nann:x:{uid}:{gid}::/:/bin/sh\nbob:x:5001:5001::/:/bin/sh\n"
GROUP = "root:x:0:\nsudo:x:27:sam\nown:x:{gid}:eve\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 64)
    (folder / "model.safetensors").chmod(0o640)
    folder.chmod(0o750)
    for above in (tmp_path, tmp_path / "data"):
        above.chmod(0o755)
    return folder


def scope(model: Path) -> Scope:
    return Scope(at=AT, model=model)


def test_owner_and_group_only_is_as_it_should_be(model: Path) -> None:
    found = look("file-permissions", Machine(), scope(model))
    assert said(found) == ("satisfied", "2 files and folders: owner and group only")


def test_a_file_that_others_read_is_told(model: Path) -> None:
    model.chmod(0o751)
    (model / "model.safetensors").chmod(0o644)
    # On a recorded machine, as test folders lie below one that is closed to others.
    where = Machine(model.parents[1])
    found = look("file-permissions", where, scope(Path("/data/model")))
    assert said(found) == (
        "not_satisfied",
        "of 2 files and folders 2 open to others, 0 writable by group or others",
    )


def test_a_closed_folder_above_protects_an_open_file(model: Path) -> None:
    (model / "model.safetensors").chmod(0o644)
    found = look("file-permissions", Machine(), scope(model))
    assert found.outcome == "satisfied"


@pytest.mark.parametrize("mode", [0o660, 0o642])
def test_a_file_that_others_write_is_told(model: Path, mode: int) -> None:
    (model / "model.safetensors").chmod(mode)
    found = look("file-permissions", Machine(), scope(model))
    assert said(found) == (
        "not_satisfied",
        "of 2 files and folders 0 open to others, 1 writable by group or others",
    )


def test_access_control_lists_make_the_answer_unknown(model: Path) -> None:
    entries = b"\x02\x00\x00\x00"
    for tag, perm, who in ((1, 6, -1), (2, 4, 5001), (4, 4, -1), (16, 4, -1), (32, 0, -1)):
        entries += tag.to_bytes(2, "little") + perm.to_bytes(2, "little")
        entries += (who & 0xFFFFFFFF).to_bytes(4, "little")
    try:
        os.setxattr(model / "model.safetensors", "system.posix_acl_access", entries)
    except OSError:
        pytest.skip("this file system keeps no access control lists")
    found = look("file-permissions", Machine(), scope(model))
    assert said(found) == (
        "unknown",
        "1 of 2 files and folders have access control lists, not read",
    )


def test_without_weights_nothing_is_known() -> None:
    for name in ("file-permissions", "readers", "disk-encryption", "copies"):
        assert look(name, Machine(), Scope(at=AT)).summary == "no weights were named"


def accounts(tmp_path: Path, model: Path, **more: str) -> Machine:
    status = model.stat()
    owner = {"uid": 4001, "gid": 4001}
    if os.geteuid() == 0:
        for path in (model, model / "model.safetensors"):
            os.chown(path, 4001, 4001)
    else:
        owner = {"uid": status.st_uid, "gid": status.st_gid}
    files = {"/etc/passwd": ACCOUNTS.format(**owner), "/etc/group": GROUP.format(**owner)}
    return machine(tmp_path, {**files, **{f"/etc/{name}": text for name, text in more.items()}})


def readers(where: Machine, most: int) -> tuple[str, str]:
    recorded = Scope(at=AT, model=Path("/data/model"))
    return said(look("readers", where, recorded, readers_maximum=most))


def test_owner_group_root_and_whoever_can_become_root_are_counted(
    tmp_path: Path, model: Path
) -> None:
    where = accounts(tmp_path, model)
    told = "4 accounts of this host can read the weights, at most {} may"
    assert readers(where, 4) == ("satisfied", told.format(4))
    assert readers(where, 3) == ("not_satisfied", told.format(3))
    found = look("readers", where, Scope(at=AT, model=Path("/data/model")))
    assert found.facts["accounts"] == {"count": 4, "first": ["ann", "eve", "root", "sam"]}


def test_an_open_file_is_read_by_everybody(tmp_path: Path, model: Path) -> None:
    (model / "model.safetensors").chmod(0o644)
    model.chmod(0o755)
    where = accounts(tmp_path, model)
    assert readers(where, 20)[1].startswith("5 accounts ")


def test_a_directory_service_makes_the_number_unknown(tmp_path: Path, model: Path) -> None:
    where = accounts(tmp_path, model, **{"nsswitch.conf": "passwd: files sss [NOTFOUND=return]\n"})
    assert readers(where, 20) == ("unknown", "accounts also come from sss, which is not asked")


def test_local_sources_of_accounts_are_known(tmp_path: Path, model: Path) -> None:
    conf = "# passwd: ldap\npasswd: files systemd\ngroup: files\nhosts: dns\n"
    where = accounts(tmp_path, model, **{"nsswitch.conf": conf})
    assert readers(where, 20)[0] == "satisfied"


def test_a_folder_of_code_that_anybody_can_write_is_told(tmp_path: Path) -> None:
    closed, open_one = tmp_path / "closed", tmp_path / "open"
    for folder, mode in ((closed, 0o755), (open_one, 0o777)):
        folder.mkdir()
        folder.chmod(mode)
    found = look("import-path", Machine(), Scope(at=AT, import_path=(str(closed),)))
    assert said(found) == (
        "satisfied",
        "1 folder that code is loaded from, none open to everybody",
    )
    for path in (str(open_one), str(open_one / "below"), "relative"):
        found = look("import-path", Machine(), Scope(at=AT, import_path=(str(closed), path)))
        assert said(found) == (
            "not_satisfied",
            "anybody can write in 1 folder that code is loaded from",
        )
