"""/v3/os-volume-transfer, and from 3.55 on /v3/volume-transfers"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body, Here, Query
from pileus.services.volume.http import Flag, Name, api, flag, is_admin, links, own_project, time
from pileus.services.volume.lists import asked, document
from pileus.services.volume.transfers import service
from pileus.services.volume.transfers.service import Transfer
from pileus.services.volume.volumes import service as volumes

OLD, NEW = "/v3/os-volume-transfer", "/v3/volume-transfers"
LIST, SHOW, CREATE, ACCEPT, DELETE = (
    f"volume:{verb}"
    for verb in ("get_all_transfers", "get_transfer", "create_transfer", "accept_transfer", "delete_transfer")
)


class CreateTransfer(Body, frozen=True):
    volume_id: UUID
    name: Name = None


class CreateWithout(CreateTransfer, frozen=True):
    no_snapshots: Flag = False


class Accept(Body, frozen=True):
    auth_key: Annotated[str, Meta(min_length=1, max_length=255)]


def summary(here: Here, transfer: Transfer) -> dict[str, Any]:
    collection = NEW.removeprefix("/v3/") if NEW.removeprefix("/v3") in here.path else OLD.removeprefix("/v3/")
    return {
        "id": transfer.id,
        "volume_id": transfer.volume_id,
        "name": transfer.name,
        "links": links(here, collection, transfer.id),
    }


def detail(ctx: Ctx, here: Here, transfer: Transfer) -> dict[str, Any]:
    said = {**summary(here, transfer), "created_at": time(transfer.created_at)}
    if ctx.at("3.55"):
        said["no_snapshots"] = transfer.no_snapshots
    if ctx.at("3.57"):
        said |= {"source_project_id": transfer.project_id, "destination_project_id": None, "accepted": False}
    return said


async def listed(ctx: Ctx, query: Query, here: Here, *, in_detail: bool) -> dict[str, Any]:
    found = await service.page(ctx, asked(ctx, query, service.LISTED.names, lenient=is_admin(ctx)))
    if in_detail:
        return document(here, "transfers", found, lambda each: detail(ctx, here, each))
    return document(here, "transfers", found, lambda each: summary(here, each))


async def list_transfers(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, in_detail=False)


async def list_transfers_in_detail(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, in_detail=True)


async def own(ctx: Ctx, transfer_id: UUID) -> Transfer:
    transfer = await service.get(ctx, transfer_id)
    ctx.require({"project_id": transfer.project_id})
    return transfer


async def show_transfer(ctx: Ctx, transfer_id: UUID, here: Here) -> dict[str, Any]:
    return detail(ctx, here, await own(ctx, transfer_id))


async def delete_transfer(ctx: Ctx, transfer_id: UUID) -> None:
    await service.delete(ctx, await own(ctx, transfer_id))


async def accept_transfer(ctx: Ctx, transfer_id: UUID, body: Accept, here: Here) -> dict[str, Any]:
    ctx.require(own_project(ctx))
    return summary(here, await service.accept(ctx, transfer_id, body.auth_key))


async def offered(ctx: Ctx, body: CreateTransfer, here: Here, *, no_snapshots: bool) -> dict[str, Any]:
    volume = await volumes.get(ctx, body.volume_id)
    ctx.require({"project_id": volume.project_id})
    transfer, key = await service.create(ctx, volume, body.name, no_snapshots=no_snapshots)
    return {**detail(ctx, here, transfer), "auth_key": key}


for _path, _since in ((OLD, "3.0"), (NEW, "3.55")):
    api.get(_path, rule=LIST, since=_since)(list_transfers)
    api.get(f"{_path}/detail", rule=LIST, since=_since)(list_transfers_in_detail)
    api.get(f"{_path}/{{transfer_id}}", rule=SHOW, since=_since, wrap="transfer")(show_transfer)
    api.delete(f"{_path}/{{transfer_id}}", rule=DELETE, since=_since, status=202)(delete_transfer)
    _accept = api.post(
        f"{_path}/{{transfer_id}}/accept", rule=ACCEPT, since=_since, wrap="transfer", wrap_body="accept", status=202
    )
    _accept(accept_transfer)


@api.post(OLD, rule=CREATE, wrap="transfer", status=202)
async def create_transfer(ctx: Ctx, body: CreateTransfer, here: Here) -> dict[str, Any]:
    return await offered(ctx, body, here, no_snapshots=False)


@api.post(NEW, rule=CREATE, since="3.55", wrap="transfer", status=202)
async def create_transfer_without(ctx: Ctx, body: CreateWithout, here: Here) -> dict[str, Any]:
    return await offered(ctx, body, here, no_snapshots=flag("no_snapshots", body.no_snapshots))
