"""How a host is wired: what its operator says of its networks. Knows no engine: the command line reads it, too."""

from __future__ import annotations

import socket

import msgspec

from pileus.kernel.join_token import HOST_NAME

UNNAMED = "local"


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """`external` are this host's own addresses in `physical_network`; none: it does not reach that network.

    `tunnel` is DEVICE=ADDRESS/LENGTH, of a device that carries nothing but tunnels to other hosts. `overlay` is ADDRESS:PORT:
    where the machine of the overlay listens for other hosts, and where those find it.
    """

    netns: str = ""
    physical_network: str = "public"
    external: tuple[str, ...] = ()
    masquerade: bool = False
    tunnel: str = ""
    overlay: str = ""

    def words(self) -> list[str]:
        """For `pileus serve agent`."""
        said = {"--netns": self.netns, "--tunnel": self.tunnel, "--overlay": self.overlay}
        words = [f"{name}={value}" for name, value in said.items() if value]
        words += [f"--physical-network={self.physical_network}", *(f"--external={each}" for each in self.external)]
        return [*words, *(["--masquerade"] if self.masquerade else [])]


def local_name() -> str:
    """The machine's name, as far as it is one for a host."""
    name = socket.gethostname().lower()
    return name if HOST_NAME.fullmatch(name) else UNNAMED
