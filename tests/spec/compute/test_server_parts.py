"""What is below a server."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import RunningCloud
from support.computed import at
from support.served import SERVERS, made

TAGGED = at("2.26")


async def test_metadata_is_read_and_written(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member, metadata={})
    path = f"/compute/v2.1/servers/{server.id}/metadata"
    item = f"/compute/v2.1/servers/{server.id}/metadata/one"
    assert (await member.post(path, json={"metadata": {"one": "1", "two": "2"}})).json() == {
        "metadata": {"one": "1", "two": "2"}
    }
    assert (await member.put(item, json={"meta": {"one": "uno"}})).json() == {"meta": {"one": "uno"}}
    assert (await member.get(item)).json() == {"meta": {"one": "uno"}}
    assert (await member.get(path)).json() == {"metadata": {"one": "uno", "two": "2"}}
    assert (await member.delete(item)).status_code == 204
    assert (await member.get(item)).status_code == (await member.delete(item)).status_code == 404
    assert (await member.put(path, json={"metadata": {"three": "3"}})).json() == {"metadata": {"three": "3"}}
    for wrong in ({"metadata": {"x": 1}}, {"metadata": {"ä": "x"}}, {"metadata": {"x": "y" * 256}}, {}):
        assert (await member.post(path, json=wrong)).status_code == 400
    assert (await member.put(item, json={"meta": {"two": "2"}})).status_code == 400
    many = {str(n): "x" for n in range(129)}
    answer = await member.put(path, json={"metadata": many})
    assert answer.status_code == 403
    assert "128" in answer.text
    assert (await cloud.as_("reader").put(path, json={"metadata": {}})).status_code == 403


async def test_tags_are_read_and_written(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)

    async def ask(verb: str, tail: str = "", body: Any = None) -> Any:
        sent = {} if body is None else {"json": body}
        return await member.request(verb, f"{SERVERS}/{server.id}/tags{tail}", headers=TAGGED, **sent)

    assert (await ask("PUT", body={"tags": ["b", "a"]})).json() == {"tags": ["a", "b"]}
    added = await ask("PUT", "/c")
    assert (added.status_code, added.headers["location"].endswith("/tags/c")) == (201, True)
    assert (await ask("PUT", "/c")).status_code == 204
    assert (await ask("GET")).json() == {"tags": ["a", "b", "c"]}
    assert (await ask("GET", "/a")).status_code == 204
    assert (await ask("DELETE", "/a")).status_code == 204
    assert (await ask("GET", "/a")).status_code == (await ask("DELETE", "/a")).status_code == 404
    assert (await ask("PUT", f"/{'x' * 61}")).status_code == 400
    assert (await ask("PUT", body={"tags": ["x,y"]})).status_code == 400
    assert (await ask("PUT", body={"tags": [str(n) for n in range(51)]})).status_code == 400
    assert (await ask("DELETE")).status_code == 204
    assert (await ask("GET")).json() == {"tags": []}
    assert (await member.get(f"{SERVERS}/{server.id}/tags")).status_code == 404
    for path in (f"/compute/v2.1/servers/{server.id}/tags", f"/compute/v2.1/servers/{server.id}/tags/x"):
        assert (await cloud.as_("reader").put(path, json={"tags": []}, headers=TAGGED)).status_code == 403
        assert (await cloud.as_("reader").delete(path, headers=TAGGED)).status_code == 403
        assert (await cloud.as_("stranger").get(path, headers=TAGGED)).status_code == 404


async def test_addresses_groups_and_the_rest(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    assert (await member.get(f"/compute/v2.1/servers/{server.id}/ips")).json() == {"addresses": {}}
    assert (await member.get(f"/compute/v2.1/servers/{server.id}/ips/none")).status_code == 404
    assert (await member.get(f"/compute/v2.1/servers/{server.id}/os-security-groups")).json() == {"security_groups": []}
    assert (await member.get(f"/compute/v2.1/servers/{server.id}/os-server-password")).json() == {"password": ""}
    assert (await member.delete(f"/compute/v2.1/servers/{server.id}/os-server-password")).status_code == 204
    topology = await member.get(f"/compute/v2.1/servers/{server.id}/topology", headers=at("2.78"))
    assert topology.json() == {"nodes": [], "pagesize_kb": None}
    assert (await member.get(f"{SERVERS}/{uuid4()}/ips")).status_code == 404


async def test_administrators_see_what_the_hypervisor_counts(cloud: RunningCloud) -> None:
    server = await made(cloud)
    path = f"/compute/v2.1/servers/{server.id}/diagnostics"
    assert (await cloud.get(path)).json()["memory"] == 192 * 1024
    found = (await cloud.get(path, headers=at("2.48"))).json()
    assert (found["state"], found["num_cpus"], found["num_disks"]) == ("running", 1, 1)
    assert found["memory_details"]["maximum"] == 192
    assert (await cloud.as_("member").get(path)).status_code == 403
