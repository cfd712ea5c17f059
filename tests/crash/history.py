"""Tenants who do at random whatever the APIs of images, networks, volumes and servers offer."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

COMPUTE, NETWORK, VOLUME, IMAGE = "/compute/v2.1", "/network/v2.0", "/volume/v3", "/image/v2"
TINY, SMALL = "42", "1"  # flavors that every cloud has, of 1 GiB each
LISTS = {
    "server": f"{COMPUTE}/servers/detail",
    "network": f"{NETWORK}/networks",
    "subnet": f"{NETWORK}/subnets",
    "port": f"{NETWORK}/ports",
    "router": f"{NETWORK}/routers",
    "floatingip": f"{NETWORK}/floatingips",
    "volume": f"{VOLUME}/volumes/detail",
    "snapshot": f"{VOLUME}/snapshots/detail",
    "image": f"{IMAGE}/images?visibility=private",
}
Document = dict[str, Any]
Deed = Callable[["Tenant"], Awaitable[None]]
DEEDS: list[Deed] = []


def deed(often: int) -> Callable[[Deed], Deed]:
    """Something that a tenant does, so often among the others."""

    def declare(do: Deed) -> Deed:
        DEEDS.extend([do] * often)
        return do

    return declare


@dataclass
class History:
    """What was done by all. `left`: so many operations are still to be asked for."""

    left: int
    up: asyncio.Event
    public: str  # the network outside
    image: str  # that everybody may boot from
    counted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # answers that no client should ever get


@dataclass
class Tenant:
    """A client of one project, who knows only what the cloud shows it."""

    http: httpx.AsyncClient
    project_id: str
    history: History
    chance: random.Random
    written: dict[str, bytes] = field(default_factory=dict)  # by path: what was acknowledged

    async def live(self) -> None:
        """Do one thing after the other until all is done. Whoever gets no answer waits until the cloud serves again."""
        while self.history.left > 0:
            try:
                await self.chance.choice(DEEDS)(self)
            except (httpx.TransportError, httpx.HTTPStatusError):
                await self.history.up.wait()

    async def act(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """One operation of the history. Raises TransportError without an answer."""
        self.history.left -= 1
        return await self.ask(method, path, **sent)

    async def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        try:
            answer = await self.http.request(method, path, **sent)
        except httpx.TransportError:
            self.history.counted["no answer"] += 1
            raise
        what = f"{method} {path.partition('?')[0]} {sent.get('json') or ''}: {answer.status_code} {answer.text[:300]}"
        if answer.status_code >= 500 and answer.status_code != 503:
            self.history.wrong.append(what)
        if method != "GET":
            self.history.counted[f"{answer.status_code // 100}xx"] += 1
        return answer

    async def every(self, kind: str) -> list[Document]:
        """Those of the project. Raises HTTPStatusError when it is not told."""
        answer = await self.ask("GET", LISTS[kind])
        answer.raise_for_status()
        found: list[Document] = answer.json()[f"{kind}s"]
        owner = {"server": "tenant_id", "image": "owner"}.get(kind, "project_id")
        return [each for each in found if each.get(owner, self.project_id) == self.project_id]

    async def one(self, kind: str) -> Document | None:
        found = await self.every(kind)
        return self.chance.choice(found) if found else None

    async def server_action(self, server: Document, body: Document) -> None:
        await self.act("POST", f"{COMPUTE}/servers/{server['id']}/action", json=body)

    def maybe(self, likely: float = 0.5) -> bool:
        return self.chance.random() < likely


# images


@deed(1)
async def upload_image(of: Tenant) -> None:
    form = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    made = await of.act("POST", f"{IMAGE}/images", json=form)
    if made.status_code == 201:
        headers = {"Content-Type": "application/octet-stream"}
        path, content = f"{IMAGE}/images/{made.json()['id']}/file", of.chance.randbytes(4096)
        if (await of.ask("PUT", path, content=content, headers=headers)).status_code == 204:
            of.written[path] = content


@deed(1)
async def delete_image(of: Tenant) -> None:
    if image := await of.one("image"):
        await of.act("DELETE", f"{IMAGE}/images/{image['id']}")


# networks


@deed(2)
async def create_network(of: Tenant) -> None:
    made = await of.act("POST", f"{NETWORK}/networks", json={"network": {"name": "n"}})
    if made.status_code == 201:
        cidr = f"10.{of.chance.randrange(256)}.{of.chance.randrange(256)}.0/24"
        subnet = {"network_id": made.json()["network"]["id"], "ip_version": 4, "cidr": cidr}
        await of.ask("POST", f"{NETWORK}/subnets", json={"subnet": subnet})


@deed(1)
async def delete_network(of: Tenant) -> None:
    if network := await of.one("network"):
        await of.act("DELETE", f"{NETWORK}/networks/{network['id']}")


@deed(2)
async def create_port(of: Tenant) -> None:
    if network := await of.one("network"):
        await of.act("POST", f"{NETWORK}/ports", json={"port": {"network_id": network["id"], "name": "p"}})


@deed(1)
async def change_port(of: Tenant) -> None:
    if port := await of.one("port"):
        changes = of.chance.choice([{"admin_state_up": not port["admin_state_up"]}, {"name": "q"}])
        await of.act("PUT", f"{NETWORK}/ports/{port['id']}", json={"port": changes})


@deed(2)
async def delete_port(of: Tenant) -> None:
    """Also one that a server has."""
    if port := await of.one("port"):
        await of.act("DELETE", f"{NETWORK}/ports/{port['id']}")


@deed(1)
async def create_router(of: Tenant) -> None:
    gateway = {"external_gateway_info": {"network_id": of.history.public}} if of.maybe(0.8) else {}
    await of.act("POST", f"{NETWORK}/routers", json={"router": {"name": "r", **gateway}})


@deed(3)
async def change_router(of: Tenant) -> None:
    router, subnet = await of.one("router"), await of.one("subnet")
    if router and subnet:
        verb = of.chance.choice(["add", "add", "remove"])
        path = f"{NETWORK}/routers/{router['id']}/{verb}_router_interface"
        await of.act("PUT", path, json={"subnet_id": subnet["id"]})


@deed(1)
async def delete_router(of: Tenant) -> None:
    if router := await of.one("router"):
        await of.act("DELETE", f"{NETWORK}/routers/{router['id']}")


@deed(2)
async def create_floating_ip(of: Tenant) -> None:
    port = await of.one("port")
    wanted = {"floating_network_id": of.history.public}
    if port and of.maybe():
        wanted["port_id"] = port["id"]
    await of.act("POST", f"{NETWORK}/floatingips", json={"floatingip": wanted})


@deed(2)
async def move_floating_ip(of: Tenant) -> None:
    floating, port = await of.one("floatingip"), await of.one("port")
    if floating:
        wanted = {"port_id": port["id"] if port and of.maybe(0.7) else None}
        await of.act("PUT", f"{NETWORK}/floatingips/{floating['id']}", json={"floatingip": wanted})


@deed(1)
async def delete_floating_ip(of: Tenant) -> None:
    if floating := await of.one("floatingip"):
        await of.act("DELETE", f"{NETWORK}/floatingips/{floating['id']}")


# volumes


@deed(3)
async def create_volume(of: Tenant) -> None:
    """Blank, or of an image, a snapshot or another volume."""
    volume, snapshot = await of.one("volume"), await of.one("snapshot")
    sources: list[Document] = [{}, {"imageRef": of.history.image}]
    sources += [{"snapshot_id": snapshot["id"], "size": snapshot["size"]}] if snapshot else []
    sources += [{"source_volid": volume["id"], "size": volume["size"]}] if volume else []
    await of.act("POST", f"{VOLUME}/volumes", json={"volume": {"size": 1, **of.chance.choice(sources)}})


@deed(1)
async def extend_volume(of: Tenant) -> None:
    if volume := await of.one("volume"):
        body = {"os-extend": {"new_size": volume["size"] + 1}}
        await of.act("POST", f"{VOLUME}/volumes/{volume['id']}/action", json=body)


@deed(2)
async def delete_volume(of: Tenant) -> None:
    if volume := await of.one("volume"):
        await of.act("DELETE", f"{VOLUME}/volumes/{volume['id']}?cascade={of.maybe(0.3)}")


@deed(2)
async def create_snapshot(of: Tenant) -> None:
    if volume := await of.one("volume"):
        body = {"snapshot": {"volume_id": volume["id"], "force": True}}
        await of.act("POST", f"{VOLUME}/snapshots", json=body, headers={"OpenStack-API-Version": "volume 3.59"})


@deed(1)
async def delete_snapshot(of: Tenant) -> None:
    if snapshot := await of.one("snapshot"):
        await of.act("DELETE", f"{VOLUME}/snapshots/{snapshot['id']}")


# servers


@deed(8)
async def create_server(of: Tenant) -> None:
    networks = [{"uuid": each["id"]} for each in await of.every("network")]
    ports = [{"port": each["id"]} for each in await of.every("port") if not each["device_id"]]
    nics = of.chance.sample(networks + ports, min(len(networks + ports), of.chance.randrange(3)))
    wanted: Document = {"name": f"{of.chance.getrandbits(24):06x}", "flavorRef": TINY, "networks": nics or "none"}
    if of.maybe(0.7):
        wanted["imageRef"] = of.history.image
    else:
        root = {"uuid": of.history.image, "source_type": "image", "destination_type": "volume", "volume_size": 1}
        root |= {"boot_index": 0, "delete_on_termination": of.maybe()}
        wanted["block_device_mapping_v2"] = [root]
    await of.act("POST", f"{COMPUTE}/servers", json={"server": wanted})


@deed(3)
async def delete_server(of: Tenant) -> None:
    if server := await of.one("server"):
        await of.act("DELETE", f"{COMPUTE}/servers/{server['id']}")


@deed(14)
async def change_server(of: Tenant) -> None:
    """Mostly what its state allows."""
    server = await of.one("server")
    if not server:
        return
    allowed = {
        "SHUTOFF": [{"os-start": None}, {"reboot": {"type": "HARD"}}],
        "PAUSED": [{"unpause": None}],
        "SUSPENDED": [{"resume": None}],
        "RESCUE": [{"unrescue": None}],
        "VERIFY_RESIZE": [{"confirmResize": None}, {"revertResize": None}],
        "ERROR": [{"reboot": {"type": "HARD"}}, {"rebuild": {"imageRef": of.history.image}}],
    }
    flavor = SMALL if server["flavor"]["original_name"] != "m1.tiny" else TINY
    running: list[Document] = [
        {"os-stop": None},
        {"reboot": {"type": "SOFT"}},
        {"reboot": {"type": "HARD"}},
        {"pause": None},
        {"suspend": None},
        {"rescue": None},
        {"rebuild": {"imageRef": of.history.image}},
        {"resize": {"flavorRef": flavor}},
        {"resize": {"flavorRef": flavor}},
        {"createImage": {"name": "s"}},
    ]
    await of.server_action(server, of.chance.choice(allowed.get(server["status"], running)))


@deed(4)
async def attach_volume(of: Tenant) -> None:
    server, free = await of.one("server"), [v for v in await of.every("volume") if v["status"] == "available"]
    if server and free:
        body = {"volumeAttachment": {"volumeId": of.chance.choice(free)["id"]}}
        await of.act("POST", f"{COMPUTE}/servers/{server['id']}/os-volume_attachments", json=body)


@deed(2)
async def detach_volume(of: Tenant) -> None:
    used = [(each, volume) for volume in await of.every("volume") for each in volume["attachments"]]
    if used:
        attachment, volume = of.chance.choice(used)
        path = f"{COMPUTE}/servers/{attachment['server_id']}/os-volume_attachments/{volume['id']}"
        await of.act("DELETE", path)


@deed(3)
async def attach_interface(of: Tenant) -> None:
    server, network = await of.one("server"), await of.one("network")
    free = [port["id"] for port in await of.every("port") if not port["device_id"]]
    if server and network:
        wanted = {"port_id": of.chance.choice(free)} if free and of.maybe() else {"net_id": network["id"]}
        path = f"{COMPUTE}/servers/{server['id']}/os-interface"
        await of.act("POST", path, json={"interfaceAttachment": wanted})


@deed(2)
async def detach_interface(of: Tenant) -> None:
    used = [port for port in await of.every("port") if port["device_owner"] == "compute:nova"]
    if used:
        port = of.chance.choice(used)
        await of.act("DELETE", f"{COMPUTE}/servers/{port['device_id']}/os-interface/{port['id']}")
