"""What block storage needs of a host: volumes, their snapshots, and who may use them. `engines.verbs` says what every verb
promises.

A snapshot stands on its own: its volume may go before it. Sizes are GiB; volumes only grow.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol
from uuid import UUID

import msgspec

from pileus.engines.verbs import Answer

DiskFormat = Literal["raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "ploop", "iso", "ami", "aki", "ari"]


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of what is asked for."""


class Source(Spec, frozen=True):
    """What a new volume begins with: an image, a volume or a snapshot of the same host; none of them: zeros.

    `url` is a path on the control plane at which the bytes can be had for a while (`engines.transfers`); another one is
    another job. `format` is theirs, looked at again before they are used.
    """

    url: str | None = None
    format: str | None = None
    volume_id: UUID | None = None
    snapshot_id: UUID | None = None


class Volume(Spec, frozen=True):
    """A volume as it shall be."""

    id: UUID
    size_gib: int
    source: Source | None = None


class Snapshot(Spec, frozen=True):
    """A volume as it was in the moment in which the snapshot was made."""

    id: UUID
    volume_id: UUID


class Export(Spec, frozen=True):
    """A volume as one host may use it; `also`: the one that may as before, while a guest goes from there to here. The id is
    that of the attachment."""

    id: UUID
    volume_id: UUID
    host: str
    read_only: bool = False
    also: str | None = None


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """How a hypervisor opens an exported volume: the facts of a Done export, as a dict.

    `file`: `path`, on the host that holds the volume. `nbd`: `export` at `address`:`port`; `tls`: under the certificates of
    the cloud, of a server whose name is `tls_hostname`, and only for the host it was exported to. `sim`: nothing to open.
    """

    driver: Literal["file", "nbd", "sim"]
    format: str = "raw"
    path: str | None = None
    address: str | None = None
    port: int | None = None
    export: str | None = None
    tls: bool = False
    tls_hostname: str | None = None


class VolumeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a host has of a volume."""

    size_gib: int


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is, whoever made it, and how much room."""

    volumes: dict[UUID, VolumeFacts]
    snapshots: dict[UUID, UUID]  # the volume each was made of
    exports: dict[UUID, UUID]  # attachment -> volume
    free_gib: float
    total_gib: float


class Blocks(Protocol):
    """Volumes on one host."""

    KIND: ClassVar[str] = "blocks"
    VERSION: ClassVar[int] = 1

    async def ensure_volume(self, volume: Volume, *, fence: int) -> Answer:
        """The volume is there and at least this large; one that is smaller grows, also while it is used. A long job.

        The source is read when the volume is made, then never looked at again. Failed when it is missing, is no image of
        its format or larger than the volume, or when there is no room.
        """
        ...

    async def ensure_volume_gone(self, volume_id: UUID, *, fence: int) -> Answer:
        """Nothing of the volume is left, but for its snapshots. Failed while it is exported."""
        ...

    async def ensure_snapshot(self, snapshot: Snapshot, *, fence: int) -> Answer:
        """The snapshot is there: of one moment, also of a volume in use (consistent as after a crash). A long job."""
        ...

    async def ensure_snapshot_gone(self, snapshot_id: UUID, *, fence: int) -> Answer:
        """Nothing of the snapshot is left. What was made of it stays."""
        ...

    async def ensure_exported(self, export: Export, *, fence: int) -> Answer:
        """That host may open the volume. Done with a Connection as facts: the same each time it is said.

        It outlives a restart of the host's agent, and of the host.
        """
        ...

    async def ensure_unexported(self, attachment_id: UUID, *, fence: int) -> Answer:
        """That attachment gives access no more: who still has the volume open cannot read or write it."""
        ...

    async def ensure_uploaded(
        self, volume_id: UUID, url: str, disk_format: DiskFormat = "raw", *, fence: int
    ) -> Answer:
        """The volume's bytes were PUT to `url`, a path on the control plane, in that format. A long job.

        Failed while it is exported: the bytes would be of no one moment.
        """
        ...

    async def cancel(self, subject_id: UUID, verb: str, *, fence: int) -> Answer:
        """The job (subject, verb) does not run any more, and what it had begun is gone. Done also when there was none."""
        ...

    async def observe(self) -> Seen:
        """What is."""
        ...
