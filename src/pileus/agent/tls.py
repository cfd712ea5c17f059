"""Who is at the other end: certificates of the cloud's own authority, and what they say.

A certificate names its holder twice: a DNS name, which whoever connects verifies, and a URI that says the role. Only
`control` may command an agent; only `host` may post to the control plane. TLS 1.3, and nothing else.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CONTROL_NAME = "control.pileus"  # what agents expect the control plane's certificate to say, whatever its address
ROLE_URI = "urn:pileus:"

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Peer:
    """What a verified certificate says of its holder. `role` is "control" or "host"; `serial` is hexadecimal."""

    role: str
    name: str
    serial: str


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """The key without a password: for files of mode 0600 and for sealing."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(pem: bytes) -> Key:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Key):
        raise ValueError("not an elliptic curve key")
    return key


def key_digest(csr: x509.CertificateSigningRequest) -> str:
    """Which key a request is for."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    digest = hashes.Hash(hashes.SHA256())
    digest.update(csr.public_key().public_bytes(serialization.Encoding.DER, form))
    return digest.finalize().hex()


def signing_request(key: Key, name: str) -> bytes:
    """A PEM request for a certificate of this name."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


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
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(chain)
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
    return context


@functools.lru_cache(maxsize=4096)
def read_peer(der: bytes) -> Peer | None:
    """None for a certificate that says no role."""
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        role, _, name = uri.removeprefix(ROLE_URI).partition(":")
        if uri.startswith(ROLE_URI) and role in {"control", "host"}:
            return Peer(role, name, f"{certificate.serial_number:x}")
    return None


def peer_of(scope: MutableMapping[str, Any]) -> Peer | None:
    """Who sends this request, as TLS has verified; None for a stranger."""
    der = scope.get("extensions", {}).get("tls", {}).get("client_certificate")
    return None if der is None else read_peer(der)
