"""Whether a port's device works: what the overlay tells counts, when it tells, and when it could not."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.hearing import tell
from pileus.engines.overlay import Overlay, Port
from pileus.engines.overlay.sim import SimOverlay
from pileus.engines.rim import Rim
from pileus.engines.verbs import Change, Done
from pileus.kernel.operations import Op, Seam, Worker
from pileus.services.network.ports import devices
from support.cloud import RunningCloud
from support.networks import network, port

PORTS = "/network/v2.0/ports"
HIGH = 10**9


async def bound(cloud: RunningCloud) -> dict[str, str]:
    """A port that works."""
    network_id, _ = await network(cloud)
    made = await port(cloud, network_id)
    await cloud.put(f"{PORTS}/{made['id']}", json={"port": {"binding:host_id": "h1"}})
    await cloud.settle()
    assert await status(cloud, made["id"]) == "ACTIVE"
    return dict(made)


async def status(cloud: RunningCloud, port_id: str) -> str:
    return str((await cloud.get(f"{PORTS}/{port_id}")).json()["port"]["status"])


async def test_what_was_told_and_got_lost_is_asked_for(cloud: RunningCloud) -> None:
    made, home = await bound(cloud), cloud.world.state / "hosts" / "h1" / "overlay"
    clock = cloud.world.clock
    silent = Rim(Overlay, SimOverlay(home, clock), home / "rim", clock)
    unplugged = Port(id=UUID(made["id"]), network_id=UUID(made["network_id"]), mac=made["mac_address"], host=None)
    assert isinstance(await silent.engine.ensure_port(unplugged, fence=HIGH), Done)  # type: ignore[attr-defined]
    assert await status(cloud, made["id"]) == "ACTIVE"
    await devices.ask(cloud.ctx(), "h1")
    assert await status(cloud, made["id"]) == "DOWN"


async def test_what_is_told_while_the_port_is_changed_is_not_forgotten(cloud: RunningCloud) -> None:
    """The overlay answered that it works, and then told that it does no more."""
    made = await bound(cloud)

    async def pull(seam: Seam, op: Op) -> None:
        if op.subject_id == UUID(made["id"]) and (seam.step, seam.when) == ("apply", "after"):
            await tell(cloud.ctx(), [Change("overlay", "port_down", made["id"], Done())])

    await cloud.put(f"{PORTS}/{made['id']}", json={"port": {"security_groups": []}})
    await Worker(cloud.ctx(), seam=pull).drain()
    assert await status(cloud, made["id"]) == "DOWN"
