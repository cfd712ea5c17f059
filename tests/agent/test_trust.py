"""TLS between machines: both ends show a certificate of the cloud that is good today, by TLS 1.3, or hear nothing."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from agent.control_plane import ControlPlane, agent, identity
from pileus.agent import join, tls, wire
from pileus.agent.client import Agent
from pileus.engines.hypervisor import Hypervisor
from pileus.kernel import hosts, joins
from pileus.kernel import tls as kernel_tls
from pileus.kernel.errors import Unavailable

pytestmark = pytest.mark.database("sqlite")

LEASE = msgspec.json.encode(wire.Lease(address="10.0.0.1:1", versions={}))


def chain(authority: kernel_tls.Ca, name: str, *, days_ago: float = 0) -> bytes:
    """A certificate and its key, PEM, made so long ago for a day."""
    made = datetime.now(UTC) - timedelta(days=days_ago)
    certificate, key = kernel_tls.issue(authority, [name], 1, client=True, now=made)
    return certificate + key


async def another_authority() -> kernel_tls.Ca:
    certificate, key = kernel_tls.new_authority("Pileus hosts", 1)
    return kernel_tls.Ca(certificate, key, Path())


async def commands(plane: ControlPlane, address: str, context: ssl.SSLContext) -> None:
    """As the control plane does. Raises Unavailable."""
    it = Agent("one", address, context)
    try:
        await it.engine(Hypervisor).observe()  # type: ignore[type-abstract]
    finally:
        await it.close()


async def posts(plane: ControlPlane, context: ssl.SSLContext) -> int:
    """As a host does; the status. Raises httpx.TransportError."""
    async with join.connection(context, plane.url) as client:
        return (await client.post("/agent/v1/lease", content=LEASE, extensions=join.EXPECT)).status_code


async def test_neither_end_speaks_an_older_tls(plane: ControlPlane, tmp_path: Path) -> None:
    async with agent(plane, tmp_path, "one") as running:
        await commands(plane, running.address, plane.context)
        for context in (plane.context, identity(tmp_path, "one").client_context()):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(Unavailable):
            await commands(plane, running.address, plane.context)
        old = identity(tmp_path, "one").client_context()
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(httpx.TransportError):
            await posts(plane, old)


@pytest.mark.parametrize("trouble", ["of another authority", "that has ended"])
async def test_an_agent_takes_no_certificate(plane: ControlPlane, tmp_path: Path, trouble: str) -> None:
    """Though it has the control plane's name."""
    authority = await joins.open_authority(plane.ctx)
    async with agent(plane, tmp_path, "one") as running:
        shown = {
            "of another authority": chain(await another_authority(), tls.CONTROL_NAME),
            "that has ended": chain(authority, tls.CONTROL_NAME, days_ago=2),
        }[trouble]
        with pytest.raises(Unavailable):
            await commands(plane, running.address, tls.client_context(shown, authority.pem))


@pytest.mark.parametrize("trouble", ["of another authority", "that has ended"])
async def test_the_control_plane_takes_no_certificate(plane: ControlPlane, tmp_path: Path, trouble: str) -> None:
    authority = await joins.open_authority(plane.ctx)
    shown = {
        "of another authority": chain(await another_authority(), "one"),
        "that has ended": chain(authority, "one", days_ago=2),
    }[trouble]
    with pytest.raises(httpx.TransportError):
        await posts(plane, tls.client_context(shown, authority.pem))


@pytest.mark.parametrize("trouble", ["of another authority", "that has ended"])
async def test_a_host_believes_no_control_plane(plane: ControlPlane, tmp_path: Path, trouble: str) -> None:
    """And the control plane no agent: each verifies who it connects to."""
    authority, another = await joins.open_authority(plane.ctx), await another_authority()
    async with agent(plane, tmp_path, "one") as running:
        own = identity(tmp_path, "one")
        trusts = tls.client_context(own.chain, another.pem)
        if trouble == "of another authority":
            with pytest.raises(httpx.TransportError):
                await posts(plane, trusts)
            with pytest.raises(Unavailable):
                await commands(plane, running.address, tls.client_context(None, another.pem))
            return
        ended = tls.server_context(chain(authority, tls.CONTROL_NAME, days_ago=2), authority.pem, strangers=True)
        left, right = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = ended.wrap_bio(left, right, server_side=True)
        client = own.client_context().wrap_bio(right, left, server_hostname=tls.CONTROL_NAME)
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            for end in (client, server, client):
                shaken(end)


def shaken(end: ssl.SSLObject) -> None:
    """As far as it comes without another word of the other end."""
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return


async def test_a_host_that_was_deleted_is_nobody(plane: ControlPlane, tmp_path: Path) -> None:
    """Its certificate is good for years; what it says counts as a stranger's at once."""
    async with agent(plane, tmp_path, "one"):
        own = identity(tmp_path, "one").client_context()
        assert await posts(plane, own) == 200
        await hosts.fence(plane.ctx, "one")
        assert await posts(plane, own) == 200  # heard, and given nothing
        assert not (await hosts.get(plane.ctx, "one")).usable
        await hosts.delete(plane.ctx, "one")
        assert await posts(plane, own) == 401
