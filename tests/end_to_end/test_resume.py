"""Runs that are killed, cut or run out of disk, and then go on as if nothing had been."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .assessing import (
    STEELYARD,
    TIME_LIMIT_SECONDS,
    Said,
    command,
    home,
    in_process,
    killed_after,
    plain,
)

MODEL = "steelyard/organism?p=0.4&q=0.1&refusal=0.05&malformed=0.05&seed=r"
SETTINGS = ("--samples", "12", "--seed", "s")
HINT = "hint: complete samples are kept; free space or choose another --out, then --resume\n"

# Inspect leaves what a failed write had opened to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The records of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    said = command(folder, "assess", MODEL, *SETTINGS, "--out", str(folder / "run"))
    assert said.status == 0, said.err
    return plain(folder / "run")


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of a run that was killed after at least twenty records."""
    return killed_after(20, tmp_path, MODEL, *SETTINGS)


def test_a_killed_run_goes_on_and_equals_an_undisturbed_one(
    killed: Path,
    undisturbed: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def assess(*options: str) -> Said:
        return in_process(monkeypatch, capsys, "assess", MODEL, "--out", str(killed), *options)

    intent = (killed / "statements" / "run-intent.dsse.json").read_bytes()
    journal = killed / "evidence" / "journal.jsonl"
    before = journal.read_bytes()

    assert assess(*SETTINGS) == Said(
        2,
        "",
        f"error: {killed} already holds a run\n"
        "hint: add --resume to go on with it, or choose another --out\n",
    )
    for options, setting in (
        (("--samples", "13", "--seed", "s"), "samples"),
        (("--samples", "12", "--seed", "t"), "seed"),
        ((*SETTINGS, "--epochs", "2"), "epochs"),
        (("--samples", "12", "--seed", "sixteen or more.", "--split", "private"), "seed, split"),
        ((*SETTINGS, "--safeguards", "on"), "safeguards"),
        ((*SETTINGS, "--domain", "deception"), "scope"),
    ):
        assert assess(*options, "--resume") == Said(
            2,
            "",
            f"error: the run in this folder was started with other settings: {setting}\n"
            "hint: resume with the same settings, or choose another --out\n",
        )
    assert journal.read_bytes() == before

    with journal.open("ab") as stream:
        stream.truncate(len(before) - 40)
    said = assess(*SETTINGS, "--resume")
    assert said.status == 0, said.err
    assert plain(killed) == undisturbed
    assert (killed / "statements" / "run-intent.dsse.json").read_bytes() == intent
    kept = before[: before[:-40].rfind(b"\n") + 1]
    assert journal.read_bytes().startswith(kept)
    assert journal.read_bytes().count(b"\n") == len(undisturbed)
    verified = in_process_verify(killed, capsys)
    assert verified.status == 0, verified.out


def in_process_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    from steelyard.cli.main import run  # noqa: PLC0415 - used here only

    status = run(["verify", str(folder / "passport.zip")])
    said = capsys.readouterr()
    return Said(status, said.out, said.err)


def test_a_resumed_run_takes_its_seed_from_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--domain", "deception", "--samples", "1", "--out", str(tmp_path / "run"))
    for extra in ((), ("--resume",)):
        said = in_process(monkeypatch, capsys, "assess", "steelyard/honest", *options, *extra)
        assert said.status == 0, said.err
    seed = json.loads((tmp_path / "run" / "private" / "run.json").read_bytes())["seed"]
    assert len(seed) == 64
    assert len((tmp_path / "run" / "evidence" / "journal.jsonl").read_bytes().splitlines()) == 2


@pytest.fixture
def limited() -> Callable[[int], Callable[[], None]]:
    """Makes a function that limits the size of every file a child writes."""

    def limit(size_bytes: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))

    return limit


@pytest.mark.parametrize("size_bytes", [1000, 40_000])
def test_a_full_disk_stops_the_run_and_a_resumed_run_loses_nothing(
    tmp_path: Path,
    undisturbed: list[dict[str, object]],
    limited: Callable[[int], Callable[[], None]],
    size_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    arguments = ["assess", MODEL, *SETTINGS, "--out", str(out)]
    done = subprocess.run(
        [str(STEELYARD), *arguments],
        env={**os.environ, **home(tmp_path)},
        preexec_fn=limited(size_bytes),
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines(keepends=True)
    (position,) = (i for i, line in enumerate(lines) if line.startswith("error: "))
    assert "File too large" in lines[position]
    assert lines[position].startswith(f"error: {out}/")
    assert lines[position + 1] == HINT
    said = in_process(monkeypatch, capsys, *arguments, "--resume")
    assert said.status == 0, said.err
    assert plain(out) == undisturbed
