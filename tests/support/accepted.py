"""Requests that a cloud accepts, where it takes more than the smallest body: another path, a state before, ids in it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from support import block_storage, computed, imaged, networked, networks, routed, served
from support.cloud import RunningCloud
from support.pairs import a_type, sent

Ready = tuple[str, dict[str, Any]]
"""Path, and what is sent to it."""
Readies = Callable[[RunningCloud, str], Awaitable[Ready]]
Maker = Callable[[RunningCloud], Awaitable[str]]

SERVER = "POST /compute/v2.1/servers/{server_id}"
VOLUME, SNAPSHOT = "POST /volume/v3/volumes/{volume_id}/action", "POST /volume/v3/snapshots/{snapshot_id}/action"
TYPE, TYPES, NETWORK = "POST /volume/v3/types/{type_id}", "/volume/v3/types", "/network/v2.0"


def body(document: Any) -> Readies:
    """This alone."""

    async def ready(_: RunningCloud, path: str) -> Ready:
        return path, {"json": document}

    return ready


def naming(make: Maker, document: Callable[[str], Any]) -> Readies:
    """A body that names what is made for it."""

    async def ready(cloud: RunningCloud, path: str) -> Ready:
        return path, {"json": document(await make(cloud))}

    return ready


def after(first: Any, document: Any) -> Readies:
    """The same path was asked for something before."""

    async def ready(cloud: RunningCloud, path: str) -> Ready:
        first_body = await first(cloud) if callable(first) else first
        await sent(cloud, "POST", path, first_body)
        return path, {"json": document}

    return ready


async def an_image(cloud: RunningCloud) -> str:
    return await served.an_image(cloud)


async def a_network_outside(cloud: RunningCloud) -> str:
    return (await networks.external(cloud, f"198.51.{(await counted(cloud)) % 250}.0/24"))[0]


async def counted(cloud: RunningCloud) -> int:
    """How many subnets there are."""
    return len((await cloud.get(f"{NETWORK}/subnets")).json()["subnets"])


async def resized(cloud: RunningCloud) -> Any:
    return {"resize": {"flavorRef": await computed.a_roomy_flavor(cloud)}}


async def removing_an_interface(cloud: RunningCloud, path: str) -> Ready:
    subnet = {"subnet_id": await networked.a_subnet(cloud)}
    await sent(cloud, "PUT", path.replace("remove_router", "add_router"), subnet)
    return path, {"json": subnet}


async def taking_away_access(cloud: RunningCloud, _: str) -> Ready:
    path, project = await to_a_private_type(cloud), {"project": cloud.project_id}
    await sent(cloud, "POST", path, {"addProjectAccess": project})
    return path, {"json": {"removeProjectAccess": project}}


async def giving_access(cloud: RunningCloud, _: str) -> Ready:
    return await to_a_private_type(cloud), {"json": {"addProjectAccess": {"project": cloud.project_id}}}


async def to_a_private_type(cloud: RunningCloud) -> str:
    return f"{TYPES}/{await a_type(cloud, is_public=False)}/action"


async def encrypting(cloud: RunningCloud, _: str) -> Ready:
    body = {"encryption": {"provider": "luks", "control_location": "front-end"}}
    return f"{TYPES}/{await block_storage.a_type(cloud)}/encryption", {"json": body}


async def accepting(cloud: RunningCloud, path: str) -> Ready:
    wanted = {"transfer": {"volume_id": await block_storage.a_volume(cloud)}}
    made = (await sent(cloud, "POST", "/volume/v3/os-volume-transfer", wanted))["transfer"]
    before, _, _ = path.removesuffix("/accept").rpartition("/")
    return f"{before}/{made['id']}/accept", {"json": {"accept": {"auth_key": made["auth_key"]}}}


async def going_back(cloud: RunningCloud, path: str) -> Ready:
    wanted = {"snapshot": {"volume_id": path.split("/")[-2]}}
    made = await sent(cloud, "POST", "/volume/v3/snapshots", wanted)
    return path, {"json": {"revert": {"snapshot_id": made["snapshot"]["id"]}}}


async def importing(cloud: RunningCloud, _: str) -> Ready:
    path = f"{imaged.IMAGES}/{(await imaged.staged(cloud))['id']}/import"
    return path, {"json": {"method": {"name": "glance-direct"}}}


async def patching(_: RunningCloud, path: str) -> Ready:
    change = [{"op": "replace", "path": "/name", "value": "once"}]
    return path, {"content": json.dumps(change), "headers": imaged.PATCH}


async def booting(cloud: RunningCloud, path: str) -> Ready:
    networks = [{"port": await networked.a_port(cloud)}]
    wanted = {"name": "new", "flavorRef": served.TINY, "imageRef": await served.an_image(cloud), "networks": networks}
    return path, {"json": {"server": wanted}}


async def in_a_group(cloud: RunningCloud, path: str) -> Ready:
    """For a server with a port: what has none is in no group."""
    port = {"interfaceAttachment": {"port_id": await networked.a_port(cloud)}}
    await sent(cloud, "POST", f"{path.removesuffix('/action')}/os-interface", port)
    return path, {"json": {"addSecurityGroup": {"name": await routed.a_security_group(cloud)}}}


async def out_of_a_group(cloud: RunningCloud, path: str) -> Ready:
    _, said = await in_a_group(cloud, path)
    await sent(cloud, "POST", path, said["json"])
    return path, {"json": {"removeSecurityGroup": said["json"]["addSecurityGroup"]}}


PROJECT = uuid4().hex
ATTACH = {"os-attach": {"instance_uuid": str(uuid4()), "mountpoint": "/dev/vdb"}}
META, H2 = {"meta": {"encryption_key_id": "2"}}, {"host": "h2", "binary": "cinder-volume"}
LABELLED = {"os-set_image_metadata": {"metadata": {"a": "b"}}}
PUT_ROUTER, PUT_GROUP = f"PUT {NETWORK}/routers/{{router_id}}", f"PUT {NETWORK}/address-groups/{{address_group_id}}"
OLD_MOVE = {"host": None, "block_migration": True, "disk_over_commit": False}

ACCEPTED: dict[str, Readies] = {
    "PATCH /image/v2/images/{image_id}": patching,
    "POST /compute/v2.1/servers": booting,
    "POST /image/v2/images/{image_id}/import": importing,
    "POST /image/v2/images/{image_id}/members": body({"member": "another"}),
    "PUT /image/v2/images/{image_id}/members/{member_id}": body({"status": "accepted"}),
    f"{PUT_GROUP}/add_addresses": body({"addresses": ["10.1.0.0/16"]}),
    f"{PUT_GROUP}/remove_addresses": body({"addresses": ["10.0.0.0/8"]}),
    f"POST {NETWORK}/default-security-group-rules": body(
        {"default_security_group_rule": {"direction": "ingress", "protocol": "udp"}}
    ),
    f"POST {NETWORK}/floatingips": naming(a_network_outside, lambda id_: {"floatingip": {"floating_network_id": id_}}),
    f"POST {NETWORK}/networks": body({"network": {"name": "once"}}),
    f"POST {NETWORK}/ports": naming(networked.a_network, lambda id_: {"port": {"network_id": id_}}),
    f"POST {NETWORK}/rbac-policies": naming(
        networked.a_network,
        lambda id_: {
            "rbac_policy": {
                "object_type": "network",
                "object_id": id_,
                "action": "access_as_shared",
                "target_tenant": PROJECT,
            }
        },
    ),
    f"PUT {NETWORK}/rbac-policies/{{rbac_policy_id}}": body({"rbac_policy": {"target_tenant": PROJECT}}),
    f"POST {NETWORK}/routers": body({"router": {"name": "once"}}),
    f"{PUT_ROUTER}/add_router_interface": naming(networked.a_subnet, lambda id_: {"subnet_id": id_}),
    f"{PUT_ROUTER}/remove_router_interface": removing_an_interface,
    f"POST {NETWORK}/security-groups": body({"security_group": {"name": "once"}}),
    f"POST {NETWORK}/security-group-rules": naming(
        routed.a_security_group,
        lambda id_: {"security_group_rule": {"security_group_id": id_, "direction": "ingress", "protocol": "icmp"}},
    ),
    f"POST {NETWORK}/subnets": naming(
        networked.a_network, lambda id_: {"subnet": {"network_id": id_, "ip_version": 4, "cidr": "10.0.0.0/28"}}
    ),
    "POST /volume/v3/attachments": naming(
        block_storage.a_volume, lambda id_: {"attachment": {"volume_uuid": id_, "instance_uuid": str(uuid4())}}
    ),
    "PUT /volume/v3/attachments/{attachment_id}": body({"attachment": {"connector": {"host": "h1"}}}),
    f"{VOLUME} os-initialize_connection": body({"os-initialize_connection": {"connector": {"host": "h1"}}}),
    f"{VOLUME} os-attach": body(ATTACH),
    f"{VOLUME} os-begin_detaching": after(ATTACH, {"os-begin_detaching": {}}),
    f"{VOLUME} os-extend": body({"os-extend": {"new_size": 2}}),
    f"{VOLUME} os-reset_status": body({"os-reset_status": {"status": "error"}}),
    f"{VOLUME} os-unset_image_metadata": after(LABELLED, {"os-unset_image_metadata": {"key": "a"}}),
    f"{VOLUME} os-reimage": naming(an_image, lambda id_: {"os-reimage": {"image_id": id_}}),
    f"{VOLUME} revert": going_back,
    "PUT /volume/v3/os-services/disable": body(H2),
    "PUT /volume/v3/os-services/disable-log-reason": body({**H2, "disabled_reason": "once"}),
    "PUT /volume/v3/os-services/enable": body(H2),
    "PUT /volume/v3/os-services/freeze": body({"host": "h2"}),
    "PUT /volume/v3/os-services/thaw": body({"host": "h2"}),
    "POST /volume/v3/qos-specs": body({"qos_specs": {"name": "once"}}),
    "POST /volume/v3/snapshots": naming(block_storage.a_volume, lambda id_: {"snapshot": {"volume_id": id_}}),
    f"{SNAPSHOT} os-update_snapshot_status": after(
        {"os-reset_status": {"status": "creating"}}, {"os-update_snapshot_status": {"status": "available"}}
    ),
    "PUT /volume/v3/snapshots/{snapshot_id}": body({"snapshot": {"name": "once"}}),
    "PUT /volume/v3/snapshots/{snapshot_id}/metadata/{key}": body(META),
    "PUT /volume/v3/volumes/{volume_id}/metadata/{key}": body(META),
    "POST /volume/v3/os-volume-transfer": naming(block_storage.a_volume, lambda id_: {"transfer": {"volume_id": id_}}),
    "POST /volume/v3/volume-transfers": naming(block_storage.a_volume, lambda id_: {"transfer": {"volume_id": id_}}),
    "POST /volume/v3/os-volume-transfer/{transfer_id}/accept": accepting,
    "POST /volume/v3/volume-transfers/{transfer_id}/accept": accepting,
    f"PUT {TYPES}/{{type_id}}/extra_specs/{{spec}}": body({"spec": "2"}),
    f"PUT {TYPES}/{{type_id}}": body({"volume_type": {"name": "once"}}),
    f"{TYPE}/encryption": encrypting,
    f"{TYPE}/action addProjectAccess": giving_access,
    f"{TYPE}/action removeProjectAccess": taking_away_access,
    "POST /volume/v3/volumes": body({"volume": {"size": 1}}),
    "POST /compute/v2.1/os-floating-ips": naming(a_network_outside, lambda id_: {"pool": id_}),
    "PUT /compute/v2.1/images/{image_id}/metadata/{key}": body(META),
    "POST /compute/v2.1/os-security-group-rules": naming(
        routed.a_security_group,
        lambda id_: {
            "security_group_rule": {"parent_group_id": id_, "ip_protocol": "tcp", "from_port": 1, "to_port": 2}
        },
    ),
    "POST /compute/v2.1/os-snapshots": naming(block_storage.a_volume, lambda id_: {"snapshot": {"volume_id": id_}}),
    f"{SERVER}/action os-start": after({"os-stop": None}, {"os-start": None}),
    f"{SERVER}/action unpause": after({"pause": None}, {"unpause": None}),
    f"{SERVER}/action resume": after({"suspend": None}, {"resume": None}),
    f"{SERVER}/action unrescue": after({"rescue": {}}, {"unrescue": None}),
    f"{SERVER}/action confirmResize": after(resized, {"confirmResize": None}),
    f"{SERVER}/action revertResize": after(resized, {"revertResize": None}),
    f"{SERVER}/action addSecurityGroup": in_a_group,
    f"{SERVER}/action removeSecurityGroup": out_of_a_group,
    f"{SERVER}/action resize": naming(computed.a_roomy_flavor, lambda id_: {"resize": {"flavorRef": id_}}),
    f"{SERVER}/action rebuild": naming(an_image, lambda id_: {"rebuild": {"imageRef": id_}}),
    f"{SERVER}/action os-migrateLive": body({"os-migrateLive": OLD_MOVE}),
    f"{SERVER}/os-interface": naming(networked.a_port, lambda id_: {"interfaceAttachment": {"port_id": id_}}),
    f"{SERVER}/os-volume_attachments": naming(
        block_storage.a_volume, lambda id_: {"volumeAttachment": {"volumeId": id_}}
    ),
}
"""By the route without its versions."""
