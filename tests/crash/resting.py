"""A cloud at rest: what it must have come to, whatever was done with it and to it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from crash.tenants import IMAGE, LISTS, NETWORK, VOLUME, Tenant
from support.cloud import Asks
from support.waiting import pause

LOOK_S = 0.25
STABLE = {
    "server": {"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "RESCUE", "VERIFY_RESIZE", "ERROR"},
    "network": {"ACTIVE"},
    "port": {"ACTIVE", "DOWN"},
    "router": {"ACTIVE"},
    "floatingip": {"ACTIVE", "DOWN"},
    "volume": {"available", "in-use", "awaiting-transfer", "error", "error_extending"},
    "snapshot": {"available", "error"},
    "image": {"active", "queued", "uploading", "killed"},
}


async def prepared(admin: httpx.AsyncClient | Asks) -> tuple[str, str]:
    """A network outside, and an image for everybody: their ids."""
    form = {"network": {"name": "outside", "router:external": True}}
    made = await admin.post(f"{NETWORK}/networks", json=form)
    assert made.status_code == 201, made.text
    outside = made.json()["network"]["id"]
    subnet = {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"}
    assert (await admin.post(f"{NETWORK}/subnets", json={"subnet": subnet})).status_code == 201
    wanted = {"name": "tiny", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image = (await admin.post(f"{IMAGE}/images", json=wanted)).json()["id"]
    headers = {"Content-Type": "application/octet-stream"}
    sent = await admin.put(f"{IMAGE}/images/{image}/file", content=bytes(65536), headers=headers)
    assert sent.status_code == 204, sent.text
    return outside, image


async def settled(admin: httpx.AsyncClient, within_s: float) -> None:
    """Return when nothing is in an operation."""
    working: list[Any] = []
    try:
        async with asyncio.timeout(within_s):
            while working := [each for state in ("running", "undoing") for each in await at_work(admin, state)]:
                await pause(LOOK_S)
    except TimeoutError:
        raise TimeoutError(f"still at work: {json.dumps(working, indent=1)}") from None


async def at_work(admin: httpx.AsyncClient, state: str) -> list[Any]:
    answer = await admin.get(f"/pileus/v1/operations?state={state}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["operations"])


async def unstable(tenant: Tenant) -> list[str]:
    """What is in no state in which it can be left, or in an error without a cause."""
    messages = (await tenant.ask("GET", f"{VOLUME}/messages")).json()["messages"]
    told = {message["resource_uuid"] for message in messages}
    found = []
    for kind in (kind for kind in LISTS if kind in STABLE):
        for each in await tenant.every(kind):
            causes = told if kind != "server" or not each.get("fault", {}).get("message") else told | {each["id"]}
            failed = each["status"].lower().startswith("error") and each["id"] not in causes
            if each["status"] not in STABLE[kind] or each.get("OS-EXT-STS:task_state") or failed:
                found.append(f"{kind} {json.dumps(each)}")
    return found


async def differences(admin: httpx.AsyncClient | Asks) -> list[str]:
    """What `pileus verify` finds, and what it could not look at."""
    answer = await admin.post("/pileus/v1/verify", json={"verify": {}})
    assert answer.status_code == 200, answer.text
    report = answer.json()["report"]
    told = [f"{each['subject']} {each['subject_id']} {each['host']}: {each['cause']}" for each in report["differences"]]
    return [*told, *(f"{engine}: {cause}" for engine, cause in report["unseen"].items())]
