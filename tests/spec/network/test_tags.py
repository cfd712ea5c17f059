"""/v2.0/<collection>/{id}/tags"""

from __future__ import annotations

from support.cloud import RunningCloud
from support.networks import ROOT, error, external, floating_ip, made, network, port, router


async def test_tags_of_each_noun(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id, subnet_id = await network(member)
    port_id = (await port(member, network_id))["id"]
    router_id = (await router(member))["id"]
    floatingip_id = (await floating_ip(member, (await external(cloud))[0]))["id"]
    group_id = (await made(member, f"{ROOT}/security-groups", "security_group", {"name": "web"}))["id"]
    everything = {
        f"/network/v2.0/routers/{router_id}/tags": f"/network/v2.0/routers/{router_id}/tags/red",
        f"/network/v2.0/floatingips/{floatingip_id}/tags": f"/network/v2.0/floatingips/{floatingip_id}/tags/red",
        f"/network/v2.0/security-groups/{group_id}/tags": f"/network/v2.0/security-groups/{group_id}/tags/red",
        f"/network/v2.0/networks/{network_id}/tags": f"/network/v2.0/networks/{network_id}/tags/red",
        f"/network/v2.0/subnets/{subnet_id}/tags": f"/network/v2.0/subnets/{subnet_id}/tags/red",
        f"/network/v2.0/ports/{port_id}/tags": f"/network/v2.0/ports/{port_id}/tags/red",
    }
    for url, red in everything.items():
        thing = url.removesuffix("/tags")
        (before,) = (await member.get(thing)).json().values()
        assert (await member.get(url)).json() == {"tags": []}
        assert (await member.put(red)).status_code == 201
        assert (await member.get(red)).status_code == 204
        assert error(await member.get(f"{url}/green"))[:2] == (404, "TagNotFound")
        assert (await member.put(url, json={"tags": ["blue", "red"]})).json() == {"tags": ["blue", "red"]}
        assert (await member.post(url, json={"tags": ["white"]})).status_code == 201
        (shown,) = (await member.get(thing)).json().values()
        assert shown["tags"] == ["blue", "red", "white"]
        assert shown["revision_number"] > before["revision_number"]
        assert (await member.delete(red)).status_code == 204
        assert error(await member.delete(red))[:2] == (404, "TagNotFound")
        assert (await member.delete(url)).status_code == 204
        assert (await member.get(url)).json() == {"tags": []}


async def test_what_is_no_tag_is_refused(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    url = f"{ROOT}/networks/{network_id}/tags"
    assert (await cloud.put(url, json={"tags": ["x" * 256]})).status_code == 400
    assert (await cloud.put(url, json={"tags": [""]})).status_code == 400
    assert (await cloud.put(url, json={"tags": [str(n) for n in range(51)]})).status_code == 400
    assert error(await cloud.put(f"{url}/{'x' * 256}"))[0] == 400


async def test_others_tags_are_not_seen(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    shared_id, _ = await network(cloud, shared=True)
    member = cloud.as_("member")
    assert error(await member.get(f"{ROOT}/networks/{network_id}/tags"))[1] == "NetworkNotFound"
    assert (await member.get(f"{ROOT}/networks/{shared_id}/tags")).status_code == 200
    assert error(await member.put(f"{ROOT}/networks/{shared_id}/tags/x"))[0] == 403
