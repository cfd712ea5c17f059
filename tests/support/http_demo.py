"""A small cloud to speak HTTP with: real database, policy, seal and clock; two services made up for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import msgspec
import sqlalchemy as sa

from pileus.kernel.clock import SteppingClock
from pileus.kernel.config import Config
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.db import Database, Text, metadata
from pileus.kernel.doorbell import LocalDoorbell
from pileus.kernel.errors import CloudError, Conflict, NotFound, Unauthorized
from pileus.kernel.http import Answer, App, Body, Service, build_app
from pileus.kernel.ids import Ids
from pileus.kernel.metrics import Metrics
from pileus.kernel.policy import Policy
from pileus.kernel.seal import Seal

widgets = sa.Table(
    "http_widget",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
)

RULES = {
    "widgets:show": "role:reader and project_id:%(project_id)s",
    "widgets:write": "role:member and project_id:%(project_id)s",
    "widgets:admin": "role:admin",
}
CALLERS = {
    "member": Caller("u1", project_id="p1", roles=frozenset({"member", "reader"})),
    "reader": Caller("u2", project_id="p1", roles=frozenset({"reader"})),
    "stranger": Caller("u3", project_id="p3", roles=frozenset({"member", "reader"})),
    "domain": Caller("u4", domain_id="d", roles=frozenset({"admin", "member", "reader"})),
}
MEMBER = {"x-auth-token": "member"}


@dataclass
class World:
    db: Database
    config: Config = field(default_factory=Config)
    clock: SteppingClock = field(default_factory=SteppingClock)
    ids: Ids = field(default_factory=lambda: Ids(1))
    seal: Seal = field(default_factory=lambda: Seal(bytes(32)))
    doorbell: LocalDoorbell = field(default_factory=LocalDoorbell)
    policy: Policy = field(default_factory=lambda: Policy.load(RULES))
    metrics: Metrics = field(default_factory=Metrics)

    def engine(self, kind: str, host: str) -> Any:
        raise AssertionError("no engines here")


async def authenticate(ctx: Ctx, token: str, service: str) -> Caller:
    if token not in CALLERS:
        raise Unauthorized("The request you have made requires authentication.")
    return CALLERS[token]


class NewWidget(Body):
    name: str
    size: int = 1
    note: str | msgspec.UnsetType | None = msgspec.UNSET
    tags: dict[str, Any] = msgspec.field(default_factory=dict)


class Reboot(Body):
    type: str


def nova_fault(error: CloudError) -> dict[str, Any]:
    return {error.code: {"code": error.status, "message": error.message}}


def widget_service() -> Service:
    """Compute's accent, microversions 2.1 to 2.96."""
    api = Service(
        "compute",
        "/compute",
        fault=nova_fault,
        version_range=("2.1", "2.96"),
        microversion_headers=("OpenStack-API-Version: compute", "X-OpenStack-Nova-API-Version"),
        request_id_headers=("x-compute-request-id",),
        vary=("X-Auth-Token",),
        ports=(8774,),
    )

    @api.get("/v2.1/widgets/{widget_id}", rule="widgets:show", wrap="widget")
    async def show_widget(ctx: Ctx, widget_id: UUID) -> dict[str, Any]:
        found = await ctx.execute(sa.select(widgets).where(widgets.c.id == widget_id))
        row = found.one_or_none()
        if row is None or row.project_id != ctx.caller.project_id:
            raise NotFound(f"Widget {widget_id} could not be found.")
        return {"id": str(row.id), "name": row.name, "version": ctx.version}

    @api.post("/v2.1/widgets", rule="widgets:write", wrap="widget", status=202)
    async def create_widget(ctx: Ctx, body: NewWidget) -> dict[str, Any]:
        async with ctx.transaction() as tx:
            new = tx.world.ids.uuid()
            row = {"id": new, "project_id": ctx.caller.project_id, "name": body.name}
            await tx.execute(widgets.insert().values(row))
            if body.name == "taken":
                raise Conflict("That name is taken.", name=body.name)
        note = "absent" if body.note is msgspec.UNSET else body.note
        return {"id": str(new), "note": note, "rule": ctx.rule}

    @api.delete("/v2.1/widgets/{widget_id}", rule="widgets:write", status=204)
    async def delete_widget(ctx: Ctx, widget_id: UUID) -> None:
        async with ctx.transaction() as tx:
            await tx.execute(widgets.delete().where(widgets.c.id == widget_id))

    @api.action("/v2.1/widgets/{widget_id}/action", "reboot", rule="widgets:write")
    async def reboot_widget(ctx: Ctx, widget_id: UUID, body: Reboot) -> Answer:
        return Answer({"rebooted": str(widget_id), "type": body.type})

    @api.action("/v2.1/widgets/{widget_id}/action", "pause", rule="widgets:admin")
    async def pause_widget(ctx: Ctx, widget_id: UUID) -> None:
        return None

    @api.action("/v2.1/widgets/{widget_id}/action", "lock", rule="widgets:write", since="2.73")
    async def lock_widget(ctx: Ctx, widget_id: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"locked": widget_id, "body": body}

    return api


async def count_widgets(world: World) -> int:
    async with world.db.read() as connection:
        found = await connection.execute(sa.select(sa.func.count()).select_from(widgets))
    return int(found.scalar_one())


def client_of(app: App, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 4711))
    return httpx.AsyncClient(**{"transport": transport, "base_url": "http://cloud.test", **options})


@asynccontextmanager
async def served(world: World, *services: Service, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of these services."""
    async with client_of(build_app(world, services, authenticate, **options)) as client:
        yield client


async def spoken(app: App, scope: dict[str, Any], sent: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the application sends when it receives these messages: ASGI by hand, for what no client would do."""
    left, answered = list(sent), []

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.get_running_loop().create_future()
        return left.pop(0)

    async def send(message: Any) -> None:
        answered.append(dict(message))

    await app(scope, receive, send)
    return answered


def http_scope(method: str, path: str, *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    asked = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": list(headers)}
    return {**asked, "scheme": "http", "server": ("192.0.2.1", 8775), "client": None, **more}
