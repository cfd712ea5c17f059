"""Messages: what users are told of operations that came to nothing."""

from __future__ import annotations

from pileus.engines.blocks.sim import SimBlocks
from pileus.engines.troubles import Trouble
from support.block_storage import BlockStorage, error, unlimited


def host(volume: BlockStorage, name: str) -> SimBlocks:
    """A simulated host, to be troubled."""
    world = volume.cloud.world
    return SimBlocks(world.state / "hosts" / name / "blocks", world.clock)


async def test_a_volume_that_could_not_be_made_says_why(volume: BlockStorage) -> None:
    for name in ("h1", "h2"):
        host(volume, name).troubles.add(Trouble(kind="fail", cause="the disk is broken"), verb="ensure_volume")
    made = await volume.volume()
    assert made["status"] == "error"
    [message] = (await volume.get(f"/v3/messages?resource_uuid={made['id']}")).json()["messages"]
    assert message["user_message"] == "schedule allocate volume:the disk is broken"
    assert (message["message_level"], message["resource_type"]) == ("ERROR", "VOLUME")
    path = f"/v3/messages/{message['id']}"
    assert (await volume.get(path)).json() == {"message": message}
    assert (await volume.as_("stranger").get(path)).status_code == 404
    assert (await volume.as_("reader").delete(path)).status_code == 403
    assert (await volume.delete(path)).status_code == 204
    assert error(await volume.get(path))[:2] == (404, "itemNotFound")
    assert error(await volume.at("3.2").get("/v3/messages"))[0] == 404


async def test_no_room_names_what_is_missing_and_no_host(volume: BlockStorage) -> None:
    await unlimited(volume.cloud)
    made = await volume.volume(size=20_000)
    assert made["status"] == "error"
    [message] = (await volume.get("/v3/messages")).json()["messages"]
    assert "2 hosts: has room for 10240 GiB of 20000" in message["user_message"]
    assert volume.everywhere("volumes") == []


async def test_nobody_is_told_that_what_was_deleted_meanwhile_could_not_be_made(volume: BlockStorage) -> None:
    """It is being deleted all the while: who waits for that must not find it in error."""
    admin = volume.as_("admin")
    kept = await volume.volume()
    for kind, wanted in (("volume", {"size": 1}), ("snapshot", {"volume_id": kept["id"]})):
        made = (await volume.post(f"/v3/{kind}s", json={kind: wanted})).json()[kind]
        path = f"/v3/{kind}s/{made['id']}"
        assert (await admin.post(f"{path}/action", json={"os-force_delete": {}})).status_code == 202
        await volume.cloud.settle()
        assert (await volume.get(path)).status_code == 404
    assert (await volume.get("/v3/messages")).json()["messages"] == []
