"""`steelyard weights sign`, `verify` and `signing-key`: signatures over whole models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json
from steelyard.cli.weights.keys import PassphraseFile, read_passphrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

    from steelyard.weights.signing import SignedModel, TrustedKeys, TrustedRoots, Verification
    from steelyard.weights.signing.manifest import Serialization
    from steelyard.weights.signing.survey import Uncovered

_SHOWN = 20


class Hash(StrEnum):
    """Digests of the OMS registry."""

    SHA256 = "sha256"
    BLAKE2B = "blake2b"
    BLAKE3 = "blake3"


class KeyKind(StrEnum):
    """Kinds of keys that models are signed with."""

    P256 = "p256"
    P384 = "p384"
    P521 = "p521"
    ED25519 = "ed25519"


def signing_key(
    path: Annotated[Path, typer.Argument(help="File for the private key; PATH.pub is made too.")],
    kind: Annotated[
        KeyKind, typer.Option(help="Curve; ed25519 is not known to other verifiers of OMS.")
    ] = KeyKind.P256,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key that signs models."""
    from steelyard.weights.signing import generate_model_key, save_model_key

    key = generate_model_key(kind.value)
    public = save_model_key(key, path, read_passphrase(passphrase_file))
    write(key.public_key.key_id)
    say(f"wrote {path} and {public}")


def sign(
    model: Annotated[Path, typer.Argument(help="Folder or single file of the model.")],
    key: Annotated[Path, typer.Option(help="Private key, PEM.")],
    signature: Annotated[
        Path | None, typer.Option(help="File for the signature.", show_default="in the model")
    ] = None,
    hash_name: Annotated[
        Hash, typer.Option("--hash", help="Digest; every verifier knows sha256.")
    ] = Hash.SHA256,
    shard_bytes: Annotated[
        int, typer.Option(min=0, max=2**40, help="Hash shards of this size; 0 hashes whole files.")
    ] = 0,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Path in the model to leave out.")
    ] = None,
    allow_ignored: Annotated[
        bool, typer.Option("--allow-ignored", help="Leave out files that a loader could read.")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Sign links as the files they lead to.")
    ] = False,
    certificate: Annotated[
        list[Path] | None, typer.Option(help="Certificate of the key, then those above it, PEM.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was signed as JSON.")] = False,
) -> None:
    """Sign a model in the format of OpenSSF Model Signing."""
    from steelyard.kernel import write_atomically
    from steelyard.weights.signing import (
        SigningOptions,
        load_model_private_key,
        load_roots,
        sign_model,
    )

    private = load_model_private_key(key, read_passphrase(passphrase_file))
    chain: tuple[x509.Certificate, ...] = load_roots(certificate or ())
    place = _signature_place(model, signature)
    _refuse_other_file(place)
    options = SigningOptions(
        hash_name.value, shard_bytes, frozenset(ignore or ()), follow_links, allow_ignored
    )
    with progress_bar(f"signing {model.name}") as progress:
        signed = sign_model(
            model, private, options, signature=place, certificates=chain, progress=progress
        )
    write_atomically(place, signed.bundle)
    files = len(signed.manifest.covered)
    if as_json:
        write_json(
            {
                "schema": "steelyard/model-signature/1",
                "signature": str(place),
                "key_id": signed.key_id,
                "root": signed.manifest.root,
                **_serialization(signed.manifest.serialization),
                "files": files,
                "bytes": signed.size_bytes,
                "uncovered": [_uncovered(one) for one in signed.uncovered],
            }
        )
    else:
        write(f"root    {signed.manifest.root}")
        write(f"key     {signed.key_id}")
        write(f"covered {files} files, {signed.size_bytes} bytes")
    for name in signed.outside:
        say(f"warning: link {name} leads out of the model")
    _say_uncovered(signed.uncovered)
    say(f"wrote {place}")


def verify(
    model: Annotated[Path, typer.Argument(help="Folder or single file of the model.")],
    key: Annotated[
        list[Path] | None, typer.Option(help="Public key that may have signed, PEM.")
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option(help="Root of the signer's certificate, PEM.")
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(help="The signature's file.", show_default="in the model")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Instant at which certificates must be valid; now.")
    ] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Read links where the signature allows it.")
    ] = False,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Pass over files that are not signed.")
    ] = False,
    allow_ignored: Annotated[
        bool, typer.Option("--allow-ignored", help="Pass over what the signer left out.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the verification as JSON.")
    ] = False,
) -> None:
    """Verify that a model is what a trusted key has signed, reading every byte."""
    from steelyard.kernel import read_bytes
    from steelyard.weights.signing import (
        BUNDLE_LIMIT_BYTES,
        Policy,
        open_signature,
        verify_model,
    )

    trust = _trust(key or [], root or [], at)
    place = _signature_place(model, signature)
    data = read_bytes(place, limit_bytes=BUNDLE_LIMIT_BYTES)
    signed = open_signature(data, trust, where=str(place))
    policy = Policy(follow_links, allow_unsigned, allow_ignored)
    with progress_bar(f"verifying {model.name}") as progress:
        found = verify_model(model, signed, policy, signature=place, progress=progress)
    if as_json:
        write_json(_verification(found, model, place))
    else:
        write(f"root    {signed.root}")
        write(f"signer  {signed.signer.subject or signed.signer.key_id}")
        write(f"covered {found.files} files, {found.size_bytes} bytes, all as signed")
    _say_uncovered(found.uncovered)
    _say_unchecked(signed)


def _trust(keys: list[Path], roots: list[Path], at: str | None) -> TrustedKeys | TrustedRoots:
    from steelyard.kernel import parse_instant, utc_now
    from steelyard.kernel.errors import UsageError
    from steelyard.weights.signing import TrustedKeys, TrustedRoots, load_model_key, load_roots

    if bool(keys) == bool(roots):
        message = "say whom you trust: --key for a public key, or --root for certificates"
        raise UsageError(message, hint="steelyard weights verify MODEL --key KEY.pub")
    if keys:
        if at is not None:
            raise UsageError("--at belongs to certificates, keys have no dates", where="--at")
        return TrustedKeys(tuple(load_model_key(path) for path in keys))
    return TrustedRoots(load_roots(roots), parse_instant(at, where="--at") if at else utc_now())


def _signature_place(model: Path, signature: Path | None) -> Path:
    if signature is not None:
        return signature
    return model / "model.sig" if model.is_dir() else model.with_name(f"{model.name}.sig")


def _refuse_other_file(place: Path) -> None:
    """Only a signature may be replaced by a signature: not a key, not a weights file."""
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import MalformedEvidence, UsageError
    from steelyard.weights.signing import BUNDLE_LIMIT_BYTES
    from steelyard.weights.signing.bundle import parse_bundle

    if not place.exists() and not place.is_symlink():
        return
    try:
        parse_bundle(read_bytes(place, limit_bytes=BUNDLE_LIMIT_BYTES), where=str(place))
    except MalformedEvidence as error:
        message = "a file that is no signature has this name and is not overwritten"
        raise UsageError(message, where=str(place), hint="choose another --signature") from error


def _verification(found: Verification, model: Path, place: Path) -> dict[str, object]:
    signed = found.signed
    return {
        "schema": "steelyard/model-verification/1",
        "model": model.name or str(model),
        "signature": str(place),
        "signer": {
            "kind": signed.signer.kind,
            "key_id": signed.signer.key_id,
            "subject": signed.signer.subject,
        },
        "signed_as": signed.manifest.model,
        "root": signed.root,
        **_serialization(signed.manifest.serialization),
        "files": found.files,
        "bytes": found.size_bytes,
        "uncovered": [_uncovered(one) for one in found.uncovered],
        "unchecked": list(signed.unchecked),
    }


def _serialization(value: Serialization) -> dict[str, object]:
    return {
        "method": value.method,
        "hash": value.hash_name,
        "shard_bytes": value.shard_bytes or None,
        "ignored": sorted(value.ignored),
    }


def _uncovered(one: Uncovered) -> dict[str, object]:
    return {"name": one.name, "reason": one.reason, "inert": one.inert}


def _say_uncovered(uncovered: Iterable[Uncovered]) -> None:
    listed = [one for one in uncovered if one.reason != "signature"]
    # What a loader could read comes first, so that a long list cannot hide it.
    listed.sort(key=lambda one: (one.inert, one.name))
    for one in listed[:_SHOWN]:
        mark = "note" if one.inert else "warning"
        say(f"{mark}: not covered ({one.reason}): {one.name}")
    if len(listed) > _SHOWN:
        say(f"note: and {len(listed) - _SHOWN} more that are not covered; --json lists all")


def _say_unchecked(signed: SignedModel) -> None:
    for name in signed.unchecked:
        say(f"note: the bundle carries {name}, which is not checked")
