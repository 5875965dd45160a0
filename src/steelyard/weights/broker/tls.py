"""TLS of a broker: its certificate, and whose certificates its clients must show.

Decides the least that a broker speaks: TLS 1.3, and clients below the given roots only.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from steelyard.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def server_context(certificate: Path, client_roots: Path | None = None) -> ssl.SSLContext:
    """How a broker speaks TLS.

    Args:
        certificate: Its certificate and private key, PEM.
        client_roots: Roots that clients need a certificate below; None asks for none.

    Raises:
        ConfigurationError: a file that cannot be used, named.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    place = certificate
    try:
        context.load_cert_chain(certificate)
        if client_roots is not None:
            place = client_roots
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_roots)
    except OSError as error:
        message = f"cannot use for TLS: {error.strerror or error}"
        raise ConfigurationError(message, where=str(place)) from error
    return context
