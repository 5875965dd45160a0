"""Entering a host: a shell on a terminal, for this user only and no longer than the host."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steelyard.redteam.sandbox import Door, Host, Pod, host_specs

Eventually = Callable[[Callable[[], bool]], bool]
ENTER = [sys.executable, "-m", "steelyard.redteam.sandbox.enter"]


@pytest.fixture
def door(host: Host) -> Iterator[Door]:
    opened = Door(host)
    yield opened
    opened.close()


def visit(door: Door, typed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ENTER, str(door.path)],
        input=typed,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | {"TERM": "vt100"},
    )


def test_a_visitor_gets_a_shell_on_a_terminal_in_the_host(door: Door) -> None:
    done = visit(door, "hostname; id -u; echo term=$TERM; test -t 0 && echo tty\nexit 7\n")
    assert done.returncode == 7
    assert said_by(done.stdout, {"gate", "1000", "term=vt100", "tty"}) == [
        "gate",
        "1000",
        "term=vt100",
        "tty",
    ]


def test_a_visitor_is_under_the_filter_and_the_limits(door: Door) -> None:
    done = visit(door, "ulimit -n; cat /proc/self/limits; unshare -n true; echo code=$?\nexit\n")
    assert said_by(done.stdout, {"256", "code=1"}) == ["256", "code=1"]
    assert ["65", "65"] in [x.split()[2:4] for x in done.stdout.splitlines() if "processes" in x]
    assert "Operation not permitted" in done.stdout


def test_the_end_of_the_input_ends_the_shell(door: Door) -> None:
    assert visit(door, "").returncode == 0


def test_an_interrupt_reaches_what_runs_in_the_host(host: Host, eventually: Eventually) -> None:
    door = Door(host)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*ENTER, str(door.path)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as visitor:
        os.close(theirs)
        assert os.read(ours, 1) == b"$"
        os.write(ours, b"sleep 4321\n")
        assert eventually(lambda: "sleep 4321" in commands(host))
        os.write(ours, b"\x03")
        assert eventually(lambda: "sleep 4321" not in commands(host))
        os.write(ours, b"exit 5\n")
        read_until_closed(ours)
        assert visitor.wait(10) == 5
    door.close()


def test_what_a_visitor_runs_ends_when_the_visitor_leaves(
    host: Host, eventually: Eventually
) -> None:
    door = Door(host)
    visitor = subprocess.Popen(
        [*ENTER, str(door.path)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert visitor.stdin is not None
    visitor.stdin.write(b"sleep 4322\n")
    visitor.stdin.flush()
    assert eventually(lambda: "sleep 4322" in commands(host))
    visitor.send_signal(signal.SIGKILL)
    visitor.communicate()
    assert eventually(lambda: "sleep 4322" not in commands(host))
    door.close()


@pytest.mark.usefixtures("isolation")
def test_a_visit_ends_with_the_host() -> None:
    with Pod(host_specs(["gate"])) as pod:
        door = Door(pod.hosts["gate"])
        visitor = subprocess.Popen(
            [*ENTER, str(door.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert visitor.stdout is not None
        assert visitor.stdout.read(1)
    assert visitor.wait(10) == 126
    door.close()
    visitor.communicate()


def test_a_closed_door_leaves_nothing_and_lets_nobody_in(host: Host) -> None:
    door = Door(host)
    door.close()
    assert not door.path.parent.exists()
    done = visit(door, "")
    assert (done.returncode, done.stderr) == (
        3,
        f"error: nobody is behind {door.path}: No such file or directory\n",
    )


def test_one_door_must_be_named() -> None:
    done = subprocess.run(ENTER, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: name one door\nhint: python -m steelyard.redteam.sandbox.enter DOOR\n",
    )


def test_a_visitor_without_a_terminal_is_sent_away(door: Door) -> None:
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(door.path))
        visitor.send(b"vt100")
        assert visitor.recv(8) == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
def test_another_user_is_not_let_in(door: Door) -> None:
    assert door.path.parent.stat().st_mode & 0o077 == 0
    door.path.parent.chmod(0o755)
    door.path.chmod(0o777)
    other = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "try:\n"
        "    socket.send_fds(s, [b'vt100'], [os.openpty()[1]]); print(s.recv(8))\n"
        "except (BrokenPipeError, ConnectionResetError): print(b'')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", other, str(door.path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "b''\n"


@pytest.mark.parametrize("name", [b"", b"../../x", b"a=b", b"x" * 64 + b"y"])
def test_an_odd_name_of_a_terminal_is_not_passed_on(door: Door, name: bytes) -> None:
    ours, theirs = pty.openpty()
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(door.path))
        socket.send_fds(visitor, [name or b"\0"], [theirs])
        os.close(theirs)
        os.write(ours, b"echo term=[$TERM]; exit\n")
        assert b"term=[dumb]" in read_until_closed(ours)


def said_by(shown: str, expected: set[str]) -> list[str]:
    """Lines that were expected, without the prompts in front of them."""
    lines = [line.removeprefix("$ ") for line in shown.replace("\r", "").splitlines()]
    return [line for line in lines if line in expected]


def commands(host: Host) -> list[str]:
    return [line for _, line in host.processes()]


def read_until_closed(fd: int) -> bytes:
    found, ends = b"", time.monotonic() + 10
    while time.monotonic() < ends and select.select([fd], [], [], 10)[0]:
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        found += part
    os.close(fd)
    return found


def test_the_command_names_this_python() -> None:
    assert Path(ENTER[0]).is_absolute()
