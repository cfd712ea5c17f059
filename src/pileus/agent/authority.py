"""The cloud's own certificate authority: a row, its key sealed with the site's key."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pileus.agent.tls import CONTROL_NAME, ROLE_URI, Key, fingerprint, key_pem, new_key, read_key
from pileus.kernel.context import Ctx
from pileus.kernel.db.base import Text, metadata
from pileus.kernel.errors import BadRequest

AUTHORITY_DAYS = 7300
HOST_DAYS = 1825
CONTROL_DAYS = 365
SEALED_AS = b"authority"
HOST_NAME = re.compile(r"[a-z]([a-z0-9.-]{0,61}[a-z0-9])?")

authorities = sa.Table(
    "authority",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("certificate", Text, nullable=False),  # PEM
    sa.Column("sealed_key", sa.LargeBinary, nullable=False),
)
THE_AUTHORITY = sa.select(authorities).where(authorities.c.id == 1)


def check_name(name: str) -> str:
    """The name, if a host may have it: lower case, as in DNS, not ending in .pileus. Raises BadRequest."""
    if not HOST_NAME.fullmatch(name) or name.endswith(".pileus"):
        raise BadRequest(
            f"{name!r} is no name for a host: lower case letters, digits, - and ., beginning with a letter."
        )
    return name


class Authority:
    """Signs who belongs to the cloud."""

    def __init__(self, certificate: bytes, key: Key) -> None:
        self.ca = certificate
        self._certificate = x509.load_pem_x509_certificate(certificate)
        self._key = key

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.ca)

    def sign_host(self, csr: x509.CertificateSigningRequest, name: str) -> tuple[bytes, str]:
        """The certificate of a host (PEM), and its serial. What the request says of itself is not believed."""
        public = csr.public_key()
        if not csr.is_signature_valid or not isinstance(public, ec.EllipticCurvePublicKey):
            raise BadRequest("The signing request must be for an elliptic curve key and signed by it.")
        return self._signed(public, name, f"{ROLE_URI}host:{name}", HOST_DAYS)

    def control_chain(self) -> bytes:
        """A fresh certificate and key (PEM) with which a control process listens to agents and commands them."""
        key = new_key()
        certificate, _ = self._signed(key.public_key(), CONTROL_NAME, f"{ROLE_URI}control:", CONTROL_DAYS)
        return certificate + key_pem(key)

    def _signed(self, public: ec.EllipticCurvePublicKey, name: str, uri: str, days: int) -> tuple[bytes, str]:
        both_ways = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.UniformResourceIdentifier(uri)])
        certificate = (
            builder(public, name, days)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both_ways), critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), f"{certificate.serial_number:x}"


def builder(public: ec.EllipticCurvePublicKey, name: str, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)  # the machine's time, not the cloud's: TLS compares with it
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def key_usage(*, digital_signature: bool = False, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def new_authority() -> tuple[bytes, Key]:
    """A self-signed certificate (PEM) that may sign others, and its key."""
    key = new_key()
    made = builder(key.public_key(), "Pileus authority", AUTHORITY_DAYS)
    certificate = (
        made.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pileus authority")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key


async def open_authority(ctx: Ctx) -> Authority:
    """The cloud's authority; the first to ask makes it. Raises SealError when the site key is another."""
    async with ctx.transaction() as tx:
        await tx.lock("authority", 1)
        row = (await tx.execute(THE_AUTHORITY)).one_or_none()
        if row is not None:
            return Authority(row.certificate.encode(), read_key(tx.world.seal.open(row.sealed_key, place=SEALED_AS)))
        certificate, key = new_authority()
        sealed = tx.world.seal.seal(key_pem(key), place=SEALED_AS)
        await tx.execute(authorities.insert(), {"id": 1, "certificate": certificate.decode(), "sealed_key": sealed})
        return Authority(certificate, key)
