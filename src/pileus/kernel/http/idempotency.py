"""`Idempotency-Key`: the same request sent again gives the answer of the first one, and happens once. See ADR 0005.

The row is written in the transaction of the change itself. A route that is `atomic` runs whole in one transaction, which
keeps its answer too: after a kill -9 either all of it is there or nothing. Another route's row says from its commit on that
the request took effect; its answer follows in a second transaction, and is lost if the process dies between the two.

An answer that was refused (an error, rolled back) is not kept: nothing happened, and the key is free again. Answers are
sealed, for some hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pileus.kernel.context import Caller, Ctx
from pileus.kernel.db import Connection, Text, metadata
from pileus.kernel.errors import BadRequest, Conflict, TryAgain, Unavailable, Unprocessable
from pileus.kernel.http.answers import Rendered, Stream

METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KEY_FORM = re.compile(rb"[\x21-\x7e]{1,255}")
REPLAYED = (b"idempotency-replayed", b"true")

keys = sa.Table(
    "idempotency_key",
    metadata,
    sa.Column("id", Text, primary_key=True),  # digest of caller and key
    sa.Column("request", Text, nullable=False),  # digest of what was asked
    sa.Column("request_id", Text, nullable=False),
    sa.Column("answer", sa.LargeBinary),  # sealed Kept; NULL: it took effect, and what was answered is not known
    sa.Column("at", sa.Float, nullable=False, index=True),
)


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it is stored."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


COLUMNS = (keys.c.request, keys.c.request_id, keys.c.answer)
PACK = msgspec.msgpack.Encoder()
UNPACK = msgspec.msgpack.Decoder(Kept)

Row = sa.Row[tuple[str, str, bytes | None]]
Run = Callable[[Ctx], Awaitable[Rendered | Stream]]


@dataclass(frozen=True, slots=True)
class Once:
    """One request under a key."""

    id: str
    request: str

    async def run(self, ctx: Ctx, call: Run, *, atomic: bool) -> Rendered | Stream:
        """What `call` answers, or answered when this was sent before.

        Raises Unprocessable when the key was used for another request, Conflict when the first one is still under way
        or its answer was lost; what `call` raises.
        """
        return await (self._inside(ctx, call) if atomic else self._around(ctx, call))

    async def _inside(self, ctx: Ctx, call: Run) -> Rendered | Stream:
        async with replace(ctx, closing=None, probe=self._probe(ctx)).transaction() as tx:
            row = await self._claim(tx)
            if row.request_id != tx.request_id:
                return self._again(tx, row)
            answer = await call(tx)
            await self._keep(tx, answer)
            if ctx.closing is not None:
                await ctx.closing(tx)
            return answer

    async def _around(self, ctx: Ctx, call: Run) -> Rendered | Stream:
        async with ctx.read() as reading:
            row = await self._row(reading)
        if row is not None:
            return self._again(ctx, row)
        answer = await call(replace(ctx, closing=self._closing(ctx)))
        with suppress(TryAgain, Unavailable):  # what was done is done, and its answer is due: kept or not
            async with replace(ctx, closing=None, probe=None).transaction() as tx:
                await self._keep(tx, answer)
        return answer

    def _closing(self, ctx: Ctx) -> Callable[[Ctx], Awaitable[None]]:
        async def close(tx: Ctx) -> None:
            row = await self._claim(tx)
            if row.request_id != tx.request_id:
                raise Conflict("A request with this Idempotency-Key was faster; send it again to see its answer.")
            if ctx.closing is not None:
                await ctx.closing(tx)

        return close

    def _probe(self, ctx: Ctx) -> Callable[[Connection], Awaitable[bool]]:
        async def committed(connection: Connection) -> bool:
            """Claims the key in another name: a SELECT would not wait for a COMMIT that is still on its way."""
            tx = replace(ctx, connection=connection, request_id="probe")
            row = await self._claim(tx)
            if row.request_id == tx.request_id:
                await tx.execute(keys.delete().where(keys.c.id == self.id))
            return bool(row.request_id == ctx.request_id)

        return committed

    async def _claim(self, tx: Ctx) -> Row:
        """The key's row: ours from now on, or the one that was there. Waits for another transaction that holds it."""
        insert = sqlite.insert if tx.world.db.dialect == "sqlite" else postgresql.insert
        new = {"id": self.id, "request": self.request, "request_id": tx.request_id, "at": tx.now()}
        claim = insert(keys).values(new).on_conflict_do_update(index_elements=[keys.c.id], set_={"id": self.id})
        return (await tx.execute(claim.returning(*COLUMNS))).one()

    async def _keep(self, tx: Ctx, answer: Rendered | Stream) -> None:
        if isinstance(answer, Rendered):
            packed = PACK.encode(Kept(answer.status, answer.headers, answer.body))
            sealed = tx.world.seal.seal(packed, place=self.id.encode())
            ours = (keys.c.id == self.id) & (keys.c.request_id == tx.request_id)
            await tx.execute(keys.update().where(ours).values(answer=sealed))

    async def _row(self, ctx: Ctx) -> Row | None:
        return (await ctx.execute(sa.select(*COLUMNS).where(keys.c.id == self.id))).one_or_none()

    def _again(self, ctx: Ctx, row: Row) -> Rendered:
        """The answer that was kept."""
        if row.request != self.request:
            raise Unprocessable("This Idempotency-Key was used for another request; take a new key for a new request.")
        if row.answer is None:
            raise Conflict(
                f"The request with this Idempotency-Key took effect as {row.request_id}, but its answer was not kept; "
                "look at the resource."
            )
        kept = UNPACK.decode(ctx.world.seal.open(row.answer, place=self.id.encode()))
        return Rendered(kept.status, [*kept.headers, REPLAYED], kept.body)


def once(key: bytes, caller: Caller, asked: tuple[bytes, ...]) -> Once:
    """The request `asked` (method, path, query, version, body) of this caller under that key. Raises BadRequest."""
    if KEY_FORM.fullmatch(key) is None:
        raise BadRequest("An Idempotency-Key is 1 to 255 visible ASCII characters.")
    scope = (caller.user_id, caller.project_id or "", caller.domain_id or "", "system" if caller.system else "")
    return Once(digest(*(part.encode() for part in scope), key), digest(*asked))


def digest(*parts: bytes) -> str:
    """A digest of these parts in this order; no two lists of parts share one."""
    state = blake2b(digest_size=32)
    for part in parts:
        state.update(b"%d:" % len(part))
        state.update(part)
    return state.hexdigest()


async def purge(ctx: Ctx, before: float, limit: int = 1000) -> int:
    """Forget up to `limit` keys from before that time (seconds since the epoch). Returns how many."""
    old = sa.select(keys.c.id).where(keys.c.at < before).order_by(keys.c.at).limit(limit)
    async with ctx.transaction() as tx:
        done = await tx.execute(keys.delete().where(keys.c.id.in_(old)))
    return done.rowcount
