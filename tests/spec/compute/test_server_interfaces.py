"""Interfaces of servers that are there."""

from __future__ import annotations

from uuid import uuid4

from support.cloud import RunningCloud
from support.served import made


async def test_a_server_without_interfaces_lists_none(cloud: RunningCloud) -> None:
    server = await made(cloud)
    path = f"/compute/v2.1/servers/{server.id}/os-interface"
    one = f"/compute/v2.1/servers/{server.id}/os-interface/{uuid4()}"
    assert (await cloud.get(path)).json() == {"interfaceAttachments": []}
    assert (await cloud.get(one)).status_code == (await cloud.delete(one)).status_code == 404
    both = {"interfaceAttachment": {"net_id": str(uuid4()), "port_id": str(uuid4())}}
    assert (await cloud.post(path, json=both)).status_code == 400
    lone = {"interfaceAttachment": {"fixed_ips": [{"ip_address": "10.0.0.5"}]}}
    assert (await cloud.post(path, json=lone)).status_code == 400
