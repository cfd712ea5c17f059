"""The faults of a simulated cloud. They are kept in the process: a restart ends them, and so does a reset.

While there is none nothing asks for one: requests are answered, and operations carried on, by code that knows of no faults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError, Conflict, NotFound
from pileus.kernel.http import App, Route
from pileus.kernel.http.calls import Call
from pileus.kernel.operations import UNTIL_RUNG, Op, Seam, Wait, wake_held
from pileus.services.cloud.faults import subjects
from pileus.services.cloud.faults.calls import FaultyCall
from pileus.services.cloud.faults.rules import Fault, Wanted
from pileus.services.identity.projects import service as projects
from pileus.services.volume.volumes import service as volumes

__all__ = ["Fault", "Faults", "Wanted", "end_all", "faults_of"]

MOST = 100


class Struck(CloudError):
    """What a step fails with that was told to."""


class Faults:
    """Those that there are, oldest first. Their seconds are the machine's, whatever clock the cloud has: clients wait in them."""

    def __init__(self, ctx: Ctx, app: App, lose: Callable[[str, UUID], None]) -> None:
        """`lose`: what a volume holds on a simulated host."""
        self._ctx, self._app, self._lose = ctx, app, lose
        self._faults: dict[UUID, Fault] = {}
        self._timers: dict[UUID, list[asyncio.TimerHandle]] = {}
        self._waking: set[asyncio.Task[None]] = set()

    # what there is

    def list_(self) -> list[Fault]:
        return list(self._faults.values())

    def get(self, fault_id: UUID) -> Fault:
        """Raises NotFound."""
        if fault_id not in self._faults:
            raise NotFound(f"There is no fault {fault_id}; it may have ended.")
        return self._faults[fault_id]

    def add(self, wanted: Wanted, project_id: str | None) -> Fault:
        """Raises Conflict when there are too many."""
        if len(self._faults) >= MOST:
            raise Conflict(f"There are {MOST} faults already: end some.")
        fault = Fault(self._ctx.world.ids.uuid(), wanted, project_id, self._ctx.now())
        self._faults[fault.id] = fault
        self._timers[fault.id] = []
        self._after(wanted.seconds, fault, lambda: self.end([fault.id]))
        self._watch()
        return fault

    def end(self, ids: list[UUID]) -> None:
        """What they hold goes on. Those that are not there have ended already."""
        ended = [self._faults.pop(fault_id) for fault_id in ids if fault_id in self._faults]
        for timer in [timer for fault in ended for timer in self._timers.pop(fault.id)]:
            timer.cancel()
        self._watch()
        if any(fault.wanted.operation for fault in ended):
            self._wake()

    def stop(self) -> None:
        """The cloud stops."""
        for timer in [timer for timers in self._timers.values() for timer in timers]:
            timer.cancel()
        for task in self._waking:
            task.cancel()

    def service_of(self, called: str) -> str:
        """The name of the service that the catalogue calls so. Raises BadRequest."""
        names = {kind: each.name for each in self._app.services for kind in (*each.types, each.name)}
        if called not in names:
            raise BadRequest(f"There is no service {called}; there are {', '.join(sorted(names))}.")
        return names[called]

    # who asks for them

    def _watch(self) -> None:
        """Lay them over requests and operations, as far as there are some."""
        wanted = [fault.wanted for fault in self._faults.values()]
        self._app.calls = partial(FaultyCall, self.of_request) if any(each.of_requests for each in wanted) else Call
        if any(each.operation for each in wanted):
            self._ctx.world.memory[Seam] = self.at
        else:
            self._ctx.world.memory.pop(Seam, None)

    async def of_request(self, route: Route, method: str, path: str, project_id: str | None) -> Wanted | None:
        """What such a request suffers from: the oldest that meets it. Tags are looked up only where one is asked for."""
        for fault in self.list_():
            wanted = fault.wanted
            if not wanted.means(route.service, method, path, route.action or "") or not fault.is_for(project_id):
                continue
            if wanted.tag and not wanted.means_tagged(await subjects.tags_at(self._ctx, path)):
                continue
            if fault.strikes():
                return wanted
        return None

    async def at(self, seam: Seam, op: Op) -> Wait | None:
        """What an operation suffers from before a step that acts, on its way forward. Raises Struck."""
        if (seam.when, seam.way) != ("before", "running") or op.saga.steps[op.saga.index(seam.step)].rows:
            return None
        for fault in self.list_():
            if not await self._meets(fault, op):
                continue
            if fault.wanted.fail:
                raise Struck(fault.wanted.message)
            if fault.wanted.hold or not self._has_waited(fault, op.id):
                return Wait(UNTIL_RUNG, note=f"held by the fault {fault.id}")
        return None

    async def _meets(self, fault: Fault, op: Op) -> bool:
        wanted = fault.wanted
        if not wanted.means_saga(op.saga.name) or not fault.is_for(op.ctx.caller.project_id):
            return False
        if (wanted.name or wanted.tag) and not wanted.means_subject(*await subjects.name_and_tags(op)):
            return False
        return fault.meets(op.id)

    def _has_waited(self, fault: Fault, operation_id: UUID) -> bool:
        if operation_id not in fault.delayed:
            fault.delayed[operation_id] = False
            self._after(fault.wanted.delay_ms / 1000, fault, lambda: self.release(fault, operation_id))
        return fault.delayed[operation_id]

    def release(self, fault: Fault, operation_id: UUID) -> None:
        fault.delayed[operation_id] = True
        self._wake()

    async def lose(self, ctx: Ctx, fault: Fault) -> None:
        """What the volumes held that it means, of those that there are and that nothing is done to."""
        wanted = fault.wanted
        async for tags, volume in subjects.all_volumes(self._ctx):
            means = any(wanted.means_subject(called, tags) for called in (volume.name or "", str(volume.id)))
            if not means or not fault.is_for(volume.project_id) or not volumes.at_rest(volume) or not fault.strikes():
                continue
            if await volumes.lose(ctx, volume.id, wanted.message):
                self._lose(volume.host or "", volume.id)

    # time

    def _after(self, seconds: float, fault: Fault, call: Callable[[], None]) -> None:
        timers = self._timers[fault.id]
        timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _wake(self) -> None:
        task = asyncio.create_task(self.wake(), name="what faults held")
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    async def wake(self) -> None:
        """Every operation that was held looks again."""
        async with self._ctx.transaction() as tx:
            await wake_held(tx)


def faults_of(ctx: Ctx) -> Faults:
    found: Faults = ctx.world.memory[Faults]
    return found


async def add(ctx: Ctx, wanted: Wanted) -> Fault:
    """Raises BadRequest for a service or a project that there is not, Conflict when there are too many."""
    faults = faults_of(ctx)
    if wanted.service:
        wanted = msgspec.structs.replace(wanted, service=faults.service_of(wanted.service))
    project_id = None
    if wanted.project:
        named = await projects.named(ctx, wanted.project, domain_id=projects.DEFAULT)
        project = named or await projects.find(ctx, wanted.project)
        if project is None:
            raise BadRequest(f"There is no project {wanted.project}, by its id or, in the default domain, by its name.")
        project_id = project.id
    fault = faults.add(wanted, project_id)
    if wanted.lose:
        await faults.lose(ctx, fault)
    return fault


async def end_all(ctx: Ctx) -> None:
    """The cloud begins, or begins anew: there is no fault, and nothing that one has held."""
    faults = faults_of(ctx)
    faults.end([fault.id for fault in faults.list_()])
    await faults.wake()
