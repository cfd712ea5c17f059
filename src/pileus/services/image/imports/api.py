"""/v2/images/{image_id}/import."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.services.image.http import api
from pileus.services.image.imports import service


@api.post("/v2/images/{image_id}/import", rule="modify_image", late=True, status=202)
async def import_image(ctx: Ctx, image_id: UUID, body: dict[str, Any]) -> None:
    await service.begin(ctx, image_id, body)
