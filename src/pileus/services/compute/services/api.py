"""/os-services/{compute_service}: what the API accepts and shows; nothing of how it is done.

There is one kind of service here: of each host the one that runs its guests. What else Compute does is no process of its own.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Body, Query
from pileus.kernel.http.plan import parse_uuid
from pileus.kernel.http.queries import boolean
from pileus.services.compute.aggregates import service as aggregates
from pileus.services.compute.http import Name, api, asked, long_stamp
from pileus.services.compute.hypervisors import service
from pileus.services.compute.hypervisors.service import BINARY, Hypervisor

LIST = "/v2.1/os-services"
ONE = "/v2.1/os-services/{compute_service}"
OLD = "/v2.1/os-services/{service_action}"  # until 2.52 the path says what is to be done, and the body to which service
OLD_ONE = "/v2.1/os-services/{service_number}"
RULES = "os_compute_api:os-services"

Reason = Annotated[str, Meta(min_length=1, max_length=255)]
HostName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[a-zA-Z0-9._-]*\Z")]


class OldChange(Body, frozen=True):
    host: HostName
    binary: Name
    disabled_reason: Reason | UnsetType = UNSET


class ForcedChange(OldChange, frozen=True):
    """From 2.11 on."""

    forced_down: bool | str | UnsetType = UNSET


class Change(Body, frozen=True):
    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Reason | UnsetType = UNSET
    forced_down: bool | str | UnsetType = UNSET


def shown(ctx: Ctx, host: Hypervisor, zone: str) -> dict[str, Any]:
    document = {
        "id": host.service_id if ctx.at("2.53") else host.number,
        "binary": BINARY,
        "host": host.name,
        "zone": zone,
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if host.up else "down",
        "updated_at": long_stamp(host.seen_at),
        "disabled_reason": host.disabled_reason,
    }
    return {**document, "forced_down": host.forced_down} if ctx.at("2.11") else document


@api.get(LIST, rule=f"{RULES}:list", wrap="services")
async def list_services(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    given = asked(ctx, query, ("host", "binary"))
    if given.get("binary") not in (None, "", BINARY):
        return []
    async with ctx.read() as ctx:
        host = given.get("host")
        found = list((await service.named(ctx, [host])).values()) if host else await service.list_(ctx)
        zones = await aggregates.zones_of(ctx, [each.name for each in found])
    return [shown(ctx, each, zones[each.name]) for each in found]


@api.put(OLD, rule=f"{RULES}:update", until="2.10", wrap_body="", wrap="service")
async def change_old_service(ctx: Ctx, service_action: str, body: OldChange) -> dict[str, Any]:
    return await changed_by_name(ctx, service_action, body)


@api.put(OLD, rule=f"{RULES}:update", since="2.11", until="2.52", wrap_body="", wrap="service")
async def change_forced_service(ctx: Ctx, service_action: str, body: ForcedChange) -> dict[str, Any]:
    return await changed_by_name(ctx, service_action, body)


async def changed_by_name(ctx: Ctx, action: str, body: OldChange | ForcedChange) -> dict[str, Any]:
    """What the path says is done to the service that the body names. Raises NotFound for a path that says nothing."""
    named = {"host": body.host, "binary": body.binary}
    if action == "force-down" and isinstance(body, ForcedChange):
        if body.forced_down is UNSET:
            raise BadRequest("Missing forced_down field")
        wanted: dict[str, Any] = {"forced_down": truth(body.forced_down)}
        said = {**named, **wanted}
    elif action in {"enable", "disable", "disable-log-reason"}:
        reason = None if action != "disable-log-reason" else body.disabled_reason
        if reason is UNSET:
            raise BadRequest("Missing disabled reason field")
        wanted = {"enabled": action == "enable", "disabled_reason": reason}
        said = {**named, "status": "enabled" if wanted["enabled"] else "disabled"}
        said |= {"disabled_reason": reason} if reason else {}
    else:
        raise NotFound("Unknown action")
    if body.binary != BINARY:
        raise BadRequest(
            f"Updating a {body.binary} service is not supported. Only nova-compute services can be updated."
        )
    await service.change(ctx, body.host, wanted)
    return said


def truth(value: bool | str) -> bool:
    return value if isinstance(value, bool) else boolean("forced_down", value)


@api.put(ONE, rule=f"{RULES}:update", since="2.53", wrap_body="", wrap="service")
async def change_service(ctx: Ctx, compute_service: str, body: Change) -> dict[str, Any]:
    id_ = identified(compute_service)
    wanted: dict[str, Any] = {}
    if body.status is not UNSET:
        reason = None if body.disabled_reason is UNSET else body.disabled_reason
        if body.status == "enabled" and reason:
            raise BadRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
        wanted = {"enabled": body.status == "enabled", "disabled_reason": reason}
    if body.forced_down is not UNSET:
        wanted["forced_down"] = truth(body.forced_down)
    host = await service.of_service(ctx, id_)
    if not wanted:
        raise BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    after = await service.change(ctx, host.name, wanted)
    return shown(ctx, after, (await aggregates.zones_of(ctx, [after.name]))[after.name])


@api.delete(OLD_ONE, rule=f"{RULES}:delete", until="2.52", status=204)
async def delete_old_service(ctx: Ctx, service_number: str) -> None:
    if re.fullmatch(r"[0-9]{1,18}", service_number) is None:
        raise BadRequest(f"Invalid input received: id must be an integer, not {service_number[:80]!r}")
    await service.delete(ctx, (await service.of_service(ctx, int(service_number))).name)


@api.delete(ONE, rule=f"{RULES}:delete", since="2.53", status=204)
async def delete_service(ctx: Ctx, compute_service: str) -> None:
    await service.delete(ctx, (await service.of_service(ctx, identified(compute_service))).name)


def identified(text: str) -> str:
    """Raises BadRequest for what is no UUID."""
    try:
        return str(parse_uuid(text))
    except ValueError:
        raise BadRequest(f"Invalid uuid {text[:80]}") from None
