"""Published flaws on the command line of `assess`: what to test for, and what is known today."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from steelyard.disclosure.advisory.feed import Feed
    from steelyard.disclosure.reproducer.regression import Listed, Shown

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KnownFlaws:
    """Reproducers to run, and advisories to look at; either may be absent."""

    regressions: tuple[Listed, ...]
    feed: Feed | None


def known_flaws(
    regressions: Sequence[Path], advisories: Path | None, publishers: list[str] | None
) -> KnownFlaws:
    """What `--regressions`, `--advisories` and `--publisher` name.

    Raises:
        UsageError: a folder of advisories that holds none, or a finding in two lists.
    """
    from collections import Counter

    from steelyard.cli.verify import load_feed
    from steelyard.kernel.errors import UsageError

    feed = load_feed(advisories, publishers) if advisories is not None else None
    if not regressions:
        return KnownFlaws((), feed)
    from steelyard.pipeline.regress import read_regressions

    found = read_regressions(regressions)
    counts = Counter((one.advisory, one.finding) for one in found)
    for (advisory, finding), count in counts.items():
        if count > 1:
            message = f"{advisory}#{finding} is listed {count} times"
            raise UsageError(message, where="--regressions", hint="list each finding once")
    return KnownFlaws(found, feed)


def base_roots(bases: Iterable[str]) -> tuple[str, ...]:
    """Manifest roots of base weights, each given as itself or as the folder."""
    from steelyard.attest import manifest_root

    roots = (base if _DIGEST.fullmatch(base) else manifest_root(Path(base)) for base in bases)
    return tuple(dict.fromkeys(roots))


def flaw_lines(regressions: Sequence[Shown]) -> Iterator[str]:
    """One line for each published flaw that was tested for."""
    if regressions:
        yield ""
        yield "  published flaws (they move no level):"
    for row in regressions:
        found = row.finding
        told = found.verdict.value.replace("_", " ")
        line = f"    {row.listed.advisory}#{row.listed.finding}: {told}"
        if found.needed is not None:
            line += f"; about {found.needed} variants in all would decide"
        elif found.obstacle:
            line += f"; {found.obstacle}"
        yield line
