"""Who is at the other end of an agent's connections. TLS 1.3, certificates of the authority of the hosts, nothing else.

A certificate proves a name. The control plane's is `CONTROL_NAME`, which no host may have: only it may command agents.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import MutableMapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

CONTROL_NAME = "control.pileus"  # what agents expect the control plane's certificate to say, whatever its address


def fingerprint(pem: bytes) -> str:
    """SHA-256 of the certificate, hexadecimal. Raises ValueError for what is none."""
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()


def server_context(chain: bytes, ca: bytes, *, strangers: bool = False) -> ssl.SSLContext:
    """For a listener. `chain` is certificate and key, PEM. `strangers`: who has no certificate is let in, and unknown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL if strangers else ssl.CERT_REQUIRED
    return armed(context, chain, ca)


def client_context(chain: bytes | None, ca: bytes) -> ssl.SSLContext:
    """For who connects; without a `chain`, as a stranger."""
    return armed(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), chain, ca)


def unverified_context() -> ssl.SSLContext:
    """For the one request that fetches what will be verified by its fingerprint. Nothing secret may travel on it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def armed(context: ssl.SSLContext, chain: bytes | None, ca: bytes) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=ca.decode())
    if chain is not None:
        fd = os.memfd_create("chain")  # the ssl module reads keys from files only; this one is on no disk
        with open(fd, "wb") as file:
            file.write(chain)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{fd}")
    return context


def peer_certificate(scope: MutableMapping[str, Any]) -> bytes | None:
    """The certificate (DER) of who sends this request, which TLS has verified; None for a stranger."""
    der: bytes | None = scope.get("extensions", {}).get("tls", {}).get("client_certificate")
    return der
