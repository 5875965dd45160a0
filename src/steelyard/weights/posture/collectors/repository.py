"""What a checkout shows: signatures of its commits, and keys that it tracks.

Asks git, with every setting overruled by which a checkout could make it run a program of its
own. What only the server knows, such as the protection of a branch, somebody has to attest.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
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
    "-c", "gpg.ssh.revocationFile=",
    "-c", "log.showSignature=false",
    # What the history is, by the commits alone: no stand-ins, no cache that a checkout brings.
    "--no-replace-objects",
    "-c", "core.commitGraph=false",
    # A checkout without all its objects would fetch them, by a command that it names.
    *(word for name in ("", "ext.", "file.", "git.", "http.", "https.", "ssh.")
      for word in ("-c", f"protocol.{name}allow=never")),
)  # fmt: skip
_NOBODY: Final = "/dev/null"
_PRIVATE_KEY: Final = r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----|AGE-SECRET-KEY-1[0-9A-Z]{20}"
_CREDENTIAL_FILE: Final = re.compile(
    r"(^|/)(\.netrc|\.pgpass|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)|.*\.(p12|pfx|jks|kdbx))$"
)
# Letters of git-log's %G?: by a key that is trusted here; bad, by a revoked key. A good
# signature by a key that nobody trusts (U) or that has expired (X, Y) says nothing: anybody
# can make a key.
_GOOD: Final = "G"
_BAD: Final = "BR"
_NO_MATCH: Final = 1


def tracked_secrets(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Files of the checkout that hold a private key, or are named as credentials are."""
    if why := _not_whole(machine, scope):
        return unknown(why)
    listed = _git(machine, scope, "ls-files", "-z")
    # What is tracked, and not what lies in the folder: a checkout may leave files out.
    pattern = ("-e", _PRIVATE_KEY)
    searched = _git(machine, scope, "grep", "--cached", "-lzE", *pattern, accept=_NO_MATCH)
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
    """How many of the latest commits carry a signature by a key that is trusted here.

    Trusted are keys in the keyring of whoever collects, and those in the file of signers that
    was named; never those that the checkout itself names.
    """
    if why := _not_whole(machine, scope):
        return unknown(why)
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
    if why := _no_history(machine, scope, total):
        return unknown(why, facts)
    told = f"of the last {many(total, 'commit')}, {signed} signed and {good} verified here"
    if bad or 100 * signed < least * total:
        return failing(told, facts)
    if 100 * good < least * total:
        return unknown(f"{told}; the keys of the others are not trusted here", facts)
    return satisfied(told, facts)


def _not_whole(machine: Machine, scope: Scope) -> str:
    """Why no whole checkout was named; empty where one was."""
    if scope.repository is None:
        return _NONE_NAMED
    prefix = _git(machine, scope, "rev-parse", "--show-prefix").text.strip()
    return "the folder named is a part of a checkout only" if prefix else ""


def _no_history(machine: Machine, scope: Scope, commits: int) -> str:
    """Why the commits are not the history; empty where they are."""
    if not commits:
        return "the repository has no commit"
    shallow = _git(machine, scope, "rev-parse", "--is-shallow-repository").text.strip()
    grafts = _git(machine, scope, "rev-parse", "--git-path", "info/grafts").text.strip()
    if shallow == "false" and not machine.exists((scope.repository or Path()) / grafts):
        return ""
    return "the history of the checkout was cut or grafted"


def _git(machine: Machine, scope: Scope, *arguments: str, accept: int = 0) -> Output:
    signers = f"gpg.ssh.allowedSignersFile={scope.allowed_signers or _NOBODY}"
    command = ("git", *_SAFE, "-c", signers, "-C", str(scope.repository), *arguments)
    output = machine.command(command)
    if output.status not in (0, accept):
        raise Unreadable("git cannot read the repository")
    return output


COLLECTORS: Final = (
    Collector("tracked-secrets", "TEST", tracked_secrets),
    Collector("signed-commits", "TEST", signed_commits),
)
