"""What stands between the callers of an engine and the engine: fences, and jobs for what takes long.

An agent has one rim per engine; a control process with engines of its own has the same. The engine behind it just
implements its protocol: it may answer `Going` when it has a job of its own, or simply take long. The rim follows either
to the end and tells `changed`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import msgspec

from pileus.engines.fences import Fences
from pileus.engines.files import make_directory, safe_name, sweep, write_at_home
from pileus.engines.reflect import Verb, arguments, facade, verbs_of
from pileus.engines.verbs import Answer, Change, Failed, Going, StaleFence
from pileus.kernel.clock import Clock
from pileus.kernel.errors import CloudError, Unavailable

logger = logging.getLogger("pileus.rim")

E = TypeVar("E")

PATIENCE_S = 3.0  # an engine that has not answered by then has become a job
POLL_S = 0.25
KEPT_S = 86_400.0  # the result of a job that nobody came for


class Kept(msgspec.Struct, frozen=True):
    """A job as its file holds it. `answer` is None until it has ended."""

    verb: str
    subject: str
    version: int
    body: msgspec.Raw
    answer: Answer | None = None
    ended_at: float | None = None


class Job:
    """Something that takes longer than a caller may wait."""

    def __init__(self, verb: Verb, body: msgspec.Struct) -> None:
        self.verb, self.body = verb, body
        self.subject = verb.subject(body)
        self.answer: Answer = Going(0, "begun")
        self.ended_at: float | None = None
        self.task: asyncio.Task[Answer] | None = None

    @property
    def fence(self) -> int:
        return cast(int, self.body.fence)  # type: ignore[attr-defined]

    def same(self, verb: Verb, body: msgspec.Struct) -> bool:
        """Whether that call wants what this job does; the fence may be another."""
        mine, theirs = arguments(self.body), arguments(body)
        return verb.name == self.verb.name and {**mine, "fence": 0} == {**theirs, "fence": 0}


class Rim(Generic[E]):
    """One engine of one host, as everybody may call it: `engine` has the methods of its protocol.

    `home` holds fences and jobs. `changed` hears of every job that has ended. `durable`: a fence and a job are on the
    disk before they count (agents); else they survive the process, not the machine (simulators in a control process).
    """

    def __init__(
        self,
        protocol: type[E],
        behind: E,
        home: Path,
        clock: Clock,
        *,
        changed: Callable[[Change], None] | None = None,
        durable: bool = False,
    ) -> None:
        self.kind: str = protocol.KIND  # type: ignore[attr-defined]
        self.version: int = protocol.VERSION  # type: ignore[attr-defined]
        self._beside: frozenset[str] = getattr(protocol, "BESIDE", frozenset())
        self.verbs = verbs_of(protocol)  # type: ignore[arg-type]  # a class is hashable, whatever E is
        self.patience_s = PATIENCE_S
        self.changed = changed or (lambda change: None)
        self.engine = cast(E, facade(protocol, self.say))
        self._behind, self._clock, self._durable = behind, clock, durable
        self._home = make_directory(home / "jobs") if durable else home / "jobs"
        self.fences = Fences(home / "fences", durable=durable)
        self._jobs: dict[str, Job] = {}  # by subject

    async def say(self, verb: Verb, body: Any) -> Any:
        """The answer of the engine, or of the job. Raises StaleFence, Unavailable, and what the engine raises."""
        if not verb.writes:
            return await self._call(verb, body)
        subject = verb.subject(body)
        async with self.fences.hold(subject, body.fence):
            if verb.name in self._beside:
                return await self._call(verb, body)
            job = self._jobs.get(subject)
            if verb.name == "cancel":
                if job is not None and job.verb.name == body.verb:
                    await self._drop(job)
                return await self._call(verb, body)
            if job is not None and job.same(verb, body):
                joined = await self._joined(job, body)
                if joined is not None:
                    return joined
            elif job is not None:
                await self._replace(job, body.fence)
            return await self._begun(Job(verb, body))

    async def _call(self, verb: Verb, body: msgspec.Struct) -> Any:
        return await getattr(self._behind, verb.name)(**arguments(body))

    async def _begun(self, job: Job) -> Answer:
        """The engine's answer, if there is one soon; else there is a job from now on."""
        call = asyncio.ensure_future(self._call(job.verb, job.body))
        try:
            await asyncio.wait({call}, timeout=self.patience_s)
        except asyncio.CancelledError:
            call.cancel()
            raise
        if call.done():
            answer: Answer = call.result()
            if not isinstance(answer, Going):
                return answer
            job.answer = answer
        try:
            await self._keep(job)
        except Unavailable:
            call.cancel()  # nobody would know of it
            raise
        self._follow(job, call)
        return job.answer

    async def _joined(self, job: Job, body: Any) -> Answer | None:
        """How the job stands; None when the engine is to be asked again.

        Done is not handed out but found again: since then the end state may have been undone. Failed is handed out once,
        to whoever asks next: an operation that waited for the job has another lease by then.
        """
        if job.ended_at is not None:
            self._forget(job)
            return job.answer if isinstance(job.answer, Failed) else None
        if body.fence > job.fence:
            job.body = body
            await self._keep(job)
        return job.answer

    async def _replace(self, job: Job, fence: int) -> None:
        """Another end state is wanted of the subject: a job that goes on would undo it again."""
        running = job.ended_at is None
        await self._drop(job)
        if running:
            first = next(iter(arguments(job.body).values()))
            await self._behind.cancel(getattr(first, "id", first), job.verb.name, fence=fence)  # type: ignore[attr-defined]

    def _follow(self, job: Job, call: asyncio.Future[Answer] | None) -> None:
        self._jobs[job.subject] = job
        job.task = asyncio.create_task(self._to_its_end(job, call), name=f"{self.kind} {job.verb.name} {job.subject}")
        job.task.add_done_callback(lambda task: self._ended(job, task))

    async def _to_its_end(self, job: Job, call: asyncio.Future[Answer] | None) -> Answer:
        """Say it until it is Done or Failed. StaleFence: another process goes on with it."""
        if call is not None:
            try:
                job.answer = await call
            except Unavailable as e:
                job.answer = Going(0, e.message)
        while isinstance(going := job.answer, Going):
            await self._clock.sleep(POLL_S)
            try:
                async with self.fences.hold(job.subject, job.fence):
                    job.answer = await self._call(job.verb, job.body)
            except Unavailable as e:
                job.answer = Going(going.percent, e.message)
        return job.answer

    def _ended(self, job: Job, task: asyncio.Task[Answer]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, StaleFence):
            self._forget(job)
            return
        if error is not None:  # whatever it was: a job may fail, it may not vanish
            job.answer = Failed(error.message if isinstance(error, CloudError) else f"{type(error).__name__}: {error}")
        job.ended_at = self._clock.now()
        try:
            self._write(job)
        except OSError as e:  # then it is said again after a restart
            logger.warning("The end of a job cannot be written down: %s", e, extra={"facts": {"subject": job.subject}})
        self.changed(self._change(job))

    async def _drop(self, job: Job) -> None:
        """There is no such job any more; if it runs, it stops at its next await."""
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait({job.task})
        self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.subject, None)
        self._file(job).unlink(missing_ok=True)

    def _file(self, job: Job) -> Path:
        return self._home / f"{safe_name(job.subject)}.json"

    async def _keep(self, job: Job) -> None:
        """Raises Unavailable when the host has no room for it, for one."""
        try:
            if self._durable:
                await asyncio.to_thread(self._write, job)
            else:
                self._write(job)
        except OSError as e:
            raise Unavailable(f"The host cannot write down that it will {job.verb.name}: {e.strerror}.") from e

    def _write(self, job: Job) -> None:
        body = msgspec.Raw(msgspec.json.encode(job.body))
        answer = None if job.ended_at is None else job.answer
        kept = Kept(job.verb.name, job.subject, self.version, body, answer, job.ended_at)
        write_at_home(self._file(job), msgspec.json.encode(kept), durable=self._durable)

    def _change(self, job: Job) -> Change:
        return Change(self.kind, job.verb.name, job.subject, job.answer)

    def ended(self) -> list[Change]:
        """The jobs that have ended and whose result nobody has collected."""
        return [self._change(job) for job in self._jobs.values() if job.ended_at is not None]

    def running(self) -> int:
        """How many jobs run."""
        return sum(job.ended_at is None for job in self._jobs.values())

    async def resume(self) -> None:
        """After a restart: go on with every job that was kept. For the one process that serves the host."""
        sweep(self._home)
        for job in self._kept():
            if job.ended_at is None:
                self._follow(job, None)
            elif self._clock.now() - job.ended_at > KEPT_S:
                self._forget(job)
            else:
                self._jobs[job.subject] = job

    def _kept(self) -> Iterator[Job]:
        for path in sorted(self._home.glob("*.json")):
            if not (data := path.read_bytes()):  # the machine lost its power before it was on the disk
                path.unlink()
                continue
            kept = msgspec.json.decode(data, type=Kept)
            try:
                job = Job(self.verbs[kept.verb], self.verbs[kept.verb].decode(bytes(kept.body)))
            except (KeyError, msgspec.DecodeError):
                path.unlink()
                lost = Failed(f"lost: begun by version {kept.version} of the engine protocol; say it again")
                self.changed(Change(self.kind, kept.verb, kept.subject, lost))
                continue
            job.answer, job.ended_at = kept.answer or job.answer, kept.ended_at
            yield job

    async def stop(self) -> None:
        """Stop following. What was kept goes on after the next `resume`."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None and not job.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._jobs.clear()
