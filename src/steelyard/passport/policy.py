"""The gate policy: what a relying party asks of a passport.

Decides how a policy is read, from the relying party's TOML file or from the
standard release's default (spec/passport.md, section Policy). Unknown keys are
refused, so a misspelt requirement cannot vanish. Applying it is for `gate`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import load_public_key
from steelyard.kernel import read_bytes
from steelyard.kernel.errors import CannotVerify, ConfigurationError
from steelyard.standard import check_schema, load_release, releases
from steelyard.weights.posture import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from steelyard.kernel import JsonObject
    from steelyard.standard import Release

_POLICY_LIMIT_BYTES: Final = 256 * 1024
_KEY_ID: Final = re.compile(r"[0-9a-f]{64}")
_TRUSTED: Final = {
    "trusted_signers": "trusted signer",
    "trusted_coordinators": "trusted coordinator",
    "trusted_security_signers": "trusted signer of weights security",
    "trusted_publishers": "trusted publisher of advisories",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Requirements on a passport; all must be met.

    Attributes:
        standard_releases: Releases whose levels are accepted.
        required_domains: Domains that must have been assessed.
        maximum_level: Highest level accepted in any assessed domain.
        domain_levels: Exceptions from `maximum_level` by domain.
        accepted_statuses: Statuses accepted in required domains.
        minimum_elicitation: Least elicitation step in required domains; `unknown` asks for none.
        maximum_age_days: Oldest evidence accepted, from the end of its run.
        allow_blocking_conditions: Whether required domains may carry conditions that keep a
            level from being established, such as an imported or undated evidence.
        trusted_signers: Key ids; empty accepts any signer, reported as not pinned.
        require_round: Whether required domains need a valid proficiency round for every
            protocol that decides them.
        refuse_fired_triggers: Whether a trigger that is known to have fired is refused.
        maximum_residual_level: Highest level that safeguards may leave in required domains;
            None asks for none.
        trusted_coordinators: Key ids whose certificates count; empty accepts any but the
            signer's own, reported as not pinned.
        weights_security: Framework, and lowest level of it, that evidence on the security of
            the weights must support; None asks for none.
        trusted_security_signers: Key ids that may state it, whether or not a level is asked for;
            empty accepts any, reported as not pinned.
        maximum_open_advisories: How many open advisories are accepted; None asks for no feed.
        trusted_publishers: Key ids whose advisories are believed; empty believes any that its
            feed carries, reported as not pinned.
    """

    name: str
    standard_releases: frozenset[str]
    required_domains: tuple[str, ...]
    maximum_level: int
    domain_levels: Mapping[str, int]
    accepted_statuses: frozenset[str]
    minimum_elicitation: str
    maximum_age_days: int
    allow_blocking_conditions: bool
    trusted_signers: frozenset[str]
    require_round: bool = True
    refuse_fired_triggers: bool = True
    maximum_residual_level: int | None = None
    trusted_coordinators: frozenset[str] = frozenset()
    weights_security: tuple[str, int] | None = None
    trusted_security_signers: frozenset[str] = frozenset()
    maximum_open_advisories: int | None = None
    trusted_publishers: frozenset[str] = frozenset()

    def level_limit(self, domain: str) -> int:
        """Highest level accepted in `domain`."""
        return self.domain_levels.get(domain, self.maximum_level)


def load_policy(path: Path) -> Policy:
    """Read a policy in TOML; paths of signer keys are relative to its folder.

    Raises:
        ConfigurationError: unreadable, not TOML, against the schema, a domain of no
            installed release, or a key file that is no Ed25519 public key.
    """
    try:
        text = read_bytes(path, limit_bytes=_POLICY_LIMIT_BYTES).decode("utf-8")
        value = tomllib.loads(text)
    except CannotVerify as error:
        raise ConfigurationError(error.message, where=str(path)) from error
    except ValueError as error:
        message = f"not TOML: {error}"
        raise ConfigurationError(message, where=str(path)) from error
    check_schema(value, "gate-policy", where=str(path))
    trusted = {
        key: frozenset(_key(name, path.parent) for name in cast("list[str]", value.get(key, [])))
        for key in _TRUSTED
    }
    return _policy(value, trusted, where=str(path))


def default_policy(release: Release) -> Policy:
    """The policy that ships with a standard release.

    Raises:
        ConfigurationError: it names key files, where a release can only name key ids,
            or a domain of no installed release.
    """
    trusted = {key: cast("list[str]", release.policy.get(key, [])) for key in _TRUSTED}
    for key, names in trusted.items():
        for name in names:
            if not _KEY_ID.fullmatch(name):
                message = f"{_TRUSTED[key]} {name!r} is no key id"
                raise ConfigurationError(message, where="policy.yaml")
    sets = {key: frozenset(names) for key, names in trusted.items()}
    return _policy(release.policy, sets, where="policy.yaml")


def _policy(value: JsonObject, trusted: Mapping[str, frozenset[str]], *, where: str) -> Policy:
    raw = cast("dict[str, Any]", value)
    for key in ("required_domains", "domain_levels"):
        _require_domains(key, raw.get(key, ()), where)
    return Policy(
        name=raw["name"],
        standard_releases=frozenset(raw["standard_releases"]),
        required_domains=tuple(raw["required_domains"]),
        maximum_level=raw["maximum_level"],
        domain_levels=dict(raw.get("domain_levels", {})),
        accepted_statuses=frozenset(raw["accepted_statuses"]),
        minimum_elicitation=raw["minimum_elicitation"],
        maximum_age_days=raw["maximum_age_days"],
        allow_blocking_conditions=raw["allow_blocking_conditions"],
        require_round=raw.get("require_round", True),
        refuse_fired_triggers=raw.get("refuse_fired_triggers", True),
        maximum_residual_level=raw.get("maximum_residual_level"),
        weights_security=_security(raw.get("weights_security"), where),
        maximum_open_advisories=raw.get("maximum_open_advisories"),
        **trusted,
    )


def _security(raw: dict[str, Any] | None, where: str) -> tuple[str, int] | None:
    """Refuse a level that no posture decided here can have: it could never be met."""
    if raw is None:
        return None
    catalogue = load_catalogue()
    if raw["framework"] != catalogue.framework or raw["level"] > catalogue.software_cap:
        message = f"weights_security: {raw['framework']} {raw['level']} is never decided here"
        hint = f"ask for {catalogue.framework} 1 to {catalogue.software_cap}"
        raise ConfigurationError(message, where=where, hint=hint)
    return raw["framework"], raw["level"]


def _require_domains(key: str, named: Iterable[str], where: str) -> None:
    """Refuse a misspelt domain, whose limit would bind nothing."""
    known = {name for version in releases() for name in load_release(version).framework.domains}
    for name in named:
        if name not in known:
            message = f"{key}: no installed release has a domain {name!r}"
            hint = f"domains: {', '.join(sorted(known))}"
            raise ConfigurationError(message, where=where, hint=hint)


def _key(name: str, folder: Path) -> str:
    """A key id as given, or that of the PEM file named."""
    if _KEY_ID.fullmatch(name):
        return name
    try:
        return load_public_key(folder / name).key_id
    except CannotVerify as error:
        message = f"{error.message}; a trusted key is a key id or a PEM file beside the policy"
        raise ConfigurationError(message, where=error.where) from error
