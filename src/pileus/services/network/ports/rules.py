"""What a port may look like, and what it is to the overlay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pileus.kernel.errors import BadRequest, Conflict
from pileus.kernel.facts import facts
from pileus.services.network.addresses import invalid, read_address, read_block, read_mac, wrong

ROUTER_OWNERS = frozenset(
    {
        "network:router_interface",
        "network:router_interface_distributed",
        "network:router_gateway",
        "network:router_centralized_snat",
        "network:ha_router_replicated_interface",
        "network:router_ha_interface",
        "network:floatingip_agent_gateway",
    }
)
INTERFACE_OWNERS = frozenset({owner for owner in ROUTER_OWNERS if "gateway" not in owner})
METADATA, DHCP, FLOATING = "network:distributed", "network:dhcp", "network:floatingip"
AUTOMATIC = frozenset({METADATA, DHCP})
"""Owners of ports that come and go with their network."""

SERVICE_OWNERS = ROUTER_OWNERS | {FLOATING}
"""Owners of ports that go with what they are a part of, and not by themselves."""

SIZES: dict[str, int] = facts("network", "quotas")["sizes"]
MAC_PREFIX = "fa:16:3e"
VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)


def kind_of(device_owner: str) -> str:
    """What a port is to the overlay."""
    if device_owner in ROUTER_OWNERS:
        return "router"
    if device_owner == METADATA:
        return "metadata"
    return "plain" if device_owner in (DHCP, FLOATING) else "vif"


def is_trusted(device_owner: str) -> bool:
    """Whether it is a part of the network itself, which no group filters."""
    return device_owner.startswith("network:")


def random_mac(three_bytes: bytes) -> str:
    return f"{MAC_PREFIX}:{three_bytes[0]:02x}:{three_bytes[1]:02x}:{three_bytes[2]:02x}"


def pairs_of(asked: Iterable[tuple[str, str | None]], own_mac: str) -> list[dict[str, str]]:
    """The address pairs as they are kept. Raises BadRequest."""
    found: list[dict[str, str]] = []
    for address, mac in asked:
        block = read_block(address, "allowed_address_pairs") if "/" in address else None
        text = str(block) if block is not None else str(read_address(address, "allowed_address_pairs"))
        pair = {
            "ip_address": text,
            "mac_address": own_mac if mac is None else read_mac(mac, "allowed_address_pairs"),
        }
        if pair in found:
            raise wrong("allowed_address_pairs", f"Request contains duplicate address pair: {pair}.")
        found.append(pair)
    if len(found) > SIZES["max_allowed_address_pair"]:
        raise BadRequest(
            f"The number of allowed address pair exceeds the maximum {SIZES['max_allowed_address_pair']}.",
            type="AllowedAddressPairExhausted",
        )
    return found


def merged_options(before: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """DHCP options after a change: one without a value goes."""
    kept = {(each["opt_name"], each["ip_version"]): each["opt_value"] for each in before}
    for each in asked:
        kept[each["opt_name"], each["ip_version"]] = each["opt_value"]
    return [
        {"opt_name": name, "ip_version": version, "opt_value": value}
        for (name, version), value in kept.items()
        if value is not None
    ]


def check_security(*, secured: bool, groups: bool, pairs: bool) -> None:
    """Raises Conflict for what needs port security on a port without."""
    if secured:
        return
    if groups:
        raise Conflict(
            "Port has security group associated. Cannot disable port security or IP address until security group is "
            "removed",
            type="PortSecurityPortHasSecurityGroup",
        )
    if pairs:
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            type="AddressPairAndPortSecurityRequired",
        )


def check_dns_name(name: str) -> None:
    """Raises BadRequest for what is no name of a host."""
    labels = name.rstrip(".").split(".") if name else []
    for label in labels:
        plain = label.replace("-", "")
        if not 0 < len(label) <= 63 or not (plain.isascii() and plain.isalnum()) or label[0] == "-" or label[-1] == "-":
            raise wrong("dns_name", f"'{name[:80]}' is not a valid PQDN or FQDN.")
    if len(labels) > 1 and labels[-1].isdigit():
        raise invalid(f"'{name[:80]}' is not a valid DNS name: its last label is a number")
