"""What an assessment is asked to do, and what surrounds it.

A request is saved before the first call, so that a resumed run is the same run.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from steelyard.attest import manifest_root
from steelyard.kernel import digest_json
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.pipeline.effort import Effort
from steelyard.pipeline.waves import Waves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey
    from steelyard.disclosure.advisory.feed import Feed
    from steelyard.disclosure.reproducer.regression import Listed
    from steelyard.kernel import JsonObject
    from steelyard.redteam.rounds.certificate import Certificate
    from steelyard.risk.banks.item_bank import Bank


_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LISTS: Final = ("scope", "bases", "regressions")
_Part = TypeVar("_Part", Effort, Waves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One assessment.

    Attributes:
        model: The MODEL argument.
        scope: Domains to speak about, in the framework's order.
        suite: `core` for the indicators every determination needs, `full` for all.
        samples: Items per arm; None for the standard's design.
        epochs: Repeats of each item.
        seed: Seed text; whoever knows it can open every commitment.
        salt: 32 random bytes as hex, which keep seed and endpoint from being guessed.
        split: `public` or `private`.
        elicitation: Declared step.
        safeguards: Whether the deployment's safeguards were on.
        imported: SHA-256 by name of evidence files to include.
        weights: Manifest root of the weights, where they are at hand.
        release: Standard release.
        effort: How hard the run looks beyond its step.
        certificate: SHA-256 of the file of a proficiency round's certificate, if any.
        waves: Whether every item is played, or items are drawn until the levels are decided.
        bases: Manifest roots of weights that the model was derived from.
        regressions: Published flaws to test for, as the intent declares them.
    """

    model: str
    scope: tuple[str, ...]
    suite: str
    samples: int | None
    epochs: int
    seed: str
    salt: str
    split: str
    elicitation: str
    safeguards: str
    imported: Mapping[str, str]
    weights: str | None
    release: str
    effort: Effort = field(default_factory=Effort)
    certificate: str | None = None
    waves: Waves = field(default_factory=Waves)
    bases: tuple[str, ...] = ()
    regressions: tuple[JsonObject, ...] = ()

    def to_json(self) -> JsonObject:
        """The request as saved."""
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        return cast("JsonObject", {**asdict(self), **lists})

    @classmethod
    def from_json(cls, value: JsonObject) -> Request:
        """Read a saved request.

        Raises:
            MalformedEvidence: a field is missing or unknown.
        """
        names = {f.name for f in fields(cls)}
        if value.keys() != names:
            message = f"saved request lacks or adds {sorted(value.keys() ^ names)}"
            raise MalformedEvidence(message, where="run.json")
        arguments: dict[str, Any] = {**value}
        arguments |= {name: tuple(arguments[name]) for name in _LISTS}
        arguments["effort"] = _part(Effort, arguments["effort"])
        arguments["waves"] = _part(Waves, arguments["waves"])
        return cls(**arguments)

    def require_same(self, saved: Request) -> None:
        """Refuse to resume a run under other settings.

        Raises:
            UsageError: naming the settings that differ.
        """
        if digest_json(self.to_json()) == digest_json(saved.to_json()):
            return
        mine, theirs = self.to_json(), saved.to_json()
        changed = sorted(name for name in mine if mine[name] != theirs[name])
        message = f"the run in this folder was started with other settings: {', '.join(changed)}"
        raise UsageError(message, hint="resume with the same settings, or choose another --out")


def _part(kind: type[_Part], value: dict[str, Any]) -> _Part:
    names = {f.name for f in fields(kind)}
    if value.keys() != names:
        message = f"saved {kind.__name__.lower()} lacks or adds {sorted(value.keys() ^ names)}"
        raise MalformedEvidence(message, where="run.json")
    return kind(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything of the outer world that an assessment touches.

    Attributes:
        out: Folder of the run.
        key: Signing key.
        now: The clock.
        attempts: File that counts runs against each subject.
        resume: Whether an interrupted run may be continued.
        call_timeout_seconds: Limit of one attempt of a model call.
        call_retries: Further attempts.
        connections: Concurrent model calls.
        progress: Called with (finished, planned) samples.
        certificate: Certificate of a proficiency round to put into the passport.
        executor: Who plays the shards: `local`, `command` or `ray`.
        shards: Into how many shards to cut the run; None for one, or as it was cut before.
        banks: Item banks that steer a sequential run, by protocol.
        regressions: Reproducers of published flaws to test for.
        feed: Published advisories, to say which ones are known at issue.
    """

    out: Path
    key: PrivateKey
    now: Callable[[], datetime]
    attempts: Path
    resume: bool
    call_timeout_seconds: int
    call_retries: int
    connections: int
    progress: Callable[[int, int], None]
    certificate: Certificate | None = None
    executor: str = "local"
    shards: int | None = None
    banks: Mapping[str, Bank] = field(default_factory=dict[str, "Bank"])
    regressions: tuple[Listed, ...] = ()
    feed: Feed | None = None


def base_roots(bases: Iterable[str]) -> tuple[str, ...]:
    """Manifest roots of base weights, each given as itself or as the folder, each once."""
    roots = (base if _DIGEST.fullmatch(base) else manifest_root(Path(base)) for base in bases)
    return tuple(dict.fromkeys(roots))
