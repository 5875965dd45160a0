"""Signing models and verifying them: OpenSSF Model Signing v1.0, our profile of it.

spec/model-signature.md says what is written, accepted and refused. `open_signature` verifies
who signed; `verify_model` reads every byte now; `open_verified` verifies each shard from the
bytes that it returns.
"""

from steelyard.weights.signing.bundle import BUNDLE_LIMIT_BYTES
from steelyard.weights.signing.keys import (
    ModelPrivateKey,
    ModelPublicKey,
    generate_model_key,
    load_model_key,
    load_model_private_key,
    save_model_key,
)
from steelyard.weights.signing.reading import VerifiedModel, load_verified, open_verified
from steelyard.weights.signing.sign import Signing, SigningOptions, sign_model
from steelyard.weights.signing.survey import Policy, Uncovered
from steelyard.weights.signing.trust import Signer, TrustedKeys, TrustedRoots, load_roots
from steelyard.weights.signing.verify import (
    SignedModel,
    Verification,
    open_signature,
    resource_names,
    verify_model,
)

__all__ = [
    "BUNDLE_LIMIT_BYTES",
    "ModelPrivateKey",
    "ModelPublicKey",
    "Policy",
    "SignedModel",
    "Signer",
    "Signing",
    "SigningOptions",
    "TrustedKeys",
    "TrustedRoots",
    "Uncovered",
    "Verification",
    "VerifiedModel",
    "generate_model_key",
    "load_model_key",
    "load_model_private_key",
    "load_roots",
    "load_verified",
    "open_signature",
    "open_verified",
    "resource_names",
    "save_model_key",
    "sign_model",
    "verify_model",
]
