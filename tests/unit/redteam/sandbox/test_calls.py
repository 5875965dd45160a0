from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from steelyard.redteam.sandbox import (
    Command,
    ExecResult,
    Host,
    HostLost,
    OutputLimitExceeded,
    Pod,
    UserUnsupported,
    host_specs,
)
from steelyard.redteam.sandbox.root import HOME

Eventually = Callable[[Callable[[], bool]], bool]


def sh(host: Host, script: str, **more: object) -> str:
    done = host.exec(["sh", "-c", script], **more)  # type: ignore[arg-type]
    assert done.returncode == 0, done
    return done.stdout.decode()


def test_a_command_gets_input_and_gives_status_and_both_outputs(host: Host) -> None:
    done = host.exec(["sh", "-c", "cat; echo no >&2; exit 3"], input=b"a\0\xff")
    assert done == ExecResult(3, b"a\0\xff", b"no\n", truncated=False)


def test_a_signal_is_a_negative_status(host: Host) -> None:
    assert host.exec(["sh", "-c", "kill -TERM $$"]).returncode == -15


def test_an_unknown_command_is_a_result_not_an_error(host: Host) -> None:
    done = host.exec(["no-such-command"])
    assert done == ExecResult(127, b"", b"no-such-command: command not found\n", truncated=False)


def test_a_file_that_is_no_program_may_not_be_executed(host: Host) -> None:
    with pytest.raises(PermissionError, match="/etc/passwd"):
        host.exec(["/etc/passwd"])


def test_a_missing_folder_is_told_from_a_missing_program(host: Host) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        host.exec(["true"], cwd="nowhere")


def test_the_program_is_looked_up_on_the_path_that_the_call_gives(host: Host) -> None:
    host.write_file("tools/greet", b"#!/bin/sh\necho hello\n")
    sh(host, "chmod +x tools/greet")
    assert host.exec(["greet"], env={"PATH": f"{HOME}/tools:/bin"}).stdout == b"hello\n"
    assert host.exec(["greet"]).returncode == 127


def test_the_environment_is_the_hosts_own_and_what_the_call_adds(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HARNESS", "leaked")
    names = {line.split("=")[0] for line in sh(host, "env", env={"ADDED": "1"}).splitlines()}
    own = {"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER", "PWD"}
    assert names == own | {"ADDED"}


@pytest.mark.parametrize("user", [None, "user", "1000"])
def test_the_hosts_user_may_be_named(host: Host, user: str | None) -> None:
    assert sh(host, "whoami", user=user) == "user\n"


def test_no_other_user_exists(host: Host) -> None:
    with pytest.raises(UserUnsupported, match="no user 'root'"):
        host.exec(["true"], user="root")


def test_output_is_cut_at_the_limit_and_its_writer_stopped(small: Host) -> None:
    began = time.monotonic()
    done = small.exec(["yes"])
    assert (len(done.stdout), done.truncated, done.returncode) == (1024 * 1024, True, -13)
    assert time.monotonic() - began < 10


def test_a_call_may_keep_less(host: Host) -> None:
    done = host.run(Command(["sh", "-c", "echo 12345; echo 123 >&2"], output_bytes=4))
    assert (done.stdout, done.stderr, done.truncated) == (b"1234", b"123\n", True)


def test_output_of_exactly_the_limit_is_not_cut(host: Host) -> None:
    done = host.run(Command(["printf", "1234"], output_bytes=4))
    assert (done.stdout, done.truncated) == (b"1234", False)


def test_arguments_that_are_too_long_are_a_result(host: Host) -> None:
    one = host.exec(["echo", "x" * 200_000])
    assert (one.returncode, one.stderr) == (126, b"echo: Argument list too long\n")
    many = host.exec(["echo", *["x" * 1000] * 10_000])
    assert many.returncode == 126


def test_a_megabyte_of_arguments_arrives(host: Host) -> None:
    done = host.exec(["printf", "%s", *["x" * 65536] * 16])
    assert done.stdout == b"x" * (16 * 65536)


@pytest.mark.parametrize("length", [32_000, 33_000, 100_000])
def test_arguments_arrive_whole_within_a_packet_and_beside_one(host: Host, length: int) -> None:
    assert host.exec(["printf", "%s", "x" * length]).stdout == b"x" * length


def test_a_command_without_input_finds_none(host: Host) -> None:
    assert sh(host, "readlink /proc/self/fd/0; cat") == "/dev/null\n"


@pytest.mark.parametrize("argv", [[], ["a\0b"]])
def test_a_command_that_cannot_be_one_is_refused_here(host: Host, argv: list[str]) -> None:
    with pytest.raises(ValueError, match="command"):
        host.exec(argv)


def test_text_that_is_no_utf8_goes_both_ways(host: Host) -> None:
    odd = b"\xff\xfe".decode(errors="surrogateescape")
    assert host.exec(["printf", "%s", odd]).stdout == b"\xff\xfe"


def test_a_time_out_kills_the_whole_tree(host: Host) -> None:
    script = "sleep 61 & (setsid sleep 62 &) ; (setsid sh -c 'sleep 63 & sleep 64') & sleep 65"
    with pytest.raises(TimeoutError, match=r"sh: not finished within 0\.5 s"):
        host.exec(["sh", "-c", script], timeout_s=0.5)
    assert [line for _, line in host.processes() if "sleep 6" in line] == []


def test_a_process_that_ignores_signals_is_killed_all_the_same(host: Host) -> None:
    with pytest.raises(TimeoutError):
        host.exec(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 77; done"], timeout_s=0.3)
    assert [line for _, line in host.processes() if "sleep 77" in line] == []


def test_an_endless_reader_does_not_hold_up_a_call_with_much_input(host: Host) -> None:
    with pytest.raises(TimeoutError):
        host.exec(["sleep", "50"], input=b"x" * 10_000_000, timeout_s=0.3)


def test_what_a_finished_call_left_behind_lives_on(host: Host, eventually: Eventually) -> None:
    sh(host, "setsid sleep 81 > /dev/null 2>&1 < /dev/null &")
    assert eventually(lambda: "sleep 81" in [line for _, line in host.processes()])
    host.kill_all()
    assert host.processes() == []


def test_a_child_that_holds_the_output_open_does_not_hold_the_call(host: Host) -> None:
    began = time.monotonic()
    done = host.exec(["sh", "-c", "echo said; sleep 20 &"])
    assert done.stdout == b"said\n"
    assert time.monotonic() - began < 5
    host.kill_all()


def test_a_spawned_process_outlives_the_call_and_is_listed(
    host: Host, eventually: Eventually
) -> None:
    pid = host.spawn(["sleep", "91"])
    assert eventually(lambda: (pid, "sleep 91") in host.processes())
    host.kill_all()
    assert host.processes() == []


@pytest.mark.parametrize(
    ("argv", "error"), [(["no-such"], FileNotFoundError), (["/etc/hosts"], PermissionError)]
)
def test_a_process_that_cannot_be_spawned_is_an_error(
    host: Host, argv: list[str], error: type[OSError]
) -> None:
    with pytest.raises(error):
        host.spawn(argv)


def test_a_command_line_cannot_pretend_to_be_two_processes(
    host: Host, eventually: Eventually
) -> None:
    host.spawn(["sh", "-c", "sleep 92\n7 5\nforged"])
    assert eventually(lambda: any("sleep 92" in line for _, line in host.processes()))
    lines = [line for _, line in host.processes()]
    assert "sh -c sleep 92\n7 5\nforged" in lines
    assert not any(line.startswith("forged") for line in lines)
    host.kill_all()


def test_calls_run_side_by_side(host: Host) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: sh(host, f"sleep 0.7; echo {n}"), range(8)))
    assert done == [f"{n}\n" for n in range(8)]
    assert time.monotonic() - began < 0.7 * 4


def test_hundreds_of_calls_at_once_find_their_way(host: Host) -> None:
    with ThreadPoolExecutor(300) as pool:
        done = list(pool.map(lambda n: host.run(Command(["echo", str(n)])), range(300)))
    started = [d.stdout for d in done if d.returncode == 0]
    assert len(started) == 300
    assert started == [b"%d\n" % n for n in range(300)]


def test_a_short_call_does_not_wait_for_a_long_one(host: Host) -> None:
    long = threading.Thread(target=host.exec, args=(["sleep", "2"],))
    long.start()
    began = time.monotonic()
    assert sh(host, "echo now") == "now\n"
    assert time.monotonic() - began < 1.5
    long.join()


@pytest.mark.usefixtures("isolation")
def test_a_closed_host_says_that_it_is_gone() -> None:
    pod = Pod(host_specs(["gate"]))
    pod.start()
    host = pod.hosts["gate"]
    pod.close()
    with pytest.raises(HostLost, match="the host is gone") as caught:
        host.exec(["true"])
    assert caught.value.hint == "start a new one"


@pytest.mark.usefixtures("isolation")
def test_closing_ends_a_call_in_progress() -> None:
    pod = Pod(host_specs(["gate"]))
    pod.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pod.hosts["gate"].exec, ["sleep", "60"])
        time.sleep(0.3)
        pod.close()
        with pytest.raises(HostLost):
            waiting.result(timeout=10)


def test_a_file_longer_than_may_be_read(host: Host) -> None:
    host.write_file("long", b"x" * 1025)
    assert host.read_file("long", limit_bytes=1025) == b"x" * 1025
    with pytest.raises(OutputLimitExceeded, match="long: longer than 1024 bytes"):
        host.read_file("long", limit_bytes=1024)


def test_a_full_disk_is_told_to_the_writer(small: Host) -> None:
    with pytest.raises(OSError, match="big") as caught:
        small.write_file("big", b"x" * (8 * 1024 * 1024 + 1))
    assert caught.value.errno == errno.EFBIG
    small.write_file("one", b"x" * (7 * 1024 * 1024))
    with pytest.raises(OSError, match="two") as caught:
        small.write_file("two", b"x" * (8 * 1024 * 1024))
    assert caught.value.errno == errno.ENOSPC
