"""Runs in shards: any executor, any interruption, the same records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.main import run
from steelyard.redteam.targets import ReferenceTarget, TargetServer, parse_target
from steelyard.standard import check_schema

from .assessing import STEELYARD, TIME_LIMIT_SECONDS, Said, home, in_process, plain

TARGET = "organism?p=0.4&q=0.1&refusal=0.05&malformed=0.05&seed=r"
MODEL = f"steelyard/{TARGET}"
SETTINGS = ("--domain", "deception", "--samples", "6", "--epochs", "2", "--seed", "s")
DELAY_SECONDS = 0.05

# Inspect leaves what a failed write had opened to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Assess = Callable[..., Said]


class SlowServer(TargetServer):
    """Reference targets that take their time, so that a run can be met in the middle."""

    def target_for(self, model: str) -> ReferenceTarget:
        time.sleep(DELAY_SECONDS)
        return super().target_for(model)


@pytest.fixture
def assess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Assess:
    def call(out: str, *options: str, model: str = MODEL) -> Said:
        arguments = ("assess", model, *SETTINGS, "--out", str(tmp_path / out))
        return in_process(monkeypatch, capsys, *arguments, *options)

    return call


def records_file(folder: Path) -> bytes:
    return (folder / "evidence" / "records.parquet").read_bytes()


def planned(folder: Path) -> bool:
    return (folder / "shards" / "manifest.json").exists()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def journals(folder: Path) -> list[Path]:
    manifest = json.loads((folder / "shards" / "manifest.json").read_bytes())
    names = [shard["id"][:16] for shard in manifest["shards"]]
    return [folder / "shards" / name / "journal.jsonl" for name in names]


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + TIME_LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def worker(folder: Path, index: int) -> Iterator[subprocess.Popen[str]]:
    """A process as a batch system starts it; killed at the end if it still runs."""
    manifest = folder / "shards" / "manifest.json"
    with subprocess.Popen(
        [str(STEELYARD), "lab", "shard", str(manifest), str(index)],
        env={**os.environ, **home(folder.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def assessment(model: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own; killed at the end if it still runs."""
    with subprocess.Popen(
        [str(STEELYARD), "assess", model, *SETTINGS, *options, "--out", str(folder)],
        env={**os.environ, **home(folder.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=TIME_LIMIT_SECONDS)
    assert process.returncode == 0, err
    return out


def test_executors_agree_byte_for_byte(
    assess: Assess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert assess("single").status == 0
    assert assess("local", "--shards", "3").status == 0
    planned = assess("command", "--shards", "2", "--executor", "command")
    manifest = tmp_path / "command" / "shards" / "manifest.json"
    assert (planned.status, planned.out) == (0, f"{manifest}\n")
    assert f"steelyard lab shard {manifest} INDEX, with INDEX one of: 0-1;" in planned.err
    with worker(tmp_path / "command", 0) as first, worker(tmp_path / "command", 1) as second:
        for process in (first, second):
            assert Path(finish(process).strip()).name.startswith("result-")
    assert assess("command", "--executor", "command", "--resume").status == 0

    single = records_file(tmp_path / "single")
    assert records_file(tmp_path / "local") == single
    assert records_file(tmp_path / "command") == single
    for other in ("local", "command"):
        capsys.readouterr()
        assert run(["evidence", "compare", str(tmp_path / "single"), str(tmp_path / other)]) == 0
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("24 records agree; comparison digest ")
        assert run(["verify", str(tmp_path / other / "passport.zip")]) == 0


def test_runs_that_differ_are_told_apart_item_for_item(
    assess: Assess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = MODEL.replace("p=0.4", "p=0.9")
    assert assess("one").status == 0
    assert assess("two", model=other).status == 0
    text = (tmp_path / "two" / "evidence" / "journal.jsonl").read_text()
    renamed = tmp_path / "renamed.jsonl"
    renamed.write_text(text.replace(other, MODEL))
    capsys.readouterr()
    assert run(["evidence", "compare", str(tmp_path / "one"), str(renamed), "--json"]) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    check_schema(found, "evidence-comparison", where="printed")
    assert found["agree"] is False
    assert found["records"] == [24, 24]
    assert said.err == f"{len(found['differences'])} samples differ\n"
    assert {d["arm"] for d in found["differences"] if "outcome" in d["fields"]} == {"incentive"}
    assert run(["evidence", "compare", str(tmp_path / "one"), str(renamed)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == len(found["differences"])


def test_workers_killed_in_the_middle_go_on_and_lose_nothing(
    assess: Assess, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    slow = ("--connections", "1", "--executor", "command")
    with SlowServer(default=parse_target(TARGET)) as server:
        model = f"{server.url}#m"
        assert assess("whole", "--connections", "4", model=model).status == 0
        assert assess("run", *slow, "--shards", "2", model=model).status == 0
        with worker(folder, 0), worker(folder, 1):
            wait_until(lambda: min(map(lines, journals(folder))) >= 3)
        kept = [path.read_bytes() for path in journals(folder)]
        assert all(data.count(b"\n") < 12 for data in kept)

        said = assess("run", *slow, "--resume", model=model)
        manifest = folder / "shards" / "manifest.json"
        assert said.status == 3
        assert f"error: {manifest}: 2 of 2 shards have no result yet\n" in said.err
        assert not (folder / "passport.zip").exists()

        before = next(server.counter)
        with worker(folder, 0) as first, worker(folder, 1) as second:
            finish(first)
            finish(second)
        calls = next(server.counter) - before - 1
        for path, data in zip(journals(folder), kept, strict=True):
            assert path.read_bytes().startswith(data[: data.rfind(b"\n") + 1])
        left = 24 - sum(data.count(b"\n") for data in kept)
        # Beside what is left, two that the killed ones had under way, and two answered in vain.
        assert calls <= 4 + 2 * left < 2 * 24
        assert assess("run", *slow, "--resume", model=model).status == 0
    assert len(plain(folder)) == 24
    assert plain(folder) == plain(tmp_path / "whole")


def test_a_run_begun_in_one_piece_goes_on_in_shards_and_back(
    assess: Assess, tmp_path: Path
) -> None:
    assert assess("whole").status == 0
    assert assess("run").status == 0
    journal = tmp_path / "run" / "evidence" / "journal.jsonl"
    kept = b"".join(journal.read_bytes().splitlines(keepends=True)[:10])
    journal.write_bytes(kept)
    assert assess("run", "--shards", "2", "--resume").status == 0
    assert journal.read_bytes().startswith(kept)
    assert lines(journal) == 24
    handed = sum(map(lines, journals(tmp_path / "run")))
    assert handed == 24
    assert assess("run", "--resume").status == 0
    assert records_file(tmp_path / "run") == records_file(tmp_path / "whole")
    said = assess("run", "--shards", "3", "--resume")
    assert said.status == 2
    assert "an earlier start cut this run into other shards" in said.err


def test_a_killed_local_worker_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("--shards", "4", "--connections", "1")
    with (
        SlowServer(default=parse_target(TARGET)) as server,
        assessment(f"{server.url}#m", folder, *options) as process,
    ):
        wait_until(lambda: planned(folder) and max(map(lines, journals(folder))) > 2)
        os.kill(spawned_by(process.pid)[-1], signal.SIGKILL)
        finish(process)
    rows = plain(folder)
    assert len(rows) == 24
    assert "infrastructure_error" not in {row["outcome"] for row in rows}


def test_local_workers_end_with_whoever_started_them(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("--shards", "4", "--connections", "1")
    with (
        SlowServer(default=parse_target(TARGET)) as server,
        assessment(f"{server.url}#m", folder, *options) as process,
    ):
        wait_until(lambda: planned(folder) and max(map(lines, journals(folder))) > 2)
        children = spawned_by(process.pid)
        assert children
        process.kill()
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert not (folder / "passport.zip").exists()


def spawned_by(parent: int) -> list[int]:
    """Worker processes of a parent, without the tracker of shared resources."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            line = (status.parent / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent and b"spawn_main" in line:
            found.append(int(status.parent.name))
    return sorted(found)


@contextmanager
def two_nodes() -> Iterator[tuple[str, Any]]:
    """A Ray cluster on loopback with two nodes of one processor; the second can be killed."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only where Ray is installed

    quickly = {
        "health_check_initial_delay_ms": 0,
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 3,
    }
    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    # Ray takes 127.0.0.1 for the machine's outer address, but no other loopback address.
    head = {**node, "node_ip_address": "127.0.0.2", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={**head, "_system_config": quickly})
    try:
        second = cluster.add_node(**node, node_ip_address="127.0.0.3")
        yield cluster.address, second
    finally:
        cluster.shutdown()


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra `scale`)")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_ray_node_killed_in_the_middle_loses_nothing(
    assess: Assess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    folder, options = tmp_path / "run", ("--shards", "4", "--connections", "1")
    with SlowServer(default=parse_target(TARGET)) as server, two_nodes() as (address, node):
        model = f"{server.url}#m"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with assessment(model, folder, *options, "--executor", "ray") as process:
            wait_until(lambda: planned(folder) and playing(folder) == 2)
            (raylet,) = node.all_processes["raylet"]
            os.kill(raylet.process.pid, signal.SIGKILL)
            finished = results(folder)
            finish(process)
        assert len(finished) < 4
        assert assess("whole", "--connections", "4", model=model).status == 0
    assert len(results(folder)) == 4
    assert len(plain(folder)) == 24
    assert plain(folder) == plain(tmp_path / "whole")


def playing(folder: Path) -> int:
    """Shards that have begun and have no result yet."""
    begun = [path for path in journals(folder) if lines(path) >= 2]
    return sum(not list(path.parent.glob("result-*.jsonl")) for path in begun)


def results(folder: Path) -> list[Path]:
    return sorted((folder / "shards").glob("*/result-*.jsonl"))
