"""What documents of Image look like, as Image itself tells it."""

from __future__ import annotations

from jsonschema import Draft4Validator

from support.cloud import RunningCloud
from support.imaged import uploaded


async def test_a_schema_is_one(cloud: RunningCloud) -> None:
    reader = cloud.as_("reader")
    for path in (
        "/image/v2/schemas/image",
        "/image/v2/schemas/images",
        "/image/v2/schemas/member",
        "/image/v2/schemas/members",
        "/image/v2/schemas/task",
        "/image/v2/schemas/tasks",
    ):
        schema = (await reader.get(path)).json()
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
