"""Hosts, quotas, limits, QoS specs, and what a client finds out before it asks."""

from __future__ import annotations

import pytest

from support.block_storage import BlockStorage, error, unlimited


async def test_what_there_is(volume: BlockStorage) -> None:
    assert (await volume.get("/v3/os-availability-zone")).json() == {
        "availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": True}}]
    }
    aliases = [each["alias"] for each in (await volume.get("/v3/extensions")).json()["extensions"]]
    assert "os-volume-actions" in aliases
    assert (await volume.get("/v3/extensions/os-hosts")).json()["extension"]["alias"] == "os-hosts"
    assert (await volume.get("/v3/extensions/none")).status_code == 404
    [found] = (await volume.get("/v3/resource_filters?resource=snapshot")).json()["resource_filters"]
    assert (found["resource"], "volume_id" in found["filters"]) == ("snapshot", True)
    admin = volume.as_("admin")
    assert (await admin.get("/v3/clusters")).json() == {"clusters": []}
    assert error(await admin.get("/v3/clusters/one"))[0] == 404


async def test_versions(volume: BlockStorage) -> None:
    anybody = volume.cloud.http
    assert (await anybody.get("/volume/")).status_code == 300
    [version] = (await anybody.get("/volume/v3/")).json()["versions"]
    assert (version["id"], version["min_version"], version["version"]) == ("v3.0", "3.0", "3.71")
    newest = await volume.at("3.71").get("/v3/volumes")
    assert newest.headers["openstack-api-version"] == "volume 3.71"
    assert (await volume.at("3.72").get("/v3/volumes")).status_code == 406


async def test_hosts_are_services_and_pools(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    unused = (await admin.get("/v3/scheduler-stats/get_pools")).json()["pools"]
    assert unused == [{"name": "h1@blocks#files"}, {"name": "h2@blocks#files"}]
    await volume.volume()
    assert (await volume.get("/v3/os-services")).status_code == 403
    services = (await admin.get("/v3/os-services")).json()["services"]
    assert [(each["host"], each["state"], each["status"]) for each in services] == [
        ("h1@blocks", "up", "enabled"),
        ("h2@blocks", "up", "enabled"),
    ]
    assert (await admin.get("/v3/os-services?binary=cinder-backup")).json() == {"services": []}
    hosts = (await admin.get("/v3/os-hosts")).json()["hosts"]
    assert hosts[0]["service"] == "cinder-volume"
    resources = [(await admin.get(f"/v3/os-hosts/h{n}@blocks")).json()["host"][0]["resource"] for n in (1, 2)]
    assert {each["project"] for each in resources} == {"(total)"}
    assert {(each["volume_count"], each["total_volume_gb"]) for each in resources} == {("0", "0"), ("1", "1")}
    assert (resources[0]["snapshot_count"], resources[0]["total_snapshot_gb"]) == ("0", "0")
    assert error(await admin.get("/v3/os-hosts/none"))[0] == 404
    pools = (await admin.get("/v3/scheduler-stats/get_pools?detail=true")).json()["pools"]
    assert {pool["name"] for pool in pools} == {"h1@blocks#files", "h2@blocks#files"}
    assert {pool["capabilities"]["allocated_capacity_gb"] for pool in pools} == {0, 1}
    capabilities = (await admin.get("/v3/capabilities/h1@blocks")).json()
    assert capabilities["namespace"] == "OS::Storage::Capabilities::h1@blocks"


async def test_a_host_that_is_disabled_gets_no_volumes(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    named = {"host": "h2@blocks", "binary": "cinder-volume"}
    done = await admin.put("/v3/os-services/disable", json=named)
    assert done.json()["status"] == "disabled"
    assert (await admin.put("/v3/os-services/freeze", json={"host": "h1"})).status_code == 202
    refused = await volume.volume()
    assert refused["status"] == "error"
    [message] = (await volume.get("/v3/messages")).json()["messages"]
    assert "2 hosts: is disabled" in message["user_message"]
    assert (await admin.put("/v3/os-services/thaw", json={"host": "h1"})).status_code == 202
    assert (await volume.volume())["status"] == "available"
    assert len(volume.held("h1", "volumes")) == 1
    why = {**named, "disabled_reason": "mended"}
    said = await admin.put("/v3/os-services/disable-log-reason", json=why)
    assert said.json()["disabled_reason"] == "mended"
    assert error(await admin.put("/v3/os-services/disable-log-reason", json=named))[0] == 400
    assert (await admin.put("/v3/os-services/enable", json=named)).json()["status"] == "enabled"
    assert error(await admin.put("/v3/os-services/enable", json={**named, "host": "none"}))[0] == 404


async def test_only_what_is_there_is_disabled_or_frozen(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    for wrong, status in (({"binary": "cinder-backup"}, 404), ({}, 400), ({"service": "none"}, 404)):
        assert error(await admin.put("/v3/os-services/disable", json={"host": "h1@blocks", **wrong}))[0] == status
    for verb in ("freeze", "thaw"):
        assert error(await admin.put(f"/v3/os-services/{verb}", json={"host": "none"}))[:2] == (400, "badRequest")
    assert (await volume.volume())["status"] == "available"
    as_before = {"host": "h1@blocks", "service": "cinder-volume"}
    assert (await admin.put("/v3/os-services/disable", json=as_before)).json()["status"] == "disabled"


@pytest.mark.parametrize(
    ("specs", "status"),
    [
        ({"vendor_name": "Pileus", "capabilities:storage_protocol": "<or> file <or> nfs"}, "available"),
        (
            {"thin_provisioning_support": "<is> True", "free_capacity_gb": ">= 1", "volume_backend_name": "<in> block"},
            "available",
        ),
        ({"somebody:else": "whatever", "replication_enabled": "<is> False"}, "error"),
        ({"somebody:else": "whatever"}, "available"),
        ({"vendor_name": "another"}, "error"),
        ({"capabilities:total_capacity_gb": "<= 1"}, "error"),
        ({"free_capacity_gb": ">= much"}, "error"),
        ({"vendor_name": "s=="}, "error"),
    ],
)
async def test_a_volume_goes_where_its_type_is_met(volume: BlockStorage, specs: dict[str, str], status: str) -> None:
    admin = volume.as_("admin")
    named = {"volume_type": {"name": "picky", "extra_specs": specs}}
    assert (await admin.post("/v3/types", json=named)).status_code == 200
    made = await volume.volume(volume_type="picky")
    assert made["status"] == status
    if status == "error":
        [message] = (await volume.get("/v3/messages")).json()["messages"]
        assert "is not what the volume's type asks for" in message["user_message"]


async def test_no_volume_is_larger_than_one_may_be(volume: BlockStorage) -> None:
    admin, path = volume.as_("admin"), f"/v3/os-quota-sets/{volume.who.project_id}"
    assert (await admin.put(path, json={"quota_set": {"per_volume_gigabytes": 2}})).status_code == 200
    first = await volume.volume(size=2)
    over = error(await volume.post("/v3/volumes", json={"volume": {"size": 3}}))
    assert over == (413, "overLimit", "Requested volume size 3G is larger than maximum allowed limit 2G.")
    larger = {"os-extend": {"new_size": 3}}
    assert error(await volume.post(f"/v3/volumes/{first['id']}/action", json=larger)) == over


async def test_quotas_are_shown_changed_and_kept(volume: BlockStorage) -> None:
    admin, project_id = volume.as_("admin"), volume.who.project_id
    await unlimited(volume.cloud)
    await volume.volume(size=2)
    path = f"/v3/os-quota-sets/{project_id}"
    assert (await volume.get(f"/v3/os-quota-sets/{project_id}")).json()["quota_set"]["id"] == project_id
    used = (await volume.get(f"{path}?usage=true")).json()["quota_set"]
    assert used["gigabytes"] == {"limit": 100_000, "in_use": 2, "reserved": 0}
    assert used["volumes___DEFAULT__"] == {"limit": -1, "in_use": 1, "reserved": 0}
    wanted = {"quota_set": {"volumes": 2, "gigabytes": "3", "snapshots": 0, "volumes___DEFAULT__": 9}}
    assert (await volume.put(path, json=wanted)).status_code == 403
    changed = await admin.put(f"/v3/os-quota-sets/{project_id}", json=wanted)
    assert (changed.json()["quota_set"]["volumes"], changed.json()["quota_set"]["gigabytes"]) == (2, 3)
    for wrong in ({"colours": 1}, {"volumes": "many"}, {"volumes": -2}, {"volumes": 2**31}):
        assert error(await admin.put(path, json={"quota_set": wrong}))[0] == 400
    over = await volume.post("/v3/volumes", json={"volume": {"size": 2}})
    assert error(over)[:2] == (413, "overLimit")
    first = (await volume.get("/v3/volumes")).json()["volumes"][0]["id"]
    assert error(await volume.post("/v3/snapshots", json={"snapshot": {"volume_id": first}}))[0] == 413
    larger = {"os-extend": {"new_size": 4}}
    assert error(await volume.post(f"/v3/volumes/{first}/action", json=larger))[0] == 413
    limits = (await volume.get("/v3/limits")).json()["limits"]["absolute"]
    assert (limits["maxTotalVolumes"], limits["totalGigabytesUsed"]) == (2, 2)
    assert (await admin.delete(f"/v3/os-quota-sets/{project_id}")).status_code == 200
    defaults = (await volume.get(f"/v3/os-quota-sets/{project_id}/defaults")).json()["quota_set"]
    assert defaults["volumes"] == 100_000
    assert (await admin.get("/v3/os-quota-class-sets/default")).json()["quota_class_set"]["volumes"] == 100_000
    classes = await admin.put("/v3/os-quota-class-sets/default", json={"quota_class_set": {"volumes": 7}})
    assert classes.json()["quota_class_set"]["volumes"] == 7
    assert error(await admin.put("/v3/os-quota-class-sets/gold", json={"quota_class_set": {"volumes": 7}}))[0] == 400


async def test_qos_specs_are_of_types(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    sent = {"qos_specs": {"name": "q", "consumer": "front-end", "iops": "100"}}
    made = (await admin.post("/v3/qos-specs", json=sent)).json()["qos_specs"]
    assert (made["consumer"], made["specs"]) == ("front-end", {"iops": "100"})
    assert error(await admin.post("/v3/qos-specs", json=sent))[0] == 409
    assert error(await admin.post("/v3/qos-specs", json={"qos_specs": {"name": "r", "consumer": "x"}}))[0] == 400
    id_ = made["id"]
    assert (await admin.get(f"/v3/qos-specs/{id_}")).json()["qos_specs"] == made
    assert (await admin.get("/v3/qos-specs")).json()["qos_specs"] == [made]
    assert (await admin.put(f"/v3/qos-specs/{id_}", json={"qos_specs": {"bps": "1"}})).json() == {
        "qos_specs": {"bps": "1"}
    }
    assert (await admin.put(f"/v3/qos-specs/{id_}/delete_keys", json={"keys": ["bps"]})).status_code == 202
    assert error(await admin.put(f"/v3/qos-specs/{id_}/delete_keys", json={"keys": ["bps"]}))[0] == 400
    type_id = (await admin.post("/v3/types", json={"volume_type": {"name": "t"}})).json()["volume_type"]["id"]
    assert (await admin.get(f"/v3/qos-specs/{id_}/associate?vol_type_id={type_id}")).status_code == 202
    [association] = (await admin.get(f"/v3/qos-specs/{id_}/associations")).json()["qos_associations"]
    assert association == {"association_type": "volume_type", "name": "t", "id": type_id}
    assert (await admin.get(f"/v3/types/{type_id}")).json()["volume_type"]["qos_specs_id"] == id_
    assert error(await admin.delete(f"/v3/qos-specs/{id_}"))[0] == 400
    assert (await admin.get(f"/v3/qos-specs/{id_}/disassociate?vol_type_id={type_id}")).status_code == 202
    await admin.get(f"/v3/qos-specs/{id_}/associate?vol_type_id={type_id}")
    assert (await admin.get(f"/v3/qos-specs/{id_}/disassociate_all")).status_code == 202
    assert (await admin.delete(f"/v3/qos-specs/{id_}?force=true")).status_code == 202
    assert error(await admin.get(f"/v3/qos-specs/{id_}"))[:2] == (404, "itemNotFound")
