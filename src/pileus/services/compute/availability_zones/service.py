"""Availability zones: what there is follows from the hosts and their aggregates; nothing is kept."""

from __future__ import annotations

import msgspec

from pileus.kernel.context import Ctx
from pileus.services.compute.aggregates import service as aggregates
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.hypervisors.service import Hypervisor

__all__ = ["Zone", "list_"]


class Zone(msgspec.Struct, frozen=True):
    """A zone and those of its hosts that are enabled; it is available when there are some."""

    name: str
    hosts: tuple[Hypervisor, ...]

    @property
    def available(self) -> bool:
        return bool(self.hosts)


async def list_(ctx: Ctx) -> list[Zone]:
    """The zones that hosts are in: first those that are available, each kind by name."""
    async with ctx.read() as ctx:
        hosts = await hypervisors.list_(ctx)
        zones = await aggregates.zones_of(ctx, [host.name for host in hosts])
    enabled: dict[str, list[Hypervisor]] = {zone: [] for zone in zones.values()}
    for host in hosts:
        if host.enabled:
            enabled[zones[host.name]].append(host)
    found = [Zone(name, tuple(among)) for name, among in enabled.items()]
    return sorted(found, key=lambda zone: (not zone.available, zone.name))
