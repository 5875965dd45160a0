"""Regressing: run the reproducers of published flaws that the intent declares.

Each runs as `steelyard disclose reproduce` runs it, into a folder of its own, so that it can be
audited in the same way. Its records never reach the protocols': a verdict on a published flaw
moves no level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.reproducer.regression import LIST_NAME, Shown, read_list
from steelyard.kernel import keyed_digest, read_bytes
from steelyard.kernel.errors import ConfigurationError
from steelyard.pipeline.reproduce import ReproduceRequest, reproduce

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from steelyard.disclosure.reproducer.regression import Listed
    from steelyard.pipeline.declare import Declared
    from steelyard.pipeline.request import Surroundings

_FILE_LIMIT_BYTES = 4 << 20


def read_regressions(paths: Iterable[Path]) -> tuple[Listed, ...]:
    """The regressions of lists, or of folders that hold one.

    Raises:
        ConfigurationError: a list that breaks its schema, or a finding twice.
        MalformedEvidence: a file that cannot be read, or holds no reproducer.
        BrokenSeal: another reproducer than a list names.
    """
    found: dict[tuple[str, str], Listed] = {}
    for path in paths:
        place = path / LIST_NAME if path.is_dir() else path
        for one in _listed(place):
            if found.setdefault((one.advisory, one.finding), one) is not one:
                message = f"{one.advisory}#{one.finding} is in another list too"
                raise ConfigurationError(message, where=str(place), hint="list each finding once")
    return tuple(found.values())


def _listed(place: Path) -> tuple[Listed, ...]:
    def beside(name: str) -> bytes:
        return read_bytes(place.parent / name, limit_bytes=_FILE_LIMIT_BYTES)

    data = read_bytes(place, limit_bytes=_FILE_LIMIT_BYTES)
    return read_list(data, beside, where=str(place))


def regress(declared: Declared, around: Surroundings) -> tuple[Shown, ...]:
    """Run what was declared; nothing where nothing was.

    Raises:
        TargetUnreachable: the model stopped answering; `--resume` goes on.
        CannotVerify: a judge that cannot be calibrated.
        StorageError: the disk refused; complete samples are kept.
    """
    numbered = enumerate(around.regressions, 1)
    return tuple(_shown(number, one, declared, around) for number, one in numbered)


def _shown(number: int, one: Listed, declared: Declared, around: Surroundings) -> Shown:
    from steelyard.redteam.engine import CallSettings

    made = one.reproducer
    calls = CallSettings(around.call_timeout_seconds, around.call_retries, around.connections)
    use = f"steelyard/regression/1/{one.advisory}#{one.finding}"
    seed = keyed_digest(declared.request.seed.encode(), use).hex()
    run = reproduce(
        ReproduceRequest(made, made.variants, declared.request.model, None, seed, calls),
        declared.folder.path / "regressions" / f"{number:02d}-{made.name}",
        resume=True,
        progress=around.progress,
    )
    return Shown(
        one, run.facts.variants, run.results, run.finding, run.facts.runner, run.logs.to_json()
    )
