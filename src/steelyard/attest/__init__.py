"""Signed statements: keys, envelopes, Merkle trees and commitments.

Formats are those of spec/statements.md: in-toto Statement v1 in DSSE, signed
with Ed25519. Nothing here decides whom to trust or what a predicate means.
"""

from steelyard.attest.commitment import commit_transcript, derive_salt, open_commitment
from steelyard.attest.envelope import PAYLOAD_TYPE, claimed_key_id, open_envelope, sign_statement
from steelyard.attest.keys import (
    PrivateKey,
    PublicKey,
    generate_key,
    load_private_key,
    load_public_key,
    parse_public_key,
    save_key,
)
from steelyard.attest.merkle import inclusion_proof, merkle_root, verify_inclusion
from steelyard.attest.statement import PREDICATE_KINDS, Statement, Subject, predicate_type
from steelyard.attest.subject import endpoint_commitment, files_root, manifest_root

__all__ = [
    "PAYLOAD_TYPE",
    "PREDICATE_KINDS",
    "PrivateKey",
    "PublicKey",
    "Statement",
    "Subject",
    "claimed_key_id",
    "commit_transcript",
    "derive_salt",
    "endpoint_commitment",
    "files_root",
    "generate_key",
    "inclusion_proof",
    "load_private_key",
    "load_public_key",
    "manifest_root",
    "merkle_root",
    "open_commitment",
    "open_envelope",
    "parse_public_key",
    "predicate_type",
    "save_key",
    "sign_statement",
    "verify_inclusion",
]
