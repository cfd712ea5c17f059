"""What rows are called: their keys, by which their wish finds them again, and their names, by which OVN does."""

from __future__ import annotations

from uuid import UUID

SECURED = "pileus_secured"
WISH = "pileus-wish"  # in external_ids: what the row was made of, so that it can be made again


def network(network_id: UUID) -> str:
    return f"network/{network_id}"


def port(port_id: UUID) -> str:
    return f"port/{port_id}"


def group(group_id: UUID) -> str:
    return f"group/{group_id}"


def router(router_id: UUID) -> str:
    return f"router/{router_id}"


def dhcp(network_id: UUID, subnet_id: UUID) -> str:
    return f"{network(network_id)}/dhcp/{subnet_id}"


def router_port(port_id: UUID) -> str:
    """The name of a router's side of a port; the network's side is called by the id alone."""
    return f"lrp-{port_id}"


def port_group(group_id: UUID) -> str:
    """A name that may stand in a match."""
    return f"pg_{str(group_id).replace('-', '_')}"


def id_in(key: str) -> UUID:
    """The id of "port/ID"."""
    return UUID(key.split("/")[1])
