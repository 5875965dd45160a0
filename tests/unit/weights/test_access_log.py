"""The access log: nothing goes missing unseen, and a crash costs no entry that was kept."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.attest import generate_key
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, StorageError
from steelyard.standard import check_schema
from steelyard.weights.access_log import (
    AccessLog,
    Event,
    Head,
    open_checkpoint,
    read_log,
    sign_checkpoint,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
OPENED = Event("opened", "mini", "a" * 64, "b" * 64, {"purpose": "benchmark"})


def written(path: Path, count: int) -> Head:
    log = AccessLog(path)
    head = Head(0, "")
    for number in range(count):
        head = log.append(OPENED, NOW + timedelta(minutes=number))
    log.close()
    return head


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    head = written(tmp_path / "state" / "log", 5)
    events, found = read_log(tmp_path / "state" / "log")
    assert found == head
    assert [entry.seq for entry in events] == [0, 1, 2, 3, 4]
    assert events[4].at == NOW + timedelta(minutes=4)
    assert events[0].event == OPENED
    for line in (tmp_path / "state" / "log").read_text().splitlines():
        check_schema(json.loads(line), "access-log-entry", where="entry")


def test_an_absent_log_is_told_from_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(MalformedEvidence, match="cannot read: No such file or directory"):
        read_log(tmp_path / "log")
    (tmp_path / "log").touch()
    assert read_log(tmp_path / "log") == ([], Head(0, "0" * 64))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[:1] + lines[2:], "entry 1 does not follow from the one before"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "entry 1 does not follow"),
        (lambda lines: lines[1:], "entry 0 does not follow from the one before"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "entry 1 does not follow"),
        (lambda lines: [lines[0].replace("benchmark", "archives "), *lines[1:]],
         "entry 1 does not follow"),
        (lambda lines: [lines[0].replace(",", ", ", 1), *lines[1:]], "not in canonical JSON"),
        (lambda lines: [*lines, "{}"], "this is no entry of an access log"),
        (lambda lines: [*lines, "x" * 300_000], "the last line was cut, or is too long"),
    ],
)  # fmt: skip
def test_a_log_that_was_changed_inside_is_refused(
    tmp_path: Path, edit: object, message: str
) -> None:
    written(tmp_path / "log", 4)
    lines = (tmp_path / "log").read_text().splitlines()
    assert callable(edit)
    (tmp_path / "log").write_text("\n".join(edit(lines)) + "\n")
    with pytest.raises((BrokenSeal, MalformedEvidence), match=message):
        read_log(tmp_path / "log")


def test_a_checkpoint_shows_that_the_end_was_cut_or_written_anew(tmp_path: Path) -> None:
    key = generate_key()
    kept = sign_checkpoint("log", written(tmp_path / "log", 4), NOW, key)
    head = open_checkpoint(kept, key.public_key)
    assert read_log(tmp_path / "log", head)[1] == head
    whole = (tmp_path / "log").read_text()
    written(tmp_path / "log", 2)
    assert read_log(tmp_path / "log", head)[1].entries == 6
    (tmp_path / "log").write_text("".join(whole.splitlines(keepends=True)[:3]))
    with pytest.raises(BrokenSeal, match="the log has 3 entries, it had 4") as caught:
        read_log(tmp_path / "log", head)
    assert caught.value.hint == "the log was cut"
    (tmp_path / "log").write_text("")
    log = AccessLog(tmp_path / "log")
    for _ in range(5):
        log.append(Event("opened", "mini", "a" * 64), NOW)
    log.close()
    with pytest.raises(BrokenSeal, match="entry 3 is not the one that was kept"):
        read_log(tmp_path / "log", head)
    with pytest.raises(BrokenSeal, match="which is not among the keys given"):
        open_checkpoint(kept, generate_key().public_key)


def test_a_cut_line_is_removed_and_told(tmp_path: Path) -> None:
    written(tmp_path / "log", 2)
    with (tmp_path / "log").open("ab") as stream:
        stream.write(b'{"artifact":"aaaa')
    with pytest.raises(MalformedEvidence, match="the last line was cut"):
        read_log(tmp_path / "log")
    written(tmp_path / "log", 1)
    events, _ = read_log(tmp_path / "log")
    assert [entry.event.name for entry in events] == ["opened", "opened", "recovered", "opened"]
    assert events[2].event.detail == {"bytes": "17"}


def test_a_cut_line_after_what_is_no_entry_stays(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'{"seq": 1}\n{"artifact":"aa')
    log = AccessLog(tmp_path / "log")
    for _ in range(2):
        with pytest.raises(MalformedEvidence, match="this is no entry of an access log"):
            log.append(OPENED, NOW)
    log.close()
    assert (tmp_path / "log").read_bytes() == b'{"seq": 1}\n{"artifact":"aa'


def test_a_cut_line_is_told_also_when_the_first_try_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "log", 1)
    with (tmp_path / "log").open("ab") as stream:
        stream.write(b'{"artifact":"aaaa')
    log = AccessLog(tmp_path / "log")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(StorageError, match="No space left on device"):
            log.append(OPENED, NOW)
    log.append(OPENED, NOW)
    log.close()
    events, _ = read_log(tmp_path / "log")
    assert [entry.event.name for entry in events] == ["opened", "recovered", "opened"]
    assert events[1].event.detail == {"bytes": "17"}


def test_a_log_whose_end_is_not_one_is_not_appended_to(tmp_path: Path) -> None:
    written(tmp_path / "log", 1)
    with (tmp_path / "log").open("ab") as stream:
        stream.write(b'{"seq": 1}\n')
    before = (tmp_path / "log").read_bytes()
    log = AccessLog(tmp_path / "log")
    for _ in range(2):
        with pytest.raises(MalformedEvidence, match="this is no entry of an access log"):
            log.append(OPENED, NOW)
    log.close()
    assert (tmp_path / "log").read_bytes() == before
    (tmp_path / "huge").write_bytes(b"x" * 400_000)
    log = AccessLog(tmp_path / "huge")
    for _ in range(2):
        with pytest.raises(BrokenSeal, match="the log ends in something else than entries"):
            log.append(OPENED, NOW)
    log.close()
    assert (tmp_path / "huge").stat().st_size == 400_000


def test_several_processes_append_to_one_chain(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import pathlib, sys
        from datetime import UTC, datetime
        from steelyard.weights.access_log import AccessLog, Event
        log = AccessLog(pathlib.Path(sys.argv[1]))
        for _ in range(40):
            log.append(Event("opened", "mini", "a" * 64, "", {"by": sys.argv[2]}),
                       datetime(2026, 5, 4, tzinfo=UTC))
    """)
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log"), str(number)])
        for number in range(3)
    ]
    assert [child.wait(timeout=60) for child in children] == [0, 0, 0]
    events, head = read_log(tmp_path / "log")
    assert head.entries == 120
    assert {entry.event.detail["by"] for entry in events} == {"0", "1", "2"}


def test_a_killed_writer_loses_no_entry_that_it_reported(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import pathlib, sys
        from datetime import UTC, datetime
        from steelyard.weights.access_log import AccessLog, Event
        log = AccessLog(pathlib.Path(sys.argv[1]))
        while True:
            head = log.append(Event("opened", "mini", "a" * 64), datetime(2026, 5, 4, tzinfo=UTC))
            print(head.entries, flush=True)
    """)
    reported = 0
    for _ in range(5):
        arguments = [sys.executable, "-c", code, str(tmp_path / "log")]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(30):
                reported = int(child.stdout.readline())
            child.kill()
            reported = int((child.stdout.read().splitlines() or [str(reported)])[-1] or reported)
    written(tmp_path / "log", 1)
    events, head = read_log(tmp_path / "log")
    assert head.entries >= reported + 1
    assert [entry.seq for entry in events] == list(range(head.entries))


def test_a_full_disk_keeps_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = written(tmp_path / "log", 2)
    log = AccessLog(tmp_path / "log")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(StorageError, match="No space left on device"):
            log.append(OPENED, NOW)
    assert read_log(tmp_path / "log")[1] == head
    assert log.append(OPENED, NOW).entries == 3
    log.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Opened", "mini", "a" * 64), "'Opened' is no event"),
        (("opened", "", "a" * 64), "is no printable label"),
        (("opened", "mini", "a" * 63), "is no SHA-256 digest"),
        (("opened", "mini", "a" * 64, "me"), "is no SHA-256 digest"),
        (("opened", "mini", "a" * 64, "", {"purpose": "x" * 4097}), "at most 32 details"),
        (("opened", "mini", "a" * 64, "", {str(n): "" for n in range(33)}), "at most 32 details"),
    ],
)
def test_an_event_that_breaks_the_schema_is_refused(
    arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(MalformedEvidence, match=message):
        Event(*arguments)  # pyright: ignore[reportArgumentType]


@given(st.binary(max_size=200))
def test_anything_else_is_no_log(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(data)
    if data:
        with pytest.raises((BrokenSeal, MalformedEvidence)):
            read_log(path)


def test_threads_share_one_chain(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "log")
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: log.append(OPENED, NOW), range(160)):
            pass
    log.close()
    assert read_log(tmp_path / "log")[1].entries == 160


def test_an_entry_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    head = written(tmp_path / "log", 1)
    log = AccessLog(tmp_path / "log")
    detail = {str(number): "\u2028" * 4096 for number in range(32)}
    with pytest.raises(MalformedEvidence, match="an entry has at most 262143 bytes, this has"):
        log.append(Event("opened", "mini", "a" * 64, "", detail), NOW)
    log.close()
    assert read_log(tmp_path / "log")[1] == head


def test_a_truth_value_is_no_number_of_an_entry(tmp_path: Path) -> None:
    written(tmp_path / "log", 1)
    text = (tmp_path / "log").read_text()
    (tmp_path / "log").write_text(text.replace('"seq":0', '"seq":false'))
    with pytest.raises(MalformedEvidence, match="this is no entry of an access log"):
        read_log(tmp_path / "log")


def test_a_cut_end_can_be_read_up_to(tmp_path: Path) -> None:
    head = written(tmp_path / "log", 2)
    with (tmp_path / "log").open("ab") as stream:
        stream.write(b'{"artifact":"aaaa')
    assert read_log(tmp_path / "log", allow_cut=True)[1] == head
