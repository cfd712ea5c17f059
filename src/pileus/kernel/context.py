"""Who asks, for what, at which version, in which transaction: the first argument of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.clock import Clock
from pileus.kernel.db.base import Connection, Database, Params, Probe
from pileus.kernel.ids import Ids

if TYPE_CHECKING:
    from pileus.kernel.config import Config
    from pileus.kernel.doorbell import Doorbell
    from pileus.kernel.metrics import Metrics
    from pileus.kernel.policy import Policy
    from pileus.kernel.seal import Seal

Version = tuple[int, int]

Reach = Callable[[Collection[str], str, Sequence[str]], bool]
"""Whether a request may be sent: the types of the service it goes to, its method, the segments of its path below the prefix."""


@lru_cache(1024)  # a list asks for some twenty of them about each of its rows
def version(text: str) -> Version:
    """(2, 93) for "2.93". Raises ValueError for anything else."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


class World(Protocol):
    """What a cloud is made of. Built by `pileus.world`; the kernel knows only this much of it."""

    config: Config
    db: Database
    clock: Clock
    ids: Ids
    seal: Seal
    doorbell: Doorbell
    policy: Policy
    metrics: Metrics
    memory: dict[type, Any]  # what services remember in this process, by its type: hints, bounded, never deciding

    def engine(self, kind: str, host: str) -> Any:
        """The engine of that kind on that host, or HostDown when the host's lease has run out."""
        ...

    def console(self, host: str, guest_id: UUID, kind: str) -> AbstractAsyncContextManager[Any]:
        """A console (`pileus.engines.consoles`) of a guest there, open inside the block; raises as engines do."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: what a validated token says. Ids are Identity's (32 hexadecimal digits, or `default`)."""

    user_id: str
    user_name: str = ""
    user_domain_id: str = ""
    project_id: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    roles: frozenset[str] = frozenset()
    token_id: str = ""  # the audit id of the token, never the token
    expires_at: float = 0.0
    reach: Reach | None = None  # the only requests that may be sent with this token; None: any
    facts: dict[str, Any] = field(default_factory=dict)  # what Identity alone looks at: methods, trust

    def as_dict(self) -> dict[str, Any]:
        """What an operation stores so as to go on in this name."""
        return {
            "user_id": self.user_id,
            "user_name": self.user_name,
            "user_domain_id": self.user_domain_id,
            "project_id": self.project_id,
            "project_domain_id": self.project_domain_id,
            "domain_id": self.domain_id,
            "system": self.system,
            "roles": sorted(self.roles),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Caller:
        return cls(**{**stored, "roles": frozenset(stored["roles"])})


NOBODY = Caller(user_id="", user_name="nobody")
PILEUS = Caller(
    user_id="pileus", user_name="pileus", system=True, roles=frozenset({"admin", "manager", "member", "reader"})
)


@dataclass(frozen=True, slots=True)
class Ctx:
    """Immutable and explicit. `read` and `transaction` yield a new Ctx that carries the connection."""

    world: World
    caller: Caller = NOBODY
    request_id: str = ""
    global_request_id: str | None = None
    version: Version | None = None
    connection: Connection | None = None
    rule: str = ""  # the policy rule of the route that was called
    guard: Callable[[Ctx], Awaitable[None]] | None = None  # a worker's fence: first in each of its transactions
    closing: Callable[[Ctx], Awaitable[None]] | None = None  # last in each transaction: writes the audit record
    probe: Probe | None = None
    source: str = ""  # the address that the request came from, if it did by network

    def at(self, text: str) -> bool:
        """Whether the request's microversion is at least this."""
        return self.version is not None and self.version >= version(text)

    def now(self) -> float:
        """Seconds since the epoch, to stamp with."""
        return self.world.clock.now()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Ctx]:
        """A Ctx that can SELECT. Inside an open read or transaction: the same one."""
        if self.connection is not None:
            yield self
            return
        async with self.world.db.read() as connection:
            yield replace(self, connection=connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Ctx]:
        """A Ctx whose statements commit together, durable when the block has ended. Inside a transaction: the same one.

        Inside the block only the database may be awaited. An operation's Ctx first makes sure that it still holds its
        lease, else LeaseLost.
        """
        if self.connection is not None:
            if not self.connection.writes:
                raise AssertionError("a read cannot become a transaction: open the transaction first")
            yield self
            return
        async with self.world.db.transaction(probe=self.probe) as connection:
            ctx = replace(self, connection=connection)
            if self.guard is not None:
                await self.guard(ctx)
            yield ctx
            if self.closing is not None:
                await self.closing(ctx)

    async def execute(self, statement: sa.Executable, params: Params = None) -> sa.CursorResult[Any]:
        """Run one statement on the open connection; without one, a SELECT opens a read for itself."""
        if self.connection is not None:
            return await self.connection.execute(statement, params)
        if not statement.is_select:
            raise AssertionError("a write needs an open transaction")
        async with self.world.db.read() as connection:
            return await connection.execute(statement, params)

    async def look(self, question: str) -> Sequence[Any] | None:
        """The first row of a SELECT without parameters, given as text. See `Database.look`."""
        if self.connection is None:
            return await self.world.db.look(question)
        return (await self.connection.execute(sa.text(question).columns())).first()

    async def lock(self, kind: str, key: object) -> None:
        """Hold others who decide on the same (kind, key) off until this transaction ends. See `Connection.lock`."""
        await self._locking().lock(kind, key)

    async def hold(self, statement: sa.Executable, params: Params = None) -> None:
        """Hold others who change these rows off until this transaction ends. See `Connection.hold`."""
        await self._locking().hold(statement, params)

    def _locking(self) -> Connection:
        if self.connection is None or not self.connection.writes:
            raise AssertionError("a lock lives in a transaction")
        return self.connection

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this once the open transaction is durable."""
        if self.connection is None or not self.connection.writes:
            raise AssertionError("nothing will be committed here")
        self.connection.after_commit(call)

    def require(self, target: Mapping[str, Any]) -> None:
        """The part of the route's policy rule that needs a target. Raises Forbidden, which names rule and role."""
        self.world.policy.check(self.rule, self.caller, target)

    def engine(self, kind: str, host: str) -> Any:
        """The engine of that kind on that host; refused while a transaction is open. Raises HostDown."""
        if self.connection is not None:
            raise AssertionError(f"the {kind} engine is called while a transaction is open")
        return self.world.engine(kind, host)
