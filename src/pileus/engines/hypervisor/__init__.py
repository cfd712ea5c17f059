"""What compute needs of a hypervisor. `engines.verbs` says what every verb promises.

A `Domain` is the whole wish for one guest. Bytes come and go by transfers: `url` is a path on the control plane with a token
that is good for one transfer; whoever fetches joins it to the address of its control plane (`engines.transfers`).

A guest that stops or starts by itself (a shutdown inside, a crash) is told as
`Change(kind="hypervisor", verb="power", subject=<id>, answer=Done(facts={"power": ...}))`; one that is off also when its
host begins to listen, as it may have stopped unheard: with the fact `lost` when neither the guest nor anybody else ended it,
as far as the host knows (it lost its power).
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar, Protocol
from uuid import UUID

import msgspec

from pileus.engines.verbs import Answer


class Power(enum.StrEnum):
    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    SUSPENDED = "suspended"  # its memory is on the disk


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a wish."""


class Image(Spec, frozen=True, kw_only=True):
    """Where a disk's first bytes come from. A host keeps what it fetched, by id and checksum, and its guests share it."""

    id: UUID
    url: str
    format: str
    size: int  # bytes of the transfer
    sha512: str | None = None
    min_disk_gib: int = 0


class LocalDisk(Spec, frozen=True, kw_only=True, tag="local"):
    """A disk that lives and dies with the guest. Another `edition`: it is made anew."""

    name: str  # root | ephemeral0 | swap | rescue
    size_mib: int  # 0: as large as the image
    image: Image | None = None
    edition: int = 0


class VolumeDisk(Spec, frozen=True, kw_only=True, tag="volume"):
    """A volume, opened as its export said (`engines.blocks.Connection` as a dict)."""

    id: UUID  # of the attachment
    volume_id: UUID  # the serial number that the guest sees
    connection: dict[str, str | int | bool | None]
    read_only: bool = False


class Nic(Spec, frozen=True, kw_only=True):
    port_id: UUID
    mac: str
    mtu: int
    model: str = "virtio"
    bridge: str = "br-int"


class ConfigDrive(Spec, frozen=True, kw_only=True):
    """`files`: path on the drive, and its bytes in base64. They hold secrets: kept readable for the host alone, never logged."""

    files: dict[str, str]


class Domain(Spec, frozen=True, kw_only=True):
    """A guest as it shall be. `disks` are in the order in which it tries to boot; the first is its root.

    Saying it of a running guest plugs and unplugs disks and NICs that differ; the rest counts from its next start.
    """

    id: UUID
    name: str = ""  # shown only
    vcpus: int
    memory_mib: int
    disks: tuple[LocalDisk | VolumeDisk, ...] = ()
    nics: tuple[Nic, ...] = ()
    config_drive: ConfigDrive | None = None
    machine: dict[str, str] = {}  # the hw_* properties that have an effect, without hw_: disk_bus, vif_model, firmware
    metadata: dict[str, str] = {}  # shown only: who owns it


class DomainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a host has of a guest. `disks` are local ones by name, kept ones as name@label; a guest may have only those."""

    defined: bool = False
    power: Power = Power.OFF
    disks: tuple[str, ...] = ()
    nics: tuple[UUID, ...] = ()  # of ports
    volumes: tuple[UUID, ...] = ()  # of attachments


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the agent itself reaches a console: a port of an address, or a socket's path."""

    kind: str  # vnc | serial
    host: str = "127.0.0.1"
    port: int | None = None
    path: str | None = None


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a host is made of, before anything of it is promised."""

    type: str  # QEMU
    version: int  # 1_000_000 * major + 1000 * minor + micro
    hostname: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    accelerator: str  # kvm | tcg | sim
    architecture: str = "x86_64"
    cpu: dict[str, Any] = {}  # vendor, model, topology, features
    traits: tuple[str, ...] = ()


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a guest has come on its way, in bytes."""

    memory_total: int = 0
    memory_processed: int = 0
    memory_remaining: int = 0
    disk_total: int = 0
    disk_processed: int = 0
    disk_remaining: int = 0


class Hypervisor(Protocol):
    """Guests on one host."""

    KIND: ClassVar[str] = "hypervisor"
    VERSION: ClassVar[int] = 1
    BESIDE: ClassVar[frozenset[str]] = frozenset({"ensure_hurried"})

    async def ensure_disks(self, domain: Domain, *, fence: int) -> Answer:
        """The guest has the local disks of the wish and no others but kept ones. A long job.

        Images are fetched and checked; a disk is made, made anew when its edition is another, or grown (never shrunk).
        The volumes of the wish are left alone.
        """
        ...

    async def ensure_defined(self, domain: Domain, *, fence: int) -> Answer:
        """The guest is known to the host with this shape; its power stays as it is (a new one is off). Its disks are there."""
        ...

    async def ensure_power(self, domain_id: UUID, power: Power, *, fence: int, soft_s: float = 0) -> Answer:
        """A defined guest has this power. Failed when there is no such guest, or for PAUSED of one that does not run.

        OFF with `soft_s`: the guest is asked first and gets so long. A long job.
        """
        ...

    async def ensure_restarted(self, domain_id: UUID, restart_id: UUID, *, fence: int, soft_s: float = 0) -> Answer:
        """A defined guest was started anew, once for each `restart_id`, and runs. A long job."""
        ...

    async def ensure_volume_seen(self, domain_id: UUID, attachment_id: UUID, size_gib: int, *, fence: int) -> Answer:
        """A guest that runs with that volume, which has grown, sees it at least so large. Done also for one that does not
        run, or has not got it: it looks when it starts, or gets it."""
        ...

    async def ensure_disk_kept(self, domain_id: UUID, disk: str, label: str, *, fence: int) -> Answer:
        """The disk as it was when this was said first is kept under the label, beside the disk. The guest is off. A long job."""
        ...

    async def ensure_disk_restored(self, domain_id: UUID, disk: str, label: str, *, fence: int) -> Answer:
        """The disk is what was kept under the label, which is gone then. Done when nothing is kept there. The guest is off."""
        ...

    async def ensure_kept_gone(self, domain_id: UUID, label: str, *, fence: int) -> Answer:
        """Nothing is kept under the label."""
        ...

    async def ensure_uploaded(self, domain_id: UUID, disk: str, url: str, *, fence: int) -> Answer:
        """A local disk as it is now (crash consistent), as a qcow2 without a backing file, was PUT to the url. A long job."""
        ...

    async def ensure_awaited(self, domain: Domain, source: str, disks: dict[str, int], *, fence: int) -> Answer:
        """The host is ready for the guest, which runs on the host `source`: as it shall be here, with its local disks of so
        many bytes, still empty. Done with the facts by which it is sent. A long job.

        It is not defined here before it has arrived; `ensure_gone` ends the waiting.
        """
        ...

    async def ensure_sent(self, domain_id: UUID, to: dict[str, Any], *, fence: int) -> Answer:
        """The guest, with its local disks, goes on where it is awaited (the facts of that), and is not defined here any more.
        A long job: Going has the facts of `Progress`.

        Failed or cancelled, it runs here as before; but look: the answer of a host that died may have got lost.
        """
        ...

    async def ensure_hurried(self, domain_id: UUID, *, fence: int) -> Answer:
        """A guest that is being sent stands still until it has arrived. Done also when none is."""
        ...

    async def ensure_gone(self, domain_id: UUID, *, fence: int) -> Answer:
        """Nothing of the guest is left: no definition, no disk, no job."""
        ...

    async def local_disks(self, domain_id: UUID) -> dict[str, int]:
        """How many bytes the local disks of a guest have, by name. Raises NotFound."""
        ...

    async def cancel(self, domain_id: UUID, verb: str, *, fence: int) -> Answer:
        """The job (guest, verb) does not run any more, and what it had begun is gone. Done also when there was none."""
        ...

    async def observe(self) -> dict[UUID, DomainFacts]:
        """Everything there is, whoever made it."""
        ...

    async def describe(self) -> HostFacts:
        """What the host is made of."""
        ...

    async def console_log(self, domain_id: UUID, lines: int | None) -> str:
        """The last lines that the guest wrote to its first serial port; None: all that is kept. Raises NotFound."""
        ...

    async def screen(self, domain_id: UUID, kind: str) -> Screen:
        """Where a console of a guest that runs is. Raises NotFound, Conflict when it has none just now."""
        ...

    async def stats(self, domain_id: UUID) -> dict[str, int | float]:
        """Numbers of a guest that runs: cpu0_time, memory, memory-rss, vda_size, vda_read, vda_read_req, tapX_rx, ...; uptime.

        Raises NotFound, Conflict when it does not run.
        """
        ...
