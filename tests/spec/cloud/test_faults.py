"""/faults: what a simulated cloud makes its clients suffer."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from pileus.kernel import config
from pileus.kernel.http.calls import Call
from pileus.kernel.operations import Seam
from pileus.services.cloud.faults.service import MOST, Faults
from pileus.world import open_cloud
from support import served
from support.cloud import RunningCloud
from support.faulty import fault
from support.http_demo import http_scope, spoken
from support.imaged import uploaded

pytestmark = pytest.mark.database("sqlite")
SERVERS, VOLUMES = "/compute/v2.1/servers", "/volume/v3/volumes"


async def statuses(cloud: RunningCloud, path: str, times: int) -> list[int]:
    return [(await cloud.get(path)).status_code for _ in range(times)]


async def server(cloud: RunningCloud, **more: Any) -> str:
    wanted = {
        "name": "s",
        "flavorRef": served.TINY,
        "networks": "none",
        "imageRef": await served.an_image(cloud),
        **more,
    }
    headers = {"OpenStack-API-Version": "compute 2.96"}
    answer = await cloud.post(SERVERS, json={"server": wanted}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["server"]["id"])


async def status(cloud: RunningCloud, server_id: str) -> str:
    return str((await cloud.get(f"{SERVERS}/{server_id}")).json()["server"]["status"])


async def awake(cloud: RunningCloud) -> None:
    """What a fault held goes on."""
    await cloud.world.memory[Faults].wake()
    await cloud.settle()


# requests


async def test_it_is_made_shown_listed_and_ended(cloud: RunningCloud) -> None:
    made = (await cloud.post("/faults", json={"fault": {"service": "compute", "status": 500}})).json()["fault"]
    assert made | {"service": "compute", "status": 500, "seen": 0, "hits": 0} == made
    assert (await cloud.get(f"/faults/{made['id']}")).json() == {"fault": made}
    assert (await cloud.get("/faults")).json() == {"faults": [made]}
    assert (await cloud.delete(f"/faults/{made['id']}")).status_code == 204
    assert (await cloud.get(f"/faults/{made['id']}")).status_code == 404
    for _ in range(2):
        await fault(cloud, service="compute", status=500)
    assert (await cloud.delete("/faults")).status_code == 204
    assert (await cloud.get("/faults")).json() == {"faults": []}


async def test_each_service_says_it_in_its_own_shape(cloud: RunningCloud) -> None:
    await fault(cloud, service="compute", status=429, retry_after_s=7, message="Slow down.")
    await fault(cloud, service="network", status=503)
    await fault(cloud, service="block-storage", status=500)
    limited = await cloud.get(SERVERS)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert limited.json()["overLimit"]["message"] == "Slow down."
    assert set((await cloud.get("/network/v2.0/ports")).json()["NeutronError"]) == {"type", "message", "detail"}
    assert (await cloud.get("/volume/v3/volumes")).json()["computeFault"]["code"] == 500
    assert (await cloud.get("/image/v2/images")).status_code == 200


async def test_so_many_are_spared_and_so_many_are_met(cloud: RunningCloud) -> None:
    fault_id = await fault(
        cloud, service="compute", method="GET", path="/compute/v2.1/serv*", skip=1, count=2, status=503
    )
    assert await statuses(cloud, SERVERS, 5) == [200, 503, 503, 200, 200]
    assert (await cloud.get("/compute/v2.1/flavors")).status_code == 200
    found = (await cloud.get(f"/faults/{fault_id}")).json()["fault"]
    assert (found["seen"], found["hits"]) == (5, 2)


async def test_the_same_seed_throws_the_same_dice(cloud: RunningCloud) -> None:
    thrown = []
    for seed in (1, 1, 2):
        await fault(cloud, service="compute", chance=0.5, seed=seed, status=500)
        thrown.append(await statuses(cloud, SERVERS, 12))
        await cloud.delete("/faults")
    assert thrown[0] == thrown[1] != thrown[2]
    assert set(thrown[0]) == {200, 500}


async def test_a_project_suffers_and_others_do_not(cloud: RunningCloud) -> None:
    reader = cloud.as_("reader")
    for project in ("people", reader.project_id):
        await fault(cloud, project=project, status=502)
        assert (await reader.get(SERVERS)).status_code == 502
        assert (await cloud.get(SERVERS)).status_code == 200
        await cloud.delete("/faults")
    refused = await cloud.post("/faults", json={"fault": {"project": "none", "status": 500}})
    assert refused.status_code == 400
    assert "no project none" in refused.json()["error"]["message"]
    refused = await cloud.post("/faults", json={"fault": {"service": "none", "status": 500}})
    assert "no service none" in refused.json()["error"]["message"]


async def tagged(cloud: RunningCloud, kind: str) -> tuple[str, str]:
    """A resource that carries "broken=yes", and another that does not: their paths."""
    if kind == "servers":
        return tuple([f"{SERVERS}/{await server(cloud, tags=[tag])}" for tag in ("broken=yes", "x")])  # type: ignore[return-value]
    made = []
    for tag in ("broken=yes", "x=y"):
        if kind == "volumes":
            key, _, value = tag.partition("=")
            wanted: dict[str, Any] = {"size": 1, "metadata": {key: value}}
            answer = await cloud.post(f"{VOLUMES}", json={"volume": wanted})
            made.append(f"{VOLUMES}/{answer.json()['volume']['id']}")
        elif kind == "images":
            made.append(f"/image/v2/images/{(await uploaded(cloud, tags=[tag]))['id']}")
        else:
            answer = await cloud.post("/network/v2.0/networks", json={"network": {}})
            made.append(f"/network/v2.0/networks/{answer.json()['network']['id']}")
            assert (await cloud.put(f"{made[-1]}/tags/{tag}")).status_code == 201
    return made[0], made[1]


@pytest.mark.parametrize("kind", ["servers", "volumes", "images", "networks"])
async def test_what_concerns_something_with_a_tag_is_met(cloud: RunningCloud, kind: str) -> None:
    broken, fine = await tagged(cloud, kind)
    await cloud.settle()
    fault_id = await fault(cloud, tag="broken=*", status=500)
    assert [(await cloud.get(path)).status_code for path in (broken, fine)] == [500, 200]
    assert (await cloud.delete(broken)).status_code == 500
    assert (await cloud.get(fine.rpartition("/")[0])).status_code == 200, "the list names nothing"
    assert (await cloud.get(f"/faults/{fault_id}")).json()["fault"]["hits"] == 2


async def test_an_action_is_met_by_its_name(cloud: RunningCloud) -> None:
    await fault(cloud, action="os-getConsoleOutput", status=409)
    path = f"{SERVERS}/{(await served.made(cloud)).id}/action"
    assert (await cloud.post(path, json={"os-getConsoleOutput": {}})).status_code == 409
    assert (await cloud.post(path, json={"os-stop": None})).status_code == 202


async def test_the_way_out_stays_open(cloud: RunningCloud) -> None:
    await fault(cloud, status=500)
    assert (await cloud.get("/pileus/v1/hosts")).status_code == 200
    assert (await cloud.get("/identity/v3/projects")).status_code == 200
    assert (await cloud.get(SERVERS)).status_code == 500
    await fault(cloud, service="identity", status=401)
    refused = await cloud.get("/identity/v3/projects")
    assert (refused.status_code, "www-authenticate" in refused.headers) == (401, True)
    assert (await cloud.delete("/faults")).status_code == 204
    assert (await cloud.get(SERVERS)).status_code == 200


async def test_who_may_not_ask_hears_so_and_not_of_faults(cloud: RunningCloud) -> None:
    fault_id = await fault(cloud, status=500)
    assert (await cloud.get(SERVERS, headers={"X-Auth-Token": None})).status_code == 401
    assert (await cloud.get("/compute/v2.1/nothing")).status_code == 404
    assert (await cloud.as_("member").get("/faults")).status_code == 403
    assert (await cloud.get(f"/faults/{fault_id}")).json()["fault"]["seen"] == 0


async def test_an_answer_comes_late(cloud: RunningCloud) -> None:
    await fault(cloud, service="compute", delay_ms=60)
    began = monotonic()
    assert (await cloud.get(SERVERS)).status_code == 200
    assert monotonic() - began >= 0.06


async def answered(cloud: RunningCloud, path: str) -> list[dict[str, Any]]:
    """As ASGI has it; a broken answer is none to a client."""
    token = (b"x-auth-token", cloud.headers["X-Auth-Token"].encode())
    return await spoken(cloud.world.app, http_scope("GET", path, token), [{"type": "http.request"}])


@pytest.mark.parametrize("cut", [0, 5])
async def test_an_answer_is_cut(cloud: RunningCloud, cut: int) -> None:
    whole = (await cloud.get(SERVERS)).content
    await fault(cloud, service="compute", cut_bytes=cut)
    start, *rest = await answered(cloud, SERVERS)
    assert start["status"] == 200
    assert [(piece["body"], piece["more_body"]) for piece in rest] == [(whole[:cut], True)]


async def test_an_answer_shorter_than_the_cut_is_whole(cloud: RunningCloud) -> None:
    await fault(cloud, service="compute", cut_bytes=1_000_000)
    assert (await cloud.get(SERVERS)).json() == {"servers": []}


async def test_bytes_come_and_go_slowly(cloud: RunningCloud) -> None:
    await fault(cloud, service="image", path="*/file", bytes_per_s=10_000)
    began = monotonic()
    image = await uploaded(cloud, data=b"x" * 300)
    assert monotonic() - began >= 0.03
    await cloud.delete("/faults")
    await fault(cloud, service="image", path="*/file", bytes_per_s=1000)
    began = monotonic()
    _, *pieces = await answered(cloud, f"/image/v2/images/{image['id']}/file")
    assert monotonic() - began >= 0.3
    sizes = [len(piece["body"]) for piece in pieces]
    assert (sum(sizes), max(sizes)) == (300, 100)
    assert b"".join(piece["body"] for piece in pieces) == b"x" * 300


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"status": 200},
        {"status": 500, "nothing": 1},
        {"status": 500, "hold": True},
        {"operation": "create_server", "status": 500},
        {"operation": "create_server"},
        {"name": "x", "status": 500},
        {"lose": True, "status": 500},
        {"lose": True, "delay_ms": 1},
        {"lose": True, "operation": "create_volume"},
        {"status": 500, "chance": 2},
        {"status": 500, "seconds": 0},
    ],
    ids=[
        "nothing",
        "no-failure",
        "unknown",
        "both",
        "operation",
        "no-effect",
        "name",
        *["lost"] * 3,
        "chance",
        "seconds",
    ],
)
async def test_what_makes_no_sense_is_refused(cloud: RunningCloud, wanted: dict[str, Any]) -> None:
    assert (await cloud.post("/faults", json={"fault": wanted})).status_code == 400


async def test_there_is_an_end_to_how_many(cloud: RunningCloud) -> None:
    for _ in range(MOST):
        await fault(cloud, path="/nowhere", status=500)
    assert (await cloud.post("/faults", json={"fault": {"status": 500}})).status_code == 409


# operations


async def test_a_server_stays_in_build_until_the_fault_ends(cloud: RunningCloud) -> None:
    fault_id = await fault(cloud, operation="create_server", hold=True, count=1)
    held, free = await server(cloud), await server(cloud)
    await cloud.settle()
    assert (await status(cloud, held), await status(cloud, free)) == ("BUILD", "ACTIVE")
    [operation] = (await cloud.get(f"/pileus/v1/operations?subject_id={held}")).json()["operations"]
    assert operation["progress"]["note"] == f"held by the fault {fault_id}"
    await awake(cloud)
    assert await status(cloud, held) == "BUILD", "a ring alone lets nothing go"
    await cloud.delete(f"/faults/{fault_id}")
    await awake(cloud)
    assert await status(cloud, held) == "ACTIVE"


async def test_a_server_that_is_held_can_be_deleted(cloud: RunningCloud) -> None:
    await fault(cloud, operation="compute.create_server", hold=True)
    held = await server(cloud)
    await cloud.settle()
    assert (await cloud.delete(f"{SERVERS}/{held}")).status_code == 204
    await cloud.settle()
    assert (await cloud.get(f"{SERVERS}/{held}")).status_code == 404


async def test_a_server_fails_with_what_was_said(cloud: RunningCloud) -> None:
    await fault(cloud, operation="create_server", name="db-*", fail=True, message="The disk is lost.")
    failed, fine = await server(cloud, name="db-1"), await server(cloud, name="web-1")
    await cloud.settle()
    shown = (await cloud.get(f"{SERVERS}/{failed}")).json()["server"]
    assert (shown["status"], shown["fault"]["message"]) == ("ERROR", "The disk is lost.")
    assert await status(cloud, fine) == "ACTIVE"


async def test_a_tag_tells_which(cloud: RunningCloud) -> None:
    await fault(cloud, operation="*_server", tag="slow", hold=True)
    held, free = await server(cloud, tags=["slow", "x"]), await server(cloud, tags=["fast"])
    await cloud.settle()
    assert (await status(cloud, held), await status(cloud, free)) == ("BUILD", "ACTIVE")


async def test_a_server_is_slow_to_boot(cloud: RunningCloud) -> None:
    await fault(cloud, operation="create_server", delay_ms=60_000, project="admin")
    slow = await server(cloud)
    await cloud.settle()
    assert await status(cloud, slow) == "BUILD"
    [found] = cloud.world.memory[Faults].list_()
    cloud.world.memory[Faults].release(found, next(iter(found.delayed)))  # as its timer does
    await awake(cloud)
    assert await status(cloud, slow) == "ACTIVE"


async def test_a_volume_is_never_made_and_a_port_stays_down(cloud: RunningCloud) -> None:
    await fault(cloud, operation="create_volume", name="lost", fail=True)
    made = {"volume": {"name": "lost", "size": 1}}
    volume = (await cloud.post("/volume/v3/volumes", json=made)).json()["volume"]
    await cloud.settle()
    assert (await cloud.get(f"/volume/v3/volumes/{volume['id']}")).json()["volume"]["status"] == "error"
    await fault(cloud, operation="network.port", name="dead", hold=True)
    network = (await cloud.post("/network/v2.0/networks", json={"network": {}})).json()["network"]
    wanted = {"port": {"network_id": network["id"], "name": "dead"}}
    port = (await cloud.post("/network/v2.0/ports", json=wanted)).json()["port"]
    await cloud.settle()
    held = (await cloud.get(f"/pileus/v1/operations?subject_id={port['id']}")).json()["operations"]
    assert [operation["state"] for operation in held] == ["running"]
    await cloud.delete("/faults")
    await awake(cloud)
    held = (await cloud.get(f"/pileus/v1/operations?subject_id={port['id']}")).json()["operations"]
    assert [operation["state"] for operation in held] == ["done"]


async def test_what_is_gone_has_no_name(cloud: RunningCloud) -> None:
    """An operation on what is not there any more, and one on neither server, volume nor port."""
    await fault(cloud, operation="*", name="x", fail=True)
    network = (await cloud.post("/network/v2.0/networks", json={"network": {"name": "x"}})).json()["network"]
    await cloud.settle()
    assert (await cloud.get(f"/network/v2.0/networks/{network['id']}")).json()["network"]["status"] == "ACTIVE"


# a cloud without


async def test_while_there_is_none_nothing_asks_for_one(cloud: RunningCloud) -> None:
    def watched() -> tuple[bool, bool]:
        return cloud.world.app.calls is not Call, Seam in cloud.world.memory

    assert watched() == (False, False)
    of_requests = await fault(cloud, service="image", status=500)
    assert watched() == (True, False)
    await fault(cloud, operation="create_server", hold=True)
    await cloud.delete(f"/faults/{of_requests}")
    assert watched() == (False, True)
    await cloud.delete("/faults")
    assert watched() == (False, False)
    await fault(cloud, lose=True, name="nothing")
    assert watched() == (False, False)


async def test_a_reset_ends_them_and_what_they_hold(cloud: RunningCloud) -> None:
    await fault(cloud, operation="create_server", hold=True)
    held = await server(cloud)
    await cloud.settle()
    await cloud.post("/pileus/v1/checkpoints", json={"checkpoint": {"name": "held"}})
    assert (await cloud.post("/pileus/v1/reset", json={"reset": {"name": "held"}})).status_code == 204
    assert (await cloud.get("/faults")).json() == {"faults": []}
    await cloud.settle()
    assert await status(cloud, held) == "ACTIVE"


async def test_where_hosts_are_real_there_is_no_such_path(database_url: str, tmp_path: Path) -> None:
    given = {"state": str(tmp_path), "database.url": database_url}
    real = await open_cloud(config.load(None, given)[0])
    try:
        assert "/faults" not in {route.prefix for route in real.app.routes}
        assert Faults not in real.memory
    finally:
        await real.stop()
