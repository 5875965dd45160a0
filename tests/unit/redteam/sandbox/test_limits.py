from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from steelyard.redteam.sandbox import Host
from steelyard.redteam.sandbox.root import HOME

MIB = 1024 * 1024
CALLERS = 24


def python(host: Host, code: str, timeout_s: float = 30.0) -> str:
    done = host.exec(["python3", "-IS", "-c", code], timeout_s=timeout_s)
    return done.stdout.decode() + done.stderr.decode()[-300:]


def test_a_fork_bomb_stays_below_the_limit_and_can_be_ended(small: Host) -> None:
    small.spawn(["sh", "-c", "bomb() { bomb | bomb & }; bomb; sleep 100"])
    small.spawn(
        ["python3", "-IS", "-c", "import os\nwhile 1:\n try: os.fork()\n except OSError: 0"]
    )
    most = 0
    for _ in range(10):
        time.sleep(0.1)
        most = max(most, len(small.processes()))
    assert 10 <= most <= 20
    small.kill_all()
    assert small.processes() == []
    assert small.exec(["echo", "alive"]).stdout == b"alive\n"


def test_a_fork_bomb_in_a_call_ends_with_its_time(small: Host) -> None:
    code = "import os\nwhile 1:\n try: os.fork() or os.setsid()\n except OSError: 0"
    with pytest.raises(TimeoutError):
        python(small, code, timeout_s=1.0)
    assert small.processes() == []


@pytest.mark.parametrize(
    ("folder", "most"),
    [(HOME, 16), ("/tmp", 16), ("/dev/shm", 4)],  # noqa: S108
)
def test_a_disk_can_be_filled_up_to_its_size(small: Host, folder: str, most: int) -> None:
    script = f"cd {folder}; for i in 1 2 3 4 5; do head -c 7000000 /dev/zero > f$i; done; du -sm ."
    done = small.exec(["sh", "-c", script])
    assert b"No space left on device" in done.stderr
    assert int(done.stdout.split()[0]) == most


def test_nothing_else_can_be_written(small: Host) -> None:
    code = (
        "import os\n"
        "for top, folders, _ in os.walk('/'):\n"
        "  folders[:] = [f for f in folders if top + f not in ('/proc', '/usr')]\n"
        "  try: open(top + '/new', 'w').close()\n"
        "  except OSError: continue\n"
        "  print(top)\n"
    )
    assert set(python(small, code).split()) == {HOME, "/tmp", "/dev/shm"}  # noqa: S108


def test_a_file_can_be_as_long_as_the_limit(small: Host) -> None:
    done = small.exec(["sh", "-c", "head -c 9000000 /dev/zero > long; stat -c %s long"])
    assert done.stdout.split() == [b"8388608"]


def test_no_more_files_than_the_limit_for_long(small: Host) -> None:
    code = "import time\nfor n in range(10**6): open(f'f{n}', 'w').close()\n"
    done = small.exec(["python3", "-IS", "-c", code])
    assert done.returncode == -9
    left = int(small.exec(["sh", "-c", "ls -U | wc -l"]).stdout or 0)
    assert left < 100_000


def test_a_process_gets_no_more_memory_than_the_limit(small: Host) -> None:
    assert "MemoryError" in python(small, "x = bytearray(150 * 2**20)")
    assert "MemoryError" not in python(small, "x = bytearray(60 * 2**20)")


def test_processes_together_get_no_more_memory_than_the_limit(small: Host) -> None:
    code = (
        "import os, time\n"
        "for _ in range(5):\n"
        " if not os.fork():\n"
        "  x = bytearray(b'x') * (60 * 2**20); time.sleep(30)\n"
        "time.sleep(2)\n"
    )
    python(small, code)
    held = small.exec(
        ["sh", "-c", "cat /proc/[0-9]*/status | awk '/RssAnon/ {s += $2} END {print s}'"]
    )
    assert int(held.stdout) * 1024 < 150 * MIB


def test_calls_on_calls_do_not_put_off_the_look_at_memory(small: Host) -> None:
    eat = "x = bytearray(b'x') * (60 * 2**20); import time; time.sleep(30)"
    with ThreadPoolExecutor(CALLERS) as callers:
        ends = time.monotonic() + 2.0

        def flood() -> None:
            while time.monotonic() < ends:
                small.exec(["/usr/bin/true"])

        flooding = [callers.submit(flood) for _ in range(CALLERS)]
        for _ in range(4):
            small.spawn(["python3", "-IS", "-c", eat])
        time.sleep(1.5)
        eating = [line for _, line in small.processes() if "bytearray" in line]
        for one in flooding:
            one.result()
    assert len(eating) < 4


def test_shared_memory_is_counted(small: Host) -> None:
    code = (
        "import mmap, os, time\n"
        "for n in range(4):\n"
        " if not os.fork():\n"
        "  f = open(f'/dev/shm/{n}', 'w+b'); f.truncate(2**20); m = mmap.mmap(f.fileno(), 2**20)\n"
        "  m.write(b'x' * 2**20); x = bytearray(b'x') * (59 * 2**20); time.sleep(30)\n"
        "time.sleep(2)\n"
    )
    python(small, code)
    held = small.exec(
        ["sh", "-c", "cat /proc/[0-9]*/status | awk '/RssShmem|RssAnon/ {s += $2} END {print s}'"]
    )
    assert 40 * MIB < int(held.stdout) * 1024 < 150 * MIB


def test_processor_time_of_a_process_ends(small: Host) -> None:
    began = time.monotonic()
    done = small.exec(["sh", "-c", "while :; do :; done"])
    assert done.returncode == -9
    assert time.monotonic() - began < 25


def test_limits_cannot_be_raised(small: Host) -> None:
    done = small.exec(["sh", "-c", "ulimit -u 1000 || ulimit -f unlimited || ulimit -t 9999"])
    assert done.returncode != 0
    assert b"ulimit" in done.stderr


def test_limits_of_the_first_process_cannot_be_set(small: Host) -> None:
    code = "import resource\nresource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))"
    assert "PermissionError" in python(small, code)
    assert small.exec(["echo", "alive"]).stdout == b"alive\n"
