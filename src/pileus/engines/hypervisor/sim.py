"""A hypervisor made of files: it survives kill -9, you can `ls` it, and it can be told to fail.

    <home>/domains/<id>.json     the definition of a guest
    <home>/domains/<id>.power    "on" or "off"
    <home>/domains/<id>.image    the source its disk was copied from
    <home>/jobs/<id>.<verb>      when a job began, how long it takes, what it shall do
    <home>/troubles/             see `engines.troubles`

No verb awaits between its first look at the files and its last write, and each write is whole: any number of processes
may share a home. A job is a file too: its end is a moment of the clock, so nothing runs meanwhile and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from pileus.engines.files import make_directory, read_or_none, write_whole
from pileus.engines.hypervisor import Domain, DomainFacts, Power
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Answer, Done, Failed, Going
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

FULL = Failed("No space is left on this simulated host.")
TAKES_SPACE = {"ensure_defined", "ensure_copied"}


class Begun(msgspec.Struct, frozen=True):
    """A job's file."""

    at: float
    takes_s: float
    wish: str


class SimHypervisor:
    """Guests that are files. `delays_s` is how long a verb's job takes; a verb not in it is done at once."""

    KIND = "hypervisor"
    VERSION = 1

    def __init__(self, home: Path, clock: Clock, *, delays_s: Mapping[str, float] | None = None) -> None:
        self._domains = make_directory(home / "domains")
        self._jobs = make_directory(home / "jobs")
        self.troubles = Troubles(home / "troubles")
        self.delays_s = dict(delays_s or {})
        self._clock = clock

    async def ensure_defined(self, domain: Domain, *, fence: int) -> Answer:
        wanted, file = msgspec.json.encode(domain), self._file(domain.id, "json")
        return await self._say(
            "ensure_defined",
            domain.id,
            wanted.decode(),
            is_so=lambda: read_or_none(file) == wanted,
            make_so=lambda: write_whole(file, wanted),
        )

    async def ensure_power(self, domain_id: UUID, power: Power, *, fence: int) -> Answer:
        missing = Failed(f"There is no guest {domain_id} on this host.")
        file = self._file(domain_id, "json")
        return await self._say(
            "ensure_power",
            domain_id,
            power,
            is_so=lambda: self._power(domain_id) is power if file.exists() else missing,
            make_so=lambda: write_whole(self._file(domain_id, "power"), power.encode()),
        )

    async def ensure_copied(self, domain_id: UUID, source: str, *, fence: int) -> Answer:
        file = self._file(domain_id, "image")
        return await self._say(
            "ensure_copied",
            domain_id,
            source,
            is_so=lambda: read_or_none(file) == source.encode(),
            make_so=lambda: write_whole(file, source.encode()),
        )

    async def ensure_gone(self, domain_id: UUID, *, fence: int) -> Answer:
        return await self._say(
            "ensure_gone",
            domain_id,
            "",
            is_so=lambda: not any(self._domains.glob(f"{domain_id}.*")) and not any(self._jobs.glob(f"{domain_id}.*")),
            make_so=lambda: self._remove(domain_id),
        )

    async def cancel(self, domain_id: UUID, verb: str, *, fence: int) -> Answer:
        return await self._say(
            "cancel",
            domain_id,
            verb,
            is_so=lambda: False,
            make_so=lambda: self._job(domain_id, verb).unlink(missing_ok=True),
        )

    async def observe(self) -> dict[UUID, DomainFacts]:
        await self._suffer(self.troubles.of("observe", ""))
        return {domain_id: self._facts(domain_id) for domain_id in sorted(self._ids())}

    async def _say(
        self, verb: str, domain_id: UUID, wish: str, *, is_so: Callable[[], bool | Failed], make_so: Callable[[], Any]
    ) -> Answer:
        trouble = self.troubles.of(verb, str(domain_id))
        answer = await self._suffer(trouble)
        if answer is None and (so := is_so()):
            answer = so if isinstance(so, Failed) else Done()
        answer = answer or self._stopped(trouble, verb) or self._going(verb, domain_id, wish, trouble)
        if answer is None:
            make_so()
            self._job(domain_id, verb).unlink(missing_ok=True)
            answer = Done()
        if trouble is not None and trouble.kind == "mute":
            raise Unavailable(f"{verb} was said to the simulated host; its answer got lost.")
        return answer

    async def _suffer(self, trouble: Trouble | None) -> Answer | None:
        if trouble is None:
            return None
        if trouble.kind == "deaf":
            raise Unavailable("The simulated host does not answer.")
        if trouble.kind == "slow":
            await self._clock.sleep(trouble.seconds)
        return Failed(trouble.cause) if trouble.kind == "fail" else None

    def _stopped(self, trouble: Trouble | None, verb: str) -> Answer | None:
        return FULL if trouble is not None and trouble.kind == "full" and verb in TAKES_SPACE else None

    def _going(self, verb: str, domain_id: UUID, wish: str, trouble: Trouble | None) -> Answer | None:
        """How the job stands; None when its time has come, or when there need be none."""
        file, now = self._job(domain_id, verb), self._clock.monotonic()
        data = read_or_none(file)
        job = None if data is None else msgspec.json.decode(data, type=Begun)
        if job is None or job.wish != wish or job.at > now:  # a job from before the machine started begins anew
            takes_s = trouble.seconds if trouble and trouble.kind == "delay" else self.delays_s.get(verb, 0.0)
            job = Begun(now, takes_s, wish)
            if takes_s > 0:
                write_whole(file, msgspec.json.encode(job))
        passed_s = now - job.at
        return None if passed_s >= job.takes_s else Going(int(100 * passed_s / job.takes_s), f"{verb} is at work")

    def _remove(self, domain_id: UUID) -> None:
        for folder in (self._domains, self._jobs):
            for file in folder.glob(f"{domain_id}.*"):
                file.unlink(missing_ok=True)

    def _facts(self, domain_id: UUID) -> DomainFacts:
        image = read_or_none(self._file(domain_id, "image"))
        defined = self._file(domain_id, "json").exists()
        return DomainFacts(
            defined=defined, power=self._power(domain_id), image=None if image is None else image.decode()
        )

    def _power(self, domain_id: UUID) -> Power:
        return Power((read_or_none(self._file(domain_id, "power")) or b"off").decode())

    def _ids(self) -> set[UUID]:
        return {UUID(file.stem) for file in self._domains.glob("*") if not file.name.startswith(".")}

    def _file(self, domain_id: UUID, suffix: str) -> Path:
        return self._domains / f"{domain_id}.{suffix}"

    def _job(self, domain_id: UUID, verb: str) -> Path:
        return self._jobs / f"{domain_id}.{verb}"
