"""The verbs. Each may take as long as it takes: the rim makes a job of it, and cancels it where it awaits."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import libvirt
import msgspec

from pileus.engines.files import make_directory
from pileus.engines.hypervisor import Domain, DomainFacts, HostFacts, Hypervisor, LocalDisk, Power, Screen
from pileus.engines.hypervisor.libvirt import facts
from pileus.engines.hypervisor.libvirt.connection import UNHEARD, WAITS, Connection, domain_of, waits_for_disk
from pileus.engines.hypervisor.libvirt.daemon import qemu_user
from pileus.engines.hypervisor.libvirt.disks import Disks
from pileus.engines.hypervisor.libvirt.drive import write_drive
from pileus.engines.hypervisor.libvirt.guest import PASS_THROUGH, Guest, Restart
from pileus.engines.hypervisor.libvirt.images import Images, virtual_bytes
from pileus.engines.hypervisor.libvirt.plugging import Clings, places, plug, show_size
from pileus.engines.hypervisor.libvirt.power import remove, start, stop
from pileus.engines.hypervisor.libvirt.refusal import Refusal
from pileus.engines.hypervisor.libvirt.road import Road
from pileus.engines.hypervisor.libvirt.sending import Place, Sending
from pileus.engines.hypervisor.libvirt.uploads import Uploads
from pileus.engines.hypervisor.libvirt.xml import Site, Slots, domain_xml
from pileus.engines.transfers import Transfers
from pileus.engines.verbs import Answer, Change, Done, Failed, Going
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Conflict, NotFound, Unavailable

logger = logging.getLogger("pileus.libvirt")

P = ParamSpec("P")
T = TypeVar("T")
LOOK_S = 0.2
ASK_AGAIN_S = 10.0
AGAIN_S = 0.5
HOUSEKEEPING_S = 60.0
BY_ITSELF = {
    libvirt.VIR_DOMAIN_EVENT_STARTED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED,
}
DIED = {
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED),
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED),
    UNHEARD,
}
ARRIVED = (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_MIGRATED)
ECHO_S = 0.5


def verb(
    act: Callable[Concatenate[LibvirtHypervisor, P], Awaitable[Answer | None]],
) -> Callable[Concatenate[LibvirtHypervisor, P], Coroutine[Any, Any, Answer]]:
    """Done when it returns nothing else, Failed for what cannot be."""

    @functools.wraps(act)
    async def say(self: LibvirtHypervisor, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            answer = await act(self, *args, **kwargs)
        except Refusal as e:
            return Failed(str(e))
        except libvirt.libvirtError as e:
            return Failed(f"libvirt: {e.get_error_message() or e}")
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return Failed("No space is left on this host.")
        return answer or Done()

    return say


class LibvirtHypervisor(Hypervisor):
    """Guests by QEMU. `changed` hears of those that stop or start by themselves. Started by `running`."""

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        road: Road,
        site: Site,
        transfers: Transfers,
        changed: Callable[[Change], None] | None = None,
    ) -> None:
        self._home, self._clock, self._daemon, self._site = home, clock, road.daemon, site
        self._changed = changed or (lambda change: None)
        make_directory(home).chmod(PASS_THROUGH)
        self._guests = make_directory(home / "guests")
        self._guests.chmod(PASS_THROUGH)
        self._images = Images(home / "images", transfers)
        self._disks = Disks(self._images)
        self._connection = Connection(road.daemon, self._heard)
        self._sending = Sending(self._connection, road, site, clock)
        self._uploads = Uploads(self._connection, transfers, clock)
        self._ending: list[UUID] = []
        self._died: set[UUID] = set()  # of those, who may have gone off in another way than by us
        self._telling: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside the block it can be asked. Raises Unavailable when libvirtd cannot be started."""
        await self._connection.call(lambda connection: connection.getVersion())
        housekeeping = asyncio.create_task(self._keep_house(), name="guests' logs and images")
        try:
            yield
        finally:
            for task in (housekeeping, *self._telling):
                task.cancel()
            await asyncio.wait({housekeeping, *self._telling})
            await self._sending.stop()
            await self._connection.close()

    @verb
    async def ensure_disks(self, domain: Domain, *, fence: int) -> None:
        local = [disk for disk in domain.disks if isinstance(disk, LocalDisk)]
        await self._disks.ensure(self._made(domain.id), local)

    @verb
    async def ensure_defined(self, domain: Domain, *, fence: int) -> Answer | None:
        guest = self._made(domain.id)
        local = {disk.name for disk in domain.disks if isinstance(disk, LocalDisk)}
        if missing := sorted(local - guest.disks().keys()):
            raise Refusal(f"The guest {domain.id} has no disk {', '.join(missing)}.")
        if domain.config_drive is not None and domain.config_drive.files:
            await asyncio.to_thread(write_drive, guest.drive, domain.config_drive.files)
        try:
            await self._connection.call(self._define, domain, guest)
        except Clings as e:
            return Going(0, str(e))
        await asyncio.to_thread(guest.write_wish, domain)
        return None

    def _define(self, connection: Any, wish: Domain, guest: Guest) -> None:
        """What may be plugged is; the rest is there at the next start. In a thread."""
        found = domain_of(connection, wish.id)
        runs = found is not None and bool(found.isActive())
        if runs:
            plug(found, wish, guest, self._site)
        slots = Slots() if found is None else places(found.XMLDesc(0), wish, runs=runs)
        connection.defineXML(domain_xml(wish, guest, self._site, slots))

    @verb
    async def ensure_power(self, domain_id: UUID, power: Power, *, fence: int, soft_s: float = 0) -> None:
        now = await self._power(domain_id)
        if power is now:
            return
        if power is Power.ON:
            await self._call(domain_id, start)
        elif power is Power.OFF:
            with self._by_us(domain_id):
                await self._off(domain_id, soft_s)
        elif now not in (Power.ON, Power.PAUSED):
            raise Refusal(f"The guest {domain_id} does not run: it cannot be {power}.")
        elif power is Power.PAUSED:
            await self._call(domain_id, lambda domain: domain.suspend())
        else:
            with self._by_us(domain_id):
                await self._call(domain_id, lambda domain: domain.managedSave(0))

    @verb
    async def ensure_restarted(self, domain_id: UUID, restart_id: UUID, *, fence: int, soft_s: float = 0) -> None:
        guest = self._guest(domain_id)
        run = await self._call(domain_id, lambda domain: domain.ID() if domain.isActive() else None)
        restart = guest.restarts().get(restart_id)
        if restart is None:
            restart = Restart(run)
            guest.note_restart(restart_id, restart)
        if not restart.over:
            with self._by_us(domain_id):
                if run is not None and run == restart.run:  # else it was stopped already, or started again
                    await self._off(domain_id, soft_s)
                elif await self._power(domain_id) is Power.SUSPENDED:
                    await self._off(domain_id, 0)
            await self._call(domain_id, start)
            guest.note_restart(restart_id, Restart(restart.run, over=True))
        elif await self._power(domain_id) is not Power.ON:
            await self._call(domain_id, start)

    async def _off(self, domain_id: UUID, soft_s: float) -> None:
        """It does not run. It is asked first, and gets so long; asked again, as who boots does not hear it."""
        deadline, ask_at = time.monotonic() + soft_s, 0.0
        while (now := time.monotonic()) < deadline and await self._power(domain_id) is Power.ON:
            if now >= ask_at:
                await self._call(domain_id, lambda domain: domain.shutdown())
                ask_at = now + ASK_AGAIN_S
            await self._clock.sleep(LOOK_S)
        await self._call(domain_id, stop)

    @verb
    async def ensure_volume_seen(self, domain_id: UUID, attachment_id: UUID, size_gib: int, *, fence: int) -> None:
        await self._connection.call(show_size, domain_id, attachment_id, size_gib << 30)

    @verb
    async def ensure_disk_kept(self, domain_id: UUID, disk: str, label: str, *, fence: int) -> None:
        await self._disks.keep(self._guest(domain_id), disk, label)

    @verb
    async def ensure_disk_restored(self, domain_id: UUID, disk: str, label: str, *, fence: int) -> None:
        await asyncio.to_thread(self._disks.restore, self._guest(domain_id), disk, label)

    @verb
    async def ensure_kept_gone(self, domain_id: UUID, label: str, *, fence: int) -> None:
        await asyncio.to_thread(self._disks.drop, self._guest(domain_id), label)

    @verb
    async def ensure_uploaded(self, domain_id: UUID, disk: str, url: str, *, fence: int) -> None:
        await self._uploads.send(self._guest(domain_id), disk, url)

    @verb
    async def ensure_awaited(self, domain: Domain, source: str, disks: dict[str, int], *, fence: int) -> Answer:
        guest = self._made(domain.id)
        if domain.config_drive is not None and domain.config_drive.files:
            await asyncio.to_thread(write_drive, guest.drive, domain.config_drive.files)
        place = await self._sending.wait_for(domain, guest, source, disks)
        await asyncio.to_thread(guest.write_wish, domain)
        return Done(facts=msgspec.to_builtins(place))

    @verb
    async def ensure_sent(self, domain_id: UUID, to: dict[str, Any], *, fence: int) -> Answer | None:
        with self._by_us(domain_id):
            return await self._sending.send(self._guest(domain_id), msgspec.convert(to, Place))

    @verb
    async def ensure_hurried(self, domain_id: UUID, *, fence: int) -> None:
        await self._sending.hurry(domain_id)

    async def local_disks(self, domain_id: UUID) -> dict[str, int]:
        guest = self._guest(domain_id)
        if guest.wish() is None:
            raise NotFound(f"There is no guest {domain_id} on this host.")
        disks = {name: disk for name, disk in guest.disks().items() if "@" not in name}
        return {name: await virtual_bytes(guest.disk_path(name), disk.format) for name, disk in disks.items()}

    @verb
    async def ensure_gone(self, domain_id: UUID, *, fence: int) -> None:
        with self._by_us(domain_id):
            await self._sending.forget(domain_id)
            await self._connection.call(remove, domain_id)
        await asyncio.to_thread(self._guest(domain_id).remove)

    @verb
    async def cancel(self, domain_id: UUID, verb: str, *, fence: int) -> None:
        guest = self._guest(domain_id)
        if verb in ("ensure_disks", "ensure_disk_kept"):
            await asyncio.to_thread(guest.sweep_disks)
        elif verb == "ensure_sent":
            await self._sending.call_back(domain_id)
        elif verb == "ensure_uploaded":
            await self._uploads.clear(guest)

    async def observe(self) -> dict[UUID, DomainFacts]:
        return await self._asked(facts.seen, self._guests)

    async def describe(self) -> HostFacts:
        return await self._asked(facts.host_facts, self._home, self._site.accelerator)

    async def _asked(self, question: Callable[..., T], *arguments: Any) -> T:
        """What libvirt knows. Raises Unavailable, also when it cannot find out (of a machine without /sys)."""
        try:
            return await self._connection.call(question, *arguments)
        except libvirt.libvirtError as e:
            raise Unavailable(f"libvirt: {e.get_error_message() or e}") from e

    async def console_log(self, domain_id: UUID, lines: int | None) -> str:
        guest = self._guest(domain_id)
        if await self._connection.call(domain_of, domain_id) is None:
            raise NotFound(f"There is no guest {domain_id} on this host.")
        return await asyncio.to_thread(guest.console_text, lines)

    async def screen(self, domain_id: UUID, kind: str) -> Screen:
        await self._running(domain_id)
        if kind not in ("vnc", "serial"):
            raise Conflict(f"The guest {domain_id} has no console of the kind {kind}.")
        path = self._guest(domain_id).socket(kind)
        if not await asyncio.to_thread(is_socket, path):
            raise Conflict(f"The guest {domain_id} has no console of the kind {kind} just now.")
        return Screen(kind=kind, path=str(path))

    async def stats(self, domain_id: UUID) -> dict[str, int | float]:
        await self._running(domain_id)
        pid = self._daemon.guest_pid(str(domain_id))
        return await self._call(domain_id, lambda domain: facts.numbers(domain, pid))

    async def _running(self, domain_id: UUID) -> None:
        if await self._connection.call(domain_of, domain_id) is None:
            raise NotFound(f"There is no guest {domain_id} on this host.")
        if await self._power(domain_id) not in (Power.ON, Power.PAUSED):
            raise Conflict(f"The guest {domain_id} does not run.")

    async def _power(self, domain_id: UUID) -> Power:
        """Raises Refusal when there is no such guest."""
        return await self._call(domain_id, facts.power_of)

    async def _call(self, domain_id: UUID, act: Callable[[Any], T]) -> T:
        """`act(domain)` in a thread. Raises Refusal when there is no such guest."""

        def work(connection: Any) -> T:
            found = domain_of(connection, domain_id)
            if found is None:
                raise Refusal(f"There is no guest {domain_id} on this host.")
            return act(found)

        return await self._connection.call(work)

    def _made(self, domain_id: UUID) -> Guest:
        guest = self._guest(domain_id)
        guest.make(qemu_user().pw_uid)
        return guest

    def _guest(self, domain_id: UUID) -> Guest:
        return Guest.of(self._guests, domain_id)

    def _heard(self, guest_id: UUID, event: int, detail: int) -> None:
        if (event, detail) == ARRIVED:
            self._begin(self._sending.arrived(guest_id))
        if (event, detail) == WAITS:
            self._begin(self._try_again(guest_id))
        elif event in BY_ITSELF and guest_id not in self._ending:
            self._begin(self._tell(guest_id, unheard=(event, detail) == UNHEARD))
        elif (event, detail) in DIED:
            self._died.add(guest_id)

    @contextmanager
    def _by_us(self, guest_id: UUID) -> Iterator[None]:
        """What goes off inside the block does so by our doing, and is no news; if it died, that is told afterwards."""
        self._ending.append(guest_id)
        try:
            yield
        finally:  # libvirt may answer before it tells
            asyncio.get_running_loop().call_later(ECHO_S, self._end, guest_id)

    def _end(self, guest_id: UUID) -> None:
        self._ending.remove(guest_id)
        if guest_id not in self._ending and guest_id in self._died:
            self._died.discard(guest_id)
            self._begin(self._tell(guest_id, unheard=True, lost_only=True))

    def _begin(self, answer: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(answer)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _try_again(self, guest_id: UUID) -> None:
        """A disk did not answer, and the guest stands still: it asks once more. If that comes to nothing we hear of it again."""
        await self._clock.sleep(AGAIN_S)
        with suppress(Refusal, libvirt.libvirtError, Unavailable):
            await self._call(guest_id, lambda domain: domain.resume() if waits_for_disk(domain) else None)

    async def _tell(self, guest_id: UUID, *, unheard: bool, lost_only: bool = False) -> None:
        with suppress(Refusal, libvirt.libvirtError, Unavailable):
            told: dict[str, Any] = {"power": str(await self._power(guest_id))}
            if unheard and await self._call(guest_id, facts.is_lost):
                told["lost"] = True
            elif lost_only:
                return
            self._changed(Change("hypervisor", "power", str(guest_id), Done(facts=told)))

    async def _keep_house(self) -> None:
        while True:
            await asyncio.to_thread(self._clean)
            self._connection.look_again()
            await self._clock.sleep(HOUSEKEEPING_S)

    def _clean(self) -> None:
        used: set[str] = set()
        for folder in self._guests.iterdir():
            guest = Guest(folder, UUID(folder.name))
            guest.cut_console()
            used.update(disk.base for disk in guest.disks().values() if disk.base is not None)
        self._images.sweep(used)


def is_socket(path: Path) -> bool:
    """And no link to another: QEMU may write in its folder."""
    with suppress(FileNotFoundError):
        return stat.S_ISSOCK(path.lstat().st_mode)
    return False
