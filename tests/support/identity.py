"""Identity alone over HTTP, with as many API processes as a test asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from pileus.kernel.clock import SteppingClock
from pileus.kernel.config import Config, Identity
from pileus.kernel.context import Ctx
from pileus.kernel.db import Database
from pileus.kernel.doorbell import LocalDoorbell
from pileus.kernel.http import build_app
from pileus.kernel.ids import Ids
from pileus.kernel.metrics import Metrics
from pileus.kernel.policy import Policy
from pileus.kernel.policy.defaults import default_rules
from pileus.kernel.seal import Seal
from pileus.services.identity.bootstrap import bootstrap, register_service
from pileus.services.identity.routes import api
from pileus.services.identity.tokens.service import authenticate

PASSWORD = "correct horse battery staple"
POLICY = Policy.load(default_rules().checks, scopes=default_rules().scopes)
GOOD_S = 600
CONFIG = Config(identity=Identity(bcrypt_rounds=4, token_ttl_s=3600, tokens_kept=100))


@dataclass
class Process:
    """One API process: what it remembers is its own, the database and the clock are everybody's."""

    db: Database
    clock: SteppingClock
    config: Config = CONFIG
    ids: Ids = field(default_factory=Ids)
    seal: Seal = field(default_factory=lambda: Seal(bytes(32)))
    doorbell: LocalDoorbell = field(default_factory=LocalDoorbell)
    policy: Policy = POLICY
    metrics: Metrics = field(default_factory=Metrics)
    memory: dict[type, Any] = field(default_factory=dict)

    def engine(self, kind: str, host: str) -> Any:
        raise AssertionError(f"Identity asked for the {kind} engine of {host}")


@dataclass
class Session:
    """Who sends requests with one token."""

    http: httpx.AsyncClient
    token: str = ""

    async def request(self, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        sent = {"X-Auth-Token": self.token} if self.token else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, json=json, headers={**sent, **named})

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.request("GET", path, **headers)

    async def post(self, path: str, json: Any) -> httpx.Response:
        return await self.request("POST", path, json)

    async def patch(self, path: str, json: Any) -> httpx.Response:
        return await self.request("PATCH", path, json)

    async def put(self, path: str, json: Any = None) -> httpx.Response:
        return await self.request("PUT", path, json)

    async def head(self, path: str) -> httpx.Response:
        return await self.request("HEAD", path)

    async def delete(self, path: str, **headers: str) -> httpx.Response:
        return await self.request("DELETE", path, **headers)


def by_password(name: str, password: str = PASSWORD, *, domain: str = "default", scope: Any = None) -> dict[str, Any]:
    """The body of a login. A scope that is text is the name of a project of the domain."""
    user = {"name": name, "domain": {"id": domain}, "password": password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if isinstance(scope, str):
        scope = {"project": {"name": scope, "domain": {"id": domain}}}
    return {"auth": auth if scope is None else {**auth, "scope": scope}}


def by_token(token: str, scope: Any = None) -> dict[str, Any]:
    auth: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": token}}}
    return {"auth": auth if scope is None else {**auth, "scope": scope}}


@dataclass
class World:
    """The cloud's identity as a test sees it."""

    database: Database
    clock: SteppingClock = field(default_factory=SteppingClock)
    processes: list[Process] = field(default_factory=list)
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    administrator: tuple[Session, float] | None = None  # who has logged in, and until when that is good

    async def process(self, config: Config = CONFIG, *, source: str = "127.0.0.1") -> Session:
        """A further API process, and somebody without a token who speaks to it from that address."""
        process = Process(self.database, self.clock, config)
        transport = httpx.ASGITransport(build_app(process, [api], authenticate), client=(source, 4711))
        client = httpx.AsyncClient(transport=transport, base_url="http://cloud.example:8775/identity")
        self.processes.append(process)
        self.clients.append(client)
        return Session(client)

    @property
    def ctx(self) -> Ctx:
        return Ctx(self.processes[0])

    @property
    def nobody(self) -> Session:
        return Session(self.clients[0])

    async def login(self, body: dict[str, Any], query: str = "") -> httpx.Response:
        return await self.nobody.post(f"/v3/auth/tokens{query}", body)

    async def session(self, name: str, *, process: int = 0, **rest: Any) -> Session:
        """Who has logged in as that user."""
        answer = await self.login(by_password(name, **rest))
        assert answer.status_code == 201, answer.text
        return Session(self.clients[process], answer.headers["X-Subject-Token"])

    async def admin(self) -> Session:
        """Logged in once for many requests, as people are."""
        if self.administrator is None or self.administrator[1] < self.clock.now():
            self.administrator = await self.session("admin", scope="admin"), self.clock.now() + GOOD_S
        return self.administrator[0]

    async def site(self, *, source: str = "127.0.0.1", **limits: Any) -> Session:
        """As `process`, with these options of Identity."""
        usual = {"bcrypt_rounds": 4, "token_ttl_s": 3600}
        return await self.process(Config(identity=Identity(**usual, **limits)), source=source)

    async def project(self, name: str, **facts: Any) -> str:
        made = await (await self.admin()).post("/v3/projects", {"project": {"name": name, **facts}})
        return str(made.json()["project"]["id"])

    async def user(self, name: str, role: str = "", project_id: str = "", **facts: Any) -> str:
        """A user with the usual password, and a role on a project."""
        admin = await self.admin()
        made = await admin.post("/v3/users", {"user": {"name": name, "password": PASSWORD, **facts}})
        assert made.status_code == 201, made.text
        user_id = str(made.json()["user"]["id"])
        if role:
            await self.grant(user_id, role, f"projects/{project_id}")
        return user_id

    async def role_id(self, name: str) -> str:
        found = await (await self.admin()).get(f"/v3/roles?name={name}")
        return str(found.json()["roles"][0]["id"])

    async def grant(self, user_id: str, role: str, place: str) -> None:
        answer = await (await self.admin()).put(f"/v3/{place}/users/{user_id}/roles/{await self.role_id(role)}")
        assert answer.status_code == 204, answer.text

    async def count_statements(self, call: Any) -> tuple[Any, list[str]]:
        """What a coroutine gives, and the statements it ran."""
        seen: list[str] = []
        self.database.on_statement.append(seen.append)
        try:
            return await call, seen
        finally:
            self.database.on_statement.remove(seen.append)


@asynccontextmanager
async def one_process(database: Database) -> AsyncIterator[World]:
    """Identity in one process, on a started database."""
    world = World(database)
    await world.process()
    yield world
    for client in world.clients:
        await client.aclose()


async def bootstrapped(database: Database) -> None:
    """An administrator, and a service."""
    async with one_process(database) as world:
        await bootstrap(world.ctx, PASSWORD)
        await register_service(world.ctx, "volumev3", "cinder", "/volume/v3/$(project_id)s")


def same_answer(one: httpx.Response, other: httpx.Response) -> bool:
    """Whether two answers tell the same, status and body."""
    return (one.status_code, msgspec.json.decode(one.content)) == (
        other.status_code,
        msgspec.json.decode(other.content),
    )
