"""Networking's floating IPs in the words that Compute had for them: addresses out of pools, which are networks outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, OverQuota
from pileus.kernel.http.plan import parse_uuid
from pileus.services.compute.servers.service import Server
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.floating_ips.service import Whole
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import service as ports

Address = IPv4Address | IPv6Address
OUTSIDE = {"router:external": ["true"]}


# as they are shown


def called(network: Network) -> str:
    return network.name or str(network.id)


def pool_of(known: Mapping[UUID, Network], network_id: UUID) -> str:
    """The network may have gone since its address was read, and then that goes with it."""
    return called(known[network_id]) if network_id in known else str(network_id)


async def pools(ctx: Ctx) -> list[str]:
    return [called(network) for network in (await networks.page(ctx, OUTSIDE)).items]


async def shown(ctx: Ctx, several: Sequence[Whole]) -> list[dict[str, Any]]:
    known = await networks.by_ids(ctx, {each.floating_ip.floating_network_id for each in several})
    return [
        {
            "id": each.floating_ip.id,
            "ip": each.floating_ip.floating_ip_address,
            "fixed_ip": each.floating_ip.fixed_ip_address,
            "instance_id": (each.port.device_id or None) if each.port else None,
            "pool": pool_of(known, each.floating_ip.floating_network_id),
        }
        for each in several
    ]


async def page(ctx: Ctx) -> list[dict[str, Any]]:
    """Those of the caller's project."""
    return await shown(ctx, (await floating_ips.page(ctx, {"project_id": [ctx.caller.project_id or ""]})).items)


@contextmanager
def with_id(floating_ip_id: UUID) -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise NotFound(f"Floating IP not found for ID {floating_ip_id}") from None


async def get(ctx: Ctx, floating_ip_id: UUID) -> dict[str, Any]:
    """Raises NotFound."""
    with with_id(floating_ip_id):
        return (await shown(ctx, [await floating_ips.show(ctx, floating_ip_id)]))[0]


# as they come and go


async def allocate(ctx: Ctx, pool: str | None) -> dict[str, Any]:
    """One more out of that pool, or of the only one. Raises NotFound, BadRequest, Forbidden."""
    network = await _pool(ctx, pool)
    new = floating_ips.New(project_id=ctx.caller.project_id or "", network_id=network.id)
    try:
        made = await floating_ips.create(ctx, [new])
    except OverQuota:
        raise Forbidden(f"IP allocation over quota in pool {called(network)}.") from None
    except Conflict:
        raise NotFound(f"No more floating IPs in pool {called(network)}.") from None
    return (await shown(ctx, made))[0]


async def _pool(ctx: Ctx, name: str | None) -> Network:
    """By its name or its id. Raises NotFound, BadRequest."""
    named = {} if name is None else {"id" if is_id(name) else "name": [name]}
    found = (await networks.page(ctx, OUTSIDE | named)).items
    if not found:
        raise NotFound("Floating IP pool not found.")
    if len(found) > 1:
        raise BadRequest("There are several floating IP pools that could be meant: name one by its id.")
    return found[0]


def is_id(text: str) -> bool:
    try:
        parse_uuid(text)
    except ValueError:
        return False
    return True


async def delete(ctx: Ctx, floating_ip_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    with with_id(floating_ip_id):
        await floating_ips.delete(ctx, floating_ip_id)


# as they are given to servers


async def _at(ctx: Ctx, address: Address) -> Whole:
    """The one that the caller sees with that address. Raises NotFound, Conflict."""
    found = (await floating_ips.page(ctx, {"floating_ip_address": [str(address)]})).items
    if not found:
        raise NotFound("floating IP not found")
    if len(found) > 1:
        raise Conflict(f"Multiple floating IPs are found for address {address}.")
    return found[0]


async def associate(ctx: Ctx, server: Server, address: Address, fixed: Address | None) -> None:
    """It stands for that address of the server, or for its first; for nothing else any more. Raises NotFound, BadRequest."""
    own = (await ports.of_devices(ctx, [str(server.id)])).get(str(server.id), [])
    inside = [(each.address, port.id) for port in own for each in port.fixed]
    if not inside:
        raise BadRequest("No fixed IPs associated to instance")
    if fixed is not None and str(fixed) not in dict(inside):
        raise BadRequest("Specified fixed address not assigned to instance")
    wanted = [(each, port_id) for each, port_id in inside if (each == str(fixed) if fixed else "." in each)]
    if not wanted:
        raise BadRequest(
            f"Unable to associate floating IP {address} to any fixed IPs for instance {server.id}. Instance has no fixed "
            "IPv4 addresses to associate."
        )
    floating_ip = (await _at(ctx, address)).floating_ip
    (chosen, port_id), *_ = wanted
    try:
        await floating_ips.change(ctx, floating_ip.id, {"port_id": port_id, "fixed_ip_address": chosen})
    except (NotFound, Conflict) as e:
        raise BadRequest(
            f"Unable to associate floating IP {address} to fixed IP {chosen} for instance {server.id}. Error: {e.message}"
        ) from None


async def disassociate(ctx: Ctx, server: Server, address: Address) -> None:
    """It stands for nothing. Raises NotFound; Conflict unless it stood for that server."""
    found = await _at(ctx, address)
    if found.port is None or found.port.device_id != str(server.id):
        raise Conflict(f"Floating IP {address} is not associated with instance {server.id}.")
    await floating_ips.change(ctx, found.floating_ip.id, {"port_id": None})
