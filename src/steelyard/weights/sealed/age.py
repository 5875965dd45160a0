"""age recipients and identities, for people and hardware that have such keys already.

Decides what an age file holds: the content key and the core digest it is bound to, as age
itself binds nothing (spec/sealed-weights.md, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import BrokenSeal, ConfigurationError


@dataclass(frozen=True, slots=True)
class AgeRecipient:
    """An age recipient, such as `age1...`."""

    text: str

    @property
    def key_id(self) -> str:
        """Digest of the recipient in the spelling that age itself gives it.

        Raises:
            ConfigurationError: no X25519 recipient of age.
        """
        return sha256_hex(str(self._recipient()).encode())

    def encrypt(self, content_key: bytes, core: bytes) -> bytes:
        """An age file of content key and core digest.

        Raises:
            ConfigurationError: no X25519 recipient of age.
        """
        return _age().encrypt(content_key + core, [self._recipient()])

    def _recipient(self) -> Any:  # noqa: ANN401 - pyrage is not typed
        age = _age()
        try:
            return age.x25519.Recipient.from_str(self.text)
        except (age.RecipientError, UnicodeError) as error:
            message = f"{ascii(self.text)[:60]} is no age recipient"
            raise ConfigurationError(message, hint="age-keygen prints one") from error


@dataclass(frozen=True, slots=True, repr=False)
class AgeIdentity:
    """An age identity, such as `AGE-SECRET-KEY-1...`; its printed form hides it."""

    text: str

    def __repr__(self) -> str:
        return "AgeIdentity(...)"

    @property
    def recipient(self) -> AgeRecipient:
        """The public half.

        Raises:
            ConfigurationError: no X25519 identity of age.
        """
        return AgeRecipient(str(self._identity().to_public()))

    def decrypt(self, wrapped: bytes, core: bytes) -> bytes:
        """The content key, if this identity opens it and it is bound to this core.

        Raises:
            BrokenSeal: for another identity, or bound to another model.
        """
        age = _age()
        try:
            plain: bytes = age.decrypt(wrapped, [self._identity()])
        except age.DecryptError as error:
            raise BrokenSeal("not encrypted to this age identity") from error
        if plain[-len(core) :] != core:
            raise BrokenSeal("the age file wraps a key of another model")
        return plain[: -len(core)]

    def _identity(self) -> Any:  # noqa: ANN401 - pyrage is not typed
        age = _age()
        try:
            return age.x25519.Identity.from_str(self.text)
        except (age.IdentityError, UnicodeError) as error:
            message = "this is no age identity"
            raise ConfigurationError(message, hint="age-keygen writes one") from error


def _age() -> Any:  # noqa: ANN401 - pyrage is not typed
    return import_module("pyrage")
