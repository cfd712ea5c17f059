"""Regions, services and endpoints, and the catalogue made of them."""

from __future__ import annotations

import pytest

from pileus.services.identity.bootstrap import register_service
from pileus.services.identity.catalog.service import Catalogs
from support.identity import World, same_answer


async def test_the_parts_of_the_catalogue_are_listed_and_shown(identity: World) -> None:
    admin = await identity.admin()
    services = (await admin.get("/v3/services?type=volumev3")).json()["services"]
    assert [(each["name"], each["enabled"]) for each in services] == [("cinder", True)]
    path = f"/v3/endpoints?service_id={services[0]['id']}&interface=public"
    endpoints = (await admin.get(path)).json()["endpoints"]
    assert endpoints[0]["url"] == "http://cloud.example:8775/volume/v3/$(project_id)s"
    assert endpoints[0]["region"] == endpoints[0]["region_id"] == "RegionOne"
    assert (await admin.get("/v3/regions")).json()["regions"][0]["id"] == "RegionOne"
    region = (await admin.get("/v3/regions")).json()["regions"][0]
    assert (await admin.get(f"/v3/services/{services[0]['id']}")).json() == {"service": services[0]}
    assert (await admin.get(f"/v3/endpoints/{endpoints[0]['id']}")).json() == {"endpoint": endpoints[0]}
    assert (await admin.get(f"/v3/regions/{region['id']}")).json() == {"region": region}
    for kind, one in (("services", services[0]), ("endpoints", endpoints[0]), ("regions", region)):
        assert one["links"]["self"] == f"http://cloud.example:8775/identity/v3/{kind}/{one['id']}"


@pytest.mark.parametrize("path", ["services", "endpoints"])
async def test_only_administrators_see_them_and_strangers_learn_nothing(identity: World, path: str) -> None:
    await identity.user("ada", "member", await identity.project("own"))
    ada, admin = await identity.session("ada", scope="own"), await identity.admin()
    there = (await admin.get(f"/v3/{path}")).json()[path][0]["id"]
    assert (await ada.get(f"/v3/{path}")).status_code == 403
    assert same_answer(await ada.get(f"/v3/{path}/{there}"), await ada.get(f"/v3/{path}/{'0' * 32}"))
    missing = await admin.get(f"/v3/{path}/{'0' * 32}")
    assert (missing.status_code, missing.json()["error"]["title"]) == (404, "Not Found")


async def test_everybody_sees_the_regions(identity: World) -> None:
    await identity.user("ada", "reader", await identity.project("own"))
    ada = await identity.session("ada", scope="own")
    assert (await ada.get("/v3/regions/RegionOne")).status_code == 200
    assert (await ada.get("/v3/regions/nowhere")).json()["error"]["message"] == "Could not find region: nowhere."


async def test_the_catalogue_of_a_token(identity: World) -> None:
    admin = await identity.admin()
    shown = (await admin.get("/v3/auth/catalog")).json()
    token = (await admin.get("/v3/auth/tokens", X_Subject_Token=admin.token)).json()["token"]
    assert shown["catalog"] == token["catalog"]
    assert shown["links"] == {"self": "http://cloud.example:8775/identity/v3/auth/catalog"}
    assert (await (await identity.session("admin")).get("/v3/auth/catalog")).status_code == 403


async def test_a_new_service_is_in_the_next_catalogue_of_every_process(identity: World) -> None:
    other = await identity.process()
    other.token = (await identity.admin()).token
    assert "image" not in {each["type"] for each in (await other.get("/v3/auth/catalog")).json()["catalog"]}
    await register_service(identity.ctx, "image", "glance", "https://images.example/")
    catalog = (await other.get("/v3/auth/catalog")).json()["catalog"]
    image = next(each for each in catalog if each["type"] == "image")
    assert {each["url"] for each in image["endpoints"]} == {"https://images.example/"}


async def test_made_up_addresses_do_not_fill_the_memory(identity: World) -> None:
    admin = await identity.admin()
    for number in range(200):
        await admin.get("/v3/auth/catalog", Host=f"h{number}.example")
    assert len(identity.processes[0].memory[Catalogs].made) == 128


async def test_the_catalogue_of_two_projects_differs_in_their_id_alone(identity: World) -> None:
    one, two = await identity.project("one"), await identity.project("two")
    user_id = await identity.user("ada", "reader", one)
    await identity.grant(user_id, "reader", f"projects/{two}")
    texts = [
        (await (await identity.session("ada", scope=name)).get("/v3/auth/catalog")).text for name in ("one", "two")
    ]
    assert texts[0] != texts[1]
    assert texts[0].replace(one, two) == texts[1]
