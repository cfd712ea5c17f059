"""A real engine that suffers like a simulated one: what the contract suites command is done to it from outside."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.engines.reflect import Verb, arguments, facade
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Failed, Going
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

TAKES_SPACE = {"ensure_defined", "ensure_disks", "ensure_disk_kept"}


class Troubled:
    """Has the verbs of the protocol; `engine` does what is left of them."""

    def __init__(self, protocol: type, engine: Any, troubles: Troubles, clock: Clock) -> None:
        self._engine, self._troubles, self._clock = engine, troubles, clock
        self._begun: dict[tuple[str, str, bytes], tuple[float, float]] = {}  # when, and how long
        self.face = facade(protocol, self._say)

    async def _say(self, verb: Verb, body: msgspec.Struct) -> Any:
        subject = verb.subject(body) if verb.writes else ""
        trouble = self._troubles.of(verb.name, subject)
        if trouble is not None:
            answer = await self._suffer(trouble, verb)
            if answer is not None:
                return answer
        if verb.name == "cancel":
            self._begun = {job: begun for job, begun in self._begun.items() if job[:2] != (body.verb, subject)}  # type: ignore[attr-defined]
        going = self._going(verb, body, trouble) if verb.writes else None
        if going is not None:
            return going
        answer = await getattr(self._engine, verb.name)(**arguments(body))
        if trouble is not None and trouble.kind == "mute":
            raise Unavailable("The answer got lost.")
        return answer

    async def _suffer(self, trouble: Trouble, verb: Verb) -> Failed | None:
        if trouble.kind == "deaf":
            raise Unavailable("The host does not answer.")
        if trouble.kind == "fail":
            return Failed(trouble.cause)
        if trouble.kind == "full" and verb.name in TAKES_SPACE:
            return Failed("No space is left on this host.")
        if trouble.kind == "slow":
            await self._clock.sleep(trouble.seconds)
        return None

    def _going(self, verb: Verb, body: msgspec.Struct, trouble: Trouble | None) -> Going | None:
        """One wish is delayed once: what is so needs no job."""
        wish = msgspec.json.encode({**arguments(body), "fence": 0})
        now, job = self._clock.monotonic(), (verb.name, verb.subject(body), wish)
        if job not in self._begun:
            if trouble is None or trouble.kind != "delay":
                return None
            self._begun[job] = (now, trouble.seconds)
        at, takes_s = self._begun[job]
        return Going(0, "delayed") if now - at < takes_s else None
