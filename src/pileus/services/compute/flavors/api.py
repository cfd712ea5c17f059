"""/flavors/{flavor_id}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from msgspec import Meta, field

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.kernel.http.queries import boolean, integer
from pileus.kernel.paging import Sort
from pileus.services.compute.flavors import service
from pileus.services.compute.flavors.service import Flavor
from pileus.services.compute.http import (
    Name,
    Number,
    Positive,
    api,
    asked,
    check_printable,
    is_admin,
    limit,
    links,
    next_link,
    own,
)

ONE = "/v2.1/flavors/{flavor_id}"
MANAGE = "os_compute_api:os-flavor-manage"
INDEX = "os_compute_api:os-flavor-extra-specs:index"
LISTED = ("is_public", "limit", "marker", "minDisk", "minRam", "sort_dir", "sort_key")
FLAVOR_ID = re.compile(r"(?! )[a-zA-Z0-9. _-]{1,255}(?<! )")
MOST_FLOAT = 3.40282e38

Factor = Annotated[float, Meta(gt=0, le=MOST_FLOAT)]


class CreateFlavor(Body, frozen=True):
    name: Name
    ram: Positive
    vcpus: Positive
    disk: Number
    id: str | int | float | None = None
    swap: Number = 0
    ephemeral: Number = field(default=0, name="OS-FLV-EXT-DATA:ephemeral")
    is_public: bool | str = field(default=True, name="os-flavor-access:is_public")
    rxtx_factor: Factor = 1.0


class DescribedFlavor(CreateFlavor, frozen=True):
    description: Annotated[str, Meta(max_length=65535)] | None = None


class SmallFlavor(Body, frozen=True):
    """From 2.102 on there is no rxtx_factor."""

    name: Name
    ram: Positive
    vcpus: Positive
    disk: Number
    id: str | int | float | None = None
    swap: Number = 0
    ephemeral: Number = field(default=0, name="OS-FLV-EXT-DATA:ephemeral")
    is_public: bool | str = field(default=True, name="os-flavor-access:is_public")
    description: Annotated[str, Meta(max_length=65535)] | None = None


class ChangeFlavor(Body, frozen=True):
    description: Annotated[str, Meta(max_length=65535)] | None


class Access(Body, frozen=True):
    tenant: Name


def sees_everything(ctx: Ctx) -> bool:
    return is_admin(ctx)


def shown(ctx: Ctx, here: Here, flavor: Flavor) -> dict[str, Any]:
    """The flavor, whole."""
    document: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.memory_mib,
        "disk": flavor.disk_gib,
        "swap": flavor.swap_mib or (0 if ctx.at("2.75") else ""),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": flavor.is_public,
        "links": links(here, "flavors", flavor.id),
    }
    if not ctx.at("2.102"):
        document |= {"OS-FLV-DISABLED:disabled": False, "rxtx_factor": flavor.rxtx_factor}
    if ctx.at("2.55"):
        document["description"] = flavor.description
    if ctx.at("2.61") and ctx.world.policy.allows(INDEX, ctx.caller, own(ctx)):
        document["extra_specs"] = flavor.extra_specs
    return document


def brief(ctx: Ctx, here: Here, flavor: Flavor) -> dict[str, Any]:
    described = {"description": flavor.description} if ctx.at("2.55") else {}
    return {"id": flavor.id, "name": flavor.name, "links": links(here, "flavors", flavor.id), **described}


async def listed(ctx: Ctx, query: Query, here: Here, show: Any) -> dict[str, Any]:
    known = (*LISTED, "name") if ctx.at("2.102") else LISTED
    given = asked(ctx, query, known)
    wanted: dict[str, Any] = {}
    everywhere = sees_everything(ctx) and filter_public(given.get("is_public"), wanted)
    for name, column in (("minRam", "min_memory_mib"), ("minDisk", "min_disk_gib")):
        if name in given:
            wanted[column] = integer(name, given[name])
    if "name" in given:
        wanted["name"] = given["name"]
    sort = Sort(given.get("sort_key") or "flavorid", descends(given.get("sort_dir") or "asc"))
    found, at = await service.page(
        ctx, wanted, sort, everywhere=everywhere, limit=limit(given), marker=given.get("marker")
    )
    return {"flavors": [show(ctx, here, flavor) for flavor in found], **next_link(here, "flavors", at)}


def descends(text: str) -> bool:
    if text not in {"asc", "desc"}:
        raise BadRequest(
            f"Invalid input for query parameters sort_dir. Value: {text[:80]}. It is neither asc nor desc."
        )
    return text == "desc"


def filter_public(text: str | None, wanted: dict[str, Any]) -> bool:
    """What an administrator asks for: whether those are meant, too, that the project may not use. Raises BadRequest."""
    if text is None or text.lower() == "none":
        return text is not None
    try:
        public = boolean("is_public", text)
    except BadRequest:
        raise BadRequest(f"Invalid is_public filter [{text[:80]}]") from None
    if not public:
        wanted["is_public"] = False
    return not public


@api.get("/v2.1/flavors", rule="pileus:compute:flavors")
async def list_flavors(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, brief)


@api.get("/v2.1/flavors/detail", rule="pileus:compute:flavors")
async def list_flavors_whole(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, shown)


@api.get(ONE, rule="pileus:compute:flavors", wrap="flavor")
async def show_flavor(ctx: Ctx, flavor_id: str, query: Query, here: Here) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return shown(ctx, here, await service.get(ctx, flavor_id, everywhere=sees_everything(ctx)))


def wanted_id(ctx: Ctx, given: str | float | None) -> str:
    """The id as text; a new one where none is given. Raises BadRequest."""
    if given is None or given == "":
        return str(ctx.world.ids.uuid())
    text = str(given)
    if FLAVOR_ID.fullmatch(text) is None:
        raise BadRequest(
            f"Invalid input for field/attribute id. Value: {text[:80]}. It may have letters, digits and . _ -"
        )
    return text


async def created(ctx: Ctx, here: Here, body: CreateFlavor | SmallFlavor) -> dict[str, Any]:
    is_public = body.is_public if isinstance(body.is_public, bool) else boolean("is_public", body.is_public)
    flavor = Flavor(
        id=wanted_id(ctx, body.id),
        name=check_printable("name", body.name),
        memory_mib=body.ram,
        vcpus=body.vcpus,
        disk_gib=body.disk,
        ephemeral_gib=body.ephemeral,
        swap_mib=body.swap,
        is_public=is_public,
        description=getattr(body, "description", None),
        rxtx_factor=getattr(body, "rxtx_factor", 1.0),
    )
    return shown(ctx, here, await service.create(ctx, flavor))


@api.post("/v2.1/flavors", rule=f"{MANAGE}:create", wrap="flavor", until="2.54", lax=True)
async def create_flavor(ctx: Ctx, body: CreateFlavor, here: Here) -> dict[str, Any]:
    return await created(ctx, here, body)


@api.post("/v2.1/flavors", rule=f"{MANAGE}:create", wrap="flavor", since="2.55", until="2.101", lax=True)
async def create_described_flavor(ctx: Ctx, body: DescribedFlavor, here: Here) -> dict[str, Any]:
    return await created(ctx, here, body)


@api.post("/v2.1/flavors", rule=f"{MANAGE}:create", wrap="flavor", since="2.102", lax=True)
async def create_small_flavor(ctx: Ctx, body: SmallFlavor, here: Here) -> dict[str, Any]:
    return await created(ctx, here, body)


@api.put(ONE, rule=f"{MANAGE}:update", wrap="flavor", since="2.55")
async def change_flavor(ctx: Ctx, flavor_id: str, body: ChangeFlavor, here: Here) -> dict[str, Any]:
    return shown(ctx, here, await service.change(ctx, flavor_id, body.description))


@api.delete(ONE, rule=f"{MANAGE}:delete", status=202)
async def delete_flavor(ctx: Ctx, flavor_id: str) -> None:
    await service.delete(ctx, flavor_id)


# access


def shown_access(flavor_id: str, project_ids: list[str]) -> list[dict[str, str]]:
    return [{"flavor_id": flavor_id, "tenant_id": project_id} for project_id in project_ids]


@api.get(f"{ONE}/os-flavor-access", rule="os_compute_api:os-flavor-access", wrap="flavor_access")
async def list_access(ctx: Ctx, flavor_id: str, query: Query) -> list[dict[str, str]]:
    asked(ctx, query, strict_from="2.102")
    return shown_access(flavor_id, await service.projects_of(ctx, flavor_id))


@api.action(
    f"{ONE}/action",
    "addTenantAccess",
    rule="os_compute_api:os-flavor-access:add_tenant_access",
    wrap="flavor_access",
    status=200,
)
async def add_access(ctx: Ctx, flavor_id: str, body: Access) -> list[dict[str, str]]:
    given = await service.give_access(ctx, flavor_id, body.tenant, to_public=not ctx.at("2.7"))
    return shown_access(flavor_id, given)


@api.action(
    f"{ONE}/action",
    "removeTenantAccess",
    rule="os_compute_api:os-flavor-access:remove_tenant_access",
    wrap="flavor_access",
    status=200,
)
async def remove_access(ctx: Ctx, flavor_id: str, body: Access) -> list[dict[str, str]]:
    return shown_access(flavor_id, await service.take_access(ctx, flavor_id, body.tenant))


# extra specs

SPECS = f"{ONE}/os-extra_specs"
SPEC = f"{SPECS}/{{extra_spec}}"
RULES = "os_compute_api:os-flavor-extra-specs"
SPEC_NAME = re.compile(r"[a-zA-Z0-9_:. -]{1,255}")

Specs = dict[str, str | int | float]


class CreateSpecs(Body, frozen=True):
    extra_specs: Specs


def checked(ctx: Ctx, specs: Specs) -> dict[str, str]:
    """The specs as texts. Raises BadRequest."""
    texts: dict[str, str] = {}
    for name, value in specs.items():
        if SPEC_NAME.fullmatch(name) is None:
            raise BadRequest(
                f"Invalid input for field/attribute extra_specs. Key {name[:80]!r} may have letters, digits, spaces and . - _ :"
            )
        if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)) or len(str(value)) > 255:
            raise BadRequest(
                f"Invalid input for field/attribute {name}: it is no text or number of at most 255 characters."
            )
        texts[name] = str(value)
    if ctx.at("2.86"):
        service.check_specs(texts)
    return texts


@api.get(SPECS, rule=f"{RULES}:index", wrap="extra_specs")
async def list_specs(ctx: Ctx, flavor_id: str, query: Query) -> dict[str, str]:
    asked(ctx, query, strict_from="2.102")
    ctx.require(own(ctx))
    return (await service.get(ctx, flavor_id, everywhere=sees_everything(ctx))).extra_specs


@api.post(SPECS, rule=f"{RULES}:create")
async def create_specs(ctx: Ctx, flavor_id: str, body: CreateSpecs) -> dict[str, Any]:
    await service.set_specs(ctx, flavor_id, checked(ctx, body.extra_specs))
    return {"extra_specs": body.extra_specs}


@api.get(SPEC, rule=f"{RULES}:show")
async def show_spec(ctx: Ctx, flavor_id: str, extra_spec: str, query: Query) -> dict[str, str]:
    asked(ctx, query, strict_from="2.102")
    ctx.require(own(ctx))
    specs = (await service.get(ctx, flavor_id, everywhere=sees_everything(ctx))).extra_specs
    if extra_spec not in specs:
        raise service.no_spec(flavor_id, extra_spec)
    return {extra_spec: specs[extra_spec]}


@api.put(SPEC, rule=f"{RULES}:update")
async def change_spec(ctx: Ctx, flavor_id: str, extra_spec: str, body: Specs) -> Specs:
    if len(body) != 1:
        raise BadRequest("Invalid input: the body names one extra spec.")
    texts = checked(ctx, body)
    if extra_spec not in texts:
        raise BadRequest("Request body and URI mismatch")
    await service.set_specs(ctx, flavor_id, texts)
    return body


@api.delete(SPEC, rule=f"{RULES}:delete")
async def delete_spec(ctx: Ctx, flavor_id: str, extra_spec: str) -> None:
    await service.delete_spec(ctx, flavor_id, extra_spec)
