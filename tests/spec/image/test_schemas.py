"""What documents of Image look like, as Image itself tells it."""

from __future__ import annotations

import pytest
from jsonschema import Draft4Validator

from support.cloud import RunningCloud
from support.imaged import uploaded

PATHS = (
    "/image/v2/schemas/image",
    "/image/v2/schemas/images",
    "/image/v2/schemas/member",
    "/image/v2/schemas/members",
    "/image/v2/schemas/task",
    "/image/v2/schemas/tasks",
)


@pytest.mark.parametrize("path", PATHS)
async def test_a_schema_is_one(cloud: RunningCloud, path: str) -> None:
    answer = await cloud.as_("reader").get(path)
    schema = answer.json()
    assert schema["name"] == path.rpartition("/")[2]
    Draft4Validator.check_schema(schema)


async def test_images_are_as_their_schema_says(cloud: RunningCloud) -> None:
    await uploaded(cloud, os_distro="debian")
    schema = (await cloud.get("/image/v2/schemas/images")).json()
    listed = (await cloud.get("/image/v2/images")).json()
    Draft4Validator(schema).validate(listed)
    schema = (await cloud.get("/image/v2/schemas/image")).json()
    Draft4Validator(schema).validate(listed["images"][0])
    assert schema["additionalProperties"] == {"type": "string"}


async def test_every_schema_has_a_path(cloud: RunningCloud) -> None:
    for name in ("image", "images", "member", "members", "task", "tasks"):
        assert (await cloud.get(f"/image/v2/schemas/{name}")).json()["name"] == name
