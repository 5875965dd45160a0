"""What a checkout shows: signatures of its commits, and keys that it tracks.

Asks git, with every setting overruled by which a checkout could make it run a program of its
own. What only the server knows, such as the protection of a branch, somebody has to attest.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    many,
    satisfied,
    some,
    unknown,
)
from steelyard.weights.posture.machine import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine, Output

_NONE_NAMED: Final = "no repository was named"
_SAFE: Final = (
    "--no-optional-locks",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "gpg.program=gpg",
    "-c", "gpg.openpgp.program=gpg",
    "-c", "gpg.ssh.program=ssh-keygen",
    "-c", "gpg.ssh.defaultKeyCommand=",
    "-c", "gpg.x509.program=gpgsm",
    "-c", "log.showSignature=false",
)  # fmt: skip
_PRIVATE_KEY: Final = r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----|AGE-SECRET-KEY-1[0-9A-Z]{20}"
_CREDENTIAL_FILE: Final = re.compile(
    r"(^|/)(\.netrc|\.pgpass|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)|.*\.(p12|pfx|jks|kdbx))$"
)
# Letters of git-log's %G?: good, of unknown validity, expired since; bad, by a revoked key.
_GOOD: Final = "GUXY"
_BAD: Final = "BR"
_NO_MATCH: Final = 1


def tracked_secrets(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Files of the checkout that hold a private key, or are named as credentials are."""
    if scope.repository is None:
        return unknown(_NONE_NAMED)
    listed = _git(machine, scope, "ls-files", "-z")
    searched = _git(machine, scope, "grep", "-lzE", "-e", _PRIVATE_KEY, accept=_NO_MATCH)
    names = [name for name in listed.text.split("\0") if name]
    found = {name for name in searched.text.split("\0") if name}
    found |= {name for name in names if _CREDENTIAL_FILE.search(name)}
    facts: JsonObject = {"files": len(names), "found": some(sorted(found))}
    if not names:
        return unknown("the repository tracks no file", facts)
    if found:
        return failing(
            f"{len(found)} of {many(len(names), 'tracked file')} with keys or credentials", facts
        )
    return satisfied(f"no key or credential in {many(len(names), 'tracked file')}", facts)


def signed_commits(machine: Machine, scope: Scope, parameters: Mapping[str, int]) -> Finding:
    """How many of the latest commits carry a signature that verifies."""
    if scope.repository is None:
        return unknown(_NONE_NAMED)
    least = parameters["signed_percent_minimum"]
    limit = f"--max-count={parameters['commits']}"
    letters = Counter(_git(machine, scope, "log", limit, "--format=%G?").text.split())
    total, good = letters.total(), sum(letters[letter] for letter in _GOOD)
    # git tells a signature that it has no key for like none at all in some set-ups.
    raw = _git(machine, scope, "log", limit, "--format=raw").text
    signed = len(re.findall(r"^gpgsig(?:-sha256)? ", raw, re.MULTILINE))
    bad = sum(letters[letter] for letter in _BAD)
    facts: JsonObject = {
        "commits": total,
        "signed": signed,
        "by_letter": dict(sorted(letters.items())),
    }
    if not total:
        return unknown("the repository has no commit", facts)
    told = f"of the last {many(total, 'commit')}, {signed} signed and {good} verified here"
    if bad or 100 * signed < least * total:
        return failing(told, facts)
    if 100 * good < least * total:
        return unknown(f"{told}; the keys of the others are not here", facts)
    return satisfied(told, facts)


def _git(machine: Machine, scope: Scope, *arguments: str, accept: int = 0) -> Output:
    output = machine.command(("git", *_SAFE, "-C", str(scope.repository), *arguments))
    if output.status not in (0, accept):
        raise Unreadable("git cannot read the repository")
    return output


COLLECTORS: Final = (
    Collector("tracked-secrets", "TEST", tracked_secrets),
    Collector("signed-commits", "TEST", signed_commits),
)
