"""Following events: a bounded number of followers, each with what it may see now, until its token is worth nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from functools import partial
from typing import Literal

from pileus.kernel import events
from pileus.kernel.clock import SystemClock
from pileus.kernel.context import Caller, Ctx, World
from pileus.kernel.errors import Gone, TooManyRequests, Unauthorized
from pileus.kernel.events import Event, Place
from pileus.kernel.http import Anew

FOLLOWERS = 20  # at once of one project (of one user, for who has none), in one process
PAGE = 100
BREATH_S = 0.05  # between two looks: a burst of changes becomes a page, not a query each
SILENCE_S = 15.0  # after this long without an event the follower is told that we are still here

News = list[Event] | Literal["lost", "nothing", "expired", "ending"]
"""Events; or: the place to go on from is gone, nothing happened for a while, the token is worth nothing now, the process ends."""


class Followers:
    """How many follow now, in this process, and whether they are sent away."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.ending = False


def followers(world: World) -> Followers:
    found: Followers = world.memory.setdefault(Followers, Followers())
    return found


def end(world: World) -> None:
    """Send all followers of this process away: it ends. They come back to another, or later."""
    followers(world).ending = True
    events.bell(world).ring()


class Feed:
    """The news for one follower. To be closed, also when it was never read."""

    def __init__(self, ctx: Ctx, news: AsyncGenerator[News, None]) -> None:
        """Raises TooManyRequests when too many of the same project follow already."""
        self._open = followers(ctx.world).open
        self._whose: str | None = ctx.caller.project_id or ctx.caller.user_id
        if self._open[self._whose] >= FOLLOWERS:
            raise TooManyRequests(f"{FOLLOWERS} others of you follow the events already.", retry_after_s=SILENCE_S)
        self._open[self._whose] += 1
        self._news = news

    async def __anext__(self) -> News:
        return await anext(self._news)

    async def aclose(self) -> None:
        """May be called twice."""
        if self._whose is not None:
            self._open[self._whose] -= 1
            if not self._open[self._whose]:
                del self._open[self._whose]
            self._whose = None
        await self._news.aclose()


async def list_(ctx: Ctx, after: str | None, limit: int) -> list[Event]:
    """Events behind `after` (None: the oldest that is kept), oldest first. Raises Gone when that event is not kept."""
    place = events.BEGINNING if after is None else Place.parse(after)
    if place is None or not await events.still_knows(ctx, ctx.caller, place):
        raise Gone(f"There is no event {str(after)[:80]!r} any more, so others may be missing: begin anew.")
    return await events.since(ctx, ctx.caller, place, limit)


async def follow(ctx: Ctx, last: str | None, anew: Anew | None = None, *, silence_s: float = SILENCE_S) -> Feed:
    """News behind the event `last`; from now on when it is None, and also, after a "lost", when it is gone or not ours.

    Whatever commits after this has returned is in the feed. `anew` says, before anything is told, who the caller is by
    then; without it the caller stays who it is until its token expires. Raises TooManyRequests.
    """
    asked = Place.parse(last) if last is not None else None
    known = asked is not None and await events.still_knows(ctx, ctx.caller, asked)
    place = asked if asked is not None and known else await events.head(ctx)
    lost = last is not None and not known
    return Feed(ctx, _news(ctx, place, anew or partial(_the_same, ctx), lost=lost, silence_s=silence_s))


async def _the_same(ctx: Ctx) -> Caller:
    if expired(ctx):
        raise Unauthorized("The token has expired.")
    return ctx.caller


async def _news(ctx: Ctx, place: Place, anew: Anew, *, lost: bool, silence_s: float) -> AsyncGenerator[News, None]:
    if lost:
        yield "lost"
    while not followers(ctx.world).ending:
        rung = events.bell(ctx.world).next()
        try:
            caller = await anew()
        except Unauthorized:
            yield "expired"
            return
        found = await events.since(ctx, caller, place, PAGE)
        if found:
            place = found[-1].place
            yield found
        elif not await _woken(ctx, rung, place, silence_s):
            yield "nothing"
        await SystemClock().sleep(BREATH_S)  # a simulated clock may stand still; the follower is real
    yield "ending"


async def _woken(ctx: Ctx, rung: asyncio.Event, place: Place, silence_s: float) -> bool:
    """Wait for something behind `place`. False when there was nothing for so long, or the token has expired."""
    loop = asyncio.get_running_loop()
    until = loop.time() + silence_s
    while loop.time() < until and not expired(ctx):
        try:
            async with asyncio.timeout(min(ctx.world.config.operations.poll_s, silence_s)):
                await rung.wait()
            return True
        except TimeoutError:  # another process may have had news: look, as seldom as workers do
            if await events.since(ctx, ctx.caller, place, 1):
                return True
    return False


def expired(ctx: Ctx) -> bool:
    return 0 < ctx.caller.expires_at <= ctx.now()
