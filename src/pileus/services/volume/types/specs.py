"""/v3/types/{type_id}/extra_specs and /encryption: what a type means."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Body, converted
from pileus.services.volume.http import api, missing, time
from pileus.services.volume.types import service
from pileus.services.volume.types.service import Encryption

SPECS = "/v3/types/{type_id}/extra_specs"
ENCRYPTION = "/v3/types/{type_id}/encryption"
VISIBLE = ("RESKEY:availability_zones", "multiattach", "replication_enabled")
"""The extra specs that everybody may see."""

SpecKey = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_:.]{1,255}$")]
Specs = dict[SpecKey, Annotated[str, Meta(max_length=255)] | None]
Short = Annotated[str, Meta(max_length=255)]
KeySize = Annotated[int, Meta(ge=0, le=2**31 - 1)] | None


def shown_specs(ctx: Ctx, specs: dict[str, str]) -> dict[str, str]:
    """Those that the caller may see."""
    if ctx.world.policy.allows("volume_extension:types_extra_specs:read_sensitive", ctx.caller, {}):
        return specs
    return {key: value for key, value in specs.items() if key in VISIBLE}


async def specs_of(ctx: Ctx, type_id: UUID) -> dict[str, str]:
    await service.get(ctx, type_id)
    return shown_specs(ctx, await service.specs_of(ctx, type_id))


@api.get(SPECS, rule="volume_extension:types_extra_specs:index", wrap="extra_specs")
async def list_specs(ctx: Ctx, type_id: UUID) -> dict[str, str]:
    return await specs_of(ctx, type_id)


@api.post(SPECS, rule="volume_extension:types_extra_specs:create", wrap="extra_specs")
async def create_specs(ctx: Ctx, type_id: UUID, body: Specs) -> dict[str, str | None]:
    await service.put_specs(ctx, type_id, {key: value or "" for key, value in body.items()})
    return body


@api.get(f"{SPECS}/{{spec}}", rule="volume_extension:types_extra_specs:show")
async def show_spec(ctx: Ctx, type_id: UUID, spec: str) -> dict[str, str]:
    found = await specs_of(ctx, type_id)
    if spec not in found:
        raise NotFound(f"Volume Type {type_id} has no extra specs with key {spec}.")
    return {spec: found[spec]}


@api.put(f"{SPECS}/{{spec}}", rule="volume_extension:types_extra_specs:update")
async def change_spec(ctx: Ctx, type_id: UUID, spec: str, body: dict[str, Any]) -> dict[str, Any]:
    sent = converted(body, Specs)
    if len(sent) != 1:
        raise BadRequest("Request body contains too many items" if sent else "Request body is empty")
    if spec not in sent:
        raise BadRequest("Request body and URI mismatch")
    await service.put_specs(ctx, type_id, {spec: sent[spec] or ""})
    return body


@api.delete(f"{SPECS}/{{spec}}", rule="volume_extension:types_extra_specs:delete", status=202)
async def delete_spec(ctx: Ctx, type_id: UUID, spec: str) -> None:
    await service.drop_spec(ctx, type_id, spec)


class CreateEncryption(msgspec.Struct):
    provider: Short
    control_location: Literal["front-end", "back-end"]
    cipher: Short | None = None
    key_size: KeySize = None


class ChangeEncryption(Body, frozen=True):
    provider: Short | UnsetType = UNSET
    control_location: Literal["front-end", "back-end"] | UnsetType = UNSET
    cipher: Short | UnsetType | None = UNSET
    key_size: KeySize | UnsetType = UNSET


def shown_encryption(found: Encryption | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {
        "volume_type_id": found.type_id,
        "encryption_id": found.id,
        "provider": found.provider,
        "control_location": found.control_location,
        "cipher": found.cipher,
        "key_size": found.key_size,
        "created_at": time(found.created_at),
        "updated_at": time(found.updated_at),
        "deleted_at": None,
        "deleted": False,
    }


async def encryption_of(ctx: Ctx, type_id: UUID) -> Encryption | None:
    await service.get(ctx, type_id)
    return await service.encryption_of(ctx, type_id)


@api.get(ENCRYPTION, rule="volume_extension:volume_type_encryption:get")
async def show_encryption(ctx: Ctx, type_id: UUID) -> dict[str, Any]:
    return shown_encryption(await encryption_of(ctx, type_id))


@api.get(f"{ENCRYPTION}/{{key}}", rule="volume_extension:volume_type_encryption:get")
async def show_encryption_item(ctx: Ctx, type_id: UUID, key: str) -> dict[str, Any]:
    found = shown_encryption(await encryption_of(ctx, type_id))
    if key not in found:
        raise missing("encryption_id", type_id)
    return {key: found[key]}


@api.post(ENCRYPTION, rule="volume_extension:volume_type_encryption:create", wrap="encryption", lax=True)
async def create_encryption(ctx: Ctx, type_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    sent = msgspec.structs.asdict(converted(body, CreateEncryption, "encryption"))
    new = Encryption(type_id=type_id, id=ctx.world.ids.uuid(), created_at=ctx.now(), **sent)
    await service.add_encryption(ctx, new)
    return {**sent, "volume_type_id": type_id, "encryption_id": new.id}


@api.put(
    f"{ENCRYPTION}/{{encryption_id}}",
    rule="volume_extension:volume_type_encryption:update",
    wrap="encryption",
    lax=True,
)
async def change_encryption(ctx: Ctx, type_id: UUID, encryption_id: str, body: ChangeEncryption) -> dict[str, Any]:
    await same(ctx, type_id, encryption_id)
    sent = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
    if sent:
        await service.change_encryption(ctx, type_id, sent)
    return sent


@api.delete(f"{ENCRYPTION}/{{encryption_id}}", rule="volume_extension:volume_type_encryption:delete", status=202)
async def delete_encryption(ctx: Ctx, type_id: UUID, encryption_id: str) -> None:
    await same(ctx, type_id, encryption_id)
    await service.remove_encryption(ctx, type_id)


async def same(ctx: Ctx, type_id: UUID, encryption_id: str) -> None:
    """Clients write the id of the encryption, or the word `provider`, as Cinder's own does. Raises NotFound."""
    found = await encryption_of(ctx, type_id)
    if found is None or encryption_id not in {str(found.id), "provider"}:
        raise missing("encryption_id", type_id)
