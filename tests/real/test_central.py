"""A cloud of `pileus serve` processes, whose overlay is on a host that joined."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cli.conftest import PILEUS, pileus
from crash.datacentre import AGENTS, CONTROL_IP, OVERLAY, comes_true, datacentre, send
from support.pages import block_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(300), pytest.mark.xdist_group("real")]


async def test_a_host_that_joined_holds_the_overlay_of_a_cloud(workshop: Path) -> None:
    """Started again by the command of the operator guide, as it is in a network namespace and not where hosts listen."""
    home = workshop / "j"
    home.mkdir()
    async with datacentre(home, hosts=1) as cloud:
        [host] = cloud.hosts
        own, address = cloud.net.hosts[host.name], cloud.net.ip(host.name)
        here = {"--state a1": f"--state {host.state}", "192.0.2.1:9998": f"{CONTROL_IP}:{AGENTS}"}
        here |= {"192.0.2.1:6642": f"{address}:{OVERLAY}", "eth1=172.31.0.1/24": cloud.net.tunnel(host.name)}
        [[_, *typed]] = block_of("docs/operator-guide.md", "--central").here(here).commands()
        part = cloud.parts[host.name]
        part.words = [*part.words[: part.words.index(str(PILEUS)) + 1], *typed, "--netns", own]
        part.words += ["--listen", f"{address}:{AGENTS}"]
        assert part.popen is not None
        send(before := part.popen.pid, signal.SIGKILL)
        await comes_true(lambda: host.agent() not in (None, before))
        async with await cloud.client() as http:
            made = await http.post("/network/v2.0/networks", json={"network": {"name": "inside"}})
            assert made.status_code == 201, made.text
        await comes_true(lambda: pileus("verify", "--state", cloud.state).returncode == 0, within_s=60)
