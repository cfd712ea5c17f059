"""Real things of a running cloud, to be asked for by routes: what stands for each parameter of a path.

A route with a parameter that is not here fails the house tests: a line is owed for each new noun.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

from demo.machines import service as machines
from pileus.kernel import hosts
from pileus.kernel.http import Route
from pileus.kernel.http.routes import FIRST, LAST, dotted
from pileus.services.identity.credentials import service as credentials
from pileus.services.identity.credentials.service import read_ec2
from pileus.services.identity.domain_configs import service as domain_configs
from pileus.services.identity.domains import service as domains
from pileus.services.identity.ec2 import service as ec2
from pileus.services.identity.endpoint_filters import service as endpoint_filters
from pileus.services.identity.endpoints import service as endpoints
from pileus.services.identity.groups import service as groups
from pileus.services.identity.identity_providers import service as identity_providers
from pileus.services.identity.identity_providers.service import Protocol
from pileus.services.identity.limits import service as limits
from pileus.services.identity.limits.service import Wanted
from pileus.services.identity.mappings import service as mappings
from pileus.services.identity.mappings.service import Mapping
from pileus.services.identity.policies import service as policies
from pileus.services.identity.projects import service as projects
from pileus.services.identity.regions import service as regions
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.roles import service as roles
from pileus.services.identity.service_providers import service as service_providers
from pileus.services.identity.service_providers.service import ServiceProvider
from pileus.services.identity.services import service as services
from pileus.services.identity.users import service as users
from support import block_storage, computed, delegation, imaged, networked, oauth, placed, routed, served
from support.cloud import RunningCloud
from support.pairs import PAIRS

Real = Callable[[RunningCloud], Awaitable[str]]


async def a_project(cloud: RunningCloud) -> str:
    return (await projects.create(cloud.ctx(), name(), parent_id=None, domain_id=projects.DEFAULT, facts={})).id


async def a_user(cloud: RunningCloud) -> str:
    return (await users.create(cloud.ctx(), name(), projects.DEFAULT, facts={})).id


async def a_credential(cloud: RunningCloud) -> str:
    return (await credentials.create(cloud.ctx(), await a_user(cloud), None, "cert", name(), {})).id


async def an_access_key(cloud: RunningCloud) -> str:
    keys = read_ec2((await ec2.create(cloud.ctx(), await a_user(cloud), await a_project(cloud))).blob)
    return str(keys["access"])


async def a_domain(cloud: RunningCloud) -> str:
    """Disabled, so that it may be deleted, too; with a configuration."""
    domain = await domains.create(cloud.ctx(), name(), {"enabled": False})
    await domain_configs.create(cloud.ctx(), domain.id, {"ldap": {"url": "ldap://one.example"}})
    return domain.id


async def a_group_of_options(cloud: RunningCloud) -> str:
    return "ldap"


async def an_option(cloud: RunningCloud) -> str:
    return "url"


async def a_tag(cloud: RunningCloud) -> str:
    return name()


async def a_token(cloud: RunningCloud) -> str:
    return cloud.as_("reader").headers["X-Auth-Token"]


async def a_role(cloud: RunningCloud) -> str:
    return (await roles.create(cloud.ctx(), name(), facts={})).id


async def a_prior_role(cloud: RunningCloud) -> str:
    prior_id = await a_role(cloud)
    await roles.imply(cloud.ctx(), prior_id, await a_role(cloud))
    return prior_id


async def a_group(cloud: RunningCloud) -> str:
    return (await groups.create(cloud.ctx(), name(), projects.DEFAULT, facts={})).id


async def a_region(cloud: RunningCloud) -> str:
    region_id = name()
    async with cloud.ctx().transaction() as ctx:
        await regions.ensure(ctx, region_id)
    return region_id


async def a_service(cloud: RunningCloud) -> str:
    async with cloud.ctx().transaction() as ctx:
        return (await services.ensure(ctx, name(), name())).id


async def an_endpoint(cloud: RunningCloud) -> str:
    service_id, region_id = await a_service(cloud), await a_region(cloud)
    async with cloud.ctx().transaction() as ctx:
        await endpoints.ensure(ctx, service_id, region_id, "/somewhere")
    found = await endpoints.list_(cloud.ctx(), {"service_id": service_id})
    return found[0].id


async def an_endpoint_group(cloud: RunningCloud) -> str:
    return (await endpoint_filters.create(cloud.ctx(), name(), None, {"interface": "public"})).id


async def a_mapping(cloud: RunningCloud) -> str:
    rules = [{"local": [], "remote": [{"type": "name"}]}]
    return (await mappings.create(cloud.ctx(), Mapping(name(), rules, "1.0"))).id


async def a_service_provider(cloud: RunningCloud) -> str:
    provider = ServiceProvider(name(), "http://sp.test/v3", "http://sp.test/saml", False, None, "")
    return (await service_providers.create(cloud.ctx(), provider)).id


async def an_identity_provider(cloud: RunningCloud) -> str:
    """Which speaks the protocol that `a_protocol` names."""
    made = await identity_providers.create(cloud.ctx(), name(), None, {"remote_ids": [name()]})
    protocol = Protocol(await a_protocol(cloud), made.row.id, await a_mapping(cloud), None)
    await identity_providers.create_protocol(cloud.ctx(), protocol)
    return made.row.id


async def a_protocol(cloud: RunningCloud) -> str:
    return "saml2"  # the one that each sampled identity provider speaks


async def a_registered_limit(cloud: RunningCloud) -> str:
    wanted = {"service_id": await a_service(cloud), "region_id": None, "resource_name": "things", "default_limit": 10}
    [made] = await registered_limits.create(cloud.ctx(), [{**wanted, "description": None}])
    return made.id


async def a_limit(cloud: RunningCloud) -> str:
    registered = await registered_limits.get(cloud.ctx(), await a_registered_limit(cloud))
    place = {"service_id": registered.service_id, "project_id": await a_project(cloud)}
    [made] = await limits.create(cloud.ctx(), [Wanted(resource_name="things", resource_limit=5, **place)])
    return made.id


async def a_policy(cloud: RunningCloud) -> str:
    return (await policies.create(cloud.ctx(), name(), "", {})).id


async def an_endpoint_with_a_policy(cloud: RunningCloud) -> tuple[str, ...]:
    endpoint_id = await an_endpoint(cloud)
    path = f"/identity/v3/policies/{await a_policy(cloud)}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"
    answer = await cloud.put(path)
    assert answer.status_code == 204, answer.text
    return (endpoint_id,)


async def an_operation(cloud: RunningCloud) -> str:
    machine = await machines.create(cloud.ctx(), name=name())
    answer = await cloud.get(f"/pileus/v1/operations?subject_id={machine.id}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["operations"][0]["id"])


async def a_checkpoint(cloud: RunningCloud) -> str:
    answer = await cloud.post("/pileus/v1/checkpoints", json={"checkpoint": {"name": name()}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["checkpoint"]["name"])


async def a_fault(cloud: RunningCloud) -> str:
    """That nobody suffers from."""
    answer = await cloud.post("/faults", json={"fault": {"path": "/nowhere", "status": 500}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["fault"]["id"])


async def a_host(cloud: RunningCloud) -> str:
    """Stated dead, so that it may be deleted, too."""
    host = name()
    async with cloud.ctx().transaction() as ctx:
        await hosts.join(ctx, host, serial=host, address="")
    await hosts.fence(cloud.ctx(), host)
    return host


REAL: dict[str, Real] = {
    "attachment_id": block_storage.an_attachment,
    "encryption_id": block_storage.an_encryption,
    "key": block_storage.a_key,
    "message_id": block_storage.a_message,
    "alias": block_storage.an_alias,
    "cluster": block_storage.a_cluster,
    "qos_id": block_storage.a_qos,
    "snapshot_id": block_storage.a_snapshot,
    "transfer_id": block_storage.a_transfer,
    "volume_host": block_storage.a_volume_host,
    "spec": block_storage.a_spec,
    "type_id": block_storage.a_type,
    "volume_id": block_storage.a_volume,
    "access_rule_id": delegation.an_access_rule,
    "agent_id": networked.an_agent,
    "extension": networked.an_extension,
    "application_credential_id": delegation.an_application_credential,
    "access_token_id": oauth.an_access_token,
    "consumer_id": oauth.a_consumer,
    "credential_id": a_credential,
    "actor_id": a_user,
    "domain_id": a_domain,
    "endpoint_group_id": an_endpoint_group,
    "endpoint_id": an_endpoint,
    "aggregate_id": computed.an_aggregate,
    "before": computed.a_moment,
    "extension_alias": computed.an_extension,
    "gone_id": computed.what_is_gone,
    "gone_name": computed.what_is_gone,
    "quota_class": computed.the_default,
    "quota_project": a_project,
    "server_group_id": computed.a_server_group,
    "usage_project": a_project,
    "compute_service": computed.a_service_of_a_host,
    "extra_spec": computed.a_spec,
    "host_name": computed.a_compute_host,
    "hypervisor": computed.a_hypervisor,
    "fault_id": a_fault,
    "flavor_id": computed.a_flavor,
    "group": a_group_of_options,
    "idp_id": an_identity_provider,
    "keypair_name": computed.a_keypair,
    "mapping_id": a_mapping,
    "limit_id": a_limit,
    "name": a_checkpoint,
    "network_id": networked.a_network,
    "default_security_group_rule_id": routed.a_default_rule,
    "rbac_policy_id": routed.an_rbac_policy,
    "floatingip_id": routed.a_floating_ip,
    "router_id": routed.a_router,
    "security_group_rule_id": routed.a_security_group_rule,
    "security_group_id": routed.a_security_group,
    "address_scope_id": routed.an_address_scope,
    "address_group_id": routed.an_address_group,
    "operation_id": an_operation,
    "option": an_option,
    "group_id": a_group,
    "image_id": imaged.an_image,
    "member_id": imaged.a_member,
    "implied_id": a_role,
    "prior_id": a_prior_role,
    "policy_id": a_policy,
    "provider_id": placed.a_provider,
    "project_id": a_project,
    "port_id": networked.a_port,
    "protocol_id": a_protocol,
    "quota_project_id": a_project,
    "region_id": a_region,
    "registered_limit_id": a_registered_limit,
    "request_token_id": oauth.a_request_token,
    "resource_class": placed.a_resource_class,
    "role_id": a_role,
    "server_id": served.a_server,
    "service_action": computed.an_action,
    "network_label": served.a_network_label,
    "console_token": served.a_console_token,
    "file": served.a_file,
    "request_id": served.a_request,
    "migration_id": served.a_migration,
    "service_id": a_service,
    "service_number": computed.a_number_of_a_service,
    "service_provider_id": a_service_provider,
    "subnet_id": networked.a_subnet,
    "tag": a_tag,
    "tag_value": imaged.a_tag,
    "task_id": imaged.a_task,
    "target_id": a_project,
    "trust_id": delegation.a_trust,
    "token": imaged.a_transfer,
    "token_id": a_token,
    "trait": placed.a_trait,
    "user_id": a_user,
}

BEHIND: dict[tuple[str, str], Real] = {
    ("allocations", "consumer_id"): placed.a_consumer,
    ("inventories", "resource_class"): placed.an_inventory,
    ("OS-EC2", "credential_id"): an_access_key,
    ("domains", "target_id"): a_domain,
    ("groups", "actor_id"): a_group,
    ("hosts", "name"): a_host,
}
"""What stands for a parameter behind a segment that gives it another meaning."""

TOGETHER = {**PAIRS, "/identity/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY": an_endpoint_with_a_policy}
"""What stands for all parameters behind the beginning of a path."""

GONE = "pileus:compute:gone"
"""The rule of routes that only say what is no more."""


def name() -> str:
    return f"n{uuid4().hex}"


def parameters(route: Route) -> list[str]:
    """The names in `{}` of a route's path."""
    return named(route.path)


def named(path: str) -> list[str]:
    return [each.removesuffix(":path") for each in re.findall(r"{([^}]+)}", path)]


def at_version(route: Route) -> dict[str, str]:
    """The header that asks for the first microversion at which the route is there."""
    return {} if route.since == FIRST else {"OpenStack-API-Version": f"{route.service} {dotted(route.since)}"}


def at_last_version(route: Route) -> dict[str, str]:
    """The header that asks for the last one."""
    if route.until == LAST:
        return {} if route.since == FIRST else {"OpenStack-API-Version": f"{route.service} latest"}
    return {"OpenStack-API-Version": f"{route.service} {dotted(route.until)}"}


async def real_path(cloud: RunningCloud, route: Route) -> str:
    """A path of the route at which there is something, made for it."""
    pattern = route.prefix + route.path
    path = await filled(cloud, pattern)
    for maker in [r for r in cloud.routes if makes(r) and r.prefix + r.path == pattern != path]:
        if maker is not route:
            answer = await cloud.put(path, headers=at_version(maker))
            assert answer.is_success, answer.text
    return path


async def filled(cloud: RunningCloud, path: str) -> str:
    """The path with real things for its parameters: those of one another where it begins so that they must be."""
    together = next((make for start, make in TOGETHER.items() if path.startswith(start)), None)
    values = dict(zip(named(path), await together(cloud) if together else (), strict=False))
    for parameter in named(path):
        before = path.partition(f"/{{{parameter}")[0].rpartition("/")[2]
        make = BEHIND.get((before, parameter), REAL[parameter])
        path = re.sub(rf"{{{parameter}(:path)?}}", values.get(parameter) or await make(cloud), path)
    return path


def makes(route: Route) -> bool:
    """Whether it makes what is at its path of nothing else: a grant, a tag, a member of a group."""
    bare = route.plan.body is None and not route.plan.streams
    return route.method == "PUT" and bare and route.rule != GONE


def missing_path(route: Route) -> str:
    """A path of the route at which there is nothing: ids of the same form as real ones."""
    return re.sub(r"{[^}]+}", lambda _: uuid4().hex, route.prefix + route.path)
