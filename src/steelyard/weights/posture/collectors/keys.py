"""Private keys in files: who can read them, whether a passphrase protects them, how old they are.

The age is that of the last change of the file, which a copy resets: it can be told too young,
never too old.
"""

from __future__ import annotations

import base64
import binascii
import stat
from datetime import UTC, datetime
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

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

_NONE_NAMED: Final = "no files of private keys were named"
_OPENSSH: Final = "-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_MAGIC: Final = b"openssh-key-v1\x00"


def key_files(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether anybody but the owner can read a key, or exchange it."""
    if not scope.keys:
        return unknown(_NONE_NAMED)
    open_ones: list[str] = []
    for key in scope.keys:
        mode = machine.status(key).st_mode
        folder = machine.status(key.parent).st_mode
        exchangeable = folder & (stat.S_IWGRP | stat.S_IWOTH) and not folder & stat.S_ISVTX
        if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO) or exchangeable:
            open_ones.append(f"{key} mode {stat.S_IMODE(mode):04o}")
    facts: JsonObject = {"keys": [str(key) for key in scope.keys], "open": some(open_ones)}
    if open_ones:
        told = f"{len(open_ones)} of {many(len(scope.keys), 'private key')} open to others"
        return failing(told, facts)
    return satisfied(f"{many(len(scope.keys), 'private key')}: the owner alone", facts)


def key_passphrases(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether each key is encrypted where it lies."""
    if not scope.keys:
        return unknown(_NONE_NAMED)
    states = {str(key): protection(machine.read(key)) for key in scope.keys}
    facts: JsonObject = {"keys": dict(states)}
    plain = sum(state == "plain" for state in states.values())
    other = sum(state == "unknown" for state in states.values())
    if plain:
        return failing(f"{plain} of {many(len(states), 'private key')} without passphrase", facts)
    if other:
        return unknown(f"{other} of {many(len(states), 'file')} no private key known here", facts)
    return satisfied(f"{many(len(states), 'private key')} encrypted with a passphrase", facts)


def key_age(machine: Machine, scope: Scope, parameters: Mapping[str, int]) -> Finding:
    """Whether each key was written in time."""
    if not scope.keys:
        return unknown(_NONE_NAMED)
    days = {str(key): _age_days(machine, key, scope.at) for key in scope.keys}
    most = parameters["age_maximum_days"]
    facts: JsonObject = {"days": dict(days), "maximum": most}
    if min(days.values()) < 0:
        return unknown("a key was written after the clock of this host", facts)
    oldest = max(days.values())
    told = f"the oldest key was last written {many(oldest, 'day')} ago, at most {most} accepted"
    return satisfied(told, facts) if oldest <= most else failing(told, facts)


def protection(text: str) -> str:
    """`passphrase`, `plain`, or `unknown` for what is no private key known here.

    Knows PEM (RFC 5958, RFC 1421), the format of OpenSSH and identities of age.
    """
    start = text.lstrip()
    if start.startswith(_OPENSSH):
        return _openssh(start)
    if start.startswith(("-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----BEGIN AGE ENCRYPTED")):
        return "passphrase"
    if start.startswith("age-encryption.org/"):
        return "passphrase"
    if "PRIVATE KEY-----" in start:
        return "passphrase" if "\nProc-Type: 4,ENCRYPTED" in start else "plain"
    return "plain" if "AGE-SECRET-KEY-" in start else "unknown"


def _openssh(text: str) -> str:
    """The name of the cipher stands first in the file (PROTOCOL.key of OpenSSH)."""
    try:
        data = base64.b64decode("".join(text.splitlines()[1:-1]).partition("-----")[0])
    except (binascii.Error, ValueError):
        return "unknown"
    start = len(_OPENSSH_MAGIC)
    length = int.from_bytes(data[start : start + 4], "big")
    name = data[start + 4 : start + 4 + length]
    if not data.startswith(_OPENSSH_MAGIC) or len(name) != length:
        return "unknown"
    return "plain" if name == b"none" else "passphrase"


def _age_days(machine: Machine, key: Path, at: datetime) -> int:
    written = datetime.fromtimestamp(machine.status(key).st_mtime, UTC)
    return (at - written.replace(microsecond=0)).days


COLLECTORS: Final = (
    Collector("key-files", "EXAMINE", key_files),
    Collector("key-passphrases", "EXAMINE", key_passphrases),
    Collector("key-age", "EXAMINE", key_age),
)
