"""What there is of Compute's old and small parts: extensions, events, migrations, audits, and what is gone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.cloud import RunningCloud
from support.computed import at

EVENTS = "/compute/v2.1/os-server-external-events"


async def test_extensions_are_listed_and_shown(cloud: RunningCloud) -> None:
    reader = cloud.as_("reader")
    listed = (await reader.get("/compute/v2.1/extensions")).json()["extensions"]
    aliases = {each["alias"] for each in listed}
    assert {"os-keypairs", "os-aggregates", "os-quota-sets"} <= aliases
    assert "os-cells" not in aliases
    shown = (await reader.get("/compute/v2.1/extensions/os-keypairs")).json()["extension"]
    assert shown in listed
    assert shown.keys() == {"alias", "name", "description", "links", "namespace", "updated"}
    assert (await reader.get("/compute/v2.1/extensions/none")).status_code == 404
    assert (await reader.get("/compute/v2.1/extensions?x=y", headers=at("2.102"))).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/v2.1/os-agents"), ("POST", "/v2.1/os-agents")),
        *(("PUT", "/v2.1/os-agents/1"), ("DELETE", "/v2.1/os-agents/1")),
        *(("GET", "/v2.1/os-cells"), ("POST", "/v2.1/os-cells"), ("GET", "/v2.1/os-cells/capacities")),
        *(("GET", "/v2.1/os-cells/detail"), ("GET", "/v2.1/os-cells/info"), ("POST", "/v2.1/os-cells/sync_instances")),
        *(("GET", "/v2.1/os-cells/1"), ("PUT", "/v2.1/os-cells/1"), ("DELETE", "/v2.1/os-cells/1")),
        *(
            ("GET", "/v2.1/os-cells/1/capacities"),
            ("POST", "/v2.1/os-certificates"),
            ("GET", "/v2.1/os-certificates/1"),
        ),
        *(("GET", "/v2.1/os-cloudpipe"), ("POST", "/v2.1/os-cloudpipe"), ("PUT", "/v2.1/os-cloudpipe/1")),
        *(("GET", "/v2.1/os-fixed-ips/1"), ("POST", "/v2.1/os-fixed-ips/1/action")),
        *(("GET", "/v2.1/os-floating-ip-dns"), ("PUT", "/v2.1/os-floating-ip-dns/1")),
        *(("DELETE", "/v2.1/os-floating-ip-dns/1"), ("GET", "/v2.1/os-floating-ip-dns/1/entries/2")),
        *(("PUT", "/v2.1/os-floating-ip-dns/1/entries/2"), ("DELETE", "/v2.1/os-floating-ip-dns/1/entries/2")),
        *(("GET", "/v2.1/os-floating-ips-bulk"), ("POST", "/v2.1/os-floating-ips-bulk")),
        *(("GET", "/v2.1/os-floating-ips-bulk/1"), ("PUT", "/v2.1/os-floating-ips-bulk/1")),
        *(("GET", "/v2.1/os-fping"), ("GET", "/v2.1/os-fping/1"), ("POST", "/v2.1/os-networks")),
        *(("POST", "/v2.1/os-networks/add"), ("DELETE", "/v2.1/os-networks/1"), ("POST", "/v2.1/os-networks/1/action")),
        *(("GET", "/v2.1/os-security-group-default-rules"), ("POST", "/v2.1/os-security-group-default-rules")),
        ("GET", "/v2.1/os-security-group-default-rules/1"),
        ("DELETE", "/v2.1/os-security-group-default-rules/1"),
        *(("POST", "/v2.1/os-tenant-networks"), ("DELETE", "/v2.1/os-tenant-networks/1")),
    ],
)
async def test_what_is_gone_says_so(cloud: RunningCloud, method: str, path: str) -> None:
    answer = await cloud.as_("reader").request(method, f"/compute{path}")
    assert answer.status_code == 410
    assert answer.json()["computeFault"]["code"] == 410


# migrations


async def test_there_are_no_migrations(cloud: RunningCloud) -> None:
    manager = cloud.as_("manager")
    assert (await cloud.get("/compute/v2.1/os-migrations")).json() == {"migrations": []}
    assert (await manager.get("/compute/v2.1/os-migrations")).status_code == 403
    own = f"/compute/v2.1/os-migrations?project_id={manager.project_id}"
    assert (await manager.get(own, headers=at("2.80"))).json() == {"migrations": []}
    assert (await cloud.as_("member").get(own, headers=at("2.80"))).status_code == 403


@pytest.mark.parametrize(
    ("query", "version", "status"),
    [
        ("limit=x", "2.58", 200),
        ("limit=x", "2.59", 400),
        ("marker=none", "2.59", 400),
        ("colour=red", "2.58", 200),
        ("colour=red", "2.59", 400),
        ("changes-before=2026-01-01T00:00:00Z", "2.65", 400),
        ("changes-before=2026-01-01T00:00:00Z", "2.66", 200),
        ("changes-since=2026-01-02T00:00:00Z&changes-before=2026-01-01T00:00:00Z", "2.66", 400),
        ("changes-since=soon", "2.59", 400),
        ("user_id=x", "2.79", 400),
        ("user_id=x", "2.80", 200),
    ],
)
async def test_what_migrations_may_be_asked_by(cloud: RunningCloud, query: str, version: str, status: int) -> None:
    answer = await cloud.get(f"/compute/v2.1/os-migrations?{query}", headers=at(version))
    assert answer.status_code == status


# audits


async def test_no_host_is_behind_with_its_audit(cloud: RunningCloud) -> None:
    last = (await cloud.get("/compute/v2.1/os-instance_usage_audit_log")).json()["instance_usage_audit_logs"]
    assert (last["num_hosts"], last["num_hosts_done"], last["log"]) == (2, 2, {})
    url = "/compute/v2.1/os-instance_usage_audit_log/2026-11-28 14:30:00"
    shown = (await cloud.get(url)).json()["instance_usage_audit_log"]
    assert (shown["period_beginning"], shown["period_ending"]) == ("2026-10-01 00:00:00", "2026-11-01 00:00:00")
    for wrong in ("invalid_time", "2026-13-01 00:00:00", "0001-01-01 00:00:00"):
        assert (await cloud.get(f"/compute/v2.1/os-instance_usage_audit_log/{wrong}")).status_code == 400
    assert (await cloud.as_("manager").get("/compute/v2.1/os-instance_usage_audit_log")).status_code == 403


# events


def event(**more: Any) -> dict[str, Any]:
    return {"name": "network-changed", "server_uuid": str(uuid4()), **more}


async def test_an_event_of_a_server_that_is_none_fails_alone(cloud: RunningCloud) -> None:
    sent = [event(), event(name="network-vif-plugged", status="completed", tag="port")]
    answer = await cloud.post("/compute/v2.1/os-server-external-events", json={"events": sent})
    assert answer.status_code == 207
    failed = {"status": "failed", "code": 404}
    assert answer.json() == {"events": [{**each, **failed} for each in sent]}
    assert (await cloud.as_("service").post(EVENTS, json={"events": sent})).status_code == 207
    assert (await cloud.as_("manager").post(EVENTS, json={"events": sent})).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "version"),
    [
        ([], "2.1"),
        ([event(name="earthquake")], "2.1"),
        ([event(name="volume-extended")], "2.50"),
        ([event(name="power-update")], "2.75"),
        ([event(name="volume-reimaged")], "2.92"),
        ([event(server_uuid="x")], "2.1"),
        ([event(status="perhaps")], "2.1"),
        ([event(tag="x" * 256)], "2.1"),
    ],
)
async def test_events_that_are_none_are_refused(cloud: RunningCloud, wrong: list[Any], version: str) -> None:
    assert (await cloud.post(EVENTS, json={"events": wrong}, headers=at(version))).status_code == 400
