"""Runs `steelyard assess` as a user does: a process of its own, or the command line in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from steelyard.attest import generate_key, save_key
from steelyard.cli.main import run
from steelyard.evidence import Record, read_records

STEELYARD = Path(sys.executable).with_name("steelyard")
TIME_LIMIT_SECONDS = 100
VARYING = ("seconds",)


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


def home(folder: Path) -> dict[str, str]:
    """An environment whose keys and attempts lie below a folder."""
    return {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state")}


def command(folder: Path, *arguments: str) -> Said:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [str(STEELYARD), *arguments],
        env={**os.environ, **home(folder)},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
        check=False,
    )
    return Said(done.returncode, done.stdout, _without_notes(done.stderr))


def killed_after(records: int, folder: Path, *arguments: str) -> Path:
    """The folder of a run that was killed once its journal held so many records."""
    out = folder / "run"
    with subprocess.Popen(
        [str(STEELYARD), "assess", *arguments, "--out", str(out)],
        env={**os.environ, **home(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + TIME_LIMIT_SECONDS
        journal = out / "evidence" / "journal.jsonl"
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= records):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.002)
        process.kill()
    assert not (out / "passport.zip").exists()
    return out


def in_process(
    patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> Said:
    """Run the command line in this process, with keys and attempts below the run's folder."""
    folder = Path(arguments[arguments.index("--out") + 1])
    for name, value in home(folder.parent).items():
        patch.setenv(name, value)
    key = folder.parent / "config" / "steelyard" / "signing-key.pem"
    if not key.exists():
        save_key(generate_key(), key)
    capsys.readouterr()
    status = run(list(arguments))
    said = capsys.readouterr()
    return Said(status, said.out, _without_notes(said.err))


def _without_notes(text: str) -> str:
    """What was said but for notes, which accompany a run and decide nothing."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("note: "))


def plain(folder: Path, *without: str) -> list[dict[str, object]]:
    """A run's records in key order, without the fields that may differ."""
    records = read_records(folder / "evidence" / "records.parquet").in_key_order().records()
    return [_stripped(record, (*VARYING, *without)) for record in records]


def _stripped(record: Record, without: tuple[str, ...]) -> dict[str, object]:
    return {name: value for name, value in record.to_json().items() if name not in without}
