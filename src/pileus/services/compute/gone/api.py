"""Paths that Compute had and does not have any more. Who may ask at all is told so: 410."""

from __future__ import annotations

from collections.abc import Sequence

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Gone
from pileus.services.compute.http import api

RULE = "pileus:compute:gone"
PATHS: dict[str, Sequence[str]] = {
    "os-agents": ("GET", "POST"),
    "os-agents/{gone_id}": ("PUT", "DELETE"),
    "os-cells": ("GET", "POST"),
    "os-cells/capacities": ("GET",),
    "os-cells/detail": ("GET",),
    "os-cells/info": ("GET",),
    "os-cells/sync_instances": ("POST",),
    "os-cells/{gone_id}": ("GET", "PUT", "DELETE"),
    "os-cells/{gone_id}/capacities": ("GET",),
    "os-certificates": ("POST",),
    "os-certificates/{gone_id}": ("GET",),
    "os-cloudpipe": ("GET", "POST"),
    "os-cloudpipe/{gone_id}": ("PUT",),
    "os-fixed-ips/{gone_id}": ("GET",),
    "os-fixed-ips/{gone_id}/action": ("POST",),
    "os-floating-ip-dns": ("GET",),
    "os-floating-ip-dns/{gone_id}": ("PUT", "DELETE"),
    "os-floating-ip-dns/{gone_id}/entries/{gone_name}": ("GET", "PUT", "DELETE"),
    "os-floating-ips-bulk": ("GET", "POST"),
    "os-floating-ips-bulk/{gone_id}": ("GET", "PUT"),
    "os-fping": ("GET",),
    "os-fping/{gone_id}": ("GET",),
    "os-networks": ("POST",),
    "os-networks/add": ("POST",),
    "os-networks/{network_id}": ("DELETE",),
    "os-networks/{network_id}/action": ("POST",),
    "os-security-group-default-rules": ("GET", "POST"),
    "os-security-group-default-rules/{gone_id}": ("GET", "DELETE"),
    "os-tenant-networks": ("POST",),
    "os-tenant-networks/{network_id}": ("DELETE",),
}


async def tell(ctx: Ctx) -> None:
    raise Gone("This resource is no longer available. No forwarding address is given.")


for path, methods in PATHS.items():
    for method in methods:
        api.route(method, f"/v2.1/{path}", rule=RULE)(tell)
