"""What Image tells Identity: which of its things belong to a project, and how they go. Importing this declares it."""

from __future__ import annotations

from collections.abc import Sequence

from pileus.kernel.context import Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Owned
from pileus.services.image.images import service as images


@projects.owner("image.image")
async def images_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await images.count_of(ctx, ids))


@images_owned.delete
async def delete_images(ctx: Ctx, ids: Sequence[str]) -> int:
    return await images.delete_of(ctx, ids)
