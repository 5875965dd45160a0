"""A whole collection: on this machine, and on one that shows nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from steelyard.weights.posture.collectors import Scope, collect, subjects
from steelyard.weights.posture.machine import FILE_LIMIT_BYTES, Machine, Unreadable, run_command

from ..posture_scenes import AT, CATALOGUE  # noqa: TID252 - scenes of the folder above
from .machines import machine
from .models import plain_model


def test_this_machine_gives_one_observation_for_each_control_in_scope(tmp_path: Path) -> None:
    model = plain_model(tmp_path / "model")
    scope = Scope(at=AT, model=model, roots=(tmp_path,), import_path=tuple(sys.path))
    seen = collect(Machine(), scope, "alpha", CATALOGUE)
    wanted = [c.id for c in CATALOGUE.controls if c.collector and c.about != "repository"]
    assert [item.control for item in seen] == wanted
    assert all(len(item.summary) <= 300 and item.summary.isprintable() for item in seen)
    assert not [item.summary for item in seen if str(tmp_path) in item.summary]


def test_of_a_machine_that_shows_nothing_nothing_is_known(tmp_path: Path) -> None:
    scope = Scope(at=AT, process="7", access_log=Path("/log"), keys=(Path("/key.pem"),))
    seen = {item.control: item for item in collect(machine(tmp_path), scope, "dark", CATALOGUE)}
    assert {item.outcome for item in seen.values()} == {"unknown"}
    assert seen["swap-protection"].summary == (
        "could not look: /proc/swaps: no such file or directory"
    )
    assert seen["key-files"].summary == "could not look: a file: no such file or directory"


def test_weights_with_names_that_are_not_portable_are_unknown(tmp_path: Path) -> None:
    model = plain_model(tmp_path / "model")
    (model / "a\nb").write_text("x", "utf-8")
    seen = {
        item.control: item
        for item in collect(Machine(), Scope(at=AT, model=model), "alpha", CATALOGUE)
    }
    assert seen["weights-permissions"].summary == "could not look through the files"
    assert seen["safe-serialization"].outcome == "unknown"


def test_subjects_are_what_the_scope_names(tmp_path: Path) -> None:
    alone = subjects(Scope(at=AT), "alpha")
    whole = subjects(Scope(at=AT, model=tmp_path, repository=Path("/src/serving")), "alpha")
    assert [subject.id for subject in alone] == ["host:alpha"]
    assert [subject.id for subject in whole] == ["host:alpha", "model", "repository:serving"]


def test_a_file_without_end_is_not_read_in_part() -> None:
    with pytest.raises(Unreadable) as caught:
        Machine().read("/dev/zero")
    assert caught.value.message == f"/dev/zero: longer than {FILE_LIMIT_BYTES} bytes"


def test_a_command_that_is_not_there_cannot_be_asked() -> None:
    with pytest.raises(Unreadable) as caught:
        run_command(("steelyard-no-such-command",))
    assert caught.value.message == "the command steelyard-no-such-command is not installed"


def test_a_command_that_fails_gives_its_status() -> None:
    found = run_command(("false",))
    assert (found.status, found.text) == (1, "")
