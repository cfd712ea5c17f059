"""What becomes of a server whose guest went off by itself."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.hearing import tell
from pileus.engines.hypervisor import Power
from pileus.engines.troubles import Trouble
from pileus.engines.verbs import Change, Done, Failed
from support.cloud import RunningCloud
from support.computed import at
from support.served import HOST, SERVERS, made


async def turned(cloud: RunningCloud, server_id: UUID, power: Power) -> None:
    """By the guest, not by the cloud."""
    assert await cloud.world.rims["hypervisor", HOST]._behind.ensure_power(server_id, power, fence=0) == Done()


def news(server_id: UUID, power: str = "off", **more: bool) -> Change:
    return Change("hypervisor", "power", str(server_id), Done(facts={"power": power, **more}))


async def lost(cloud: RunningCloud, server_id: UUID) -> None:
    """With its host, which is back."""
    await turned(cloud, server_id, Power.OFF)
    await tell(cloud.ctx(), [news(server_id, lost=True)])


async def shown(cloud: RunningCloud, server_id: UUID) -> tuple[str, int]:
    found = (await cloud.get(f"{SERVERS}/{server_id}")).json()["server"]
    return found["status"], found["OS-EXT-STS:power_state"]


async def actions(cloud: RunningCloud, server_id: UUID) -> list[str]:
    answer = await cloud.get(f"{SERVERS}/{server_id}/os-instance-actions", headers=at("2.1"))
    return [each["action"] for each in answer.json()["instanceActions"]]


async def test_it_is_stopped_and_can_be_started(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await turned(cloud, server.id, Power.OFF)
    await tell(cloud.ctx(), [news(server.id), news(server.id)])  # perhaps more than once
    await cloud.settle()
    assert await shown(cloud, server.id) == ("SHUTOFF", 4)
    assert await actions(cloud, server.id) == ["stop", "create"]
    await tell(cloud.ctx(), [news(server.id)])
    await cloud.settle()
    assert await actions(cloud, server.id) == ["stop", "create"]
    answer = await cloud.post(f"{SERVERS}/{server.id}/action", json={"os-start": None})
    assert answer.status_code == 202, answer.text
    await cloud.settle()
    assert await shown(cloud, server.id) == ("ACTIVE", 1)


async def test_old_news_change_nothing(cloud: RunningCloud) -> None:
    """It was started again before the news came."""
    server = await made(cloud)
    await tell(cloud.ctx(), [news(server.id)])
    await cloud.settle()
    assert await shown(cloud, server.id) == ("ACTIVE", 1)


async def test_who_works_on_a_server_has_the_last_word(cloud: RunningCloud) -> None:
    server = await made(cloud)
    assert (await cloud.post(f"{SERVERS}/{server.id}/action", json={"suspend": None})).status_code == 202
    await tell(cloud.ctx(), [news(server.id)])
    await cloud.settle()
    assert await shown(cloud, server.id) == ("SUSPENDED", 4)
    assert await actions(cloud, server.id) == ["suspend", "create"]


async def test_what_is_no_news_of_that_kind(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await turned(cloud, server.id, Power.OFF)
    unknown = UUID(int=7)
    failed = Change("hypervisor", "power", str(server.id), Failed("lost"))
    await tell(cloud.ctx(), [news(server.id, "on"), failed, news(unknown)])
    await cloud.settle()
    assert await shown(cloud, server.id) == ("ACTIVE", 1)


async def test_what_its_host_lost_runs_again(cloud: RunningCloud) -> None:
    """When its host has it so: the volumes may still be away, for one."""
    server = await made(cloud)
    host = cloud.world.rims["hypervisor", HOST]._behind
    await lost(cloud, server.id)
    host.troubles.add(Trouble(kind="fail", once=True, cause="not yet"), verb="ensure_power")
    await cloud.settle()
    assert await shown(cloud, server.id) == ("ACTIVE", 1)
    assert (await host.observe())[server.id].power is Power.ON
    assert await actions(cloud, server.id) == ["start", "create"]


async def test_what_cannot_run_again_is_off_and_says_why(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await lost(cloud, server.id)
    trouble = Trouble(kind="fail", cause="no way")
    cloud.world.rims["hypervisor", HOST]._behind.troubles.add(trouble, verb="ensure_defined")
    await cloud.settle()
    assert await shown(cloud, server.id) == ("SHUTOFF", 4)


async def test_what_was_off_or_paused_is_not_started_by_it(cloud: RunningCloud) -> None:
    for action, status in (("os-stop", "SHUTOFF"), ("pause", "SHUTOFF"), ("suspend", "SUSPENDED")):
        server = await made(cloud)
        await cloud.post(f"{SERVERS}/{server.id}/action", json={action: None})
        await cloud.settle()
        await lost(cloud, server.id)
        await cloud.settle()
        assert await shown(cloud, server.id) == (status, 4), action


async def test_what_is_rescued_runs_again_so(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await cloud.post(f"{SERVERS}/{server.id}/action", json={"rescue": {}})
    await cloud.settle()
    await lost(cloud, server.id)
    await cloud.settle()
    assert await shown(cloud, server.id) == ("RESCUE", 1)


async def test_what_is_stopped_or_deleted_while_it_is_lost_stays_so(cloud: RunningCloud) -> None:
    stopped, deleted = await made(cloud), await made(cloud)
    await cloud.post(f"{SERVERS}/{stopped.id}/action", json={"os-stop": None})
    await cloud.delete(f"{SERVERS}/{deleted.id}")
    for server in (stopped, deleted):
        await lost(cloud, server.id)
    await cloud.settle()
    assert await shown(cloud, stopped.id) == ("SHUTOFF", 4)
    assert (await cloud.get(f"{SERVERS}/{deleted.id}")).status_code == 404


async def test_what_was_evacuated_is_not_started_by_the_host_that_lost_it(cloud: RunningCloud) -> None:
    """It tells so when it is back, before it pays."""
    server = await made(cloud)
    await tell(cloud.ctx(), [news(server.id, lost=True)])  # the guest that runs is another
    await cloud.settle()
    found = (await cloud.get(f"{SERVERS}/{server.id}")).json()["server"]
    assert (found["status"], found["OS-EXT-STS:task_state"]) == ("ACTIVE", None)


async def test_what_is_lost_while_something_is_done_with_it_runs_again_after_that(cloud: RunningCloud) -> None:
    server = await made(cloud)
    host = cloud.world.rims["hypervisor", HOST]._behind
    await cloud.post(f"{SERVERS}/{server.id}/action", json={"createImage": {"name": "kept"}})
    await lost(cloud, server.id)
    await cloud.settle()
    assert await shown(cloud, server.id) == ("ACTIVE", 1)
    assert (await host.observe())[server.id].power is Power.ON
    assert await actions(cloud, server.id) == ["start", "createImage", "create"]


async def test_what_went_off_before_its_resize_was_confirmed_is_stopped(cloud: RunningCloud) -> None:
    server = await made(cloud)
    url = f"{SERVERS}/{server.id}/action"
    assert (await cloud.post(url, json={"resize": {"flavorRef": "84"}})).status_code == 202
    await cloud.settle()
    await turned(cloud, server.id, Power.OFF)
    await tell(cloud.ctx(), [news(server.id)])
    await cloud.settle()
    assert await shown(cloud, server.id) == ("VERIFY_RESIZE", 4)
    assert (await cloud.post(url, json={"confirmResize": None})).status_code == 204
    await cloud.settle()
    assert await shown(cloud, server.id) == ("SHUTOFF", 4)
