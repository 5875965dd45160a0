"""Where a user's own files lie: the signing key and the count of attempts.

Follows the XDG base directories, so that an empty home works and a test or a
container can point both elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.cli.output import say

if TYPE_CHECKING:
    from steelyard.attest import PrivateKey


def attempts_file() -> Path:
    """The ledger of attempts."""
    return state_file("attempts.jsonl")


def state_file(name: str) -> Path:
    """A file of the user's that commands keep between runs."""
    return _base("XDG_STATE_HOME", ".local/state") / name


def signing_key(path: Path | None) -> PrivateKey:
    """The key at `path`, or the user's own, made at first use."""
    from steelyard.attest import generate_key, load_private_key, save_key

    if path is not None:
        return load_private_key(path)
    own = _base("XDG_CONFIG_HOME", ".config") / "signing-key.pem"
    if own.exists():
        return load_private_key(own)
    key = generate_key()
    public = save_key(key, own)
    say(f"made a signing key: {own} (public half: {public})")
    return key


def require_absent(*paths: Path) -> None:
    """Refuse to write over what is there; errors as `steelyard.kernel.files.require_absent`."""
    from steelyard.kernel.files import require_absent as refuse_taken

    refuse_taken(*paths, hint="choose another --out")


def key_id_of(name: str) -> str:
    """The key id that --key means: itself, or that of a PEM file.

    Raises:
        ConfigurationError: neither a key id nor a readable public key.
    """
    from steelyard.attest import load_public_key
    from steelyard.kernel import check_sha256
    from steelyard.kernel.errors import CannotVerify, ConfigurationError

    try:
        check_sha256(name)
    except ValueError:
        try:
            return load_public_key(Path(name)).key_id
        except CannotVerify as error:
            hint = "give a PEM file, or a key id of 64 hex digits"
            raise ConfigurationError(error.message, where=f"--key {name}", hint=hint) from error
    return name


def _base(variable: str, fallback: str) -> Path:
    root = os.environ.get(variable)
    return (Path(root) if root else Path.home() / fallback) / "steelyard"
