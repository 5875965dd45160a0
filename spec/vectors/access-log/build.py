"""Writes the vectors of access logs: a good log, and logs with one fault each.

    python spec/vectors/access-log/build.py

`log` is the text of the log; `head` its entries and digest where it verifies, else `error` is the
class of the refusal and `message` a part of it. `kept` is a head that somebody kept, or null.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from steelyard.weights.access_log import AccessLog, Event, read_log

FOLDER = Path(__file__).parent
START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def lines(count: int, purpose: str = "benchmark") -> list[str]:
    """A log of some entries."""
    with tempfile.TemporaryDirectory() as place:
        log = AccessLog(Path(place) / "log")
        for number in range(count):
            event = Event("opened", "toy", "a" * 64, "b" * 64, {"purpose": purpose})
            log.append(event, START + timedelta(minutes=number))
        log.close()
        return (Path(place) / "log").read_text("utf-8").splitlines()


def head(entries: list[str]) -> dict[str, Any]:
    """Entries and digest of a good log."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "log").write_text("".join(f"{line}\n" for line in entries), "utf-8")
        found = read_log(Path(place) / "log")[1]
        return {"entries": found.entries, "digest": found.digest}


def main() -> None:
    """Write every vector."""
    good, other = lines(4), lines(4, "something else")
    chain, form = "does not follow from the one before", "MalformedEvidence"
    logs: dict[str, tuple[list[str], str, str]] = {
        "good": (good, "", ""),
        "empty": ([], "", ""),
        "entry-removed": ([*good[:1], *good[2:]], "BrokenSeal", chain),
        "first-entry-removed": (good[1:], "BrokenSeal", chain),
        "entries-exchanged": ([good[0], good[2], good[1], good[3]], "BrokenSeal", chain),
        "entry-repeated": ([good[0], *good], "BrokenSeal", chain),
        "entry-of-another-log": ([good[0], other[1], *good[2:]], "BrokenSeal", chain),
        "text-changed": (
            [good[0].replace("benchmark", "holidays"), *good[1:]],
            "BrokenSeal",
            chain,
        ),
        "not-canonical": (
            [good[0].replace(":", ": ", 1), *good[1:]],
            form,
            "not in canonical JSON",
        ),
        "field-added": ([good[0][:-1] + ',"zz":1}', *good[1:]], form, "not in canonical JSON"),
        "no-entry": ([*good, "{}"], form, "this is no entry"),
    }
    for name, (entries, error, message) in logs.items():
        _write(name, entries, error, message, None)
    _write("cut-after-a-checkpoint", good[:3], "BrokenSeal", "the log has 3", head(good))
    _write("written-anew", other, "BrokenSeal", "entry 3 is not the one", head(good))
    _write("longer-than-a-checkpoint", good, "", "", head(good[:2]))


def _write(
    name: str, entries: list[str], error: str, message: str, kept: dict[str, Any] | None
) -> None:
    vector = {
        "log": "".join(f"{line}\n" for line in entries),
        "kept": kept,
        "head": None if error else head(entries),
        "error": error,
        "message": message,
    }
    text = json.dumps(vector, indent=2, sort_keys=True) + "\n"
    (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
