"""What simulators have in common: they are folders of files, suffer troubles on command, and their jobs are files too.

    <home>/jobs/<id>.<verb>      when a job began, how long it takes, what it shall do
    <home>/troubles/             see `engines.troubles`

No verb awaits between its first look at the files and its last write, and each write is whole: any number of processes
may share a home. The end of a job is a moment of the clock, so nothing runs meanwhile and nothing is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from pileus.engines.files import read_or_none, write_at_home
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Answer, Done, Failed, Going
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

T = TypeVar("T")

ANY = "*"
FULL = Failed("No space is left on this simulated host.")


class Begun(msgspec.Struct, frozen=True):
    """A job's file."""

    at: float
    takes_s: float
    wish: str


class Simulation:
    """The ground of a simulated engine.

    `delays_s` is how long a verb's job takes; a verb not in it is done at once. `takes_space`: the verbs that a full host
    refuses.
    """

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        delays_s: Mapping[str, float] | None = None,
        takes_space: Collection[str] = (),
    ) -> None:
        self._jobs = home / "jobs"
        self.troubles = Troubles(home / "troubles")
        self.delays_s = dict(delays_s or {})
        self._clock, self._takes_space = clock, takes_space

    async def say(
        self,
        verb: str,
        subject: object,
        wish: str = "",
        *,
        is_so: Callable[[], Answer | None],
        make_so: Callable[[], Answer],
    ) -> Answer:
        """Answer as an engine would: what `is_so` says of the end state, else what `make_so` says when its time has come."""
        trouble = self.troubles.of(verb, str(subject))
        answer = await self.suffer(trouble) or is_so()
        answer = answer or self._stopped(trouble, verb) or self._going(verb, subject, wish, trouble)
        if answer is None:
            answer = make_so()
            self.drop(subject, verb)
        if trouble is not None and trouble.kind == "mute":
            raise Unavailable(f"{verb} was said to the simulated host; its answer got lost.")
        return answer

    async def suffer(self, trouble: Trouble | None) -> Answer | None:
        if trouble is None:
            return None
        if trouble.kind == "deaf":
            raise Unavailable("The simulated host does not answer.")
        if trouble.kind == "slow":
            await self._clock.sleep(trouble.seconds)
        return Failed(trouble.cause) if trouble.kind == "fail" else None

    def _stopped(self, trouble: Trouble | None, verb: str) -> Answer | None:
        return FULL if trouble is not None and trouble.kind == "full" and verb in self._takes_space else None

    def _going(self, verb: str, subject: object, wish: str, trouble: Trouble | None) -> Answer | None:
        """How the job stands; None when its time has come, or when there need be none."""
        file, now = self._job(subject, verb), self._clock.monotonic()
        job = kept(file, Begun)
        if job is None or job.wish != wish or job.at > now:  # a job from before the machine started begins anew
            takes_s = trouble.seconds if trouble and trouble.kind == "delay" else self.delays_s.get(verb, 0.0)
            job = Begun(now, takes_s, wish)
            if takes_s > 0:
                write_at_home(file, msgspec.json.encode(job))
        passed_s = now - job.at
        return None if passed_s >= job.takes_s else Going(int(100 * passed_s / job.takes_s), f"{verb} is at work")

    def has_jobs(self, subject: object) -> bool:
        return bool(self._of(subject))

    def drop(self, subject: object, verb: str = ANY) -> None:
        """There is no such job any more; of all its verbs, if none is said."""
        for file in self._of(subject) if verb == ANY else [self._job(subject, verb)]:
            file.unlink(missing_ok=True)

    def _of(self, subject: object) -> list[Path]:
        with suppress(FileNotFoundError):
            return [self._jobs / name for name in os.listdir(self._jobs) if name.startswith(f"{subject}.")]
        return []

    async def cancel(self, subject: object, verb: str) -> Answer:
        """What every simulator does when a job is cancelled."""

        def make_so() -> Answer:
            self.drop(subject, verb)
            return Done()

        return await self.say("cancel", subject, verb, is_so=lambda: None, make_so=make_so)

    def _job(self, subject: object, verb: str) -> Path:
        return self._jobs / f"{subject}.{verb}"


def kept(file: Path, kind: type[T]) -> T | None:
    """What a file holds; None without it, and when the machine lost its power before it was on the disk: it is empty then."""
    data = read_or_none(file)
    return msgspec.json.decode(data, type=kind) if data else None


def structs(folder: Path, kind: type[T]) -> dict[str, T]:
    """What a folder of JSON files holds, by the name of each."""
    files = [file for file in sorted(folder.glob("*.json")) if not file.name.startswith(".")]
    read = {file.stem: kept(file, kind) for file in files}
    return {stem: what for stem, what in read.items() if what is not None}
