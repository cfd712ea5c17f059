"""The bytes of images: up, down, refused, and by transfer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from itertools import count
from uuid import UUID, uuid4

import pytest

from pileus.engines.troubles import Trouble
from pileus.kernel.errors import Conflict, RequestTimeout, Unavailable
from pileus.services.image.images import service as images
from support.cloud import RunningCloud
from support.imaged import DATA, OCTETS, registered, upload, uploaded

BIG = bytes(range(256)) * 12_000


async def test_bytes_go_up_and_come_down_again(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await registered(member)
    path = f"/image/v2/images/{image['id']}/file"
    assert (await member.get(path)).status_code == 204
    answer = await member.put(f"/image/v2/images/{image['id']}/file", content=BIG, headers=OCTETS)
    assert (answer.status_code, answer.content) == (204, b"")
    shown = (await member.get(f"/image/v2/images/{image['id']}")).json()
    md5, sha512 = hashlib.md5(BIG).hexdigest(), hashlib.sha512(BIG).hexdigest()
    expected = {"status": "active", "size": len(BIG), "virtual_size": len(BIG), "checksum": md5, "stores": "local"}
    assert expected.items() <= shown.items()
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", sha512)
    whole = await member.get(f"/image/v2/images/{image['id']}/file")
    assert (whole.status_code, whole.content) == (200, BIG)
    assert (whole.headers["content-md5"], whole.headers["content-length"]) == (md5, str(len(BIG)))
    part = await member.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, BIG[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(BIG)}"
    assert (await member.get(path, headers={"Range": f"bytes={len(BIG)}-"})).status_code == 416


async def test_bytes_are_given_once_and_only_when_it_is_said_what_they_are(cloud: RunningCloud) -> None:
    image = await uploaded(cloud)
    again = await upload(cloud, image["id"])
    assert (again.status_code, "transition from active" in again.text) == (409, True)
    bare = (await cloud.post("/image/v2/images", json={"name": "bare"})).json()
    answer = await upload(cloud, bare["id"])
    assert (answer.status_code, "disk_format, container_format must be set" in answer.text) == (400, True)
    assert (await upload(cloud, (await registered(cloud))["id"], **{"Content-Type": "text/plain"})).status_code == 415
    wrong = {"X-OpenStack-Image-Size": "many"}
    assert (await upload(cloud, (await registered(cloud))["id"], **wrong)).status_code == 400
    wrong = {"X-Image-Meta-Store": "elsewhere"}
    assert (await upload(cloud, (await registered(cloud))["id"], **wrong)).status_code == 400


async def test_others_neither_give_nor_take(cloud: RunningCloud) -> None:
    image = await registered(cloud, visibility="private")
    member = cloud.as_("member")
    assert (await upload(member, image["id"])).status_code == 404
    public = await uploaded(cloud, visibility="public")
    assert (await upload(member, public["id"])).status_code == 403
    assert (await member.get(f"/image/v2/images/{public['id']}/file")).content == DATA
    assert (await cloud.as_("reader").get(f"/image/v2/images/{public['id']}/file")).status_code == 403


async def test_where_there_is_no_room_nothing_is_left(cloud: RunningCloud) -> None:
    blobs, image = cloud.world.own["blobs"], await registered(cloud)
    blobs.troubles.add(Trouble(kind="full", once=True), verb="keep")
    assert (await upload(cloud, image["id"])).status_code == 413
    blobs.troubles.add(Trouble(kind="deaf", once=True), verb="writing")
    assert (await upload(cloud, image["id"])).status_code == 503
    assert (await cloud.get(f"/image/v2/images/{image['id']}")).json()["status"] == "queued"
    assert (await upload(cloud, image["id"])).status_code == 204


async def test_who_leaves_in_the_middle_may_begin_again(cloud: RunningCloud) -> None:
    image = await registered(cloud)

    async def broken() -> AsyncIterator[bytes]:
        yield DATA
        raise RequestTimeout("the client sends no more")

    answer = await cloud.put(f"/image/v2/images/{image['id']}/file", content=broken(), headers=OCTETS)
    assert answer.status_code == 408
    assert (await cloud.get(f"/image/v2/images/{image['id']}")).json()["status"] == "queued"
    assert await cloud.world.own["blobs"].observe() == {}
    assert (await upload(cloud, image["id"])).status_code == 204


async def test_an_image_that_is_deleted_while_it_comes_is_gone(cloud: RunningCloud) -> None:
    image = await registered(cloud)

    async def slow() -> AsyncIterator[bytes]:
        yield DATA
        assert (await cloud.get(f"/image/v2/images/{image['id']}")).json()["status"] == "saving"
        assert (await upload(cloud, image["id"])).status_code == 409
        assert (await cloud.delete(f"/image/v2/images/{image['id']}")).status_code == 204
        await cloud.settle()
        yield DATA

    answer = await cloud.put(f"/image/v2/images/{image['id']}/file", content=slow(), headers=OCTETS)
    assert answer.status_code in {404, 410}
    assert await cloud.world.own["blobs"].observe() == {}


async def test_what_a_killed_writer_left_is_taken_back(cloud: RunningCloud) -> None:
    made = await registered(cloud)
    image = await images.get(cloud.ctx(), UUID(made["id"]))
    writing = await images.begin(cloud.ctx(), image, "saving")
    blobs = cloud.world.own["blobs"]
    async with blobs.writing(str(writing.id), most_bytes=10):
        for _ in range(3):
            await images.clean(cloud.ctx())
            assert (await cloud.get(f"/image/v2/images/{made['id']}")).json()["status"] == "saving"
            cloud.world.clock.advance(100)
            await images.beat(cloud.ctx(), writing)
        await images.clean(cloud.ctx())
        cloud.world.clock.advance(121)
        await images.clean(cloud.ctx())
        assert (await cloud.get(f"/image/v2/images/{made['id']}")).json()["status"] == "queued"
        await images.clean(cloud.ctx())
        assert await blobs.observe() == {}
        answer = await upload(cloud, made["id"])
    assert answer.status_code == 204
    await images.clean(cloud.ctx())
    assert len(await blobs.observe()) == 1


async def test_an_upload_that_counted_and_was_not_told_so_keeps_its_bytes(cloud: RunningCloud) -> None:
    """The database was lost after COMMIT: whoever uploads does not know, and the image is whole."""
    image, commits = await registered(cloud), count()

    def lost() -> None:
        if next(commits) == 1:  # the first gave the right to write
            raise Unavailable("The connection was lost after COMMIT.")

    cloud.world.db.on_commit.append(lost)
    assert (await upload(cloud, image["id"])).status_code == 503
    assert (await cloud.get(f"/image/v2/images/{image['id']}")).json()["status"] == "active"
    whole = await cloud.get(f"/image/v2/images/{image['id']}/file")
    assert (whole.status_code, whole.content) == (200, DATA)


async def test_a_deactivated_image_is_for_administrators_alone(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await uploaded(member)
    for _ in range(2):
        answer = await member.post(f"/image/v2/images/{image['id']}/actions/deactivate")
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await member.get(f"/image/v2/images/{image['id']}")).json()["status"] == "deactivated"
    assert (await member.get(f"/image/v2/images/{image['id']}/file")).status_code == 403
    assert (await cloud.get(f"/image/v2/images/{image['id']}/file")).status_code == 200
    with pytest.raises(Conflict):
        await images.transfer(cloud.ctx(), UUID(image["id"]), subject_id=uuid4())
    assert (await member.post(f"/image/v2/images/{image['id']}/actions/reactivate")).status_code == 204
    assert (await member.get(f"/image/v2/images/{image['id']}/file")).status_code == 200
    queued = await registered(member)
    assert (await member.post(f"/image/v2/images/{queued['id']}/actions/deactivate")).status_code == 403
    assert (await member.post(f"/image/v2/images/{queued['id']}/actions/reactivate")).status_code == 403


async def test_a_host_fetches_by_a_path_that_is_good_for_a_while(cloud: RunningCloud) -> None:
    image, subject, nobody = await uploaded(cloud), uuid4(), {"X-Auth-Token": None}
    image_id = UUID(image["id"])
    path = await images.transfer(cloud.ctx(), image_id, subject_id=subject)
    assert path == await images.transfer(cloud.ctx(), image_id, subject_id=subject)
    assert path != await images.transfer(cloud.ctx(), image_id, subject_id=uuid4())
    token = path.removeprefix("/image/v2/transfers/")
    answer = await cloud.get(f"/image/v2/transfers/{token}", headers=nobody)
    assert (answer.status_code, answer.content) == (200, DATA)
    rest = await cloud.get(path, headers={**nobody, "Range": "bytes=100-", "If-Range": answer.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, DATA[100:])
    forged = f"{token[:-3]}{'AAA' if token[-3:] != 'AAA' else 'BBB'}"
    for other in (forged, "x", token.replace("get", "put")):
        assert (await cloud.get(f"/image/v2/transfers/{other}", headers=nobody)).status_code == 404
    assert (await cloud.put(path, content=DATA, headers={**nobody, **OCTETS})).status_code == 404
    cloud.world.clock.advance(2 * 3600)
    assert (await cloud.get(path, headers=nobody)).status_code == 404
    later = await images.transfer(cloud.ctx(), image_id, subject_id=subject)
    assert (await cloud.delete(f"/image/v2/images/{image['id']}")).status_code == 204
    assert (await cloud.get(later, headers=nobody)).status_code == 404


async def test_a_host_brings_a_snapshot(cloud: RunningCloud) -> None:
    nobody, ctx = {"X-Auth-Token": None, **OCTETS}, cloud.ctx()
    image = await images.create_for(
        ctx, name="snap", disk_format="raw", container_format="bare", owner=cloud.project_id
    )
    token = (await images.receive(ctx, image.id, subject_id=uuid4())).removeprefix("/image/v2/transfers/")
    for _ in range(2):  # the host did not hear the first answer
        answer = await cloud.put(f"/image/v2/transfers/{token}", content=DATA, headers=nobody)
        assert answer.status_code == 204, answer.text
    assert (await cloud.get(f"/image/v2/images/{image.id}")).json()["status"] == "active"
    await images.abandon(ctx, image.id)
    assert (await cloud.get(f"/image/v2/images/{image.id}/file")).content == DATA


async def test_a_snapshot_that_comes_to_nothing_is_abandoned(cloud: RunningCloud) -> None:
    ctx = cloud.ctx()
    image = await images.create_for(
        ctx, name="snap", disk_format="raw", container_format="bare", owner=cloud.project_id
    )
    path = await images.receive(ctx, image.id, subject_id=uuid4())
    for _ in range(2):
        await images.abandon(ctx, image.id)
    assert (await cloud.get(f"/image/v2/images/{image.id}")).status_code == 404
    assert (await cloud.put(path, content=DATA, headers=OCTETS)).status_code == 404
