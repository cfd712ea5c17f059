"""What an agent tells the control plane by itself: that it lives, what it observes, and which jobs have ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
import msgspec

from pileus.agent import wire
from pileus.engines.rim import Rim
from pileus.engines.verbs import Change
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

logger = logging.getLogger("pileus.agent")

RETRY_S = 1.0
GRACE_S = 1.0


class Reporter:
    """Posts to the control plane until stopped. What could not be told is told again."""

    def __init__(
        self, client: httpx.AsyncClient, rims: Mapping[str, Rim[Any]], clock: Clock, extensions: dict[str, Any]
    ) -> None:
        self.address = ""
        self._client, self._rims, self._clock, self._extensions = client, rims, clock, extensions
        self._pending: list[Change] = []
        self._news = asyncio.Event()
        self._idle = asyncio.Event()  # no post is on its way
        self._idle.set()

    def changed(self, change: Change) -> None:
        """A job has ended: tell it at once."""
        self._pending.append(change)
        self._news.set()

    def start(self) -> None:
        """Begin to post, beside the caller."""
        self._task = asyncio.create_task(self._run(), name="reports")

    async def stop(self) -> None:
        """Stop posting; a post that is on its way may arrive, if it does so soon."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._idle.wait()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        """Renew the lease when it is time, tell changes when they come."""
        due, loop, trouble = 0.0, asyncio.get_running_loop(), ""
        while True:
            self._news.clear()
            try:
                await self._tell_changes()
                if loop.time() >= due:
                    due = loop.time() + await self._renew()
                    trouble = ""
            except Unavailable as e:
                if e.message != trouble:  # it may be away for long
                    logger.warning("the control plane was not reached: %s", e.message)
                trouble = e.message
                await self._clock.sleep(RETRY_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._news.wait()

    async def _tell_changes(self) -> None:
        if self._pending:
            telling = list(self._pending)
            await self._post("changed", wire.Changed(changes=telling))
            del self._pending[: len(telling)]

    async def _renew(self) -> float:
        """Post a renewal; when to post the next, in seconds."""
        lease = wire.Lease(
            address=self.address,
            versions={kind: rim.version for kind, rim in self._rims.items()},
            observed=await self._asked("observe"),
            described=await self._asked("describe"),
            ended=[change for rim in self._rims.values() for change in rim.ended()],
        )
        return msgspec.json.decode(await self._post("lease", lease), type=wire.Leased).renew_s

    async def _asked(self, question: str) -> dict[str, Any]:
        """What each engine answers to a question, if it knows that."""
        answers: dict[str, Any] = {}
        for kind, rim in self._rims.items():
            ask = getattr(rim.engine, question, None)
            try:
                if ask is not None:
                    answers[kind] = msgspec.to_builtins(await ask(), str_keys=True)
            except Unavailable as e:
                logger.warning("the %s engine does not answer to %s: %s", kind, question, e.message)
            except Exception:
                logger.exception("the %s engine fails at %s", kind, question)
        return answers

    async def _post(self, what: str, body: msgspec.Struct) -> bytes:
        """The answer. Raises Unavailable, also when the control plane refuses: that is for people to mend."""
        content = msgspec.json.encode(body)
        self._idle.clear()
        try:
            response = await self._client.post(f"/agent/v1/{what}", content=content, extensions=self._extensions)
        except httpx.TransportError as e:
            raise Unavailable(str(e) or type(e).__name__) from e
        finally:
            self._idle.set()
        if response.status_code != 200:
            raise Unavailable(f"it answered {response.status_code}: {response.text[:300]}")
        return response.content
