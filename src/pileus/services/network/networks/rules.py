"""Which wire a network is on."""

from __future__ import annotations

from collections.abc import Collection

from pileus.services.network.addresses import invalid

TUNNELS = "geneve"
TYPES = (TUNNELS, "flat", "vlan")
PROVIDER = frozenset({"network_type", "physical_network", "segmentation_id"})
LAST_VLAN = 4094
LAST_TUNNEL = 2**24 - 1
LEAST_MTU = 68


def check_segment(kind: str, physical_network: str | None, segmentation_id: int | None, known: Collection[str]) -> None:
    """Raises BadRequest for attributes of a provider that do not go together."""
    if kind not in TYPES:
        raise invalid(f"provider:network_type {kind[:40]} not supported")
    if kind == TUNNELS and physical_network is not None:
        raise invalid(f"provider:physical_network specified for {kind} network")
    if kind != TUNNELS and physical_network is None:
        raise invalid("provider:physical_network is required")
    if physical_network is not None and physical_network not in known:
        raise invalid(f"physical_network '{physical_network[:64]}' unknown for {kind} provider network")
    if kind == "flat" and segmentation_id is not None:
        raise invalid("provider:segmentation_id specified for flat network")
    last = LAST_VLAN if kind == "vlan" else LAST_TUNNEL
    if segmentation_id is not None and not 1 <= segmentation_id <= last:
        raise invalid(f"segmentation_id out of range (1 through {last})")


def check_mtu(wanted: int, most: int) -> int:
    """The MTU of a network whose wire takes so much; 0 asks for all of it. Raises BadRequest."""
    if wanted > most:
        raise invalid(f"Requested MTU is too big, maximum is {most}")
    if 0 < wanted < LEAST_MTU:
        raise invalid(f"Requested MTU is too small, minimum is {LEAST_MTU}")
    return wanted or most
