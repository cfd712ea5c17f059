"""The whole corpus of hostile images by each way in: refused with its cause, and nothing is left of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.cloud import RunningCloud, running_cloud
from support.elsewhere import Elsewhere
from support.imaged import imported, registered, staged, upload
from support.imagery import HOSTILE

pytestmark = pytest.mark.database("sqlite")  # what is looked at is bytes


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path, site: Elsewhere) -> AsyncIterator[RunningCloud]:
    """One that fetches from this machine, and unpacks no disk of 1 TiB."""
    fetched = {"image.download_networks": ["127.0.0.0/8"], "image.download_ports": [site.port]}
    async with running_cloud(database_url, tmp_path / "state", {**fetched, "image.virtual_size_cap_gib": 16}) as cloud:
        yield cloud


def said(declared: str) -> dict[str, str]:
    return {"disk_format": declared, "container_format": "ami" if declared == "ami" else "bare"}


async def check_nothing_left(cloud: RunningCloud, image: dict[str, Any], failed: str = "") -> None:
    """`failed`: the store that an import was for."""
    now = (await cloud.get(f"/image/v2/images/{image['id']}")).json()
    assert (now["status"], now["size"], now["checksum"]) == ("queued", None, None), image["name"]
    assert now.get("os_glance_failed_import", "") == failed
    assert await cloud.world.own["blobs"].observe() == {}


async def check_refused(cloud: RunningCloud, image: dict[str, Any], why: str) -> None:
    """The import came to nothing, and says why."""
    await cloud.settle()
    (task,) = (await cloud.get(f"/image/v2/images/{image['id']}/tasks")).json()["tasks"]
    assert (task["status"], task["result"]) == ("failure", None), image["name"]
    assert re.search(f"is refused: .*({why})", task["message"]), task["message"]
    await check_nothing_left(cloud, image, "local")


async def test_none_is_taken_on_upload(cloud: RunningCloud) -> None:
    for name, (declared, make, why) in HOSTILE.items():
        image = await registered(cloud, name=name, **said(declared))
        answer = await upload(cloud, image["id"], make())
        assert answer.status_code == 415, name
        assert re.search(why, answer.text), answer.text
        await check_nothing_left(cloud, image)


async def test_none_is_imported_that_was_staged(cloud: RunningCloud) -> None:
    for name, (declared, make, why) in HOSTILE.items():
        image = await staged(cloud, make(), name=name, **said(declared))
        assert (await imported(cloud, image["id"])).status_code == 202
        await check_refused(cloud, image, why)


async def test_none_is_fetched(cloud: RunningCloud, site: Elsewhere) -> None:
    for name, (declared, make, why) in HOSTILE.items():
        image = await registered(cloud, name=name, **said(declared))
        url = site.holds("/image", make())
        assert (await imported(cloud, image["id"], "web-download", uri=url)).status_code == 202
        await check_refused(cloud, image, why)
