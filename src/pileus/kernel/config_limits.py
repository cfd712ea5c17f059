"""What the type of an option cannot say. Each check raises ValueError with the name of the option and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pileus.kernel.config import Config, Identity, Network

PASSWORD_IN_URL = re.compile(r"[^:]*://[^/@:]*:[^/]*@")


def check(config: Config) -> None:
    """Addresses can be read, no secret stands in a URL, files come in pairs. Raises ValueError."""
    try:
        address(config.api.listen)
    except ValueError as e:
        raise ValueError(f"api.listen: {e}") from e
    for name, url in (("url", config.database.url), ("listen_url", config.database.listen_url)):
        if PASSWORD_IN_URL.match(url):
            raise ValueError(
                f"database.{name} holds a password; put it into a file (mode 0600) and name that by database.password_file"
            )
    if bool(config.api.tls_certificate) != bool(config.api.tls_key):
        raise ValueError("api.tls_certificate and api.tls_key go together: set both or none")
    for name, networks in (
        ("http.trusted_proxies", config.http.trusted_proxies),
        ("image.download_networks", config.image.download_networks),
    ):
        check_networks(networks, name)
    check_passwords(config.identity)
    check_wiring(config.network)


def check_networks(networks: Iterable[str], name: str) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError as e:
            raise ValueError(f"{name}: {e}") from e


def check_passwords(limits: Identity) -> None:
    """Rules of passwords that somebody can keep."""
    try:
        re.compile(limits.password_regex)
    except re.error as e:
        raise ValueError(f"identity.password_regex is no regular expression: {e}") from e
    if 0 < limits.password_expires_days <= limits.minimum_password_age_days:
        raise ValueError(
            "identity.minimum_password_age_days must be less than password_expires_days, or nobody could change a password "
            "before it expires"
        )


def check_wiring(network: Network) -> None:
    device, equals, there = network.tunnel.partition("=")
    for name, wanted in (("external_addresses", network.external_addresses), ("tunnel", (there,) if equals else ())):
        for each in wanted:
            try:
                ip_interface(each)
            except ValueError as e:
                raise ValueError(f"network.{name}: {e}") from e
    if network.tunnel and not (device and there):
        raise ValueError(f"network.tunnel is DEVICE=ADDRESS/LENGTH, not {network.tunnel!r}")


def address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [IPV6]:PORT or :PORT (all addresses). Raises ValueError that says the form."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535 or (":" in bare) != (bare != host):
        raise ValueError(f"{text!r} is not HOST:PORT (IPv6 as [::1]:9999)")
    return bare or "0.0.0.0", int(port)  # noqa: S104 (asked for by leaving the host out)
