"""Keys and card of a node, wherever what makes them is cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.kernel import utc_now
from steelyard.kernel.errors import ConfigurationError
from steelyard.server.node import About, create_identity, open_node
from steelyard.server.node.identity import load_identity_of, load_root, rotate_keys

LAB = About("Lab", ("developer",))
# Ends itself, as a loss of power would, at the opening of the file whose turn it is, before or
# after it lies there.
CUT_OFF = """
import os, signal, sys
from pathlib import Path
from steelyard.kernel import utc_now
from steelyard.server.node.identity import load_root, rotate_keys

folder, turn, after = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "after"
root, opened, real = load_root(folder), [], os.open

def cut_off(path, flags, *args, **options):
    if flags & os.O_CREAT:
        opened.append(path)
        if len(opened) == turn:
            if after:
                real(path, flags, *args, **options)
            os.kill(os.getpid(), signal.SIGKILL)
    return real(path, flags, *args, **options)

os.open = cut_off
rotate_keys(folder, root, utc_now(), revoke=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_identity(tmp_path / "node", LAB, utc_now())
    return tmp_path / "node"


def test_a_rotation_that_is_cut_off_at_any_file_leaves_the_node_as_it_was(folder: Path) -> None:
    before = load_identity_of(folder)
    turn = 0
    while True:
        turn += 1
        ended = [
            subprocess.run(
                [sys.executable, "-c", CUT_OFF, str(folder), str(turn), when], check=False
            ).returncode
            for when in ("before", "after")
        ]
        if ended == [0, 0]:
            break
        assert ended == [-signal.SIGKILL, -signal.SIGKILL]
        found = load_identity_of(folder)
        assert (found.key.pem, found.card.digest) == (before.key.pem, before.card.digest)
        node = open_node(folder)
        node.close()
    assert turn == 6
    after = load_identity_of(folder)
    assert after.card.sequence == 3
    assert set(before.receiver.identities) < set(after.receiver.identities)


def test_a_rotation_after_one_that_was_cut_off_leaves_its_files_alone(folder: Path) -> None:
    (folder / "keys" / "signing-2.key").write_bytes(b"")
    (folder / "keys" / "encryption-4.key").write_bytes(b"")
    (folder / "keys" / "signing-old.key").write_bytes(b"")
    card = rotate_keys(folder, load_root(folder), utc_now(), revoke=False).card
    assert card.sequence == 2
    assert (folder / "keys" / "signing-5.key").exists()
    assert (folder / "keys" / "signing-2.key").read_bytes() == b""


@pytest.mark.parametrize("kind", ["signing", "encryption"])
def test_a_key_that_has_ended_does_not_stand_in_for_the_one_that_counts(
    folder: Path, kind: str
) -> None:
    rotate_keys(folder, load_root(folder), utc_now(), revoke=False)
    (folder / "keys" / f"{kind}-2.key").write_bytes(b"")
    with pytest.raises(ConfigurationError) as refused:
        load_identity_of(folder)
    assert refused.value.message == f"the {kind} key that the card names is not here, or damaged"
    assert refused.value.hint == "put back what a backup has of keys/ and card.json"


def test_a_root_key_that_is_kept_elsewhere_is_asked_for(folder: Path) -> None:
    (folder / "keys" / "root.key").unlink()
    with pytest.raises(ConfigurationError) as refused:
        load_root(folder)
    assert refused.value.message == "the root key is not here"
    assert refused.value.hint == "say where it is kept: --root FILE"


def test_a_node_is_made_once(folder: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        create_identity(folder, LAB, utc_now())
    assert refused.value.message == "a node is here already"
    assert refused.value.hint.startswith(f"steelyard serve {folder} --admin-link")


def test_keys_without_a_card_are_named_and_a_node_is_made_without_them(folder: Path) -> None:
    (folder / "card.json").unlink()
    with pytest.raises(ConfigurationError) as refused:
        create_identity(folder, LAB, utc_now())
    assert refused.value.message == "keys are here without a card"
    told = "put card.json back; or, if no node ever came of them, remove "
    assert refused.value.hint.startswith(told)
    for name in refused.value.hint.removeprefix(told).split(", "):
        (folder / "keys" / name).unlink()
    assert create_identity(folder, LAB, utc_now()).card.sequence == 1
