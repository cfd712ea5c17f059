"""A power cut: a cloud inside a guest whose QEMU is killed while 16 clients write. What it acknowledged is on its disk."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli import conftest as clouds
from cli.conftest import Up
from real.power import CONFIG, Machine
from support.people import client
from support.waiting import pause

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200), pytest.mark.xdist_group("real")]

launch = clouds.launch  # the fixture
CUTS, WRITERS = 3, 16
WRITES = 150  # at least so many are acknowledged before each cut
NEWEST = "compute 2.90, volume 3.59"
IMAGE = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
MOVING = {"servers": {"BUILD"}, "volumes": {"creating", "downloading"}}
SETTLED_S = 120.0
LOOK_S = 0.25


@dataclass(frozen=True)
class Noun:
    """What is written. Each has a description that can be changed."""

    path: str
    name: str
    change: str = "PUT"
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Ledger:
    """What must be there: the descriptions that each may have, by its path and noun; the bytes of images, by their path."""

    told: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    bytes: dict[str, str] = field(default_factory=dict)
    writes: int = 0


class Writer:
    """Writes until it gets no answer."""

    def __init__(self, http: httpx.AsyncClient, nouns: list[Noun], ledger: Ledger, seed: int) -> None:
        self.http, self.nouns, self.ledger = http, nouns, ledger
        self.random, self.texts = random.Random(seed), (f"{seed}-{n}" for n in itertools.count())
        self.mine: list[tuple[Noun, str]] = []

    async def write(self) -> httpx.TransportError:
        """Returns why there was no answer."""
        deeds = (self.make, self.make, self.describe, self.describe, self.fill_image)
        try:
            while True:
                await self.random.choice(deeds)()
        except httpx.TransportError as e:
            return e

    async def make(self) -> None:
        noun, text = self.random.choice(self.nouns), next(self.texts)
        body = {noun.name: {"name": text, "description": text, **noun.more}}
        made = (await self.send("POST", noun.path, json=body)).json()[noun.name]
        self.ledger.told[f"{noun.path}/{made['id']}", noun.name] = {text}
        self.mine.append((noun, f"{noun.path}/{made['id']}"))

    async def describe(self) -> None:
        if not self.mine:
            return
        (noun, path), text = self.random.choice(self.mine), next(self.texts)
        self.ledger.told[path, noun.name].add(text)
        await self.send(noun.change, path, json={noun.name: {"description": text}})
        self.ledger.told[path, noun.name] = {text}

    async def fill_image(self) -> None:
        made = (await self.send("POST", "/image/v2/images", json={"name": next(self.texts), **IMAGE})).json()["id"]
        data, path = self.random.randbytes(self.random.randrange(1, 200_000)), f"/image/v2/images/{made}/file"
        await self.send("PUT", path, content=data, headers={"Content-Type": "application/octet-stream"})
        self.ledger.bytes[path] = hashlib.sha256(data).hexdigest()

    async def send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        answer = await self.http.request(method, path, **sent)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        self.ledger.writes += 1
        return answer


@pytest.fixture
async def machine(workshop: Path) -> AsyncIterator[Machine]:
    machine = Machine(workshop / "power")
    machine.home.mkdir()
    await asyncio.to_thread(machine.make)
    yield machine
    await machine.cut()
    shutil.rmtree(machine.home)


async def test_what_was_acknowledged_is_there_after_a_power_cut(machine: Machine, launch: Up, tmp_path: Path) -> None:
    ledger, seed = Ledger(), random.randrange(2**32)
    print(f"seed {seed}")
    with machine.mounted() as root:
        password = (root / "cloud/admin.password").read_text().strip()
    for cut in range(CUTS):
        await machine.boot()
        before = ledger.writes
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(await administrator(machine.url, password))
            nouns = await things(http)
            writers = []
            for n in range(WRITERS):
                own = await stack.enter_async_context(await administrator(machine.url, password))
                await own.get("/identity/v3")  # one after the other: QEMU resets who connects while it has no time
                writers.append(Writer(own, nouns, ledger, seed + cut * WRITERS + n))
            writing = [asyncio.create_task(writer.write()) for writer in writers]
            while ledger.writes < before + WRITES:
                done, _ = await asyncio.wait(writing, timeout=LOOK_S)
                assert not done, [task.exception() or task.result() for task in done]
            await machine.cut()
            await asyncio.gather(*writing)
        print(f"cut {cut + 1}: {ledger.writes - before} writes acknowledged, {ledger.writes} in all")
        await check(machine, password, ledger, launch, tmp_path / str(cut))


async def things(http: httpx.AsyncClient) -> list[Noun]:
    """What can be written there."""
    project = (await http.get("/identity/v3/auth/projects")).json()["projects"][0]["id"]
    flavor = {"flavor": {"name": os.urandom(4).hex(), "vcpus": 1, "ram": 64, "disk": 1}}
    flavor_id = (await http.post("/compute/v2.1/flavors", json=flavor)).json()["flavor"]["id"]
    image = (await http.post("/image/v2/images", json={"name": "boots", **IMAGE})).json()["id"]
    kind = {"Content-Type": "application/octet-stream"}
    (await http.put(f"/image/v2/images/{image}/file", content=bytes(1024), headers=kind)).raise_for_status()
    unlimited = {"instances": -1, "cores": -1, "ram": -1}
    for path, body in (
        (f"/compute/v2.1/os-quota-sets/{project}", {"quota_set": unlimited}),
        (f"/volume/v3/{project}/os-quota-sets/{project}", {"quota_set": {"volumes": -1, "gigabytes": -1}}),
        (f"/network/v2.0/quotas/{project}", {"quota": {"network": -1}}),
    ):
        (await http.put(path, json=body)).raise_for_status()
    return [
        Noun("/identity/v3/projects", "project", "PATCH"),
        Noun("/network/v2.0/networks", "network"),
        Noun(f"/volume/v3/{project}/volumes", "volume", more={"size": 1}),
        Noun(
            "/compute/v2.1/servers",
            "server",
            more={"flavorRef": flavor_id, "imageRef": image, "networks": "none"},
        ),
    ]


async def check(machine: Machine, password: str, ledger: Ledger, launch: Up, home: Path) -> None:
    """A copy of the disk as the cut left it, with a cloud on it here: it finds its way, and nothing is missing.

    What simulated hosts keep is not asked about: it is the disks of other machines.
    """
    with machine.mounted() as root:
        await asyncio.to_thread(shutil.copytree, root, home)
    config = home / "pileus.toml"
    config.write_text(CONFIG.format(root=home))
    cloud = launch("up", "--simulate", "--config", config, "--listen", "127.0.0.1:0")
    async with await administrator(cloud.url, password) as http:
        await settled(http)
        assert await lost(http, ledger) == []
    assert cloud.stop() == 0


async def lost(http: httpx.AsyncClient, ledger: Ledger) -> list[str]:
    """Each acknowledged write that is not there."""
    found = []
    for (path, noun), texts in ledger.told.items():
        answer = await http.get(path)
        if answer.status_code != 200 or answer.json()[noun]["description"] not in texts:
            found.append(f"{path} {texts}: {answer.text}")
    for path, digest in ledger.bytes.items():
        answer = await http.get(path)
        if answer.status_code != 200 or hashlib.sha256(answer.content).hexdigest() != digest:
            found.append(f"{path}: {answer.status_code}, {len(answer.content)} bytes")
    return found


async def settled(http: httpx.AsyncClient) -> None:
    project = (await http.get("/identity/v3/auth/projects")).json()["projects"][0]["id"]
    lists = {"servers": "/compute/v2.1/servers/detail", "volumes": f"/volume/v3/{project}/volumes/detail"}
    async with asyncio.timeout(SETTLED_S):
        for noun, path in lists.items():
            while any(each["status"] in MOVING[noun] for each in (await http.get(path)).json()[noun]):
                await pause(LOOK_S)


async def administrator(url: str, password: str) -> httpx.AsyncClient:
    return await client(url, "admin", password, "admin", versions=NEWEST, timeout=60)
