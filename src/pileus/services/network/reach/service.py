"""Whether a port can be reached, and what is in the way: from the rows, and from the overlay where it can say."""

from __future__ import annotations

from ipaddress import ip_address
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound, Unavailable
from pileus.services.network.address_groups import service as address_groups
from pileus.services.network.addresses import read_address
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.grounds import is_admin
from pileus.services.network.networks import service as networks
from pileus.services.network.overlay import KIND, controller
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port
from pileus.services.network.reach import rules
from pileus.services.network.reach.rules import Finding, Leg, Outside, Packet, Scene
from pileus.services.network.routers import service as routers
from pileus.services.network.routers.service import LEG, Around
from pileus.services.network.security_group_rules import service as group_rules
from pileus.services.network.subnets import service as subnets

__all__ = ["Answer", "Finding", "Question", "explain"]

A_HOST = "that may not be shown to you"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Does such a packet get to the port? `source`: an address or a port; none: from somewhere outside."""

    port_id: UUID
    source: str | None = None
    protocol: str | None = None
    port: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`reached` None: something is not known. `trace`: what the overlay would do; empty where it was not asked."""

    reached: bool | None
    findings: list[Finding]
    trace: list[str]


async def explain(ctx: Ctx, question: Question) -> Answer:
    """For who may see the port. Raises NotFound, BadRequest, Forbidden."""
    async with ctx.read() as reading:
        port = await ports.get(reading, question.port_id)
        reading.require({"project_id": port.project_id})
        source = await _source(reading, question.source)
        packet = _packet(question, port, source)
        found = rules.findings(await _scene(reading, port), packet)
    trace = await _trace(ctx, source, port, packet) if source is not None and is_admin(ctx) else []
    return Answer(reached=rules.verdict(found), findings=found, trace=trace)


async def _source(ctx: Ctx, text: str | None) -> Port | None:
    """The port that sends, if it is one."""
    try:
        return None if text is None else await ports.get(ctx, UUID(text))
    except ValueError:
        return None


def _packet(question: Question, port: Port, source: Port | None) -> Packet:
    protocol = group_rules.read_protocol(question.protocol)
    if question.port is not None and protocol is None:
        raise BadRequest("Say of which protocol the port number is.", field="protocol")
    if source is None:
        address = None if question.source is None else str(read_address(question.source, "source"))
        return Packet(source=address, protocol=protocol, port=question.port)
    versions = {ip_address(each.address).version for each in port.fixed}
    usable = [each.address for each in source.fixed if ip_address(each.address).version in versions]
    if not usable:
        raise BadRequest(f"Port {source.id} has no address of the kind that {port.id} has.", field="source")
    wanted = 6 if group_rules.number(protocol) in group_rules.ONLY_IPV6 else 4
    usable.sort(key=lambda address: ip_address(address).version != wanted)
    groups = frozenset(source.groups) if source.port_security else frozenset[UUID]()
    return Packet(source=usable[0], protocol=protocol, port=question.port, groups=groups)


async def _scene(ctx: Ctx, port: Port) -> Scene:
    network = (await networks.by_ids(ctx, [port.network_id]))[port.network_id]
    its = await group_rules.of_groups(ctx, port.groups)
    named = {rule.remote_address_group_id for several in its.values() for rule in several} - {None}
    lists = await address_groups.by_ids(ctx, [id_ for id_ in named if id_ is not None])
    beside = (await subnets.of_networks(ctx, [network.id])).get(network.id, [])
    return Scene(
        port_id=str(port.id),
        network_id=str(network.id),
        port_up=port.admin_state_up,
        network_up=network.admin_state_up,
        external=network.external,
        status=port.status,
        host=port.host if port.host is None or is_admin(ctx) else A_HOST,
        owner=port.device_owner,
        addresses=tuple(each.address for each in port.fixed),
        cidrs=tuple(subnet.cidr for subnet in beside),
        secured=port.port_security,
        groups=its,
        lists={id_: group.addresses for id_, group in lists.items()},
        legs=tuple([await _leg(ctx, around, port) for around in await _routers(ctx, port)]),
        floating=await _floating(ctx, port),
    )


async def _routers(ctx: Ctx, port: Port) -> list[Around]:
    """The routers on the port's network."""
    legs = await ports.of_owners(ctx, [port.network_id], [LEG])
    known = await routers.by_ids(ctx, {UUID(leg.device_id) for leg in legs})
    return [await routers.look_around(ctx, known[id_]) for id_ in sorted(known)]


async def _leg(ctx: Ctx, around: Around, port: Port) -> Leg:
    fixed = [(leg.network_id, each) for leg in around.legs for each in leg.fixed]
    return Leg(
        router_id=str(around.router.id),
        up=around.router.admin_state_up,
        addresses=tuple(each.address for network_id, each in fixed if network_id == port.network_id),
        cidrs=tuple(around.subnets[each.subnet_id].cidr for _, each in fixed),
        external=str(around.gateway.network_id) if around.gateway else None,
        snat=around.router.enable_snat,
    )


async def _floating(ctx: Ctx, port: Port) -> tuple[Outside, ...]:
    found = (await floating_ips.of_ports(ctx, [port.id])).get(port.id, [])
    return tuple(
        Outside(
            address=each.floating_ip_address,
            inside=each.fixed_ip_address or "",
            router_id=None if each.router_id is None else str(each.router_id),
            active=each.status == "ACTIVE",
        )
        for each in found
    )


async def _trace(ctx: Ctx, source: Port, port: Port, packet: Packet) -> list[str]:
    """What the overlay does with the packet, line by line. An overlay that cannot be asked says why."""
    version = ip_address(packet.source or "").version
    destination = next(each.address for each in port.fixed if ip_address(each.address).version == version)
    try:
        overlay = ctx.engine(KIND, await controller(ctx))
        return list(await overlay.trace(source.id, destination, packet.protocol or "icmp", packet.port))
    except (NotFound, Unavailable) as e:
        return [f"the overlay does not say: {e.message}"]
