"""Limits of Image: how many, how large, how many at once."""

from __future__ import annotations

from typing import Any

from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.services import service as services
from support.cloud import RunningCloud
from support.imaged import registered, staged, upload, uploaded

MIB = 1 << 20


async def limited(cloud: RunningCloud, **limits: int) -> None:
    """By unified limits of Identity."""
    async with cloud.ctx().transaction() as ctx:
        service_id = (await services.ensure(ctx, "image", "glance")).id
    place = {"service_id": service_id, "region_id": None, "description": None}
    wanted: list[dict[str, Any]] = [{**place, "resource_name": n, "default_limit": most} for n, most in limits.items()]
    await registered_limits.create(cloud.ctx(), wanted)


async def test_so_many_images(cloud: RunningCloud) -> None:
    await limited(cloud, image_count_total=1)
    image = await registered(cloud)
    answer = await cloud.post("/image/v2/images", json={})
    assert (answer.status_code, "image_count_total" in answer.text) == (413, True)
    assert (await cloud.delete(f"/image/v2/images/{image['id']}")).status_code == 204
    assert (await cloud.post("/image/v2/images", json={})).status_code == 201


async def test_so_many_bytes_also_when_nobody_said_how_many_come(cloud: RunningCloud) -> None:
    await limited(cloud, image_size_total=2)
    await uploaded(cloud, bytes(MIB))
    image = await registered(cloud)

    async def pieces() -> Any:
        for _ in range(3):
            yield bytes(MIB)

    announced = await upload(cloud, image["id"], bytes(2 * MIB))
    assert (announced.status_code, "image_size_total" in announced.text) == (413, True)
    answer = await upload(cloud, image["id"], pieces())  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert (await cloud.get(f"/image/v2/images/{image['id']}")).json()["status"] == "queued"
    assert (await upload(cloud, image["id"], bytes(MIB))).status_code == 204
    assert (await upload(cloud, (await registered(cloud))["id"], b"x")).status_code == 413


async def test_so_many_staged_bytes(cloud: RunningCloud) -> None:
    await limited(cloud, image_stage_total=1, image_size_total=1)
    image = await staged(cloud, bytes(MIB))
    other = await registered(cloud)
    path = f"/image/v2/images/{other['id']}/stage"
    answer = await cloud.put(path, content=b"x", headers={"Content-Type": "application/octet-stream"})
    assert (answer.status_code, "image_stage_total" in answer.text) == (413, True)
    usage = (await cloud.get("/image/v2/info/usage")).json()["usage"]
    assert usage["image_stage_total"] == {"usage": 1, "limit": 1}
    body = {"method": {"name": "glance-direct"}}
    assert (await cloud.post(f"/image/v2/images/{image['id']}/import", json=body)).status_code == 202
    await cloud.settle()
    usage = (await cloud.get("/image/v2/info/usage")).json()["usage"]
    assert (usage["image_stage_total"]["usage"], usage["image_size_total"]["usage"]) == (0, 1)


async def test_so_many_at_once(cloud: RunningCloud) -> None:
    await limited(cloud, image_count_uploading=1)
    await staged(cloud)
    answer = await upload(cloud, (await registered(cloud))["id"])
    assert (answer.status_code, "image_count_uploading" in answer.text) == (413, True)
