"""Images for tests: real ones, made of few bytes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from pileus.services.image.images import service as images

IMAGES = "/image/v2/images"
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
DATA = bytes(range(256)) * 16
DESCRIBED = {"disk_format": "raw", "container_format": "bare"}


async def registered(client: Any, **more: Any) -> dict[str, Any]:
    """A new image without data, as the API shows it."""
    answer = await client.post("/image/v2/images", json={"name": "tiny", **DESCRIBED, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def uploaded(client: Any, data: bytes = DATA, **more: Any) -> dict[str, Any]:
    """A new image with these bytes."""
    made = await registered(client, **more)
    answer = await upload(client, made["id"], data)
    assert answer.status_code == 204, answer.text
    shown: dict[str, Any] = (await client.get(f"/image/v2/images/{made['id']}")).json()
    return shown


async def upload(client: Any, image_id: str, data: bytes = DATA, **headers: str | None) -> Any:
    return await client.put(f"/image/v2/images/{image_id}/file", content=data, headers={**OCTETS, **headers})


async def patched(client: Any, image_id: str, *changes: dict[str, Any], media: str = PATCH["Content-Type"]) -> Any:
    return await client.patch(
        f"/image/v2/images/{image_id}", content=json.dumps(changes), headers={"Content-Type": media}
    )


async def an_image(cloud: Any) -> str:
    """Of the administrator, active; with the tag that `a_tag` names and a property, and shared with `a_member`."""
    image = await uploaded(cloud, tags=["there"], encryption_key_id="1")
    answer = await cloud.post(f"/image/v2/images/{image['id']}/members", json={"member": await a_member(cloud)})
    assert answer.status_code == 200, answer.text
    return str(image["id"])


async def a_member(cloud: Any) -> str:
    """The project with which `an_image` is shared."""
    return "a project that was"


async def a_tag(cloud: Any) -> str:
    return "there"


async def a_transfer(cloud: Any) -> str:
    """The token of a path at which a host may fetch an image."""
    path = await images.transfer(cloud.ctx(), UUID(await an_image(cloud)), subject_id=uuid4())
    return path.rpartition("/")[2]


async def staged(client: Any, data: bytes = DATA, **more: Any) -> dict[str, Any]:
    """A new image whose bytes wait to be imported."""
    made = await registered(client, **more)
    answer = await client.put(f"/image/v2/images/{made['id']}/stage", content=data, headers=OCTETS)
    assert answer.status_code == 204, answer.text
    return made


async def imported(client: Any, image_id: str, name: str = "glance-direct", **more: Any) -> Any:
    """Asks for its import by that method."""
    method = {"name": name, **more}
    return await client.post(f"/image/v2/images/{image_id}/import", json={"method": method})


async def a_task(cloud: Any) -> str:
    image = await staged(cloud)
    body = {"method": {"name": "glance-direct"}}
    answer = await cloud.post(f"/image/v2/images/{image['id']}/import", json=body)
    assert answer.status_code == 202, answer.text
    return str((await cloud.get("/image/v2/tasks?limit=1")).json()["tasks"][0]["id"])
