"""How a node is run: where it listens, what it may be asked, whom it tells.

Decides which settings there are and which of them go together; the file `steelyard.toml` in the
node's folder has them by these names, and flags of `steelyard serve` come before it. The database
is also named by a variable, after the flag and before the file, for the server and for commands.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from steelyard.kernel import read_bytes
from steelyard.kernel.errors import ConfigurationError, UsageError
from steelyard.server.people.permissions import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.disclosure.case import Card

FILE: Final = "steelyard.toml"
SECRET_LIMIT_BYTES: Final = 4096
"""Of a file that holds a password or a secret alone."""
_FILE_LIMIT_BYTES: Final = 64 * 1024
_DATABASE: Final = "STEELYARD_DATABASE"
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Quotas:
    """How much is taken from others.

    Attributes:
        cards_per_minute: Cards of strangers from one address.
        strangers: Cards of organizations that nobody here has trusted.
        parcels_per_minute: From one key.
        events_per_minute: Of one author.
        reads_per_minute: Signed reads by one key.
        reports_per_day: From everybody who is not known, together.
        reports_per_day_per_address: The same from one address.
        reports_per_day_per_key: With a key that is known here.
        connections: Open at once.
        connections_per_address: The same from one address, where no proxy stands before.
    """

    cards_per_minute: int = 12
    strangers: int = 5000
    parcels_per_minute: int = 600
    events_per_minute: int = 6000
    reads_per_minute: int = 600
    reports_per_day: int = 200
    reports_per_day_per_address: int = 20
    reports_per_day_per_key: int = 50
    connections: int = 512
    connections_per_address: int = 64


@dataclass(frozen=True, slots=True)
class Smtp:
    """Where mail is handed in; empty for no mail.

    Attributes:
        password_file: Holds the password alone.
    """

    host: str = ""
    port: int = 587
    user: str = ""
    password_file: str = ""
    sender: str = ""
    starttls: bool = True


@dataclass(frozen=True, slots=True)
class Oidc:
    """A provider that signs people in (OpenID Connect); empty for none.

    Attributes:
        issuer: Exactly as its tokens name it.
        client_secret_file: Holds the secret alone; empty for a client without one.
        hosts: Where its endpoints may lie beside the issuer's host, with spaces between.
        claim: Whose values become roles.
        roles: Role by value of the claim; the table `[oidc.roles]`.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    name: str = ""
    scope: str = "openid profile"
    hosts: str = ""
    claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Settings:
    """How a node is run.

    Attributes:
        folder: Of the node.
        url: Under which others reach it; empty for that of its card, or where it listens.
        database: URL; empty for one SQLite file in the folder.
        behind_proxy: A proxy ends TLS and names clients in `X-Forwarded-For`.
        allow_private: Whether it sends to private networks and by plain http.
        tls_certificate: PEM; with the key, unless `tls_key` names another file.
        public: Folder of what anybody may read; empty for `public` in the folder.
    """

    folder: Path
    url: str = ""
    database: str = ""
    host: str = "127.0.0.1"
    port: int = 8767
    behind_proxy: bool = False
    allow_private: bool = False
    tls_certificate: str = ""
    tls_key: str = ""
    public: str = ""
    access_log: bool = True
    quotas: Quotas = field(default_factory=Quotas)
    smtp: Smtp = field(default_factory=Smtp)
    oidc: Oidc = field(default_factory=Oidc)

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by TLS alone, which it ends itself or a proxy does."""
        is_https = urlsplit(self.url).scheme == "https"
        return bool(self.tls_certificate) or self.behind_proxy or is_https

    @property
    def public_folder(self) -> Path:
        """What anybody may read."""
        return Path(self.public) if self.public else self.folder / "public"


def base_of(settings: Settings, card: Card) -> str:
    """Under which others reach a node, without a slash at its end: as it is named, or listens."""
    named = settings.url or card.endpoint
    if named:
        return named.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.is_secure else 'http'}://{host}:{settings.port}"


def read_settings(folder: Path, flags: Mapping[str, Any]) -> Settings:
    """The settings of a node.

    Args:
        folder: Of the node, with or without a settings file.
        flags: What was said otherwise; None for what was not said.

    Raises:
        ConfigurationError: unreadable, or a setting that is none, named.
        UsageError: settings that do not go together.
    """
    said = {name: value for name, value in flags.items() if value is not None}
    return require_safe(replace(_saved(folder), **said))


def database_of(folder: Path) -> str:
    """URL of the database of a node, as its server takes it without a flag; empty for none.

    Raises:
        ConfigurationError: unreadable, or a setting that is none, named.
    """
    return _saved(folder).database


def require_safe(settings: Settings) -> Settings:
    """The settings, if others can reach the node by TLS alone.

    Raises:
        UsageError: plain HTTP where others reach it, or settings that do not go together.
    """
    if settings.tls_key and not settings.tls_certificate:
        raise UsageError("a TLS key belongs to a certificate", hint="add --tls-certificate FILE")
    if settings.behind_proxy and settings.tls_certificate:
        raise UsageError("a proxy ends TLS, or the node does", hint="choose one of them")
    open_to_others = not is_loopback(settings.host)
    if open_to_others and not (settings.tls_certificate or settings.behind_proxy):
        raise UsageError(
            f"{settings.host[:80]} can be reached by others, and this would be plain HTTP",
            hint="add --tls-certificate FILE, or --behind-proxy where a proxy ends TLS",
        )
    _require_url(settings)
    return settings


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _saved(folder: Path) -> Settings:
    """What the settings file says, then the environment, and the defaults for the rest."""
    path = folder / FILE
    given: dict[str, Any] = {}
    if path.exists():
        try:
            given = tomllib.loads(read_bytes(path, limit_bytes=_FILE_LIMIT_BYTES).decode())
        except ValueError as error:
            raise ConfigurationError(f"no TOML: {error}", where=str(path)) from error
    where = str(path)
    tables = {
        "quotas": _part(Quotas(), given.pop("quotas", {}), f"{where} [quotas]"),
        "smtp": _part(Smtp(), given.pop("smtp", {}), f"{where} [smtp]"),
        "oidc": _oidc(given.pop("oidc", {}), f"{where} [oidc]"),
    }
    settings = replace(_part(Settings(folder), given, where), **tables)
    return replace(settings, database=os.environ.get(_DATABASE) or settings.database)


def _require_url(settings: Settings) -> None:
    if not settings.url:
        return
    parts = urlsplit(settings.url)
    allowed = {"https", "http"} if settings.allow_private else {"https"}
    if parts.scheme not in allowed or not parts.hostname or parts.query or parts.fragment:
        hint = "https://disclosure.example.org; http only with --allow-private"
        raise UsageError(f"{settings.url[:80]!r} is no address of a node", hint=hint)


def _oidc(given: Any, where: str) -> Oidc:  # noqa: ANN401 - TOML
    """The provider of the settings, with its roles."""
    table = cast("dict[str, Any]", {**given} if isinstance(given, dict) else given)
    roles: Any = table.pop("roles", {}) if isinstance(given, dict) else {}
    made = _part(Oidc(), table, where)
    rows = cast("dict[str, Any]", roles)
    if not isinstance(roles, dict) or not all(value in ROLES for value in rows.values()):
        hint = f'[oidc.roles] with rows as "staff" = "analyst"; known: {", ".join(ROLES)}'
        raise ConfigurationError("roles are no table of roles", where=where, hint=hint)
    if bool(made.issuer) != bool(made.client_id):
        raise ConfigurationError("issuer and client_id belong together", where=where)
    return replace(made, roles=rows)


def _part(default: _Part, given: Any, where: str) -> _Part:  # noqa: ANN401 - TOML
    """A dataclass of settings, with the values of a table in the place of its defaults."""
    if not isinstance(given, dict):
        raise ConfigurationError("expected a table", where=where)
    table = cast("dict[str, Any]", given)
    settable = {
        item.name: getattr(default, item.name)
        for item in fields(cast("Any", default))
        if isinstance(getattr(default, item.name), bool | int | str)
    }
    for name, value in table.items():
        if name not in settable:
            known = ", ".join(sorted(settable))
            raise ConfigurationError(f"unknown setting {name!r}", where=where, hint=known)
        if type(value) is not type(settable[name]):
            kind = type(settable[name]).__name__
            raise ConfigurationError(f"{name} is no {kind}", where=where)
    return replace(cast("Any", default), **table)
