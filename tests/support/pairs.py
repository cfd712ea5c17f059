"""Real things that belong to another: what stands for all parameters of a path at once.

What a PUT without a body makes at its path (a grant, a tag, a member of a group) needs no line here: sample.py sends it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from pileus.services.identity.credentials.service import read_ec2
from pileus.services.identity.ec2 import service as ec2
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.roles import service as roles
from support import block_storage, computed, delegation, networked, oauth, served
from support.cloud import RunningCloud

Pair = Callable[[RunningCloud], Awaitable[tuple[str, ...]]]


async def reader(cloud: RunningCloud) -> str:
    """The role that the admin lends."""
    found = await roles.named(cloud.ctx(), "reader")
    assert found is not None
    return found.id


async def own_application_credential(cloud: RunningCloud) -> tuple[str, ...]:
    return cloud.user_id, await delegation.an_application_credential(cloud)


async def own_access_rule(cloud: RunningCloud) -> tuple[str, ...]:
    return cloud.user_id, await delegation.an_access_rule(cloud)


async def own_access_token(cloud: RunningCloud) -> tuple[str, ...]:
    return cloud.user_id, await oauth.an_access_token(cloud), await reader(cloud)


async def own_access_key(cloud: RunningCloud) -> tuple[str, ...]:
    keys = read_ec2((await ec2.create(cloud.ctx(), cloud.user_id, cloud.project_id)).blob)
    return cloud.user_id, str(keys["access"])


async def a_role_of_a_trust(cloud: RunningCloud) -> tuple[str, ...]:
    return await delegation.a_trust(cloud), await reader(cloud)


async def an_option_for_all(cloud: RunningCloud) -> tuple[str, ...]:
    return DEFAULT, "password_regex"


async def sent(cloud: RunningCloud, method: str, path: str, body: Any, version: str | None = None) -> Any:
    """What is made by a request of the admin."""
    headers = {"OpenStack-API-Version": version} if version else {}
    answer = await cloud.request(method, path, json=body, headers=headers)
    assert answer.is_success, answer.text
    await cloud.settle()
    return answer.json() if answer.content else {}


async def a_type(cloud: RunningCloud, *, is_public: bool) -> str:
    body = {"volume_type": {"name": uuid4().hex, "os-volume-type-access:is_public": is_public}}
    return str((await sent(cloud, "POST", "/volume/v3/types", body))["volume_type"]["id"])


async def a_private_type(cloud: RunningCloud) -> tuple[str, ...]:
    return (await a_type(cloud, is_public=False),)


async def an_encrypted_type(cloud: RunningCloud) -> tuple[str, ...]:
    type_id = await a_type(cloud, is_public=True)
    body = {"encryption": {"provider": "luks", "control_location": "front-end"}}
    await sent(cloud, "POST", f"/volume/v3/types/{type_id}/encryption", body)
    return type_id, "provider"


async def a_project_with_a_type(cloud: RunningCloud) -> tuple[str, ...]:
    body = {"default_type": {"volume_type": await a_type(cloud, is_public=True)}}
    await sent(cloud, "PUT", f"/volume/v3/default-types/{cloud.project_id}", body, "volume 3.62")
    return (cloud.project_id,)


async def an_attached_volume(cloud: RunningCloud) -> tuple[str, ...]:
    server_id, volume_id = await served.a_server(cloud), await block_storage.a_volume(cloud)
    body = {"volumeAttachment": {"volumeId": volume_id}}
    await sent(cloud, "POST", f"{served.SERVERS}/{server_id}/os-volume_attachments", body)
    return server_id, volume_id


async def an_interface(cloud: RunningCloud) -> tuple[str, ...]:
    server_id, port_id = await served.a_server(cloud), await networked.a_port(cloud)
    body = {"interfaceAttachment": {"port_id": port_id}}
    await sent(cloud, "POST", f"{served.SERVERS}/{server_id}/os-interface", body)
    return server_id, port_id


async def an_address(cloud: RunningCloud) -> tuple[str, ...]:
    """By the name of its network."""
    server_id, port_id = await an_interface(cloud)
    port = (await cloud.get(f"/network/v2.0/ports/{port_id}")).json()["port"]
    return server_id, (await cloud.get(f"/network/v2.0/networks/{port['network_id']}")).json()["network"]["name"]


async def an_action(cloud: RunningCloud) -> tuple[str, ...]:
    server_id = await served.a_server(cloud)
    actions = (await cloud.get(f"{served.SERVERS}/{server_id}/os-instance-actions")).json()["instanceActions"]
    return server_id, actions[0]["request_id"]


async def a_live_migration(cloud: RunningCloud) -> tuple[str, ...]:
    """That nobody has begun to carry out."""
    server_id = await served.a_server(cloud)
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    path = f"{served.SERVERS}/{server_id}"
    answer = await cloud.post(f"{path}/action", json=body, headers=computed.at("2.30"))
    assert answer.status_code == 202, answer.text
    [migration] = (await cloud.get(f"{path}/migrations", headers=computed.at("2.23"))).json()["migrations"]
    return server_id, str(migration["id"])


async def a_numbered_hypervisor(cloud: RunningCloud) -> tuple[str, ...]:
    """As the first versions ask for it."""
    return (await computed.a_number_of_a_service(cloud),)


async def a_named_hypervisor(cloud: RunningCloud) -> tuple[str, ...]:
    return (await computed.a_compute_host(cloud),)


PAIRS: dict[str, Pair] = {
    "/identity/v3/users/{user_id}/application_credentials": own_application_credential,
    "/identity/v3/users/{user_id}/access_rules": own_access_rule,
    "/identity/v3/users/{user_id}/OS-OAUTH1/access_tokens": own_access_token,
    "/identity/v3/users/{user_id}/credentials/OS-EC2": own_access_key,
    "/identity/v3/OS-TRUST/trusts/{trust_id}/roles": a_role_of_a_trust,
    "/identity/v3/domains/{domain_id}/config/security_compliance": an_option_for_all,
    "/volume/v3/types/{type_id}/os-volume-type-access": a_private_type,
    "/volume/v3/types/{type_id}/encryption": an_encrypted_type,
    "/volume/v3/default-types/{project_id}": a_project_with_a_type,
    "/compute/v2.1/os-hypervisors/{hypervisor}/search": a_named_hypervisor,
    "/compute/v2.1/os-hypervisors/{hypervisor}/servers": a_named_hypervisor,
    "/compute/v2.1/os-hypervisors/{hypervisor}": a_numbered_hypervisor,
    "/compute/v2.1/servers/{server_id}/os-volume_attachments": an_attached_volume,
    "/compute/v2.1/servers/{server_id}/os-interface": an_interface,
    "/compute/v2.1/servers/{server_id}/ips": an_address,
    "/compute/v2.1/servers/{server_id}/os-instance-actions": an_action,
    "/compute/v2.1/servers/{server_id}/migrations": a_live_migration,
}
"""By the beginning of the path; the first that fits."""
