"""What becomes of a server whose guest went off by itself."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.hearing import tell
from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Change, Done, Failed
from support.cloud import RunningCloud
from support.computed import at
from support.served import HOST, SERVERS, made


async def turned(cloud: RunningCloud, server_id: UUID, power: Power) -> None:
    """By the guest, not by the cloud."""
    assert await cloud.world.rims["hypervisor", HOST]._behind.ensure_power(server_id, power, fence=0) == Done()


def news(server_id: UUID, power: str = "off") -> Change:
    return Change("hypervisor", "power", str(server_id), Done(facts={"power": power}))


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
