"""Handles: the exact names by which an advisory means one tested model.

Decides the forms of spec/regression.md, section 3. A handle is a digest, so that no name that
looks like another is ever taken for it.
"""

from __future__ import annotations

import hashlib
from typing import Final

from steelyard.kernel import canonical_json

SUBJECT_NAMESPACE: Final = "urn:steelyard:subject"
ENDPOINT_NAMESPACE: Final = "urn:steelyard:endpoint"
NAMESPACES: Final = (SUBJECT_NAMESPACE, ENDPOINT_NAMESPACE)
_ENDPOINT_DOMAIN: Final = b"steelyard/endpoint-handle/1\x00"


def subject_handle(digest: str) -> str:
    """The handle of weights by manifest root, or of a hosted model by a passport's commitment."""
    return f"{SUBJECT_NAMESPACE}:sha256:{digest}"


def endpoint_handle(endpoint: str, model: str) -> str:
    """The handle of what an endpoint serves under a name, whoever tests it."""
    named = canonical_json({"endpoint": endpoint, "model": model})
    return f"{ENDPOINT_NAMESPACE}:sha256:{hashlib.sha256(_ENDPOINT_DOMAIN + named).hexdigest()}"


def namespace_of(handle: str) -> str:
    """The namespace that stands beside a handle in CSAF."""
    return handle.partition(":sha256:")[0]
