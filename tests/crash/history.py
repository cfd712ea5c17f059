"""Tenants who do at random whatever the APIs of images, networks, volumes and servers offer."""

from __future__ import annotations

from collections.abc import Callable

from crash.tenants import COMPUTE, IMAGE, NETWORK, SMALL, TINY, VOLUME, Deed, Document, Tenant
from support.computed import PUBLIC_KEY

DEEDS: list[Deed] = []


def deed(often: int) -> Callable[[Deed], Deed]:
    """Something that a tenant does, so often among the others."""

    def declare(do: Deed) -> Deed:
        DEEDS.extend([do] * often)
        return do

    return declare


def name(of: Tenant) -> str:
    """One that nothing else has."""
    return f"{of.chance.getrandbits(48):012x}"


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
async def import_image(of: Tenant) -> None:
    """Its bytes come first, and are looked at later."""
    made = await of.act("POST", f"{IMAGE}/images", json={"name": "i", "disk_format": "raw", "container_format": "bare"})
    if made.status_code == 201:
        path, headers = f"{IMAGE}/images/{made.json()['id']}", {"Content-Type": "application/octet-stream"}
        staged = await of.ask("PUT", f"{path}/stage", content=of.chance.randbytes(4096), headers=headers)
        if staged.is_success:
            await of.ask("POST", f"{path}/import", json={"method": {"name": "glance-direct"}})


@deed(1)
async def rename_image(of: Tenant) -> None:
    if image := await of.one("image"):
        renamed = [{"op": "replace", "path": "/name", "value": name(of)}]
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        await of.act("PATCH", f"{IMAGE}/images/{image['id']}", json=renamed, headers=headers)


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
async def describe(of: Tenant) -> None:
    """A network, a subnet, a router or a security group."""
    kind = of.chance.choice(["network", "subnet", "router", "security_group"])
    if found := await of.one(kind):
        changes = {of.chance.choice(["name", "description"]): name(of)}
        await of.act("PUT", f"{NETWORK}/{kind.replace('_', '-')}s/{found['id']}", json={kind: changes})


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
        changes = of.chance.choice([{"admin_state_up": not port["admin_state_up"]}, {"name": name(of)}])
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


@deed(1)
async def create_security_group(of: Tenant) -> None:
    made = await of.act("POST", f"{NETWORK}/security-groups", json={"security_group": {"name": "g"}})
    if made.status_code == 201:
        rule = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
        rule |= {"security_group_id": made.json()["security_group"]["id"]}
        await of.ask("POST", f"{NETWORK}/security-group-rules", json={"security_group_rule": rule})


@deed(1)
async def give_port_group(of: Tenant) -> None:
    port, group = await of.one("port"), await of.one("security_group")
    if port and group:
        await of.act("PUT", f"{NETWORK}/ports/{port['id']}", json={"port": {"security_groups": [group["id"]]}})


@deed(1)
async def delete_security_group(of: Tenant) -> None:
    if group := await of.one("security_group"):
        await of.act("DELETE", f"{NETWORK}/security-groups/{group['id']}")


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


@deed(1)
async def change_volume(of: Tenant) -> None:
    if volume := await of.one("volume"):
        path = f"{VOLUME}/volumes/{volume['id']}"
        if of.maybe():
            await of.act("PUT", path, json={"volume": {of.chance.choice(["name", "description"]): name(of)}})
        else:
            await of.act("POST", f"{path}/metadata", json={"metadata": {"k": name(of)}})


@deed(1)
async def begin_transfer(of: Tenant) -> None:
    """Mostly ended at once: the volume comes back to its owner."""
    if volume := await of.one("volume"):
        made = await of.act("POST", f"{VOLUME}/volume-transfers", json={"transfer": {"volume_id": volume["id"]}})
        if made.status_code == 202 and of.maybe(0.7):
            transfer = made.json()["transfer"]
            accept = {"accept": {"auth_key": transfer["auth_key"]}}
            await of.ask("POST", f"{VOLUME}/volume-transfers/{transfer['id']}/accept", json=accept)


@deed(1)
async def end_transfer(of: Tenant) -> None:
    if transfer := await of.one("transfer"):
        await of.act("DELETE", f"{VOLUME}/volume-transfers/{transfer['id']}")


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
    wanted: Document = {"name": name(of), "flavorRef": TINY, "networks": nics or "none"}
    if of.maybe(0.7):
        wanted["imageRef"] = of.history.image
    else:
        root = {"uuid": of.history.image, "source_type": "image", "destination_type": "volume", "volume_size": 1}
        root |= {"boot_index": 0, "delete_on_termination": of.maybe()}
        wanted["block_device_mapping_v2"] = [root]
    group = await of.one("server_group")
    hints = {"os:scheduler_hints": {"group": group["id"]}} if group else {}
    await of.act("POST", f"{COMPUTE}/servers", json={"server": wanted, **hints})


@deed(1)
async def describe_server(of: Tenant) -> None:
    if server := await of.one("server"):
        path = f"{COMPUTE}/servers/{server['id']}"
        if of.maybe():
            await of.act("PUT", path, json={"server": {"name": name(of)}})
        else:
            await of.act("POST", f"{path}/metadata", json={"metadata": {"k": name(of)}})


@deed(1)
async def create_key(of: Tenant) -> None:
    key = {"name": name(of), "type": "ssh", "public_key": PUBLIC_KEY}
    await of.act("POST", f"{COMPUTE}/os-keypairs", json={"keypair": key})


@deed(1)
async def delete_key(of: Tenant) -> None:
    keys = (await of.ask("GET", f"{COMPUTE}/os-keypairs")).raise_for_status().json()["keypairs"]
    if keys:
        await of.act("DELETE", f"{COMPUTE}/os-keypairs/{of.chance.choice(keys)['keypair']['name']}")


@deed(1)
async def create_server_group(of: Tenant) -> None:
    group = {"name": name(of), "policy": of.chance.choice(["soft-affinity", "soft-anti-affinity"])}
    await of.act("POST", f"{COMPUTE}/os-server-groups", json={"server_group": group})


@deed(1)
async def delete_server_group(of: Tenant) -> None:
    if group := await of.one("server_group"):
        await of.act("DELETE", f"{COMPUTE}/os-server-groups/{group['id']}")


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
