"""What the commands of `steelyard weights` read first: keys, custodians, expectations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.places import require_absent

if TYPE_CHECKING:
    from steelyard.attest.recipients import Identity
    from steelyard.weights.sealed import AgeIdentity, Expect, Quorum
    from steelyard.weights.sealed.recipients import AnyRecipient

ENVELOPE_LIMIT_BYTES = 1 << 20
_PASSPHRASE_LIMIT_BYTES = 4096
_POLICY_LIMIT_BYTES = 1 << 20

Signer = Annotated[Path, typer.Option(help="Public key of the publisher (PEM file).")]
Model = Annotated[str | None, typer.Option(help="Name that the model must have.")]
LeastRelease = Annotated[int, typer.Option(min=1, help="Lowest release to accept.")]
IdentityFile = Annotated[
    Path | None, typer.Option("--identity", help="Your private key to decrypt with.")
]
AgeIdentityFile = Annotated[
    Path | None, typer.Option("--age-identity", help="Your age identity, instead.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File whose first line is the passphrase of the key."),
]


def keygen(
    path: Annotated[Path, typer.Argument(help="Private key to write; `.pub` goes beside it.")],
    classic: Annotated[
        bool, typer.Option("--classic", help="X25519 alone, without ML-KEM-768.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key that models and shares are encrypted to."""
    from steelyard.attest.recipients import generate_identity, save_identity
    from steelyard.cli.output import say, write

    identity = generate_identity(hybrid=not classic)
    public = save_identity(identity, path, read_passphrase(passphrase_file))
    write(identity.recipient.key_id)
    say(f"wrote {path} and {public}")


def read_expect(signer: Path, model: str | None = None, least_release: int = 1) -> Expect:
    """What the caller demands of a model."""
    from steelyard.attest import load_public_key
    from steelyard.weights.sealed import Expect

    return Expect(load_public_key(signer), model, least_release)


def read_identity(path: Path, passphrase_file: Path | None) -> Identity:
    """A private key; the terminal is asked for its passphrase where there is one."""
    import sys

    from steelyard.attest.keys import KEY_FILE_LIMIT_BYTES
    from steelyard.attest.recipients import parse_identity
    from steelyard.kernel import read_bytes

    pem = read_bytes(path, limit_bytes=KEY_FILE_LIMIT_BYTES)
    passphrase = read_passphrase(passphrase_file)
    if passphrase is None and b"ENCRYPTED" in pem and sys.stdin.isatty():
        from getpass import getpass

        passphrase = getpass("passphrase: ").encode()
    return parse_identity(pem, passphrase, where=str(path))


def read_any_identity(
    identity: Path | None, age_identity: Path | None, passphrase_file: Path | None
) -> Identity | AgeIdentity:
    """The one identity that was given.

    Raises:
        UsageError: none, or two.
    """
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.sealed import AgeIdentity

    if (identity is None) == (age_identity is None):
        raise UsageError("give one of --identity and --age-identity")
    if identity is not None:
        return read_identity(identity, passphrase_file)
    lines = read_text(Path(str(age_identity)))
    texts = [line.strip() for line in lines.splitlines() if line.startswith("AGE-SECRET-KEY-")]
    if len(texts) != 1:
        message = f"found {len(texts)} age identities, need one"
        raise UsageError(message, where=str(age_identity))
    return AgeIdentity(texts[0])


def read_recipients(to: list[Path] | None, age: list[str] | None) -> list[AnyRecipient]:
    """Public keys by file, and age recipients as text."""
    from steelyard.attest.recipients import load_recipient
    from steelyard.weights.sealed import AgeRecipient

    return [*map(load_recipient, to or ()), *map(AgeRecipient, age or ())]


def read_quorum(path: Path | None) -> Quorum | None:
    """Custodians from a YAML file; key files are named from where it lies.

    Raises:
        ConfigurationError: with file and field.
    """
    from steelyard.attest import load_public_key
    from steelyard.attest.recipients import load_recipient
    from steelyard.kernel import parse_yaml
    from steelyard.standard import check_schema
    from steelyard.weights.quorum import Member
    from steelyard.weights.sealed import Quorum

    if path is None:
        return None
    value = parse_yaml(read_text(path), where=str(path))
    check_schema(value, "quorum-policy", where=str(path))
    here = path.parent
    fields: dict[str, Any] = dict(value)
    members = [
        Member(
            member["name"],
            member["organization"],
            load_public_key(here / member["signing_key"]),
            load_recipient(here / member["recipient"]),
        )
        for member in fields["custodians"]
    ]
    broker = fields.get("broker")
    return Quorum(members, fields["threshold"], load_recipient(here / broker) if broker else None)


def read_text(path: Path) -> str:
    """A text file that the user wrote.

    Raises:
        ConfigurationError: not UTF-8.
    """
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import ConfigurationError

    try:
        return read_bytes(path, limit_bytes=_POLICY_LIMIT_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8 text", where=str(path)) from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet: a mistyped name costs nothing.

    Raises:
        UsageError: it exists.
    """
    from steelyard.kernel import write_atomically
    from steelyard.weights.staging import SPACE_HINT

    require_absent(path)
    write_atomically(path, data, hint=SPACE_HINT)


def read_passphrase(path: Path | None) -> bytes | None:
    """The first line of a file, whatever kind of key it belongs to; None where none is named.

    Raises:
        ConfigurationError: it is empty.
    """
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import ConfigurationError

    if path is None:
        return None
    line = read_bytes(path, limit_bytes=_PASSPHRASE_LIMIT_BYTES).split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise ConfigurationError("the first line is empty", where=str(path))
    return line
