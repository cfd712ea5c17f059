"""A whole cloud in this process, with simulators behind, asked by HTTP without a socket."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from pileus.beginnings import offer_services
from pileus.kernel import config
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database
from pileus.kernel.operations import Worker
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.assignments.service import Assignment
from pileus.services.identity.bootstrap import bootstrap
from pileus.services.identity.domains import service as domains
from pileus.services.identity.methods import Proof
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.tokens.rules import Scope
from pileus.services.identity.users import service as users
from pileus.world import Cloud, open_cloud
from support.beginning import Kept, kept_of, kind_of

ROLES = ("manager", "member", "reader", "service")
BASE = "http://cloud.test"
PASSWORD = "the admin's, for tests"
HOSTS = 2
SEED = 1  # a stepping clock: time moves when it is told


class Asks(ABC):
    """Whoever sends requests, by the methods of HTTP."""

    @abstractmethod
    async def request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """One request."""

    async def get(self, path: str, **sent: Any) -> httpx.Response:
        return await self.request("GET", path, **sent)

    async def post(self, path: str, **sent: Any) -> httpx.Response:
        return await self.request("POST", path, **sent)

    async def put(self, path: str, **sent: Any) -> httpx.Response:
        return await self.request("PUT", path, **sent)

    async def patch(self, path: str, **sent: Any) -> httpx.Response:
        return await self.request("PATCH", path, **sent)

    async def delete(self, path: str, **sent: Any) -> httpx.Response:
        return await self.request("DELETE", path, **sent)

    async def head(self, path: str, **sent: Any) -> httpx.Response:
        return await self.request("HEAD", path, **sent)


@dataclass
class Client(Asks):
    """Somebody who asks a cloud. `headers` hold the token."""

    http: httpx.AsyncClient
    headers: dict[str, str]
    user_id: str = ""
    project_id: str = ""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str | None] | None = None, **sent: Any
    ) -> httpx.Response:
        """One request as this client; a header given as None is not sent."""
        merged = {**self.headers, **(headers or {})}
        return await self.http.request(method, path, headers={k: v for k, v in merged.items() if v is not None}, **sent)


@dataclass
class RunningCloud(Client):
    """A cloud; itself the client of its admin, who is scoped to the project `admin`."""

    world: Cloud = None  # type: ignore[assignment]
    people: dict[str, Client] = None  # type: ignore[assignment]

    def as_(self, role: str) -> Client:
        """A user with this role alone (manager, member, reader or service) in the project `people`."""
        return self.people[role]

    @property
    def stranger(self) -> dict[str, str]:
        """The headers of a user who is member of another project, in another domain, and of nothing else."""
        return self.people["stranger"].headers

    @property
    def db(self) -> Database:
        return self.world.db

    @property
    def routes(self) -> list[Any]:
        return self.world.app.routes

    def ctx(self) -> Ctx:
        """A Ctx of the cloud itself, for what no API says."""
        return Ctx(self.world, PILEUS, request_id=self.world.ids.request())

    async def settle(self) -> None:
        """Run every due operation to its end."""
        await Worker(self.ctx()).drain()

    async def worked(self, asking: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        """The answer of a request that may wait for an operation, which then runs beside it."""
        request = asyncio.ensure_future(asking)
        try:
            while not (await asyncio.wait({request}, timeout=0.02))[0]:
                await self.settle()
        finally:
            request.cancel()
        return request.result()


@asynccontextmanager
async def running_cloud(
    database_url: str, state: Path, overrides: Mapping[str, Any] | None = None, *, hosts: int = HOSTS
) -> AsyncIterator[RunningCloud]:
    """A cloud on that database, with its files in `state`. `overrides` are options by their dotted names.

    Without any it begins with what the first one in this process began with, as if it was started again.
    """
    given = {
        "state": str(state),
        "database.url": database_url,
        "identity.bcrypt_rounds": 4,
        "api.public_url": BASE,
        "network.public_cidr": "",
        **(overrides or {}),
    }
    special = bool(overrides) or hosts != HOSTS
    kept = None if special else beginnings.get(kind_of(database_url))
    if kept is None:
        state.mkdir(mode=0o700)
    else:
        await kept.put(database_url, state)
    world = await open_cloud(config.load(None, given)[0], simulate_hosts=hosts, seed=SEED)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url=BASE, timeout=30)
    try:
        people = await peopled(world) if kept is None else kept.people
        if kept is None and not special:
            beginnings[kind_of(database_url)] = await Beginning.of(world, people)
        clients = {name: Client(http, *each) for name, each in people.items()}
        admin = clients.pop("admin")
        yield RunningCloud(http, admin.headers, admin.user_id, admin.project_id, world=world, people=clients)
    finally:
        await http.aclose()
        await world.stop()


class Person(NamedTuple):
    """Somebody who has logged in."""

    headers: dict[str, str]
    user_id: str
    project_id: str


@dataclass(frozen=True)
class Beginning:
    """The database and files of a cloud with its people."""

    database: Kept
    state: Path
    people: dict[str, Person]

    @classmethod
    async def of(cls, world: Cloud, people: dict[str, Person]) -> Beginning:
        kept = Path(tempfile.mkdtemp(prefix="pileus-begun-"))
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
        shutil.copytree(world.state, kept, dirs_exist_ok=True)
        return cls(await kept_of(world.db), kept, people)

    async def put(self, database_url: str, state: Path) -> None:
        shutil.copytree(self.state, state)
        await self.database.put(database_url)


beginnings: dict[tuple[str, int], Beginning] = {}


async def peopled(world: Cloud) -> dict[str, Person]:
    """An admin, one user per role, and a stranger, all logged in."""
    await bootstrap(world.ctx, PASSWORD)
    await offer_services(world)
    ctx, default = world.ctx, projects.DEFAULT
    people = await projects.create(ctx, "people", parent_id=None, domain_id=default, facts={})
    domain = await domains.create(ctx, "elsewhere", {})
    elsewhere = await projects.create(ctx, "elsewhere", parent_id=None, domain_id=domain.id, facts={})
    made = {}
    for name, project in (*((role, people) for role in ROLES), ("stranger", elsewhere)):
        user = await users.create(ctx, name, project.domain_id or default, facts={})
        role = await roles.named(ctx, "member" if name == "stranger" else name)
        assert role is not None
        async with ctx.transaction() as writing:
            await assignments.grant(writing, Assignment(user.id, project.id, role.id, False, "user", "project"))
        made[name] = (user.id, project.id)
    admin, project = await users.named(ctx, "admin", default), await projects.named(ctx, "admin", domain_id=default)
    assert admin is not None
    assert project is not None
    made["admin"] = (admin.id, project.id)
    return {name: Person(await logged_in(ctx, *ids), *ids) for name, ids in made.items()}


async def logged_in(ctx: Ctx, user_id: str, project_id: str | None) -> dict[str, str]:
    """The header with a token of that user in that project, or (None) on the system."""
    at = await revision.current(ctx)
    scope = Scope(project_id=project_id, system=project_id is None)
    text, _ = await tokens.issue(ctx, Proof(user_id=user_id, methods=("password",)), scope, at=at)
    return {"X-Auth-Token": text}
