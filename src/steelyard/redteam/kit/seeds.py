"""Seeds: how items, pseudonyms and nonces follow from a key, and from nothing else.

Item seed = HMAC-SHA-256(campaign key, protocol, version, index). The arm is left
out on purpose: all arms of an item share its content, which is what pairs them.
The public split uses the key published in the standard; the private split a
secret one, to which the run-intent commits.
"""

from __future__ import annotations

from steelyard.kernel import keyed_digest

_NONCE_BITS = 31


def campaign_key(seed: str) -> bytes:
    """Campaign key of the private split, from the run's secret seed text; 32 bytes."""
    return keyed_digest(seed.encode(), "steelyard/campaign-key/1")


def salt_secret(seed: str) -> bytes:
    """Secret from which a run's commitment salts derive, from its seed text; 32 bytes."""
    return keyed_digest(seed.encode(), "steelyard/salt-secret/1")


def item_seed(key: bytes, protocol: str, version: str, index: int) -> bytes:
    """Seed of item `index` (from 0) of a protocol; 32 bytes."""
    return keyed_digest(key, "steelyard/item/1", protocol, version, index)


def pseudonym(seed: bytes) -> str:
    """Public name of an item: 24 hex digits that reveal nothing of its content."""
    return keyed_digest(seed, "steelyard/pseudonym/1").hex()[:24]


def nonce(run_seed: str, *parts: str | int) -> int:
    """Sampling seed of one sample, 31 bits, as model endpoints accept it.

    Args:
        run_seed: Seed text of the run.
        parts: Protocol, item, arm and epoch.
    """
    digest = keyed_digest(run_seed.encode(), "steelyard/nonce/1", *parts)
    return int.from_bytes(digest[:8], "big") >> (64 - _NONCE_BITS)
