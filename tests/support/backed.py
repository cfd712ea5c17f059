"""Servers that run from volumes, and what is looked at of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.engines.hypervisor import DomainFacts
from pileus.engines.troubles import Trouble
from support.cloud import Client, RunningCloud
from support.computed import at
from support.imaged import uploaded
from support.served import SERVERS, TINY

VOLUMES, SNAPSHOTS = "/volume/v3/volumes", "/volume/v3/snapshots"
NEWEST = at("2.104")


class Backed:
    """A server of a member, and what it runs from."""

    def __init__(self, cloud: RunningCloud, client: Client) -> None:
        self.cloud, self.client = cloud, client
        self.id = ""

    async def made(self, devices: list[dict[str, Any]], **more: Any) -> Backed:
        body = {"name": "bfv", "flavorRef": TINY, "networks": "none", **more}
        if devices:
            body["block_device_mapping_v2"] = devices
        answer = await self.client.post(SERVERS, json={"server": body}, headers=NEWEST)
        assert answer.status_code == 202, answer.text
        self.id = answer.json()["server"]["id"]
        await self.cloud.settle()
        return self

    async def shown(self) -> dict[str, Any]:
        return dict((await self.client.get(f"{SERVERS}/{self.id}", headers=NEWEST)).json()["server"])

    async def act(self, name: str, body: Any, version: str = "2.104") -> Any:
        path = f"/compute/v2.1/servers/{self.id}/action"
        return await self.client.post(path, json={name: body}, headers=at(version))

    async def volumes(self) -> list[dict[str, Any]]:
        """In the order of its disks."""
        ids = [each["id"] for each in (await self.shown())["os-extended-volumes:volumes_attached"]]
        return [(await self.client.get(f"{VOLUMES}/{id_}")).json()["volume"] for id_ in ids]

    async def guest(self) -> DomainFacts:
        found = {}
        for host in ("h1", "h2"):
            found |= await self.cloud.world.engine("hypervisor", host).observe()
        return found[UUID(self.id)]


async def from_an_image(
    cloud: RunningCloud, *beside: dict[str, Any], volume_type: str | None = None, **more: Any
) -> tuple[Backed, str]:
    """A server whose root is made of an image; and that."""
    member = cloud.as_("member")
    image_id = str((await uploaded(member, hw_vif_model="e1000"))["id"])
    root = {"uuid": image_id, "source_type": "image", "destination_type": "volume", "volume_size": 1, "boot_index": 0}
    root |= {"delete_on_termination": True, "volume_type": volume_type}
    server = await Backed(cloud, member).made([root, *beside], **more)
    assert (await server.shown())["status"] == "ACTIVE"
    return server, image_id


def trouble(cloud: RunningCloud, kind: str, verb: str) -> None:
    for host in ("h1", "h2"):
        cloud.world.rims[kind, host]._behind.troubles.add(Trouble(kind="fail", cause="no way"), verb=verb)


async def snapshots(client: Client) -> list[dict[str, Any]]:
    return list((await client.get(f"{SNAPSHOTS}/detail")).json()["snapshots"])
