"""What documents of Image look like, as Image itself tells it."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft4Validator

from support.cloud import RunningCloud
from support.imaged import a_task, an_image, uploaded


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


async def check_told(cloud: RunningCloud, name: str, document: dict[str, Any]) -> None:
    """The schema of that name says all that is in the document, and says it right."""
    schema = (await cloud.get(f"/image/v2/schemas/{name}")).json()
    Draft4Validator(schema).validate(document)
    assert document.keys() <= schema["properties"].keys()
    for each in document.get(name, ()):
        assert each.keys() <= schema["properties"][name]["items"]["properties"].keys()


async def test_members_are_as_their_schemas_say(cloud: RunningCloud) -> None:
    path = f"/image/v2/images/{await an_image(cloud)}/members"
    listed = (await cloud.get(path)).json()
    (member,) = listed["members"]
    await check_told(cloud, "members", listed)
    await check_told(cloud, "member", (await cloud.get(f"{path}/{member['member_id']}")).json())


async def test_tasks_are_as_their_schemas_say(cloud: RunningCloud) -> None:
    path = f"/image/v2/tasks/{await a_task(cloud)}"
    for status in ("processing", "success"):
        shown = (await cloud.get(path)).json()
        assert shown["status"] == status
        await check_told(cloud, "task", shown)
        await check_told(cloud, "tasks", (await cloud.get("/image/v2/tasks")).json())
        await cloud.settle()
