"""A list below something, as the tags of a project, costs the same number of queries for 1 and for 30 items."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from house.test_lists import statements
from pileus.kernel.http import Route
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.allocations.service import Claim
from support import block_storage, delegation, networked, oauth, placed
from support.cloud import RunningCloud
from support.roomy import unlimited
from support.sample import GONE, a_mapping, a_project, an_endpoint, at_version, filled, makes, named, real_path

MORE = 29
SLOW = ("/os-volume_attachments", "/os-interface", "/os-instance-actions", "/ips", "/allocations")
FEWER = 5

Child = Callable[[RunningCloud, str], Awaitable[Any]]
"""Makes one more in the list at this path."""


def post(document: Callable[[], Any], *, to: str = "") -> Child:
    """By a POST to the list, or to a path beside it."""

    async def child(cloud: RunningCloud, path: str) -> Any:
        answer = await cloud.post(re.sub("/[^/]+$", to, path) if to else path, json=document())
        assert answer.is_success, answer.text
        await cloud.settle()

    return child


def alone(make: Callable[[RunningCloud], Awaitable[Any]]) -> Child:
    """By what finds the list itself."""

    async def child(cloud: RunningCloud, path: str) -> Any:
        await make(cloud)

    return child


def naming(make: Callable[[RunningCloud], Awaitable[str]], document: Callable[[str], Any], *, to: str = "") -> Child:
    """By a POST that names what is made for it."""

    async def child(cloud: RunningCloud, path: str) -> Any:
        made = await make(cloud)
        await post(lambda: document(made), to=to)(cloud, path)

    return child


def put(pattern: str, whole: str, version: dict[str, str]) -> Child:
    """By a PUT to another path, in which the list's own parameters stay as they are in its path, `whole`."""

    async def child(cloud: RunningCloud, path: str) -> Any:
        at = pattern
        for name, value in zip(whole.split("/"), path.split("/"), strict=True):
            at = at.replace(name, value) if name.startswith("{") else at
        answer = await cloud.put(await filled(cloud, at), headers=version)
        assert answer.is_success, answer.text

    return child


async def a_protocol(cloud: RunningCloud, path: str) -> Any:
    body = {"protocol": {"mapping_id": await a_mapping(cloud)}}
    assert (await cloud.put(f"{path}/{uuid4().hex}", json=body)).status_code == 201


async def an_allocation(cloud: RunningCloud, path: str) -> Any:
    taking = Claim(resources={path.split("/")[-2]: {"VCPU": 1}}, **placed.OWNER)
    await allocations.replace(cloud.ctx(), {str(uuid4()): taking})


async def a_trait(cloud: RunningCloud, path: str) -> Any:
    version = {"OpenStack-API-Version": "placement 1.6"}
    there = (await cloud.get(path, headers=version)).json()
    there["traits"].append(await placed.a_trait(cloud))
    assert (await cloud.put(path, headers=version, json=there)).status_code == 200


async def an_aggregate(cloud: RunningCloud, path: str) -> Any:
    version = {"OpenStack-API-Version": "placement 1.1"}
    there = (await cloud.get(path, headers=version)).json()["aggregates"]
    assert (await cloud.put(path, headers=version, json=[*there, str(uuid4())])).status_code == 200


async def a_type(cloud: RunningCloud, path: str) -> Any:
    at = path.replace("associations", "associate")
    assert (await cloud.get(f"{at}?vol_type_id={await block_storage.a_type(cloud)}")).status_code == 202


def a_pair(key: str) -> Child:
    return post(lambda: {key: {uuid4().hex: "1"}})


AN_INTERFACE = naming(networked.a_port, lambda id_: {"interfaceAttachment": {"port_id": id_}})


async def an_address(cloud: RunningCloud, path: str) -> Any:
    await AN_INTERFACE(cloud, path.replace("/ips", "/os-interface"))


USERS, EP_FILTER, SERVER = (
    "/identity/v3/users/{user_id}",
    "/identity/v3/OS-EP-FILTER",
    "/compute/v2.1/servers/{server_id}",
)
PROVIDER, IMAGE = "/placement/resource_providers/{provider_id}", "/image/v2/images/{image_id}"
PUTS = {
    f"{USERS}/projects": "/identity/v3/projects/{target_id}/users/{user_id}/roles/{role_id}",
    f"{USERS}/groups": "/identity/v3/groups/{group_id}/users/{user_id}",
    f"{EP_FILTER}/projects/{{project_id}}/endpoint_groups": f"{EP_FILTER}/endpoint_groups/{{endpoint_group_id}}/projects/{{project_id}}",
    f"{EP_FILTER}/endpoints/{{endpoint_id}}/projects": f"{EP_FILTER}/projects/{{project_id}}/endpoints/{{endpoint_id}}",
}
"""Lists that grow by a PUT elsewhere."""

CHILDREN: dict[str, Child] = {
    f"{USERS}/application_credentials": alone(delegation.an_application_credential),
    f"{USERS}/access_rules": alone(delegation.an_access_rule),
    f"{USERS}/OS-OAUTH1/access_tokens": alone(oauth.an_access_token),
    f"{USERS}/credentials/OS-EC2": naming(a_project, lambda id_: {"tenant_id": id_}),
    "/identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols": a_protocol,
    f"{PROVIDER}/allocations": an_allocation,
    f"{PROVIDER}/traits": a_trait,
    f"{PROVIDER}/aggregates": an_aggregate,
    f"{PROVIDER}/inventories": naming(placed.a_resource_class, lambda name: {"resource_class": name, "total": 1}),
    f"{IMAGE}/members": post(lambda: {"member": uuid4().hex}),
    "/volume/v3/snapshots/{snapshot_id}/metadata": a_pair("metadata"),
    "/volume/v3/volumes/{volume_id}/metadata": a_pair("metadata"),
    "/volume/v3/types/{type_id}/extra_specs": a_pair("extra_specs"),
    "/volume/v3/types/{type_id}/os-volume-type-access": naming(
        a_project, lambda id_: {"addProjectAccess": {"project": id_}}, to="/action"
    ),
    "/compute/v2.1/flavors/{flavor_id}/os-flavor-access": naming(
        a_project, lambda id_: {"addTenantAccess": {"tenant": id_}}, to="/action"
    ),
    "/compute/v2.1/flavors/{flavor_id}/os-extra_specs": a_pair("extra_specs"),
    "/compute/v2.1/images/{image_id}/metadata": a_pair("metadata"),
    "/volume/v3/qos-specs/{qos_id}/associations": a_type,
    f"{EP_FILTER}/endpoint_groups/{{endpoint_group_id}}/endpoints": alone(an_endpoint),
    f"{SERVER}/metadata": a_pair("metadata"),
    f"{SERVER}/os-volume_attachments": naming(
        block_storage.a_volume, lambda id_: {"volumeAttachment": {"volumeId": id_}}
    ),
    f"{SERVER}/os-interface": AN_INTERFACE,
    f"{SERVER}/ips": an_address,
    f"{SERVER}/os-instance-actions": post(lambda: {"reboot": {"type": "HARD"}}, to="/action"),
}
"""Lists that grow otherwise."""

NO_LISTS = re.compile(
    r"/(default|defaults|detail|details|details\.json|{role_id}/inherited_to_projects|config|security_compliance|file|policy"
    r"|encryption|associate|disassociate|disassociate_all|reboot|shutdown|startup|uptime|diagnostics|topology"
    r"|os-server-password|drain|usages)$"
)
"""What shows one thing, or does something."""

WITHOUT_GROWTH = {
    f"{USERS}/OS-OAUTH1/access_tokens/{{access_token_id}}/roles": "lent once",
    "/identity/v3/OS-TRUST/trusts/{trust_id}/roles": "given once",
    f"{IMAGE}/tasks": "as many as imports, of which there is one",
    "/compute/v2.1/os-hypervisors/{hypervisor}/search": "hosts of one name",
    "/compute/v2.1/os-hypervisors/{hypervisor}/servers": "as many as servers on one host; tests/spec/compute lists them",
    f"{SERVER}/migrations": "one at a time is under way",
    f"{SERVER}/os-security-groups": "of its ports; tests/spec/compute lists them",
}
"""Lists that are not made longer here, and why."""


@pytest.mark.timeout(600)
@pytest.mark.database("sqlite", long="postgresql")  # the queries are the same
async def test_a_list_below_something_costs_the_same_for_1_and_for_30_items(cloud: RunningCloud) -> None:
    await unlimited(cloud)
    wrong, untried = {}, set()
    for route in [r for r in cloud.routes if r.method == "GET" and r.rule != GONE and ends_in_a_word(r)]:
        whole = route.prefix + route.path
        child = CHILDREN.get(whole) or by_put(cloud, whole)
        if child is None:
            untried.add(whole)
            continue
        path, headers = await real_path(cloud, route), at_version(route)
        before = await costs(cloud, path, headers, child, 1)
        after = await costs(cloud, path, headers, child, FEWER if whole.endswith(SLOW) else MORE)
        if before[0] != after[0] or before[1] >= after[1]:
            wrong[str(route)] = before, after
    assert not wrong, "(queries, items) before and after"
    assert untried == WITHOUT_GROWTH.keys()


def ends_in_a_word(route: Route) -> bool:
    return bool(named(route.path)) and not route.path.endswith("}") and not NO_LISTS.search(route.path)


def by_put(cloud: RunningCloud, whole: str) -> Child | None:
    """What makes an item of the list at this pattern of paths, if a PUT without a body does."""
    if whole in PUTS:
        return put(PUTS[whole], whole, {})
    for maker in [r for r in cloud.routes if makes(r)]:
        pattern = maker.prefix + maker.path
        if re.sub(r"/{[^}]+}(/inherited_to_projects)?$", r"\1", pattern) == whole:
            return put(pattern, whole, at_version(maker))
    return None


async def costs(cloud: RunningCloud, path: str, headers: dict[str, str], child: Child, more: int) -> tuple[int, int]:
    """How many statements it takes to list so many more, the second time; and how many are shown."""
    for _ in range(more):
        await child(cloud, path)
    await cloud.get(path, headers=headers)
    with statements(cloud) as run:
        answer = await cloud.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return len(run), size(answer.json())


def size(document: dict[str, Any]) -> int:
    """Of the largest collection at its top, or in what is there."""
    top = [each for each in document.values() if isinstance(each, list | dict)]
    below = [inner for each in top if isinstance(each, dict) for inner in each.values() if isinstance(inner, list)]
    return max((len(each) for each in (*top, *below)), default=0)
