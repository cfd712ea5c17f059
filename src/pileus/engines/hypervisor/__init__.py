"""What compute needs of a hypervisor. `engines.verbs` says what every verb promises."""

from __future__ import annotations

import enum
from typing import ClassVar, Protocol
from uuid import UUID

import msgspec

from pileus.engines.verbs import Answer


class Power(enum.StrEnum):
    ON = "on"
    OFF = "off"


class Domain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guest as it shall be defined. The id is the guest's own."""

    id: UUID
    vcpus: int
    memory_mib: int
    nics: tuple[str, ...] = ()


class DomainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a host has of a guest. `image` is the source its disk was copied from; a guest may have only that."""

    defined: bool = False
    power: Power = Power.OFF
    image: str | None = None


class Hypervisor(Protocol):
    """Guests on one host."""

    KIND: ClassVar[str] = "hypervisor"
    VERSION: ClassVar[int] = 1

    async def ensure_defined(self, domain: Domain, *, fence: int) -> Answer:
        """The guest is known to the host, with this shape; its power stays as it is (a new one is off)."""
        ...

    async def ensure_power(self, domain_id: UUID, power: Power, *, fence: int) -> Answer:
        """A defined guest runs, or does not. Failed when there is no such guest."""
        ...

    async def ensure_copied(self, domain_id: UUID, source: str, *, fence: int) -> Answer:
        """The guest's disk is a copy of `source`. A long job. A disk copied from another source is replaced."""
        ...

    async def ensure_gone(self, domain_id: UUID, *, fence: int) -> Answer:
        """Nothing of the guest is left: no definition, no disk, no job."""
        ...

    async def cancel(self, domain_id: UUID, verb: str, *, fence: int) -> Answer:
        """The job (guest, verb) does not run any more, and what it had begun is gone. Done also when there was none."""
        ...

    async def observe(self) -> dict[UUID, DomainFacts]:
        """Everything there is, whoever made it."""
        ...
