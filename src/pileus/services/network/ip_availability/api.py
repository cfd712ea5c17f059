"""/v2.0/network-ip-availabilities"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.kernel.http.queries import integer
from pileus.services.network.http import api, links, only, owned
from pileus.services.network.ip_availability import service
from pileus.services.network.ip_availability.service import Availability
from pileus.services.network.networks import service as networks

RENAMED = {"network_id": "id", "network_name": "name"}
KEY = "network_ip_availabilities"


def shown(found: Availability) -> dict[str, Any]:
    below = [
        {
            "subnet_id": subnet.id,
            "subnet_name": subnet.name,
            "cidr": subnet.cidr,
            "ip_version": subnet.ip_version,
            "total_ips": number(total),
            "used_ips": used,
        }
        for subnet, total, used in found.subnets
    ]
    return {
        "network_id": found.network.id,
        "network_name": found.network.name,
        **owned(found.network.project_id),
        "total_ips": number(found.total),
        "used_ips": found.used,
        "subnet_ip_availability": below,
    }


def number(value: int) -> msgspec.Raw:
    """IPv6 subnets have more addresses than fit into 64 bits."""
    return msgspec.Raw(str(value).encode())


@api.get("/v2.0/network-ip-availabilities", rule="get_network_ip_availability")
async def list_availabilities(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    asked = {RENAMED.get(name, name): values for name, values in query.items() if name != "ip_version"}
    version = integer("ip_version", query["ip_version"][-1]) if "ip_version" in query else None
    found = await networks.page(ctx, asked)
    documents = [shown(each) for each in await service.of(ctx, found.items, version)]
    return {KEY: [only(query, each) for each in documents], **links(here, KEY, found)}


@api.get("/v2.0/network-ip-availabilities/{network_id}", rule="get_network_ip_availability")
async def show_availability(ctx: Ctx, network_id: UUID, query: Query) -> dict[str, Any]:
    (found,) = await service.of(ctx, [await networks.get(ctx, network_id)])
    return {"network_ip_availability": only(query, shown(found))}
