"""A cloud as a process of its own: Identity, our own API and the demonstration, on a real socket and a real database.

    python -m support.demo_site STATE DATABASE_URL [api[=PORT]] [worker] [hosts]      (with tests/ on the path)

For benchmarks and crash tests. Writes STATE/site.json (url, pid) when it serves, and ends cleanly on SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import uvloop

from demo import service as demo
from pileus.cli.process import settle_memory
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.rim import Rim
from pileus.kernel.config import Config, DatabaseOptions, Identity, Operations
from pileus.kernel.http.server import Listener, Server
from pileus.services.identity.bootstrap import bootstrap
from pileus.world import Cloud, open_cloud
from support import site_api

PASSWORD = "only for tests"
LEASE_S = 3.0
JOB_S = 0.05
HOSTS = 2


def configuration(state: Path, url: str) -> Config:
    return Config(
        state=str(state),
        database=DatabaseOptions(url=url),
        identity=Identity(bcrypt_rounds=4),
        operations=Operations(lease_s=LEASE_S, poll_s=0.2, host_lease_s=LEASE_S),
    )


def take_time(cloud: Cloud) -> None:
    """Copies are jobs of the simulated hosts, so that a kill finds some under way."""
    for kind, name in [key for key in cloud.rims if key[0] == Hypervisor.KIND]:
        home = cloud.state / "hosts" / name
        engine = SimHypervisor(home, cloud.clock, delays_s={"ensure_disks": JOB_S})
        cloud.rims[kind, name] = Rim(Hypervisor, engine, home / "rim", cloud.clock, changed=cloud.job_ended)


async def serve(state: Path, url: str, *, port: int | None, work: bool, hosts: int) -> None:
    """`port` None: no API; 0: any. `hosts`: so many simulated ones are in this process."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    services, policies = [demo.api, site_api.api], {**demo.POLICIES, **site_api.POLICIES}
    config = configuration(state, url)
    cloud = await open_cloud(config, simulate_hosts=hosts, services=services, policies=policies)
    take_time(cloud)
    await cloud.start(work=work)
    if port is not None:
        await bootstrap(cloud.ctx, PASSWORD)
        server = Server(cloud.app, config.http, [Listener(port=port)])
        ((host, bound),) = await server.start()
        settle_memory()
        tell(state, f"http://{host}:{bound}")
        await ended.wait()
        await server.stop(1.0)
    await ended.wait()
    await cloud.stop()


def tell(state: Path, url: str) -> None:
    """Where it serves, in one rename: a reader sees all of it or nothing."""
    draft = state / f"site.{os.getpid()}"
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    draft.rename(state / "site.json")


if __name__ == "__main__":
    roles = dict(word.partition("=")[::2] for word in sys.argv[3:])
    port = int(roles["api"] or 0) if "api" in roles else None
    work = "worker" in roles
    hosts = HOSTS if work or "hosts" in roles else 0
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2], port=port, work=work, hosts=hosts))
