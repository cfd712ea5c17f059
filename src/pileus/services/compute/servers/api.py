"""/servers: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import UNSET, Raw

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Forbidden
from pileus.kernel.http import Answer, Here, Query
from pileus.kernel.http.queries import FALSE, TRUE
from pileus.kernel.paging import by_keys
from pileus.services.compute.http import api, asked, is_admin, limit, links, next_link
from pileus.services.compute.servers import bodies, checks, listing, service, views
from pileus.services.compute.servers.bodies import ChangeServer, CreateServer
from pileus.services.compute.servers.rules import STATES_OF_STATUS
from pileus.services.compute.servers.service import Search

ALL = "/v2.1/servers"
ONE = "/v2.1/servers/{server_id}"
RULES = "os_compute_api:servers"

PAGED = ("limit", "marker", "sort_key", "sort_dir", "all_tenants", "status", "deleted", "ip", "ip6")
IGNORED = (
    "auto_disk_config",
    "block_device_mapping",
    "info_cache",
    "kernel_id",
    "metadata",
    "pci_devices",
    "progress",
    "ramdisk_id",
    "root_device_name",
    "security_groups",
    "services",
    "soft_deleted",
    "system_metadata",
)
FOR_ALL = {"name", "flavor", "image", "reservation_id", "changes-since"}
TAGS = {"tags", "tags-any", "not-tags", "not-tags-any"}
FOR_ALL_SINCE_2_83 = {
    "availability_zone",
    "config_drive",
    "key_name",
    "created_at",
    "launched_at",
    "terminated_at",
    "power_state",
    "task_state",
    "vm_state",
    "user_id",
}


def known(ctx: Ctx) -> set[str]:
    """The parameters that this microversion has."""
    names = {*PAGED, *IGNORED, *listing.FIELDS} - TAGS - {"changes-before", "locked"}
    return names | newer(ctx)


def newer(ctx: Ctx) -> set[str]:
    found = set(TAGS) if ctx.at("2.26") else set()
    if ctx.at("2.66"):
        found.add("changes-before")
    return found | ({"locked"} if ctx.at("2.73") else set())


def filters(ctx: Ctx, given: Mapping[str, str]) -> dict[str, str]:
    """Those of the parameters that this caller may filter by; the others have no effect, as in Nova."""
    every = ctx.world.policy.allows(f"{RULES}:allow_all_filters", ctx.caller, own(ctx))
    allowed = set(listing.FIELDS) if every else FOR_ALL | newer(ctx) | (FOR_ALL_SINCE_2_83 if ctx.at("2.83") else set())
    return {name: text for name, text in given.items() if name in allowed and name in listing.FIELDS}


def own(ctx: Ctx) -> dict[str, Any]:
    return {"project_id": ctx.caller.project_id, "user_id": ctx.caller.user_id}


def everywhere(ctx: Ctx, given: Mapping[str, str], rule: str) -> bool:
    """Whether the servers of all projects are asked for. Raises BadRequest, Forbidden."""
    text = given.get("all_tenants")
    if text is None:
        return False
    word = text.lower()
    if word and word not in TRUE and word not in FALSE:
        raise BadRequest(f"Invalid input for query parameters all_tenants. Value: {text[:80]}. It is no boolean.")
    if word in FALSE:
        return False
    if not ctx.world.policy.allows(rule, ctx.caller, own(ctx)):
        raise ctx.world.policy.refusal(rule, ctx.caller, {})
    return True


def deleted(ctx: Ctx, given: Mapping[str, str]) -> bool | None:
    """Whether deleted servers are asked for; None: both, which whoever asks for changes wants. Only administrators see any."""
    if "deleted" in given and is_admin(ctx):
        return given["deleted"].lower() in TRUE
    return None if "changes-since" in given else False


def statuses(ctx: Ctx, query: Query) -> tuple[list[str], bool]:
    """What the status may be, and whether it can be at all. Raises BadRequest, Forbidden."""
    wanted = [text.upper() for text in query.get("status", [])]
    if "DELETED" in wanted and not is_admin(ctx):
        raise Forbidden("Only administrators may list deleted instances")
    found = [status for status in wanted if status in STATES_OF_STATUS]
    if wanted and not found:
        if ctx.at("2.38"):
            raise BadRequest(f"Invalid status filter: {wanted[0][:80]} is no status of a server.")
        return [], False
    return found, True


async def listed(ctx: Ctx, query: Query, here: Here, rule: str, *, detail: bool) -> dict[str, Any]:
    given = asked(ctx, query, known(ctx))
    found_statuses, possible = statuses(ctx, query)
    sorts = by_keys(query.get("sort_key", ()), query.get("sort_dir", ()), default="desc")
    if not possible:
        return {"servers": []}
    gone = True if "DELETED" in found_statuses else deleted(ctx, given)
    search = Search(
        given=filters(ctx, given),
        statuses=found_statuses,
        everywhere=everywhere(ctx, given, rule),
        deleted=gone,
        addresses={version: given[name] for version, name in ((4, "ip"), (6, "ip6")) if name in given},
        sorts=sorts,
        limit=limit(given),
        marker=given.get("marker"),
    )
    async with ctx.read() as ctx:
        page = await service.page(ctx, search, brief=not detail)
        shown = await views.whole(ctx, here, page.rows) if detail else [views.brief(here, row) for row in page.rows]
    return {"servers": shown, **next_link(here, "servers", page)}


@api.get(ALL, rule=f"{RULES}:index")
async def list_servers(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, f"{RULES}:index:get_all_tenants", detail=False)


@api.get(f"{ALL}/detail", rule=f"{RULES}:detail")
async def list_servers_in_detail(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, f"{RULES}:detail:get_all_tenants", detail=True)


@api.get(ONE, rule=f"{RULES}:show", wrap="server")
async def show_server(ctx: Ctx, server_id: UUID, query: Query, here: Here) -> Raw:
    asked(ctx, query, strict_from="2.102")
    async with ctx.read() as ctx:
        (shown,) = await views.whole(ctx, here, [await service.row(ctx, server_id)], groups=True)
    return shown


@api.post(ALL, rule=f"{RULES}:create", status=202)
async def create_server(ctx: Ctx, body: CreateServer, here: Here) -> Answer:
    made = await service.create(ctx, bodies.wanted_server(ctx, body))
    if checks.flag("return_reservation_id", body.server.return_reservation_id):
        return Answer({"reservation_id": made.reservation_id})
    first = made.servers[0]
    where = links(here, "servers", str(first.id))
    names = [group.name for group in checks.said(body.server.security_groups, ())] or ["default"]
    shown = {
        "id": first.id,
        "links": where,
        "OS-DCF:diskConfig": first.disk_config,
        "security_groups": [{"name": name} for name in names],
        "adminPass": made.admin_pass,
    }
    return Answer({"server": shown}, headers={"Location": where[0]["href"]})


@api.put(ONE, rule=f"{RULES}:update", wrap="server")
async def update_server(ctx: Ctx, server_id: UUID, body: ChangeServer, here: Here) -> dict[str, Any]:
    bodies.fits(ctx, body, bodies.CHANGE)
    server = await service.get(ctx, server_id)
    columns: dict[str, Any] = {}
    if body.name is not UNSET:
        columns["name"] = checks.printable(ctx, "name", body.name)
    columns |= checks.said_columns(ctx, body)
    if body.pinned_availability_zone is not UNSET:
        columns["zone"] = body.pinned_availability_zone
    if columns:
        await service.change(ctx, server, **columns)
    return await views.changed(ctx, here, server_id)


@api.delete(ONE, rule=f"{RULES}:delete", status=204)
async def delete_server(ctx: Ctx, server_id: UUID) -> None:
    await service.delete(ctx, await service.get(ctx, server_id))
