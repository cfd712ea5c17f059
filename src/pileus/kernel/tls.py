"""A certificate authority of the cloud's own: certificates for its API and its agents, made on the spot.

P-256 keys, written 0600. A certificate proves a name, nothing more: what a host may do is looked up by that name. Who
holds the directory of the CA can be anybody, so it stays in the state directory of the control plane.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
RENEW_BEFORE = timedelta(days=30)
EARLIER = timedelta(hours=1)  # clocks differ: a certificate is valid a little before it was made
CA_USAGE = {"key_cert_sign": True, "crl_sign": True}
LEAF_USAGE = {"digital_signature": True}
KEY_USAGES = [
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
]


class TlsError(ValueError):
    """A certificate, key or request cannot be used. The message names it."""


@dataclass(frozen=True)
class Ca:
    """The authority: its certificate, for everybody to trust, and the key that signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path

    @property
    def pem(self) -> bytes:
        """What a client needs to trust this cloud."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def ensure_ca(directory: Path) -> Ca:
    """The authority in `directory` (ca.pem, ca.key); made if there is none. Raises TlsError for broken files, OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate_path, key_path = directory / "ca.pem", directory / "ca.key"
    if not certificate_path.exists():  # written last: a start that was killed between the two begins anew
        certificate, key = new_authority("Pileus CA", CA_DAYS)
        write(key_path, pem_of(key), 0o600)
        write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        loaded = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except ValueError as e:
        raise TlsError(f"{directory}: ca.pem or ca.key is broken ({e}); restore them from a backup") from e
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != certificate.public_key():
        raise TlsError(f"{directory}: ca.key is not the key of ca.pem; restore both from the same backup")
    return Ca(certificate, loaded, certificate_path)


def new_authority(common_name: str, days: float) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate that may sign those of servers and clients, and its key; kept nowhere yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = unsigned(name, key.public_key(), days, datetime.now(UTC)).issuer_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(key_usage(CA_USAGE), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256()), key


def issue(
    ca: Ca, names: Sequence[str], days: float, *, client: bool = False, now: datetime | None = None
) -> tuple[bytes, bytes]:
    """A new certificate and its key, both PEM, for a server of these host names and addresses, or for a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    return sign(ca, key.public_key(), names, days, client=client, now=now), pem_of(key)


def request(name: str) -> tuple[bytes, bytes]:
    """A signing request and its key, both PEM: what a host makes before it joins, so that its key never leaves it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM), pem_of(key)


def issue_for(ca: Ca, request_pem: bytes, names: Sequence[str], days: float, *, client: bool = False) -> bytes:
    """A certificate for the key of a signing request, PEM. The names are ours to say, not the request's.

    A host's certificate serves both ways: as the server of its engines, and as a client that renews its lease
    (`client=True` adds that). Raises TlsError.
    """
    try:
        asked = x509.load_pem_x509_csr(request_pem)
    except ValueError as e:
        raise TlsError(f"this is no certificate signing request: {e}") from e
    key = asked.public_key()
    if not (asked.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256):
        raise TlsError(
            "the certificate signing request must be signed by its own elliptic-curve key of 256 bits or more"
        )
    return sign(ca, key, names, days, client=client)


def sign(
    ca: Ca,
    key: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    days: float,
    *,
    client: bool,
    now: datetime | None = None,
) -> bytes:
    """A certificate for this public key, PEM. Always good for a server; with `client` for a client too."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if client else [])]
    builder = unsigned(subject, key, days, now or datetime.now(UTC)).issuer_name(ca.certificate.subject)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(LEAF_USAGE), True),
        (x509.ExtendedKeyUsage(usages), False),
        (x509.SubjectAlternativeName([general_name(name) for name in names]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def ensure_server(ca: Ca, directory: Path, names: Sequence[str], days: float = 365) -> tuple[Path, Path]:
    """Paths of a server's certificate and key (server.pem, server.key), made anew when names changed or it soon ends."""
    certificate_path, key_path = directory / "server.pem", directory / "server.key"
    if not serves(certificate_path, ca, names):
        certificate, key = issue(ca, names, days)
        write(key_path, key, 0o600)
        write(certificate_path, certificate, 0o644)
    return certificate_path, key_path


def serves(path: Path, ca: Ca, names: Sequence[str]) -> bool:
    """Whether this certificate is of the CA, for exactly these names, and good for another RENEW_BEFORE."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(ca.certificate)
        known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
        return False
    wanted = [general_name(name) for name in names]
    return list(known) == wanted and certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE


def server_context(certificate: Path, key: Path, *, clients_of: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer for a server. With `clients_of`, only clients that this CA knows get in (mutual TLS)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients_of)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer for a client that trusts only this CA, with its own certificate for mutual TLS."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def peer_name(certificate_der: bytes) -> str:
    """The common name in a peer's certificate (`getpeercert(binary_form=True)`), which TLS has verified."""
    subject = x509.load_der_x509_certificate(certificate_der).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def unsigned(subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=days))
    )


def key_usage(wanted: dict[str, bool]) -> x509.KeyUsage:
    return x509.KeyUsage(**(dict.fromkeys(KEY_USAGES, False) | wanted))


def general_name(name: str) -> x509.GeneralName:
    """An IP address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write(path: Path, data: bytes, mode: int) -> None:
    """Write the file whole or not at all, with this mode from its first byte on."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
