"""What the relay does with processes: list them, measure them, kill them with all below.

Joined to `relay` before it is sent into a host; see there. Processes come and go at any moment,
so each function takes it that one may have ended.
"""

from __future__ import annotations

import os
import resource
import select
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

PAGE = resource.getpagesize()
OVER = (b"Z", b"X")
FIGHT_S = 1.0
TERMINALS = 64


def contents(path: str, limit: int = -1) -> bytes:
    """A small file of /proc, or its beginning."""
    with open(path, "rb", 0) as file:  # noqa: PTH123
        return file.read(limit)


def all_pids() -> list[int]:
    """Every process of the host."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def status_of(folder: str) -> tuple[bytes, bytes]:
    """State letter and name, from a line in which the name may hold brackets and blanks."""
    line = contents(f"{folder}/stat")
    end = line.rindex(b")")
    return line[end + 2 : end + 3], line[line.index(b"(") + 1 : end]


def speaker(pid: int) -> str | None:
    """Folder of /proc that tells of a process; None when it is over.

    A process whose first thread has ended reads as over while the others go on.
    """
    try:
        for folder in (f"/proc/{pid}", *threads(pid)):
            if status_of(folder)[0] not in OVER:
                return folder
    except OSError:
        # A thread ended while it was looked at.
        return f"/proc/{pid}" if os.path.exists(f"/proc/{pid}") else None  # noqa: PTH110
    return None


def threads(pid: int) -> list[str]:
    """Folders of all its threads."""
    return [f"/proc/{pid}/task/{name}" for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208


def parents() -> dict[int, int]:
    """Parent of each living process."""
    found: dict[int, int] = {}
    for pid in all_pids():
        try:
            line = contents(f"/proc/{pid}/stat")
        except OSError:
            continue
        found[pid] = int(line[line.rindex(b")") + 4 :].split()[0])
    return found


def kill_tree(root: int) -> None:
    """Kill a process and all below it, stopped first so that none can fork away.

    Where something wakes what was stopped, everything is killed: that tree has no end.
    """
    send(root, signal.SIGSTOP)
    ends = monotonic() + FIGHT_S
    # Whatever one of them forked before it died comes below the root, which collects orphans.
    while tree := below(root):
        for pid in tree:
            send(pid, signal.SIGSTOP)
        if below(root) != tree:
            if monotonic() > ends:
                break
            continue
        for pid in tree:
            send(pid, signal.SIGKILL)
        wait_for_end(tree)
    if tree or is_awake(root):
        others = set(all_pids()) - {1}
        send(-1, signal.SIGKILL)
        wait_for_end(others)
    send(root, signal.SIGKILL)


def below(root: int) -> set[int]:
    """Living processes under one, at any depth."""
    above = {pid: parent for pid, parent in parents().items() if speaker(pid)}
    found, layer = set[int](), {root}
    while layer:
        layer = {pid for pid, parent in above.items() if parent in layer} - found
        found |= layer
    return found


def wait_for_end(pids: set[int]) -> None:
    """Killed is not gone; nobody is to find them running after the call."""
    ends = monotonic() + FIGHT_S
    while any(speaker(pid) for pid in pids) and monotonic() < ends:
        select.select([], [], [], 0.001)


def kill_others(spared: set[int]) -> None:
    """Kill everything but some, in one step where there are none to spare."""
    for pid in set(all_pids()) - spared - {1} if spared else {-1}:
        send(pid, signal.SIGKILL)


def freeze() -> None:
    """Stop everything, so that nothing can end or stop what is started next."""
    ends = monotonic() + FIGHT_S
    while monotonic() < ends:
        send(-1, signal.SIGSTOP)
        select.select([], [], [], 0.001)
        if not any(is_awake(pid) for pid in all_pids() if pid != 1):
            return


def is_awake(pid: int) -> bool:
    """Whether a process is neither stopped nor over."""
    folder = speaker(pid)
    try:
        return folder is not None and status_of(folder)[0] not in (*OVER, b"T")
    except OSError:
        return False


def send(pid: int, number: int) -> None:
    """Signal a process that may just have gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def resident(pid: int) -> int:
    """Bytes of memory, shared pages of programs included."""
    try:
        folder = speaker(pid)
        return int(contents(f"{folder}/statm").split()[1]) * PAGE if folder else 0
    except (OSError, IndexError):
        return 0


def private(pid: int) -> int:
    """Bytes of memory that no file backs."""
    try:
        folder = speaker(pid)
        lines = contents(f"{folder}/status").splitlines() if folder else []
    except OSError:
        return 0
    kept = (line.split() for line in lines if line.startswith((b"RssAnon:", b"RssShmem:")))
    return sum(int(words[1]) * 1024 for words in kept)


def too_many_files(path: str, limit: int) -> bool:
    """Whether a disk holds more files than it may."""
    disk = os.statvfs(path)
    return disk.f_files - disk.f_ffree > limit


def too_many_terminals() -> bool:
    """Whether the host holds more terminals than its part of the machine's."""
    return len(os.listdir("/dev/pts")) > TERMINALS  # noqa: PTH208
