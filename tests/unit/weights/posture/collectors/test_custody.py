"""Sealed weights, approvals, what lies beside them, and the log of openings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from steelyard.attest import PrivateKey
from steelyard.weights.access_log import AccessLog, Event
from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.machine import Machine

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, said
from .models import PUBLISHER, plain_model, sealed_model, tensor_file


def seen(name: str, sealed: Path | None, **more: object) -> tuple[str, str]:
    scope = Scope(at=AT, sealed=sealed, publisher=PUBLISHER.public_key, **more)  # type: ignore[arg-type]
    return said(look(name, Machine(), scope))


def test_sealed_weights_that_are_whole(tmp_path: Path) -> None:
    assert seen("sealed-weights", sealed_model(tmp_path)) == (
        "satisfied",
        "sealed, 3 streams complete",
    )


def test_a_stream_that_was_cut_is_told(tmp_path: Path) -> None:
    folder = sealed_model(tmp_path)
    stream = folder / "000001.floe"
    stream.write_bytes(stream.read_bytes()[:-1])
    assert seen("sealed-weights", folder) == (
        "not_satisfied",
        "1 stream not of the length that was signed",
    )


def test_weights_in_the_clear_as_well_are_told(tmp_path: Path) -> None:
    folder = sealed_model(tmp_path)
    plain = plain_model(tmp_path / "plain")
    assert seen("sealed-weights", folder, model=plain) == (
        "not_satisfied",
        "the weights are sealed, and lie in the clear as well",
    )


@pytest.mark.parametrize("name", ["sealed-weights", "approval-quorum"])
def test_a_header_counts_only_by_its_publisher(tmp_path: Path, name: str) -> None:
    folder = sealed_model(tmp_path)
    stranger = PrivateKey.from_seed(b"x" * 32).public_key
    found = look(name, Machine(), Scope(at=AT, sealed=folder, publisher=stranger))
    assert said(found) == ("not_satisfied", "the header is not one that the publisher signed")
    nobody = look(name, Machine(), Scope(at=AT, sealed=folder))
    assert said(nobody) == ("unknown", "the key of who sealed the weights was not named")


def test_plain_weights_are_not_sealed_and_show_no_approvals() -> None:
    assert seen("sealed-weights", None) == ("unknown", "no weights were named")
    assert seen("sealed-weights", None, model=Path("model")) == (
        "not_satisfied",
        "the weights are not sealed",
    )
    assert seen("approval-quorum", None) == (
        "unknown",
        "no sealed weights were named, so that no approvals are seen",
    )
    assert seen("plaintext-beside-sealed", None) == ("unknown", "no sealed weights were named")


def test_two_organizations_together_are_a_quorum(tmp_path: Path) -> None:
    assert seen("approval-quorum", sealed_model(tmp_path)) == (
        "satisfied",
        "2 approvals of 2 custodians in 2 organizations",
    )


def test_a_recipient_beside_the_custodians_opens_alone(tmp_path: Path) -> None:
    assert seen("approval-quorum", sealed_model(tmp_path, alone=1)) == (
        "not_satisfied",
        "1 recipient can open without the custodians",
    )


def test_without_custodians_each_recipient_opens_alone(tmp_path: Path) -> None:
    assert seen("approval-quorum", sealed_model(tmp_path, (), alone=2)) == (
        "not_satisfied",
        "2 recipients can open alone",
    )


def test_a_control_that_asks_for_more_approvals_is_not_met(tmp_path: Path) -> None:
    scope = Scope(at=AT, sealed=sealed_model(tmp_path), publisher=PUBLISHER.public_key)
    found = look("approval-quorum", Machine(), scope, approvals_minimum=3)
    assert found.outcome == "not_satisfied"


def test_tensors_in_the_clear_beside_sealed_ones_are_told(tmp_path: Path) -> None:
    folder = sealed_model(tmp_path)
    (folder.parent / "notes.txt").write_text("sealed in March", "utf-8")
    assert seen("plaintext-beside-sealed", folder) == (
        "satisfied",
        "no tensors in the clear among 1 file beside sealed weights",
    )
    tensor_file(folder.parent / "old" / "export.dat")
    assert seen("plaintext-beside-sealed", folder) == (
        "not_satisfied",
        "1 file with tensors in the clear beside sealed ones",
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    writer = AccessLog(path)
    for minutes in range(3):
        writer.append(
            Event("opened", "small-model", "ab" * 32), AT - timedelta(minutes=9 - minutes)
        )
    writer.close()
    return path


def test_an_unbroken_log_counts(log: Path) -> None:
    assert seen("access-log", None, access_log=log) == (
        "satisfied",
        "the access log is one chain of 3 lines",
    )


def test_an_entry_taken_out_is_told(log: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[2])
    assert seen("access-log", None, access_log=log) == (
        "not_satisfied",
        "the access log is no unbroken chain",
    )


def test_a_line_cut_by_a_crash_makes_the_answer_unknown(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-9])
    told = "the access log cannot be read to its end"
    assert seen("access-log", None, access_log=log) == ("unknown", told)
    assert seen("access-log", None, access_log=log.with_name("gone")) == ("unknown", told)


def test_an_empty_log_and_none_at_all_are_unknown(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert seen("access-log", None, access_log=empty) == (
        "unknown",
        "the access log has no entry",
    )
    assert seen("access-log", None) == ("unknown", "no access log was named")


def test_a_log_from_tomorrow_says_that_a_clock_is_wrong(log: Path) -> None:
    writer = AccessLog(log)
    writer.append(Event("opened", "small-model", "ab" * 32), AT + timedelta(days=1))
    writer.close()
    assert seen("access-log", None, access_log=log) == (
        "unknown",
        "the access log ends after the clock of this host",
    )
