"""Keys: made, and told apart by their fingerprints. Making one takes a tenth of a second: call it in a thread."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from hashlib import md5

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

BITS = 2048
DAYS = 3650
PRINCIPAL = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # the name by which Windows knows who logs in by a certificate
UTF8 = 0x0C


def fingerprint(public_key: str, kind: str) -> str:
    """Of an OpenSSH public key, or of a certificate in PEM. Raises ValueError for what is none."""
    return _of_certificate(public_key) if kind == "x509" else _of_ssh(public_key)


def _of_ssh(public_key: str) -> str:
    try:
        serialization.load_ssh_public_key(public_key.encode())
        blob = base64.b64decode(public_key.split()[1])
    except (ValueError, TypeError, IndexError, binascii.Error, UnsupportedAlgorithm) as e:
        raise ValueError("failed to generate fingerprint") from e
    return _in_pairs(md5(blob, usedforsecurity=False).digest())


def _of_certificate(public_key: str) -> str:
    try:
        digest = x509.load_pem_x509_certificate(public_key.encode()).fingerprint(hashes.SHA1())  # noqa: S303 (its name)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm) as e:
        raise ValueError("failed to generate X509 fingerprint. Error message: it is no certificate in PEM") from e
    return _in_pairs(digest)


def _in_pairs(digest: bytes) -> str:
    return digest.hex(":")


def generate(kind: str, user_id: str) -> tuple[str, str]:
    """A new private key and its public one, or the certificate for it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    form = serialization.PrivateFormat.PKCS8 if kind == "x509" else serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    if kind == "x509":
        return private, _certificate(key, user_id)
    raw = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, f"{raw.decode()} Generated-by-Pileus"


def _certificate(key: rsa.RSAPrivateKey, user_id: str) -> str:
    """One that signs itself, good to log in to a Windows guest as this user."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id)])
    principal = f"{user_id}@localhost".encode()
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.OtherName(PRINCIPAL, bytes([UTF8, len(principal)]) + principal)]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()
