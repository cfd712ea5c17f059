"""How a machine that is nobody yet becomes a host: join tokens, and the authority that signs the hosts' certificates.

A token is bound to a host name, is good once and for 15 minutes; the database keeps a digest only. The authority is a row,
its key sealed with the site's key, so that every control process can sign. It is not the one of the public API
(`kernel/tls.py` in the state directory): whom users trust and who may command hosts are two questions.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pileus.kernel import hosts, tls
from pileus.kernel.context import Ctx
from pileus.kernel.db.base import Text, metadata
from pileus.kernel.errors import BadRequest, Unauthorized
from pileus.kernel.join_token import HOST_NAME, JoinToken

GOOD_FOR_S = 900.0
CA_DAYS = 7300
HOST_DAYS = 1825
CONTROL_DAYS = 365
RESERVED = ".pileus"  # how no host's name ends: what the cloud itself is called
SEALED_AS = b"authority"

tokens = sa.Table(
    "join_token",
    metadata,
    sa.Column("digest", Text, primary_key=True),  # SHA-256 of the secret, hexadecimal
    sa.Column("host", Text, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("used_by", Text),  # digest of the signing request that it was used for
)

authorities = sa.Table(
    "host_authority",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("certificate", Text, nullable=False),  # PEM
    sa.Column("sealed_key", sa.LargeBinary, nullable=False),
)
THE_AUTHORITY = sa.select(authorities).where(authorities.c.id == 1)


async def create_token(ctx: Ctx, host: str) -> tuple[JoinToken, float]:
    """A new token for the host of that name, which may have joined before, and the time at which it expires.

    Raises BadRequest.
    """
    if not HOST_NAME.fullmatch(host) or host.endswith(RESERVED):
        raise BadRequest(
            f"{host!r} is no name for a host: lower case letters, digits, - and ., beginning with a letter."
        )
    ca = (await open_authority(ctx)).certificate.fingerprint(hashes.SHA256()).hex()
    token = JoinToken(host, secrets.token_urlsafe(32), ca)
    async with ctx.transaction() as tx:
        now = tx.now()
        await tx.execute(tokens.delete().where(tokens.c.expires_at < now))
        row = {"digest": token.digest, "host": host, "expires_at": now + GOOD_FOR_S, "used_by": None}
        await tx.execute(tokens.insert(), row)
    return token, now + GOOD_FOR_S


async def join(ctx: Ctx, ca: tls.Ca, secret: str, request: str, *, address: str) -> tuple[str, bytes]:
    """Trade a token and a signing request (PEM) for the host's name and certificate (PEM).

    The token is used up for every request but this one: a host that did not get the answer may ask again. The newest
    certificate of a host is the only one that speaks for it. Raises Unauthorized, BadRequest.
    """
    async with ctx.transaction() as tx:
        name = await use_token(tx, secret, digest(request))
        certificate = certify(ca, name, request)
        serial = serial_of(x509.load_pem_x509_certificate(certificate))
        await hosts.join(tx, name, serial=serial, address=address)
    return name, certificate


def certify(ca: tls.Ca, name: str, request: str) -> bytes:
    """A certificate of that name for the key of the request (both PEM); by itself it speaks for no host. Raises BadRequest."""
    try:
        return tls.issue_for(ca, request.encode(), [name], HOST_DAYS, client=True)
    except tls.TlsError as e:
        raise BadRequest(f"The signing request cannot be used: {e}.") from e


async def use_token(ctx: Ctx, secret: str, used_by: str) -> str:
    """The name of the host that the token is for."""
    good = sa.and_(tokens.c.digest == digest(secret), tokens.c.expires_at >= ctx.now())
    unused = sa.or_(tokens.c.used_by.is_(None), tokens.c.used_by == used_by)
    used = await ctx.execute(tokens.update().where(good, unused).values(used_by=used_by))
    if used.rowcount != 1:
        raise Unauthorized("The join token is unknown, used up or too old; make a new one: pileus host token NAME")
    return str((await ctx.execute(sa.select(tokens.c.host).where(tokens.c.digest == digest(secret)))).scalar_one())


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def serial_of(certificate: x509.Certificate) -> str:
    """The serial number as rows hold it."""
    return f"{certificate.serial_number:x}"


async def open_authority(ctx: Ctx) -> tls.Ca:
    """The authority of the hosts; the first to ask makes it. Raises SealError when the site key is another."""
    async with ctx.transaction() as tx:
        await tx.lock("authority", 1)
        row = (await tx.execute(THE_AUTHORITY)).one_or_none()
        if row is None:
            certificate, key = tls.new_authority("Pileus hosts", CA_DAYS)
            pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
            sealed = tx.world.seal.seal(tls.pem_of(key), place=SEALED_AS)
            await tx.execute(authorities.insert(), {"id": 1, "certificate": pem, "sealed_key": sealed})
        else:
            certificate = x509.load_pem_x509_certificate(row.certificate.encode())
            loaded = serialization.load_pem_private_key(tx.world.seal.open(row.sealed_key, place=SEALED_AS), None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)  # what we sealed above
            key = loaded
    return tls.Ca(certificate, key, Path())


def control_chain(ca: tls.Ca, name: str) -> bytes:
    """A fresh certificate and key (PEM) with which a control process listens to agents and commands them."""
    certificate, key = tls.issue(ca, [name], CONTROL_DAYS, client=True)
    return certificate + key
