"""Files and checkouts that look well and are not: links, second names, keys of anybody."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.machine import Machine, Unreadable

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, machine, said
from .models import tensor_file

LINK = "1 link among the weights, and what it leads to is not looked at"
VALUES = bytes(range(256)) * 8192
ACCOUNTS = "root:x:0:0::/:/bin/sh\nann:x:4001:4001::/:/bin/sh\nbob:x:5001:5001::/:/bin/sh\n"
GROUP = "root:x:0:\nown:x:4001:\n"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A snapshot of links as download caches keep it, its file open to everybody."""
    blob = tensor_file(tmp_path / "cache" / "blobs" / "ab12", VALUES)
    blob.chmod(0o666)
    snapshot = tmp_path / "cache" / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(blob)
    snapshot.chmod(0o700)
    return snapshot


@pytest.mark.parametrize("name", ["file-permissions", "readers", "disk-encryption", "copies"])
def test_of_weights_that_are_links_nothing_is_known(cache: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "home").mkdir()
    shutil.copy(cache / "model.safetensors", tmp_path / "home" / "copy.safetensors")
    scope = Scope(at=AT, model=cache, roots=(tmp_path / "home",))
    assert look(name, Machine(), scope).outcome != "satisfied"


def test_one_link_beside_real_files_is_enough(cache: Path, tmp_path: Path) -> None:
    tensor_file(cache / "other.safetensors", VALUES).chmod(0o600)
    (tmp_path / "home").mkdir()
    scope = Scope(at=AT, model=cache, roots=(tmp_path / "home",))
    for name in ("file-permissions", "readers", "copies"):
        assert said(look(name, Machine(), scope)) == ("unknown", LINK)
    os.mkfifo(cache / "pipe")
    assert look("file-permissions", Machine(), scope).summary.startswith("2 links among")


def test_weights_of_no_byte_are_compared_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").touch()
    (tmp_path / "home").mkdir()
    scope = Scope(at=AT, model=tmp_path / "model", roots=(tmp_path / "home",))
    assert said(look("copies", Machine(), scope)) == (
        "unknown",
        "no file of the weights is here to compare with",
    )


def test_a_folder_to_search_that_leads_to_itself_cannot_be_searched(tmp_path: Path) -> None:
    tensor_file(tmp_path / "model" / "model.safetensors", VALUES)
    (tmp_path / "loop").symlink_to("loop")
    scope = Scope(at=AT, model=tmp_path / "model", roots=(tmp_path / "loop",))
    with pytest.raises(Unreadable, match="its links cannot be followed"):
        look("copies", Machine(), scope)


def recorded(root: Path) -> tuple[Machine, Path]:
    """A machine with weights that their owner reads, in a folder closed to others."""
    where = machine(root, {"/etc/passwd": ACCOUNTS, "/etc/group": GROUP})
    file = tensor_file(root / "w" / "model.safetensors", VALUES)
    file.chmod(0o600)
    file.parent.chmod(0o700)
    return where, file


def test_a_second_name_in_an_open_folder_is_not_protected_by_the_first(tmp_path: Path) -> None:
    where, file = recorded(tmp_path / "host")
    scope = Scope(at=AT, model=Path("/w"))
    file.chmod(0o644)
    assert look("file-permissions", where, scope).outcome == "satisfied"
    assert look("readers", where, scope).facts["accounts"]["count"] == 1  # type: ignore[index,call-overload]
    (tmp_path / "open").mkdir()
    os.link(file, tmp_path / "open" / "model.safetensors")
    assert said(look("file-permissions", where, scope)) == (
        "unknown",
        "1 file readable by others under a second name, not seen",
    )
    assert look("readers", where, scope).facts["accounts"]["count"] == 3  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    "name", ["system.posix_acl_access", "system.nfs4_acl", "system.cifs_acl", "system.richacl"]
)
def test_access_control_lists_of_every_kind_leave_the_readers_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    where, file = recorded(tmp_path)
    monkeypatch.setattr(os, "listxattr", lambda *_, **__: ["user.note", name])
    scope = Scope(at=AT, model=Path("/w"))
    assert look("readers", where, scope).outcome == "unknown"
    assert look("file-permissions", where, scope).outcome == "unknown"

    def denied(*_: object, **__: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listxattr", denied)
    with pytest.raises(Unreadable):
        look("readers", where, scope)
    assert file.exists()


def test_a_folder_of_code_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "code").mkdir()
    (tmp_path / "code").symlink_to(tmp_path / "open" / "code")
    found = look("import-path", Machine(), Scope(at=AT, import_path=(str(tmp_path / "code"),)))
    assert found.outcome == "not_satisfied"


GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org")


class Checkout:
    """A checkout whose commits are signed by a key that anybody made."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folder = base / "serving"
        self.folder.mkdir()
        self.run("init", "-q", "-b", "main")
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(base / "key")]
        subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
        for setting in (("gpg.format", "ssh"), ("user.signingkey", str(base / "key"))):
            self.run("config", *setting)

    def run(self, *arguments: str) -> str:
        command = [*GIT, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit(self, name: str, *, signed: bool = True) -> None:
        (self.folder / name).write_text(name, "utf-8")
        self.run("add", "-A")
        self.run("commit", "-q", "-S" if signed else "--no-gpg-sign", "-m", name)

    def signers(self, name: str = "signers") -> Path:
        path = self.base / name
        public = (self.base / "key.pub").read_text("utf-8")
        path.write_text(f"ann@example.org {public}", "utf-8")
        return path

    def look(self, control: str = "signed-commits", **more: Path) -> tuple[str, str]:
        scope = Scope(at=AT, repository=more.pop("repository", self.folder), **more)  # type: ignore[arg-type]
        return said(look(control, Machine(), scope))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    found = Checkout(tmp_path)
    for name in ("one", "two", "three"):
        found.commit(name)
    return found


TOLD = "of the last 3 commits, 3 signed and {} verified here"
UNTRUSTED = ("unknown", f"{TOLD.format(0)}; the keys of the others are not trusted here")


def test_a_key_that_anybody_made_signs_nothing(checkout: Checkout) -> None:
    (checkout.base / "empty").touch()
    checkout.run("config", "gpg.ssh.allowedSignersFile", str(checkout.base / "empty"))
    assert set(checkout.run("log", "--format=%G?").split()) == {"U"}
    assert checkout.look() == UNTRUSTED


def test_a_checkout_cannot_name_its_own_signers(checkout: Checkout) -> None:
    checkout.run("config", "gpg.ssh.allowedSignersFile", str(checkout.signers("own")))
    assert set(checkout.run("log", "--format=%G?").split()) == {"G"}
    assert checkout.look() == UNTRUSTED
    assert checkout.look(allowed_signers=checkout.signers()) == ("satisfied", TOLD.format(3))
    (checkout.base / "other").write_text("bob@example.org ssh-ed25519 AAAA\n", "utf-8")
    assert checkout.look(allowed_signers=checkout.base / "other") == UNTRUSTED


def test_stand_ins_for_unsigned_commits_are_not_looked_at(checkout: Checkout) -> None:
    signed = checkout.run("rev-parse", "HEAD").strip()
    checkout.commit("evil", signed=False)
    checkout.run("replace", checkout.run("rev-parse", "HEAD").strip(), signed)
    assert set(checkout.run("log", "--format=%G?").split()) <= {"N", "U"}
    assert checkout.look(allowed_signers=checkout.signers())[0] == "not_satisfied"


def test_a_history_that_was_cut_is_not_the_history(checkout: Checkout) -> None:
    signers = checkout.signers()
    cut = ("unknown", "the history of the checkout was cut or grafted")
    shallow = checkout.base / "shallow"
    clone = ["git", "clone", "-q", "--depth=1", f"file://{checkout.folder}", str(shallow)]
    subprocess.run(clone, check=True, capture_output=True)
    assert checkout.look(repository=shallow, allowed_signers=signers) == cut
    (checkout.folder / ".git" / "info").mkdir(exist_ok=True)
    head = checkout.run("rev-parse", "HEAD")
    (checkout.folder / ".git" / "info" / "grafts").write_text(head, "utf-8")
    assert checkout.look(allowed_signers=signers) == cut


def test_a_part_of_a_checkout_is_not_the_whole(checkout: Checkout) -> None:
    (checkout.folder / "part").mkdir()
    checkout.commit("part/file")
    part = checkout.folder / "part"
    for name in ("signed-commits", "tracked-secrets"):
        assert checkout.look(name, repository=part) == (
            "unknown",
            "the folder named is a part of a checkout only",
        )


def _sparse(checkout: Checkout) -> None:
    checkout.run("sparse-checkout", "set", "--no-cone", "/one")


def _elsewhere(checkout: Checkout) -> None:
    (checkout.base / "empty").mkdir()
    checkout.run("config", "core.worktree", str(checkout.base / "empty"))


def _gone(checkout: Checkout) -> None:
    (checkout.folder / "deploy.txt").unlink()


@pytest.mark.parametrize("hide", [_sparse, _elsewhere, _gone])
def test_a_tracked_key_is_found_where_the_folder_leaves_it_out(
    checkout: Checkout, hide: Callable[[Checkout], None]
) -> None:
    (checkout.folder / "deploy.txt").write_text("-----BEGIN PRIVATE" + " KEY-----\n", "utf-8")
    checkout.commit("more")
    hide(checkout)
    assert not (checkout.folder / "deploy.txt").exists() or hide is _elsewhere
    assert checkout.look("tracked-secrets")[0] == "not_satisfied"
