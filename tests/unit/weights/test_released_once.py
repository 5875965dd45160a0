"""A half is given once, also where the process is stopped or the disk refuses in between."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import Expired, NotSatisfied, StorageError, UsageError
from steelyard.weights.access_log import AccessLog, read_log
from steelyard.weights.held_answer import HeldAnswer
from steelyard.weights.recorded_opening import Record, answer_recorded

from .test_recorded_answers import NOW, approved, asked, events, released, sealed

__all__ = ["sealed"]

# Dies at the n-th call that changes the disk, for n = 1, 2, ... until a child gets through.
DYING = textwrap.dedent("""
    import json, os, pathlib, sys
    from contextlib import suppress
    from steelyard.kernel.errors import NotSatisfied
    from steelyard.weights.access_log import read_log
    from steelyard.weights.recorded_opening import Record, answer_recorded
    from tests.unit.weights.test_recorded_answers import NOW, approved, asked, released, seal

    base = pathlib.Path(sys.argv[1])
    header, request = asked(seal(base))
    both = [approved(header, request, number) for number in (0, 1)]

    def give(place, name):
        answer = released(header, request, both)
        answer_recorded(answer, place / name, Record(place / "log", NOW))

    def dying(function, left):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
            return function(*arguments, **options)
        return call

    found = []
    for point in range(1, 100):
        place = base / str(point)
        place.mkdir()
        child = os.fork()
        if child == 0:
            left = [point]
            for name in ("pwrite", "fsync", "fdatasync", "rename", "replace", "open"):
                setattr(os, name, dying(getattr(os, name), left))
            give(place, "half")
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        recorded = (place / "log").exists() and bool(read_log(place / "log", allow_cut=True)[0])
        was_given = (place / "half").exists()
        with suppress(NotSatisfied):
            give(place, "again")
        names = [entry.event.name for entry in read_log(place / "log")[0]]
        halves = sum((place / name).exists() for name in ("half", "again"))
        found.append([recorded, was_given, halves, names.count("released")])
        if status == 0:
            break
        assert status == 9, status
    print(json.dumps(found))
""")


def test_stopped_at_every_step_one_half_is_given(tmp_path: Path) -> None:
    script = [sys.executable, "-c", DYING, str(tmp_path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(script, check=True, capture_output=True, text=True, timeout=120, cwd=root)
    found: list[list[int]] = json.loads(done.stdout)
    assert {(halves, entries) for _, _, halves, entries in found} == {(1, 1)}
    states = [(recorded, given) for recorded, given, _, _ in found]
    assert states[0] == (False, False)
    assert (True, False) in states
    assert states[-1] == (True, True)
    assert (False, True) not in states


def test_a_full_disk_costs_no_release(sealed: Path, tmp_path: Path) -> None:
    header, request = asked(sealed)
    record = Record(tmp_path / "log", NOW)
    both = [approved(header, request, number) for number in (0, 1)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(StorageError, match="File too large"):
            answer_recorded(released(header, request, both), tmp_path / "o" / "half", record)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "o").iterdir())
    answer_recorded(released(header, request, both), tmp_path / "o" / "half", record)
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["half"]
    assert [event.name for event in events(tmp_path / "log")] == ["released"]


def test_what_is_released_is_named_by_its_record(sealed: Path, tmp_path: Path) -> None:
    header, request = asked(sealed)
    both = [approved(header, request, number) for number in (0, 1)]
    answer_recorded(
        released(header, request, both), tmp_path / "half", Record(tmp_path / "log", NOW)
    )
    (event,) = events(tmp_path / "log")
    assert event.detail["answer"] == sha256_hex((tmp_path / "half").read_bytes())


def test_a_half_that_waits_is_given_only_where_the_first_record_names_it(
    sealed: Path, tmp_path: Path
) -> None:
    """Another folder was answered into: what waits here was never recorded, or came second."""
    header, request = asked(sealed)
    record = Record(tmp_path / "log", NOW)
    both = [approved(header, request, number) for number in (0, 1)]
    (tmp_path / "two").mkdir()
    held = HeldAnswer(tmp_path / "two" / f".{request.digest}.held", tmp_path / "two" / "half")
    waits = held.hold(released(header, request, both).make())
    answer_recorded(released(header, request, both), tmp_path / "one" / "half", record)
    first = read_log(tmp_path / "log")[0][0].event
    log = AccessLog(tmp_path / "log")
    log.append(type(first)("released", first.model, first.artifact, first.who,
                           {**first.detail, "answer": waits}), NOW)  # fmt: skip
    log.close()
    with pytest.raises(NotSatisfied, match="released the weights before, entry 0 of the log"):
        answer_recorded(released(header, request, both), held.out, record)
    assert not list((tmp_path / "two").iterdir())


def test_a_half_that_waits_is_not_given_once_its_request_is_over(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, request = asked(sealed)
    both = [approved(header, request, number) for number in (0, 1)]
    answer, half = released(header, request, both), tmp_path / "o" / "half"

    def stop(_held: HeldAnswer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(HeldAnswer, "give", stop)
        with pytest.raises(KeyboardInterrupt):
            answer_recorded(answer, half, Record(tmp_path / "log", NOW))
    assert len(list((tmp_path / "o").iterdir())) == 1
    late = Record(tmp_path / "log", request.expires + timedelta(seconds=1))
    with pytest.raises(Expired):
        answer_recorded(answer, half, late)
    assert not list((tmp_path / "o").iterdir())
    assert [event.name for event in events(tmp_path / "log")] == ["released", "refused"]


def test_a_half_that_was_never_recorded_does_not_stay_once_its_request_is_over(
    sealed: Path, tmp_path: Path
) -> None:
    header, request = asked(sealed)
    both = [approved(header, request, number) for number in (0, 1)]
    answer, over = released(header, request, both), request.expires + timedelta(seconds=1)
    (tmp_path / "o").mkdir()
    half = tmp_path / "o" / "half"
    HeldAnswer(tmp_path / "o" / f".{request.digest}.held", half).hold(answer.make())

    def make() -> bytes:
        request.require_current(over)
        return answer.make()

    with pytest.raises(Expired):
        answer_recorded(replace(answer, make=make), half, Record(tmp_path / "log", over))
    assert not list((tmp_path / "o").iterdir())


def test_a_name_taken_meanwhile_costs_no_release(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, request = asked(sealed)
    record = Record(tmp_path / "log", NOW)
    both = [approved(header, request, number) for number in (0, 1)]
    real = AccessLog.append

    def then_taken(log: AccessLog, *arguments: object) -> object:
        (tmp_path / "half").write_text("mine")
        return real(log, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(AccessLog, "append", then_taken)
        with pytest.raises(UsageError, match="this exists; nothing is written over it"):
            answer_recorded(released(header, request, both), tmp_path / "half", record)
    assert (tmp_path / "half").read_text() == "mine"
    answer_recorded(released(header, request, both), tmp_path / "other", record)
    (event,) = events(tmp_path / "log")
    assert event.detail["answer"] == sha256_hex((tmp_path / "other").read_bytes())
