"""Members: the owner of an image shares it with a project, which accepts it or does not."""

from __future__ import annotations

from uuid import UUID

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, TooLarge
from pileus.kernel.facts import facts
from pileus.services.image.images import service as images
from pileus.services.image.images.service import Image
from pileus.services.image.members import store
from pileus.services.image.members.store import Member

__all__ = ["Member", "create", "delete", "get", "list_", "set_status"]

IMAGE = "image.image"
MOST = facts("image", "quotas")["sizes"]["image_member_quota"]
STATUSES = ("pending", "accepted", "rejected")


async def shared(ctx: Ctx, image_id: UUID, rule: str) -> Image:
    """The image, if it has members and the caller may do that with them. Raises NotFound, Forbidden."""
    image = await images.get(ctx, image_id)
    if image.visibility != "shared":
        raise Forbidden(f"Image {image_id} is {image.visibility}: Only shared images have members.")
    if not images.may(ctx, rule, image):
        raise Forbidden(f"Not allowed to do this with the members of image {image_id}: {rule} says no.")
    return image


async def list_(ctx: Ctx, image_id: UUID) -> list[Member]:
    """All for the owner; a member sees itself. Raises NotFound, Forbidden."""
    image = await shared(ctx, image_id, "get_members")
    return await store.list_(ctx, image_id, own(ctx, image))


def own(ctx: Ctx, image: Image) -> str | None:
    """The only member that the caller may see of an image of others."""
    theirs = image.owner != ctx.caller.project_id and not images.sees_all(ctx)
    return ctx.caller.project_id if theirs else None


async def get(ctx: Ctx, image_id: UUID, member_id: str) -> Member:
    """Raises NotFound."""
    try:
        image = await shared(ctx, image_id, "get_member")
    except Forbidden as e:
        raise NotFound(e.message) from e
    return await find(ctx, image, member_id)


async def find(ctx: Ctx, image: Image, member_id: str) -> Member:
    found = [] if own(ctx, image) not in {None, member_id} else await store.list_(ctx, image.id, member_id)
    if not found:
        raise NotFound(f"{member_id} not found in the member list of the image {image.id}.")
    return found[0]


async def create(ctx: Ctx, image_id: UUID, member_id: str) -> Member:
    """Share the image with a project. Raises NotFound, Forbidden, Conflict, TooLarge."""
    member = Member(
        image_id=image_id, member_id=member_id, status="pending", created_at=ctx.now(), updated_at=ctx.now()
    )
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        await shared(ctx, image_id, "add_member")
        if await store.list_(ctx, image_id, member_id):
            raise Conflict(f"Member {member_id} is duplicated for image {image_id}")
        if await store.count(ctx, image_id) >= MOST:
            raise TooLarge(f"Image member limit exceeded for image {image_id}: it may have {MOST}.")
        await store.add(ctx, member)
        await changed(ctx, IMAGE, "updated", image_id, project_id=member_id)
    return member


async def set_status(ctx: Ctx, image_id: UUID, member_id: str, status: str) -> Member:
    """What a member says to it. Raises NotFound, Forbidden, BadRequest."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await images.get(ctx, image_id)
        if image.visibility != "shared":
            raise Forbidden(f"Image {image_id} is {image.visibility}: Only shared images have members.")
        member = await find(ctx, image, member_id)
        about = {**images.target(ctx, image), "member_id": member_id}
        if not ctx.world.policy.allows("modify_member", ctx.caller, about):
            raise Forbidden(f"Not allowed to update members for image {image_id}.")
        if status not in STATUSES:
            raise BadRequest('Status must be "pending", "accepted" or "rejected".')
        await store.change(ctx, image_id, member_id, status=status, updated_at=ctx.now())
        await changed(ctx, IMAGE, "updated", image_id, project_id=member_id)
    return msgspec.structs.replace(member, status=status, updated_at=ctx.now())


async def delete(ctx: Ctx, image_id: UUID, member_id: str) -> None:
    """Share it no more. Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await shared(ctx, image_id, "delete_member")
        await find(ctx, image, member_id)
        await store.delete(ctx, image_id, member_id)
        await changed(ctx, IMAGE, "updated", image_id, project_id=member_id)
