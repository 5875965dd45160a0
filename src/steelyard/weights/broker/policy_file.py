"""The broker's policy as people write it: strict YAML beside the keys that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import load_public_key
from steelyard.kernel import parse_yaml, read_bytes
from steelyard.kernel.errors import ConfigurationError
from steelyard.standard import check_schema
from steelyard.weights.broker.broker import Policy
from steelyard.weights.broker.budget import DAY_S, Terms
from steelyard.weights.broker.grants import Approver
from steelyard.weights.broker.meter import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from steelyard.attest import PublicKey

_LIMIT_BYTES: Final = 1 << 20


def read_policy(path: Path) -> Policy:
    """Read a policy and the public keys it names, relative to its own folder.

    Raises:
        ConfigurationError: not the schema, an unreadable key, or one key named twice.
    """
    where = str(path)
    try:
        text = read_bytes(path, limit_bytes=_LIMIT_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8 text", where=where) from error
    parsed: object = parse_yaml(text, where=where)
    check_schema(parsed, "broker-policy", where=where)
    value = cast("dict[str, Any]", parsed)
    terms: dict[str, Any] = dict(value["terms"])
    days = float(terms.pop("detection_days", 7))
    principals: dict[str, tuple[Principal, PublicKey]] = {}
    for one in value["principals"]:
        key = load_public_key(path.parent / one["key"])
        _require_new(key.key_id, principals, one["name"], where)
        principals[key.key_id] = (Principal(key.key_id, one["name"], one["organization"]), key)
    approvers: dict[str, Approver] = {}
    for one in value["approvers"]:
        key = load_public_key(path.parent / one["key"])
        _require_new(key.key_id, approvers, one["name"], where)
        approvers[key.key_id] = Approver(one["name"], one["organization"], key)
    return Policy(Terms(detection_s=days * DAY_S, **terms), principals, approvers)


def _require_new(key_id: str, known: Mapping[str, object], name: str, where: str) -> None:
    if key_id in known:
        raise ConfigurationError(f"the key of {name!r} is named twice", where=where)
