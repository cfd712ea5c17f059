"""A hypervisor made of files: it survives kill -9, you can `ls` it, and it can be told to fail.

<home>/domains/<id>.json     the definition of a guest
<home>/domains/<id>.power    "on", "off", "paused" or "suspended"
<home>/domains/<id>.disks    its local disks, and what is kept of them
<home>/domains/<id>.sizes    how large it sees volumes that have grown, by attachment
<home>/domains/<id>.boots    when it started, and the restarts that it has seen
<home>/domains/<id>.awaited  the definition of a guest that runs on another host, and shall come
<home>/domains/<id>.hurried  a guest that is being sent, and stands still
<home>/jobs, <home>/troubles see `engines.simulation`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from pileus.engines.files import read_or_none, write_at_home
from pileus.engines.hypervisor import Domain, DomainFacts, HostFacts, LocalDisk, Power, Screen
from pileus.engines.hypervisor.sim_guest import Boots, Disks, boot_text, numbers, progress, snapshot, volumes_of
from pileus.engines.simulation import Simulation, kept
from pileus.engines.transfers import Transfers
from pileus.engines.verbs import Answer, Done, Failed, Going
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Conflict, NotFound

TAKES_SPACE = {"ensure_defined", "ensure_disks", "ensure_disk_kept"}
SIZE = HostFacts(
    type="QEMU",
    version=7_002_022,
    hostname="simulated",
    vcpus=64,
    memory_mib=262_144,
    disk_gib=4096,
    accelerator="sim",
    cpu={
        "arch": "x86_64",
        "vendor": "Pileus",
        "model": "simulated",
        "topology": {"sockets": 1, "cores": 64, "threads": 1},
    },
)


class SimHypervisor:
    """Guests that are files. `delays_s` is how long a verb's job takes; a verb not in it is done at once."""

    KIND = "hypervisor"
    VERSION = 1

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        delays_s: Mapping[str, float] | None = None,
        transfers: Transfers | None = None,
        size: HostFacts = SIZE,
    ) -> None:
        self._domains = home / "domains"
        self._simulation = Simulation(home, clock, delays_s=delays_s, takes_space=TAKES_SPACE)
        self.troubles, self.delays_s = self._simulation.troubles, self._simulation.delays_s
        self._clock, self._transfers, self._size = clock, transfers, size

    async def ensure_disks(self, domain: Domain, *, fence: int) -> Answer:
        wanted = {disk.name: disk for disk in domain.disks if isinstance(disk, LocalDisk)}
        disks = self._disks(domain.id)
        return await self._say(
            "ensure_disks",
            domain.id,
            msgspec.json.encode(domain.disks).decode(),
            is_so=lambda: disks.hold(wanted) and self._disks_file(domain.id).exists(),
            make_so=lambda: self._write(self._disks_file(domain.id), disks.made(wanted)),
        )

    async def ensure_defined(self, domain: Domain, *, fence: int) -> Answer:
        wanted, file = msgspec.json.encode(domain), self._file(domain.id, "json")
        local = {disk.name for disk in domain.disks if isinstance(disk, LocalDisk)}
        missing = sorted(local - self._disks(domain.id).now.keys())
        lacking = Failed(f"The guest {domain.id} has no disk {', '.join(missing)}.")
        return await self._say(
            "ensure_defined",
            domain.id,
            wanted.decode(),
            is_so=lambda: lacking if missing else read_or_none(file) == wanted,
            make_so=lambda: write_at_home(file, wanted),
        )

    async def ensure_power(self, domain_id: UUID, power: Power, *, fence: int, soft_s: float = 0) -> Answer:
        def is_so() -> bool | Failed:
            now = self._power(domain_id)
            if self._missing(domain_id):
                return Failed(f"There is no guest {domain_id} on this host.")
            if power is Power.PAUSED and now not in (Power.ON, Power.PAUSED):
                return Failed(f"The guest {domain_id} does not run: it cannot be paused.")
            return now is power

        return await self._say("ensure_power", domain_id, power, is_so, lambda: self._set_power(domain_id, power))

    async def ensure_restarted(self, domain_id: UUID, restart_id: UUID, *, fence: int, soft_s: float = 0) -> Answer:
        missing = Failed(f"There is no guest {domain_id} on this host.")

        def make_so() -> None:
            self._set_power(domain_id, Power.OFF)
            self._set_power(domain_id, Power.ON, restart_id)

        seen = restart_id in self._boots(domain_id).restarts
        return await self._say(
            "ensure_restarted",
            domain_id,
            str(restart_id),
            is_so=lambda: missing if self._missing(domain_id) else seen and self._power(domain_id) is Power.ON,
            make_so=make_so,
        )

    async def ensure_volume_seen(self, domain_id: UUID, attachment_id: UUID, size_gib: int, *, fence: int) -> Answer:
        sizes = self._sizes(domain_id)

        def is_so() -> bool:
            looks = self._power(domain_id) in (Power.ON, Power.PAUSED)
            return sizes.get(attachment_id, 0) >= size_gib or not looks or attachment_id not in self._volumes(domain_id)

        return await self._say(
            "ensure_volume_seen",
            domain_id,
            f"{attachment_id} {size_gib}",
            is_so=is_so,
            make_so=lambda: write_at_home(
                self._file(domain_id, "sizes"), msgspec.json.encode({**sizes, attachment_id: size_gib})
            ),
        )

    async def ensure_disk_kept(self, domain_id: UUID, disk: str, label: str, *, fence: int) -> Answer:
        disks = self._disks(domain_id)
        missing = Failed(f"The guest {domain_id} has no disk {disk}.")
        return await self._say(
            "ensure_disk_kept",
            domain_id,
            f"{disk}@{label}",
            is_so=lambda: f"{disk}@{label}" in disks.kept or (missing if disk not in disks.now else False),
            make_so=lambda: self._write(self._disks_file(domain_id), disks.keeping(disk, label)),
        )

    async def ensure_disk_restored(self, domain_id: UUID, disk: str, label: str, *, fence: int) -> Answer:
        disks = self._disks(domain_id)
        return await self._say(
            "ensure_disk_restored",
            domain_id,
            f"{disk}@{label}",
            is_so=lambda: f"{disk}@{label}" not in disks.kept,
            make_so=lambda: self._write(self._disks_file(domain_id), disks.restored(disk, label)),
        )

    async def ensure_kept_gone(self, domain_id: UUID, label: str, *, fence: int) -> Answer:
        disks = self._disks(domain_id)
        return await self._say(
            "ensure_kept_gone",
            domain_id,
            label,
            is_so=lambda: disks == disks.without(label),
            make_so=lambda: self._write(self._disks_file(domain_id), disks.without(label)),
        )

    async def ensure_uploaded(self, domain_id: UUID, disk: str, url: str, *, fence: int) -> Answer:
        found = self._disks(domain_id).now.get(disk)
        missing = Failed(f"The guest {domain_id} has no disk {disk}.")
        answer = await self._say(
            "ensure_uploaded", domain_id, f"{disk} {url}", lambda: missing if found is None else False, lambda: None
        )
        if isinstance(answer, Done) and found is not None and self._transfers is not None:
            await self._transfers.put(url, snapshot(found))
        return answer

    async def ensure_awaited(self, domain: Domain, source: str, disks: dict[str, int], *, fence: int) -> Answer:
        wanted = {disk.name: disk for disk in domain.disks if isinstance(disk, LocalDisk)}
        data, file = msgspec.json.encode(domain), self._file(domain.id, "awaited")

        def make_so() -> None:
            self._write(self._disks_file(domain.id), self._disks(domain.id).made(wanted))
            write_at_home(file, data)

        def is_so() -> bool:
            return read_or_none(file) == data or not self._missing(domain.id)

        answer = await self._say("ensure_awaited", domain.id, f"{source} {data!r}", is_so, make_so)
        return Done(facts={"domains": str(self._domains)}) if isinstance(answer, Done) else answer

    async def ensure_sent(self, domain_id: UUID, to: dict[str, Any], *, fence: int) -> Answer:
        there = Path(to["domains"])

        def is_so() -> bool | Failed:
            if self._missing(domain_id):
                return (there / f"{domain_id}.json").exists() or Failed(f"There is no guest {domain_id} on this host.")
            if not (there / f"{domain_id}.awaited").exists():
                return Failed(f"The guest {domain_id} is not awaited there.")
            if self._power(domain_id) not in (Power.ON, Power.PAUSED):
                return Failed(f"The guest {domain_id} does not run.")
            if self._file(domain_id, "hurried").exists():
                self._simulation.drop(domain_id, "ensure_sent")
                self._send(domain_id, there)
                return True
            return False

        def make_so() -> None:
            self._send(domain_id, there)

        answer = await self._say("ensure_sent", domain_id, str(there), is_so, make_so)
        if isinstance(answer, Going):
            return msgspec.structs.replace(answer, facts=progress(self._domain(domain_id), answer.percent))
        return answer

    def _send(self, domain_id: UUID, there: Path) -> None:
        """Nothing here before all is there."""
        for suffix in ("boots", "sizes", "power"):
            data = read_or_none(self._file(domain_id, suffix))
            if data is not None:
                write_at_home(there / f"{domain_id}.{suffix}", data)
        awaited = there / f"{domain_id}.awaited"
        awaited.rename(awaited.with_suffix(".json"))
        for suffix in ("json", "power", "boots", "sizes", "hurried"):
            self._file(domain_id, suffix).unlink(missing_ok=True)

    async def ensure_hurried(self, domain_id: UUID, *, fence: int) -> Answer:
        file = self._file(domain_id, "hurried")
        return await self._say(
            "ensure_hurried",
            domain_id,
            "",
            is_so=lambda: file.exists() or self._missing(domain_id),
            make_so=lambda: write_at_home(file, b""),
        )

    async def local_disks(self, domain_id: UUID) -> dict[str, int]:
        if self._missing(domain_id):
            raise NotFound(f"There is no guest {domain_id} on this host.")
        return {name: disk.size_mib << 20 for name, disk in self._disks(domain_id).now.items()}

    async def ensure_gone(self, domain_id: UUID, *, fence: int) -> Answer:
        return await self._say(
            "ensure_gone",
            domain_id,
            "",
            is_so=lambda: not any(self._domains.glob(f"{domain_id}.*")) and not self._simulation.has_jobs(domain_id),
            make_so=lambda: self._remove(domain_id),
        )

    async def cancel(self, domain_id: UUID, verb: str, *, fence: int) -> Answer:
        if verb == "ensure_sent":
            self._file(domain_id, "hurried").unlink(missing_ok=True)
        return await self._simulation.cancel(domain_id, verb)

    async def observe(self) -> dict[UUID, DomainFacts]:
        await self._simulation.suffer(self.troubles.of("observe", ""))
        return {domain_id: self._facts(domain_id) for domain_id in sorted(self._ids())}

    async def describe(self) -> HostFacts:
        return self._size

    async def console_log(self, domain_id: UUID, lines: int | None) -> str:
        domain, boots = self._domain(domain_id), self._boots(domain_id)
        text = "".join(boot_text(domain.name, at, n) for n, at in enumerate(boots.at))
        kept = text.splitlines(keepends=True)
        return "".join(kept if lines is None else kept[-lines:] if lines else [])

    async def screen(self, domain_id: UUID, kind: str) -> Screen:
        self._running(domain_id)
        return Screen(kind=kind, path=str(self._file(domain_id, kind)))

    async def stats(self, domain_id: UUID) -> dict[str, int | float]:
        domain = self._running(domain_id)
        return numbers(domain, self._clock.now() - self._boots(domain_id).at[-1], self._sizes(domain_id))

    async def _say(
        self, verb: str, domain_id: UUID, wish: str, is_so: Callable[[], bool | Failed], make_so: Callable[[], Any]
    ) -> Answer:
        def stands() -> Answer | None:
            so = is_so()
            return so if isinstance(so, Failed) else Done() if so else None

        def made() -> Answer:
            make_so()
            return Done()

        return await self._simulation.say(verb, domain_id, wish, is_so=stands, make_so=made)

    def _remove(self, domain_id: UUID) -> None:
        for file in self._domains.glob(f"{domain_id}.*"):
            file.unlink(missing_ok=True)
        self._simulation.drop(domain_id)

    def _defined(self, domain_id: UUID) -> Domain | None:
        return kept(self._file(domain_id, "json"), Domain)

    def _facts(self, domain_id: UUID) -> DomainFacts:
        domain = self._defined(domain_id)
        disks = self._disks(domain_id).names()
        if domain is None:
            return DomainFacts(disks=disks)
        return DomainFacts(
            defined=True,
            power=self._power(domain_id),
            disks=disks,
            nics=tuple(nic.port_id for nic in domain.nics),
            volumes=volumes_of(domain),
        )

    def _volumes(self, domain_id: UUID) -> tuple[UUID, ...]:
        domain = self._defined(domain_id)
        return () if domain is None else volumes_of(domain)

    def _sizes(self, domain_id: UUID) -> dict[UUID, int]:
        return kept(self._file(domain_id, "sizes"), dict[UUID, int]) or {}

    def _missing(self, domain_id: UUID) -> bool:
        return self._defined(domain_id) is None

    def _domain(self, domain_id: UUID) -> Domain:
        domain = self._defined(domain_id)
        if domain is None:
            raise NotFound(f"There is no guest {domain_id} on this host.")
        return domain

    def _running(self, domain_id: UUID) -> Domain:
        domain = self._domain(domain_id)
        if self._power(domain_id) is not Power.ON:
            raise Conflict(f"The guest {domain_id} does not run.")
        return domain

    def _power(self, domain_id: UUID) -> Power:
        return Power((read_or_none(self._file(domain_id, "power")) or b"off").decode())

    def _set_power(self, domain_id: UUID, power: Power, restart_id: UUID | None = None) -> None:
        if power is Power.ON and self._power(domain_id) is Power.OFF:
            boots = self._boots(domain_id).another(self._clock.now(), restart_id)
            self._write(self._file(domain_id, "boots"), boots)
        write_at_home(self._file(domain_id, "power"), power.encode())

    def _boots(self, domain_id: UUID) -> Boots:
        return kept(self._file(domain_id, "boots"), Boots) or Boots()

    def _disks(self, domain_id: UUID) -> Disks:
        return kept(self._disks_file(domain_id), Disks) or Disks()

    def _write(self, file: Path, what: msgspec.Struct) -> None:
        write_at_home(file, msgspec.json.encode(what))

    def _ids(self) -> set[UUID]:
        return {UUID(file.stem) for file in self._domains.glob("*") if not file.name.startswith(".")}

    def _disks_file(self, domain_id: UUID) -> Path:
        return self._file(domain_id, "disks")

    def _file(self, domain_id: UUID, suffix: str) -> Path:
        return self._domains / f"{domain_id}.{suffix}"
