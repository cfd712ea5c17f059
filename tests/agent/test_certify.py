"""The host beside the control plane has a certificate as the others have, by which they know each other; no rights come with it."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from agent.control_plane import ControlPlane
from pileus.agent import certificates, join
from pileus.agent.control import listen_to_local
from pileus.kernel.errors import Unavailable


async def test_it_is_of_the_authority_of_the_hosts_and_has_the_name_of_the_machine(
    plane: ControlPlane, tmp_path: Path
) -> None:
    path = tmp_path / "control.sock"
    server = await listen_to_local(plane.ctx, plane.hosts, path, "here", agent=os.geteuid())
    try:
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
            (tmp_path / "state").mkdir()
            identity = await join.certify(tmp_path / "state", "whatever it calls itself", client)
    finally:
        await server.stop(1.0)
    async with httpx.AsyncClient(base_url=plane.url, verify=False) as stranger:
        assert identity.ca == (await stranger.get("/agent/v1/ca")).content
    certificate = x509.load_pem_x509_certificate(identity.chain)
    assert certificate.subject.rfc4514_string() == "CN=here"
    folder = certificates.ensure(tmp_path / "state", "here", identity, tmp_path)
    assert (folder / "ca-cert.pem").read_bytes() == identity.ca


async def test_a_machine_elsewhere_joins_by_a_token(plane: ControlPlane, tmp_path: Path) -> None:
    async with httpx.AsyncClient(base_url=plane.url, verify=False) as stranger:
        with pytest.raises(Unavailable, match="token"):
            await join.certify(tmp_path, "one", stranger)
