"""`pileus op` about operations that run, wait and end, in a cloud beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import pileus
from pileus.engines.troubles import Trouble
from support import cloud as clouds
from support.demo_site import PASSWORD
from support.listening import listening_cloud
from support.postgres import free_port
from support.processes import Processes
from support.served import SERVERS, made
from support.waiting import pause

LOOK_S = 0.1


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Processes]:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    site = Processes(state, f"sqlite:///{state}/pileus.sqlite", free_port(), [("api", "worker")])
    await site.start()
    yield site
    await site.stop()


def op(site: Processes, *arguments: str) -> str:
    return asked(site.url, PASSWORD, *arguments)


def asked(url: str, password: str, *arguments: str) -> str:
    """What `pileus op` prints, asked by the environment as clients are."""
    account = {
        "OS_AUTH_URL": f"{url}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": "admin",
    }
    done = pileus("op", *arguments, **account)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def begun(site: Processes, host: str) -> str:
    """The operation that makes a machine; on a host that is not there it waits for it."""
    async with site.client(await site.token()) as http:
        made = await http.post("/demo/v1/machines", json={"machine": {"name": "m", "host": host}})
    assert made.status_code == 202
    [operation] = json.loads(op(site, "list", "--json", "--subject", made.json()["machine"]["id"]))
    return str(operation["id"])


async def no_longer(site: Processes, operation_id: str, state: str) -> dict[str, Any]:
    """The operation, once it has left the state."""
    while True:
        found = json.loads(op(site, "show", "--json", operation_id))
        if found["state"] != state:
            return dict(found)
        await pause(LOOK_S)


async def test_an_operation_is_listed_and_shown_with_its_steps(site: Processes) -> None:
    operation_id = await begun(site, "h1")
    found = await no_longer(site, operation_id, "running")
    assert (found["saga"], found["state"]) == ("demo.create_machine@1", "done")
    assert {"define", "power_on", "mark_active"} <= {line["step"] for line in found["log"] if line["event"] == "done"}
    listed = op(site, "list").splitlines()
    assert listed[0].split() == ["id", "saga", "state", "step", "subject_id", "created_at", "cause"]
    assert [line.split()[:3] for line in listed[1:]] == [[operation_id, "demo.create_machine@1", "done"]]
    shown = op(site, "show", operation_id)
    assert shown.startswith(f"id           {operation_id}\n")
    assert "power_on" in shown
    assert op(site, "list", "--json", "--in", "running") == "[]\n"


async def test_one_that_waits_is_woken_and_then_called_off(site: Processes) -> None:
    operation_id = await begun(site, "h7")
    assert json.loads(op(site, "list", "--json", "--in", "running"))[0]["id"] == operation_id
    assert op(site, "retry", operation_id) == ""
    assert op(site, "cancel", operation_id) == ""
    found = await no_longer(site, operation_id, "running")
    assert (found["state"], found["cause"]) == ("undoing", "it was cancelled")
    assert "h7" in json.dumps(found["log"])


async def test_what_is_parked_goes_on_when_its_cause_is_mended_and_it_is_retried(tmp_path: Path) -> None:
    async with listening_cloud(tmp_path) as (cloud, url):

        async def op(*arguments: str) -> Any:
            said = await asyncio.to_thread(asked, url, clouds.PASSWORD, *arguments)
            return json.loads(said) if "--json" in arguments else said

        new = await made(cloud)
        troubles = cloud.world.rims["hypervisor", "h1"]._behind.troubles
        troubles.add(Trouble(kind="fail", cause="the disk is stuck"), verb="ensure_gone")
        assert (await cloud.delete(f"{SERVERS}/{new.id}")).status_code == 204
        await cloud.settle()
        (parked,) = await op("list", "--json", "--in", "parked")
        cause = "destroy: not done within 600 s: the disk is stuck"
        assert (parked["saga"], parked["cause"]) == ("compute.delete_server@1", cause)
        assert (await cloud.get(f"{SERVERS}/{new.id}")).json()["server"]["status"] == "ERROR"

        troubles.clear()
        assert await op("retry", parked["id"]) == ""
        await cloud.settle()
        assert (await op("show", "--json", parked["id"]))["state"] == "done"
        assert (await cloud.get(f"{SERVERS}/{new.id}")).status_code == 404
