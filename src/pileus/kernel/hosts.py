"""The machines that hold engines: which there are, which live, which may be used.

A host that is not local shows that it lives by its agent's posts: each raises its `beat`. No clock is compared between
machines. Each control process looks at all beats now and then and counts, by its own monotonic clock, how long it has
seen one stand still; a lease has run out when that exceeds `host_lease_s`. Only time in which a beat could have been
recorded and seen is counted: not while this process was stopped or the database away, and not while no process listened
for agents, which `host_watch` tells: each listener raises its beat whenever it looks.

A host that is down loses `usable`; it gets it back with the renewal that finds all its debts paid.
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.clock import Clock
from pileus.kernel.context import Ctx
from pileus.kernel.db.base import JSON, Text, metadata
from pileus.kernel.errors import CloudError, Conflict, HostDown, NotFound, Unavailable
from pileus.kernel.operations.debts import forgive, pay
from pileus.kernel.operations.tables import debts

logger = logging.getLogger("pileus.hosts")

LOOKS_A_LEASE = 6  # how often a process looks while a lease runs
RENEWALS_A_LEASE = 3  # how often an agent renews while its lease runs
LOCAL = ""  # the address of a host whose engines are in the control process itself

hosts = sa.Table(
    "host",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("address", Text, nullable=False),  # HOST:PORT or unix:PATH of its agent; LOCAL: it never ages
    sa.Column("serial", Text, unique=True),  # of the one certificate that speaks for it, hexadecimal
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),  # a stamp for people
    sa.Column("usable", sa.Boolean, nullable=False),  # may get new guests
    sa.Column("fenced", sa.Boolean, nullable=False),  # stated dead: nobody waits for it, nothing comes back by itself
    sa.Column("joined_at", sa.Double, nullable=False),
    sa.Column("facts", JSON, nullable=False),  # what its agent says of itself
)

watch = sa.Table(
    "host_watch",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("beat", sa.BigInteger, nullable=False),  # moves while some process listens for agents
)

THE_WATCH = sa.select(watch.c.beat).where(watch.c.id == 1)
ALL = sa.select(hosts.c.name, hosts.c.address, hosts.c.beat, hosts.c.fenced, hosts.c.usable)
FIRST = sa.select(hosts.c.name).where(~hosts.c.fenced).order_by(hosts.c.joined_at, hosts.c.name).limit(1)
USABLE = sa.select(hosts.c.name).where(hosts.c.usable).order_by(hosts.c.name)
BY_NAME = sa.select(hosts).where(hosts.c.name == sa.bindparam("name_"))


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: uuid.UUID
    name: str
    address: str
    serial: str | None
    beat: int
    renewed_at: float
    usable: bool
    fenced: bool
    joined_at: float
    facts: dict[str, Any]


Reported = Callable[[Ctx, Host], Awaitable[None]]

_reported: list[Reported] = []


def on_report(call: Reported) -> Reported:
    """Call this with a host in each transaction in which it says what it is, or has paid its debts. It may come again and
    again."""
    _reported.append(call)
    return call


@dataclass
class Seen:
    """What this process has seen of a host: its beat, and for how long that has stood still."""

    address: str
    beat: int
    fenced: bool
    still_s: float = 0.0


class Hosts:
    """What one control process knows of the hosts. `listening`: this process takes the posts of agents."""

    def __init__(self, clock: Clock, *, lease_s: float, listening: bool = False) -> None:
        self.lease_s = lease_s
        self.look_s = lease_s / LOOKS_A_LEASE
        self.renew_s = lease_s / RENEWALS_A_LEASE
        self._clock, self._listening = clock, listening
        self._seen: dict[str, Seen] = {}
        self._missing: dict[str, float] = {}  # asked for and not there: since when
        self._watch_beat = -1
        self._counted_until = clock.monotonic()
        self._paying: dict[str, asyncio.Task[None]] = {}

    # what this process judges

    def is_down(self, name: str) -> bool:
        """Whether the host's lease has run out, as far as this process has seen; a fenced host is down for good."""
        seen = self._seen.get(name)
        return seen is not None and (seen.fenced or (seen.address != LOCAL and seen.still_s > self.lease_s))

    def address(self, name: str) -> str:
        """Where the host's agent listens. Raises HostDown, and Unavailable for one that was not seen yet.

        One that was deleted, or has not been there for as long as a lease, is down: undo and delete must not wait for it.
        """
        seen = self._seen.get(name)
        now = self._clock.monotonic()
        if self.is_down(name) or (seen is None and now - self._missing.setdefault(name, now) > self.lease_s):
            raise HostDown(name)
        if seen is None:
            raise Unavailable(f"No host {name} is known here yet.", host=name)
        return seen.address

    async def run(self, ctx: Ctx) -> None:
        """Look for ever. A database that is away is waited for; that time does not count."""
        while True:
            try:
                await self.look(ctx)
            except Unavailable as e:
                logger.warning("hosts cannot be looked at: %s", e.message)
            await self._clock.sleep(self.look_s)

    async def look(self, ctx: Ctx) -> None:
        """See every host's beat; take `usable` from those whose lease has run out."""
        if self._listening and any(seen.address != LOCAL for seen in self._seen.values()):
            await self._show_that_we_listen(ctx)
        async with ctx.read() as read:
            rows = (await read.execute(ALL)).all()
            watch_beat = (await read.execute(THE_WATCH)).scalar() or 0
        passed_s = self._passed_s(watch_beat)
        before, self._seen = self._seen, {row.name: self._saw(row, passed_s) for row in rows}
        deleted = dict.fromkeys(before.keys() - self._seen.keys(), -math.inf)
        self._missing = {name: at for name, at in self._missing.items() if name not in self._seen} | deleted
        silent = {name: seen for name, seen in self._seen.items() if self.is_down(name) and not seen.fenced}
        if silent:
            await self._take_out_of_use(ctx, silent)
        await forgive_the_deleted(ctx)
        for row in rows:
            if row.address == LOCAL and not row.usable and not row.fenced:  # its fence was lifted, and it never renews
                self._let_pay(ctx, row.name)

    async def _show_that_we_listen(self, ctx: Ctx) -> None:
        async with ctx.transaction() as tx:
            changed = await tx.execute(watch.update().where(watch.c.id == 1).values(beat=watch.c.beat + 1))
            if not changed.rowcount:
                await tx.execute(watch.insert(), {"id": 1, "beat": 1})

    def _passed_s(self, watch_beat: int) -> float:
        """How much time since the last look counts."""
        if watch_beat == self._watch_beat:
            return 0.0
        now = self._clock.monotonic()
        passed_s = min(now - self._counted_until, 2 * self.look_s)
        self._watch_beat, self._counted_until = watch_beat, now
        return passed_s

    def _saw(self, row: Any, passed_s: float) -> Seen:
        last = self._seen.get(row.name)
        still_s = last.still_s + passed_s if last is not None and last.beat == row.beat else 0.0
        return Seen(row.address, row.beat, row.fenced, still_s)

    async def _take_out_of_use(self, ctx: Ctx, silent: dict[str, Seen]) -> None:
        async with ctx.transaction() as tx:
            for name, seen in silent.items():
                same = sa.and_(hosts.c.name == name, hosts.c.beat == seen.beat, hosts.c.usable)
                if (await tx.execute(hosts.update().where(same).values(usable=False))).rowcount:
                    logger.warning("the lease of a host has run out", extra={"facts": {"host": name}})

    # what agents say

    async def renew(self, ctx: Ctx, name: str, *, address: str, facts: dict[str, Any]) -> None:
        """A post of the host's agent: it lives. Usable when it owes nothing; else it is made to pay, beside this call."""
        async with ctx.transaction() as tx:
            row = (await tx.execute(BY_NAME.with_for_update(), {"name_": name})).one_or_none()
            if row is None:
                raise NotFound(f"There is no host {name}; let it join.", host=name)
            owes = await owes_something(tx, name)
            said = {"beat": row.beat + 1, "renewed_at": tx.now(), "address": address, "facts": facts}
            said |= {"usable": not owes and not row.fenced}
            await change(tx, name, **said)
            await _report(tx, Host(**{**row._mapping, **said}))
        counted_already_s = self._clock.monotonic() - self._counted_until  # the next look will count it again
        self._seen[name] = Seen(address, row.beat + 1, row.fenced, -counted_already_s)
        if owes and not row.fenced:
            self._let_pay(ctx, name)

    def _let_pay(self, ctx: Ctx, name: str) -> None:
        if name not in self._paying:
            task = self._paying[name] = asyncio.create_task(self._pay(ctx, name), name=f"debts of {name}")
            task.add_done_callback(partial(self._paid, name))

    async def _pay(self, ctx: Ctx, name: str) -> None:
        """Say to the host what it owes, and let it be used when that was all."""
        try:
            in_the_way = await pay(ctx, name, lambda kind: ctx.engine(kind, name))
        except Unavailable as e:
            in_the_way = [e.message]
        if in_the_way:  # the next renewal tries again
            logger.warning("a host cannot pay its debts yet: %s", in_the_way[0], extra={"facts": {"host": name}})
            return
        owes = sa.exists().where(debts.c.host == name, debts.c.paid_at.is_(None))
        async with ctx.transaction() as tx:
            back = hosts.update().where(hosts.c.name == name, hosts.c.fenced.is_(False), ~owes)
            if (await tx.execute(back.values(usable=True))).rowcount:
                await _report(tx, await get(tx, name))
        logger.info("a host has paid its debts", extra={"facts": {"host": name}})

    def _paid(self, name: str, task: asyncio.Task[None]) -> None:
        del self._paying[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            what = error.message if isinstance(error, CloudError) else repr(error)
            logger.error("a host cannot pay its debts: %s", what, extra={"facts": {"host": name}})

    async def settled(self) -> None:
        """Return when nobody pays any more."""
        while self._paying:
            await asyncio.wait(list(self._paying.values()))

    async def stop(self) -> None:
        """Stop paying; what is not paid stays owed."""
        for task in self._paying.values():
            task.cancel()
        await self.settled()


async def owes_something(ctx: Ctx, name: str) -> bool:
    """Whether a debt of this host is unpaid."""
    query = sa.select(debts.c.id).where(debts.c.host == name, debts.c.paid_at.is_(None)).limit(1)
    return (await ctx.execute(query)).first() is not None


async def forgive_the_deleted(ctx: Ctx) -> None:
    """Settle the debts of hosts that are forgotten: undo and delete go on writing some."""
    deleted = debts.c.host.not_in(sa.select(hosts.c.name))
    async with ctx.read() as read:
        owing = (
            (await read.execute(sa.select(debts.c.host).where(deleted, debts.c.paid_at.is_(None)).distinct()))
            .scalars()
            .all()
        )
    if owing:
        async with ctx.transaction() as tx:
            for name in sorted(owing):
                await forgive(tx, name)


async def get(ctx: Ctx, name: str) -> Host:
    """Raises NotFound."""
    row = (await ctx.execute(BY_NAME, {"name_": name})).one_or_none()
    if row is None:
        raise NotFound(f"There is no host {name}.", host=name)
    return Host(**row._mapping)


async def by_serial(ctx: Ctx, serial: str) -> Host | None:
    """The host that this certificate speaks for; None for one that was replaced or never was."""
    row = (await ctx.execute(sa.select(hosts).where(hosts.c.serial == serial))).one_or_none()
    return None if row is None else Host(**row._mapping)


async def first(ctx: Ctx) -> str | None:
    """The host that joined first, of those that are not fenced."""
    return (await ctx.execute(FIRST)).scalar()


async def list_all(ctx: Ctx) -> list[Host]:
    """Every host, by name."""
    return [Host(**row._mapping) for row in (await ctx.execute(sa.select(hosts).order_by(hosts.c.name))).all()]


async def change(ctx: Ctx, name: str, **columns: Any) -> int:
    """How many rows that changed: 1, or 0 when there is no such host."""
    return (await ctx.execute(hosts.update().where(hosts.c.name == name).values(**columns))).rowcount


async def join(ctx: Ctx, name: str, *, serial: str, address: str) -> None:
    """In the transaction that used a join token: this certificate alone speaks for the host from now on.

    The host becomes usable with its first renewal.
    """
    if not await change(ctx, name, serial=serial, address=address):
        await ctx.execute(hosts.insert(), new_row(ctx, name, serial=serial, address=address, usable=False))


async def ensure_local(ctx: Ctx, facts: Mapping[str, dict[str, Any]]) -> None:
    """These hosts, with what they say of themselves, are part of the control process: there, usable, and never down."""
    async with ctx.transaction() as tx:
        known = set((await tx.execute(sa.select(hosts.c.name).where(hosts.c.name.in_(sorted(facts))))).scalars())
        new = [new_row(tx, name, serial=None, address=LOCAL, usable=True) for name in facts if name not in known]
        if new:
            await tx.execute(hosts.insert(), new)
    for name in sorted(facts):
        async with ctx.transaction() as tx:  # one each: what hears of it takes locks in an order
            await change(tx, name, facts=facts[name])
            await _report(tx, await get(tx, name))


async def _report(ctx: Ctx, host: Host) -> None:
    for call in _reported:
        await call(ctx, host)


async def ensure_behind_socket(ctx: Ctx, name: str, address: str) -> None:
    """The host of that name is this machine, its agent behind that Unix socket. Usable with its first renewal."""
    async with ctx.transaction() as tx:
        await tx.lock("host", name)
        if not await change(tx, name, serial=None, address=address):
            await tx.execute(hosts.insert(), new_row(tx, name, serial=None, address=address, usable=False))


def new_row(ctx: Ctx, name: str, *, serial: str | None, address: str, usable: bool) -> dict[str, Any]:
    now, host_id = ctx.now(), ctx.world.ids.uuid()
    row = {"id": host_id, "name": name, "address": address, "serial": serial, "usable": usable}
    return row | {"beat": 0, "renewed_at": now, "joined_at": now, "fenced": False, "facts": {}}


async def fence(ctx: Ctx, name: str) -> None:
    """An administrator states it dead: nobody waits for it, and it does not come back by itself. It owes what it owes, as it may
    only be cut off. Raises NotFound."""
    async with ctx.transaction() as tx:
        await change(tx, (await get(tx, name)).name, fenced=True, usable=False)


async def lift_fence(ctx: Ctx, name: str) -> None:
    """It may come back with its next renewal, once it has paid its debts. Raises NotFound."""
    async with ctx.transaction() as tx:
        await change(tx, (await get(tx, name)).name, fenced=False)


async def delete(ctx: Ctx, name: str) -> None:
    """Forget a host that was stated dead; its certificate is nobody's from now on. Raises NotFound, Conflict."""
    async with ctx.transaction() as tx:
        if not (await get(tx, name)).fenced:
            raise Conflict(
                f"The host {name} may hold guests: state it dead (fence it) before it is deleted.", host=name
            )
        await tx.execute(hosts.delete().where(hosts.c.name == name))
