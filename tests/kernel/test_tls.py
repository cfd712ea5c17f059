"""The cloud's own certificates, proven by real handshakes."""

from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from pileus.kernel import tls


@pytest.fixture
def ca(tmp_path: Path) -> tls.Ca:
    return tls.ensure_ca(tmp_path / "ca")


def files(directory: Path, certificate: bytes, key: bytes) -> tuple[Path, Path]:
    directory.mkdir()
    tls.write(directory / "c.pem", certificate, 0o644)
    tls.write(directory / "c.key", key, 0o600)
    return directory / "c.pem", directory / "c.key"


async def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """The name of the client as the server sees it ("" without a certificate). Raises what the client got."""
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        seen.set_result(tls.peer_name(der) if der else "")
        writer.write(b"!")
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        try:
            if await reader.read(1) != b"!":
                raise ConnectionError("the server hung up")
        finally:
            writer.close()
            await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
        return await seen


@pytest.mark.parametrize("name", ["cloud.example", "127.0.0.1", "::1"])
async def test_a_client_that_trusts_the_ca_reaches_a_server_by_its_names(ca: tls.Ca, tmp_path: Path, name: str) -> None:
    certificate, key = files(tmp_path / "s", *tls.issue(ca, ["cloud.example", "127.0.0.1", "::1"], 30))
    assert await shake_hands(tls.server_context(certificate, key), tls.client_context(ca.path), name) == ""


async def test_another_name_is_refused(ca: tls.Ca, tmp_path: Path) -> None:
    certificate, key = files(tmp_path / "s", *tls.issue(ca, ["cloud.example"], 30))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'other\.example'"):
        await shake_hands(tls.server_context(certificate, key), tls.client_context(ca.path), "other.example")


async def test_another_ca_is_refused(ca: tls.Ca, tmp_path: Path) -> None:
    other = tls.ensure_ca(tmp_path / "other")
    certificate, key = files(tmp_path / "s", *tls.issue(other, ["cloud.example"], 30))
    with pytest.raises(ssl.SSLCertVerificationError):
        await shake_hands(tls.server_context(certificate, key), tls.client_context(ca.path), "cloud.example")


async def test_mutual_tls_names_the_host_whose_key_never_left_it(ca: tls.Ca, tmp_path: Path) -> None:
    server = tls.server_context(*files(tmp_path / "s", *tls.issue(ca, ["control"], 30)), clients_of=ca.path)
    asked, key = tls.request("pretender")
    certificate = tls.issue_for(ca, asked, ["host-1"], 30, client=True)
    client = tls.client_context(ca.path, *files(tmp_path / "c", certificate, key))
    assert await shake_hands(server, client, "control") == "host-1"


@pytest.mark.parametrize("kind", ["none", "of another CA", "for servers only"])
async def test_mutual_tls_refuses_who_has_no_client_certificate_of_the_ca(
    ca: tls.Ca, tmp_path: Path, kind: str
) -> None:
    server = tls.server_context(*files(tmp_path / "s", *tls.issue(ca, ["control"], 30)), clients_of=ca.path)
    if kind == "none":
        client = tls.client_context(ca.path)
    else:
        issuer = ca if kind == "for servers only" else tls.ensure_ca(tmp_path / "other")
        pair = tls.issue(issuer, ["host-1"], 30, client=kind == "of another CA")
        client = tls.client_context(ca.path, *files(tmp_path / "c", *pair))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await shake_hands(server, client, "control")


def test_the_ca_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first = tls.ensure_ca(tmp_path / "ca")
    again = tls.ensure_ca(tmp_path / "ca")
    assert again.pem == first.pem == (tmp_path / "ca" / "ca.pem").read_bytes()
    assert stat.S_IMODE((tmp_path / "ca" / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    assert sorted(p.name for p in (tmp_path / "ca").iterdir()) == ["ca.key", "ca.pem"]


def test_a_start_that_was_killed_between_key_and_certificate_begins_anew(ca: tls.Ca) -> None:
    ca.path.unlink()
    fresh = tls.ensure_ca(ca.path.parent)
    assert fresh.key.public_key() == fresh.certificate.public_key()


def test_a_ca_whose_key_does_not_fit_or_is_broken_is_refused(ca: tls.Ca) -> None:
    key_path = ca.path.with_name("ca.key")
    key_path.write_bytes(tls.pem_of(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(tls.TlsError, match="not the key of"):
        tls.ensure_ca(ca.path.parent)
    key_path.write_bytes(rsa_pem())
    with pytest.raises(tls.TlsError, match="not the key of"):
        tls.ensure_ca(ca.path.parent)
    key_path.write_text("nonsense")
    with pytest.raises(tls.TlsError, match="broken"):
        tls.ensure_ca(ca.path.parent)


def test_a_request_that_is_none_is_forged_or_is_weak_is_refused(ca: tls.Ca) -> None:
    with pytest.raises(tls.TlsError, match="no certificate signing request"):
        tls.issue_for(ca, b"hello", ["h"], 1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "h")])
    for weak in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP192R1())):
        asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(weak, hashes.SHA256())
        with pytest.raises(tls.TlsError, match="elliptic-curve"):
            tls.issue_for(ca, asked.public_bytes(serialization.Encoding.PEM), ["h"], 1)
    pem, _ = tls.request("host")
    der = bytearray(x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER))
    der[der.index(b"host")] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(tls.TlsError, match="signed by its own"):
        tls.issue_for(ca, forged, ["h"], 1)


def test_a_servers_certificate_is_kept_while_it_serves(ca: tls.Ca, tmp_path: Path) -> None:
    certificate, key = tls.ensure_server(ca, tmp_path, ["localhost", "127.0.0.1"])
    first = certificate.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    tls.ensure_server(ca, tmp_path, ["localhost", "127.0.0.1"])
    assert certificate.read_bytes() == first
    tls.ensure_server(ca, tmp_path, ["localhost"])
    assert certificate.read_bytes() != first


@pytest.mark.parametrize("trouble", ["ends soon", "of another CA", "broken", "names nothing"])
def test_a_servers_certificate_is_made_anew_when(ca: tls.Ca, tmp_path: Path, trouble: str) -> None:
    soon = datetime.now(UTC) - timedelta(days=340)
    certificate, _ = tls.issue(ca, ["localhost"], 365, now=soon)
    if trouble == "of another CA":
        certificate, _ = tls.issue(tls.ensure_ca(tmp_path / "other"), ["localhost"], 365)
    elif trouble == "broken":
        certificate = b"nonsense"
    elif trouble == "names nothing":
        key = ec.generate_private_key(ec.SECP256R1())
        builder = tls.unsigned(ca.certificate.subject, key.public_key(), 365, datetime.now(UTC))
        made = builder.issuer_name(ca.certificate.subject).sign(ca.key, hashes.SHA256())
        certificate = made.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "server.pem").write_bytes(certificate)
    assert not tls.serves(tmp_path / "server.pem", ca, ["localhost"])
    path, _ = tls.ensure_server(ca, tmp_path, ["localhost"])
    assert tls.serves(path, ca, ["localhost"])


def rsa_pem() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
