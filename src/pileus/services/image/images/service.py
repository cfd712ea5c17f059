"""Images: what other services may ask for.

image = await images.get(ctx, image_id)             what the caller may see
path = await images.transfer(ctx, image_id, …)      where a host fetches its bytes
image = await images.create_for(ctx, …)             a snapshot's; then `receive`, and `abandon` when nothing comes of it
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.engines.disk_formats import Found
from pileus.kernel.changes import changed
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, TooLarge
from pileus.kernel.facts import facts
from pileus.kernel.http import Query
from pileus.kernel.operations.start import refuse_if_busy
from pileus.kernel.paging import Condition, Page
from pileus.kernel.quota import claim
from pileus.services.identity.projects import service as projects
from pileus.services.image.images import checks, rules, sagas, store
from pileus.services.image.images.listing import statement
from pileus.services.image.images.rules import Change, Image
from pileus.services.image.images.store import count_of, read_row
from pileus.services.image.images.store import members as member_table
from pileus.services.image.images.tokens import Token, nothing, read, token_of
from pileus.services.image.images.writers import (
    DIGESTS,
    Writing,
    Written,
    beat,
    begin,
    clean,
    empty,
    filled,
    give_up,
    room_for,
    set_imported,
    set_importing,
    set_without_bytes,
)
from pileus.services.image.quotas import COUNT

__all__ = [
    "DIGESTS",
    "Found",
    "Image",
    "Writing",
    "Written",
    "abandon",
    "beat",
    "begin",
    "by_ids",
    "checks",
    "clean",
    "count_of",
    "create",
    "create_for",
    "delete",
    "delete_of",
    "empty",
    "filled",
    "find",
    "get",
    "give_up",
    "is_admin",
    "may",
    "member_table",
    "of_token",
    "page",
    "page_of_rows",
    "patch",
    "put_tags",
    "read_row",
    "receive",
    "room_for",
    "sees_all",
    "set_imported",
    "set_importing",
    "set_properties",
    "set_status",
    "set_without_bytes",
    "target",
    "to_fill",
    "transfer",
    "usage",
]

IMAGE = "image.image"
SIZES = facts("image", "quotas")["sizes"]
ANYBODY = UUID(int=0)
NOBODYS = {"project_id": None, "owner": None, "member_id": None, "visibility": "private"}


def unknown(image_id: object) -> NotFound:
    return NotFound(f"No image found with ID {image_id}")


# who may


def is_cloud(ctx: Ctx) -> bool:
    """Whether it is the cloud itself that asks, in nobody's name."""
    return ctx.caller.user_id == PILEUS.user_id


def sees_all(ctx: Ctx) -> bool:
    """Whether nothing is hidden from the caller: the cloud itself, an administrator, an auditor."""
    if is_cloud(ctx):
        return True
    nobody = replace(ctx.caller, project_id=None)
    return ctx.world.policy.allows("get_image", nobody, NOBODYS)


def is_admin(ctx: Ctx) -> bool:
    return ctx.world.policy.allows("image/context_is_admin", ctx.caller, {})


def visible(ctx: Ctx, member_status: str = "all") -> Condition:
    return store.THERE if sees_all(ctx) else store.seen_by(ctx.caller.project_id, member_status)


def target(ctx: Ctx, image: Image) -> dict[str, Any]:
    """What rules look at. Who sees a shared image of others is its member."""
    shared = image.visibility == "shared" and image.owner != ctx.caller.project_id
    member_id = ctx.caller.project_id if shared else None
    return {"project_id": image.owner, "owner": image.owner, "visibility": image.visibility, "member_id": member_id}


def may(ctx: Ctx, rule: str, image: Image) -> bool:
    return is_cloud(ctx) or ctx.world.policy.allows(rule, ctx.caller, target(ctx, image))


async def get(ctx: Ctx, image_id: UUID, rule: str | None = None) -> Image:
    """The image, if the caller may see it and then what the rule says. Raises NotFound, Forbidden."""
    image = await store.find(ctx, image_id, visible(ctx))
    if image is None or not may(ctx, "get_image", image):
        raise unknown(image_id)
    if rule is not None and not is_cloud(ctx):
        ctx.world.policy.check(rule, ctx.caller, target(ctx, image))
    return image


async def find(ctx: Ctx, image_id: UUID) -> Image | None:
    """The image, whoever asks; None when it was deleted. For operations, which go on in somebody's name."""
    return await store.find(ctx, image_id, store.THERE)


async def by_ids(ctx: Ctx, image_ids: Collection[UUID]) -> dict[UUID, Image]:
    """Those of these that the caller may see."""
    return await store.by_ids(ctx, image_ids, visible(ctx))


async def page(ctx: Ctx, query: Query) -> tuple[list[Image], Page]:
    """The page that a query string asks for. Raises BadRequest, Forbidden."""
    found = await page_of_rows(ctx, query)
    return [*map(read_row, found.rows)], found


async def page_of_rows(ctx: Ctx, query: Query) -> Page:
    """The same as rows, that `read_row` reads."""
    ctx.world.policy.check("get_images", ctx.caller, {"project_id": ctx.caller.project_id})
    async with ctx.read() as reading:
        found, ask = await statement(reading, query, sees_all(ctx), ctx.caller.project_id)
        return await store.LISTING.given(reading, found, ask)


# create, change, delete


async def create(ctx: Ctx, document: Mapping[str, Any]) -> Image:
    """Register an image without data. Raises BadRequest, Forbidden, Conflict, OverQuota."""
    fields = rules.created(document)
    fields.setdefault("owner", ctx.caller.project_id)
    check_owner(ctx, fields["owner"], fields.get("visibility", "shared"))
    return await add(ctx, fields)


def check_owner(ctx: Ctx, owner: str | None, visibility: str) -> None:
    """Raises Forbidden."""
    about = {"project_id": owner, "owner": owner, "visibility": visibility, "member_id": None}
    if not ctx.world.policy.allows("add_image", ctx.caller, about) and owner != ctx.caller.project_id:
        raise Forbidden(f"You are not permitted to create images owned by '{owner}'")
    ctx.world.policy.check("add_image", ctx.caller, about)
    check_visibility(ctx, visibility, about)


def check_visibility(ctx: Ctx, visibility: str, about: Mapping[str, Any]) -> None:
    """Raises Forbidden for who may not show it to so many."""
    rule = {"public": "publicize_image", "community": "communitize_image"}.get(visibility)
    if rule is not None and not is_cloud(ctx):
        ctx.world.policy.check(rule, ctx.caller, about)


async def create_for(ctx: Ctx, **fields: Any) -> Image:
    """Register an image in the name of the caller, for another service that will bring its bytes: `name`, `disk_format`,
    `container_format`, `properties`, `min_disk`, `min_ram`, `visibility`, `protected`, `id`.

    Raises Forbidden for who may not show it to so many, Conflict, OverQuota."""
    owner = fields.get("owner", ctx.caller.project_id)
    if not is_cloud(ctx):
        about = {"project_id": owner, "owner": owner, "member_id": None}
        check_visibility(ctx, fields.get("visibility", "shared"), about)
    return await add(ctx, {"owner": ctx.caller.project_id, **fields})


async def add(ctx: Ctx, fields: dict[str, Any]) -> Image:
    now = ctx.now()
    image = Image(**{"id": ctx.world.ids.uuid(), "created_at": now, "updated_at": now, **fields})
    check_sizes(image)
    async with ctx.transaction() as ctx:
        await refuse_if_busy(ctx, [image.id])
        await give(ctx, image.owner)
        try:
            await store.add(ctx, image)
        except sa.exc.IntegrityError as e:
            raise Conflict(f"Image ID {image.id} already exists!") from e
        await changed(ctx, IMAGE, "created", image.id, project_id=image.owner)
    return image


async def give(ctx: Ctx, owner: str | None) -> None:
    """An image more for that project. An administrator may name an owner that no project here is: then it is nobody's.

    Raises Conflict, OverQuota.
    """
    if owner is not None and (owner == ctx.caller.project_id or await projects.find(ctx, owner) is not None):
        await projects.hold(ctx, owner)
        await claim(ctx, COUNT, owner, wanted=1, used=store.count)


def check_sizes(image: Image) -> None:
    """Raises TooLarge for more properties or tags than an image may have."""
    for noun, number, most in (
        ("properties", len(image.properties), SIZES["image_property_quota"]),
        ("tags", len(image.tags), SIZES["image_tag_quota"]),
    ):
        if number > most:
            raise TooLarge(
                f"The limit has been exceeded on the number of allowed image {noun}. Attempted: {number}, Maximum: {most}"
            )
    if "" in image.tags:
        raise BadRequest("A tag has at least one character.")


async def patch(ctx: Ctx, image_id: UUID, changes: Sequence[Change]) -> Image:
    """The image after these changes. Raises NotFound, Forbidden, Conflict, TooLarge."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await get(ctx, image_id)
        if not changes:
            return image
        about = target(ctx, image)
        for change in changes:
            if change.name == "visibility" and change.op != "remove":
                check_visibility(ctx, change.value, about)
        ctx.world.policy.check("modify_image", ctx.caller, about)
        new = rules.changed(image, changes, admin=is_admin(ctx))
        check_sizes(new)
        if new.owner != image.owner:
            await give(ctx, new.owner)
        return await write(ctx, image, new)


async def set_properties(ctx: Ctx, image_id: UUID, wanted: Mapping[str, str]) -> dict[str, str]:
    """These and no others. Raises NotFound, BadRequest, Forbidden, TooLarge."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await get(ctx, image_id, "modify_image")
        new = rules.changed(image, rules.changes_to(image.properties, wanted), admin=False)
        check_sizes(new)
        return (await write(ctx, image, new)).properties


async def write(ctx: Ctx, old: Image, new: Image) -> Image:
    """Store what differs."""
    new = msgspec.structs.replace(new, updated_at=ctx.now())
    columns = {name: getattr(new, name) for name in rules.FIELDS.values() if name != "tags"}
    await store.change(ctx, new.id, **columns, updated_at=new.updated_at)
    if new.properties != old.properties:
        await store.set_properties(ctx, new.id, new.properties)
    if new.tags != old.tags:
        await store.set_tags(ctx, new.id, new.tags)
    await changed(ctx, IMAGE, "updated", new.id, project_id=new.owner)
    return new


async def put_tags(ctx: Ctx, image_id: UUID, *, add: str | None = None, remove: str | None = None) -> None:
    """One tag more, or less. Raises NotFound, Forbidden, TooLarge."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await get(ctx, image_id, "modify_image")
        if remove is not None and remove not in image.tags:
            raise NotFound(f"Image {image_id} has no tag {remove}.")
        tags = tuple(sorted({*image.tags, *([] if add is None else [add])} - {remove}))
        new = msgspec.structs.replace(image, tags=tags)
        check_sizes(new)
        await write(ctx, image, new)


async def set_status(ctx: Ctx, image_id: UUID, status: str, rule: str) -> None:
    """`deactivated` or `active` again. May be repeated. Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await get(ctx, image_id, rule)
        if image.status not in {"active", "deactivated"}:
            verb = "deactivate" if status == "deactivated" else "reactivate"
            raise Forbidden(f"Not allowed to {verb} image in status '{image.status}'")
        if image.status != status:
            await store.change(ctx, image_id, status=status, updated_at=ctx.now())
            await changed(ctx, IMAGE, "updated", image_id, project_id=image.owner)


async def delete(ctx: Ctx, image_id: UUID) -> None:
    """It is not there any more; its bytes go soon. Deletion wins over whatever runs. Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        image = await get(ctx, image_id, "delete_image")
        if image.protected:
            raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
        await remove(ctx, image)


async def remove(ctx: Ctx, image: Image) -> None:
    await sagas.delete_image.supersede(ctx, image.id)
    await store.change(ctx, image.id, status="deleted")
    await changed(ctx, IMAGE, "deleted", image.id, project_id=image.owner)


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 100) -> int:
    """Begin to delete a few images of these projects, protected or not. Returns how many."""
    found = await store.by_ids(ctx, await store.undeleted_of(ctx, project_ids, most))
    for image_id in sorted(found):
        await remove(ctx, found[image_id])
    return len(found)


async def usage(ctx: Ctx, project_id: str) -> dict[str, int]:
    """How much of each limited resource a project uses."""
    return await store.usage(ctx, project_id)


# bytes for hosts


async def transfer(ctx: Ctx, image_id: UUID, *, subject_id: UUID = ANYBODY) -> str:
    """The path at which a host may fetch the bytes for `subject_id` (a server, a volume) for an hour or two.

    The same one for an hour, so that a step that is run again goes on with the job it began. Raises NotFound; Conflict when
    there are no bytes, or they may not be used.
    """
    image = await get(ctx, image_id)
    if image.status != "active" or image.blob_id is None:
        raise Conflict(f"Image {image_id} is {image.status}: it has no data that could be used.")
    return token_of(ctx, Token(image_id, image.blob_id, "get", subject_id)).path


async def receive(ctx: Ctx, image_id: UUID, *, subject_id: UUID = ANYBODY) -> str:
    """The path to which a host PUTs the bytes, whole; then the image is active. May be repeated, as the PUT may.

    Raises NotFound.
    """
    image = await get(ctx, image_id)
    return token_of(ctx, Token(image.id, image.id, "put", subject_id)).path


async def of_token(ctx: Ctx, text: str) -> Image:
    """The image whose bytes a token lets a host fetch. Raises NotFound."""
    token = read(ctx, text, "get")
    image = await store.find(ctx, token.image_id, store.THERE)
    if image is None or image.blob_id != token.blob_id:
        raise nothing()
    return image


async def to_fill(ctx: Ctx, text: str) -> Image:
    """The image that a token lets a host bring the bytes of. Raises NotFound."""
    image = await store.find(ctx, read(ctx, text, "put").image_id, store.THERE)
    if image is None:
        raise nothing()
    return image


async def abandon(ctx: Ctx, image_id: UUID) -> None:
    """No bytes will come: an image that is not active goes. May be repeated; one that is gone, or whole, stays so."""
    async with ctx.transaction() as ctx:
        image = await store.find(ctx, image_id, store.THERE)
        if image is not None and image.blob_id is None and image.status not in rules.WHOLE:
            await remove(ctx, image)
