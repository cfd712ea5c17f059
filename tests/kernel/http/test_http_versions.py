"""Microversions and version documents, as keystoneauth understands them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from keystoneauth1 import discover
from keystoneauth1.session import Session
from requests import Response
from requests.adapters import BaseAdapter

from pileus.kernel.config import Api, Config
from pileus.kernel.context import Ctx
from pileus.kernel.http import ApiVersion, Here, Service, VersionDocument, build_app
from support.http_demo import MEMBER, World, authenticate, http_scope, served, spoken

pytestmark = pytest.mark.database("sqlite")
URL = "/compute/v2.1/widgets/00000000-0000-4000-8000-000000000000"
COMMON, NOVA = "openstack-api-version", "x-openstack-nova-api-version"


async def asked(api: httpx.AsyncClient, *headers: tuple[str, str]) -> httpx.Response:
    return await api.get(URL, headers=[*MEMBER.items(), *headers])


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], "2.1"),
        ([(COMMON, "compute 2.93")], "2.93"),
        ([(COMMON, "Compute   2.93")], "2.93"),
        ([(COMMON, "compute latest")], "2.96"),
        ([(COMMON, "volume 3.1, compute 2.7")], "2.7"),
        ([(COMMON, "volume 3.1"), (COMMON, "compute 2.7")], "2.7"),
        ([(COMMON, "volume 3.1")], "2.1"),
        ([(COMMON, "compute")], "2.1"),
        ([(NOVA, "2.10")], "2.10"),
        ([(NOVA, "latest")], "2.96"),
        ([(COMMON, "compute 2.7"), (NOVA, "2.10")], "2.7"),
        ([(COMMON, "volume 3.1"), (NOVA, "2.10")], "2.10"),
    ],
)
async def test_a_version_is_negotiated_and_said(
    api: httpx.AsyncClient, headers: list[tuple[str, str]], said: str
) -> None:
    answer = await asked(api, *headers)
    assert (answer.status_code, answer.headers[COMMON], answer.headers[NOVA]) == (404, f"compute {said}", said)
    assert answer.headers["vary"] == "OpenStack-API-Version, X-OpenStack-Nova-API-Version, X-Auth-Token"


@pytest.mark.parametrize("version", ["2.97", "2.0", "3.0", "1.1"])
async def test_a_version_out_of_range_is_a_406_that_says_the_range(api: httpx.AsyncClient, version: str) -> None:
    answer = await asked(api, (COMMON, f"compute {version}"))
    message = f"Version {version} is not supported by the API. Minimum is 2.1 and maximum is 2.96."
    assert (answer.status_code, answer.json()["notAcceptable"]["message"]) == (406, message)
    assert answer.headers["openstack-api-minimum-version"] == "compute 2.1"
    assert answer.headers["openstack-api-maximum-version"] == "compute 2.96"
    assert answer.headers["x-openstack-nova-api-maximum-version"] == "2.96"


@pytest.mark.parametrize("version", ["2", "2.x", "2.01", "02.1", "2.1.1", "-1.1", "2.\u0661", "9" * 99 + ".1", "1 2"])
async def test_a_version_that_is_none_is_a_400(api: httpx.AsyncClient, version: str) -> None:
    answer = await asked(api, (COMMON, f"compute {version}".encode("latin-1", "replace").decode("latin-1")))
    assert answer.status_code == 400
    assert "is of invalid format. Must be of format MajorNum.MinorNum." in answer.json()["badRequest"]["message"]


async def test_a_service_without_versions_says_none(world: World) -> None:
    api = Service("identity", "/identity")

    @api.get("/x", anonymous=True)
    async def show(ctx: Ctx) -> dict[str, Any]:
        return {"version": ctx.version, "at": ctx.at("1.0")}

    async with served(world, api) as client:
        answer = await client.get("/identity/x", headers={COMMON: "identity 99.99"})
        assert answer.json() == {"version": None, "at": False}
        assert COMMON not in answer.headers
        assert "vary" not in answer.headers


# version documents

KEYSTONE = VersionDocument(
    versions=(ApiVersion(id="v3.14", path="/v3/", status="stable", extra={"updated": "2020-04-07T00:00:00Z"}),),
    values=True,
)
NOVA_DOCUMENT = VersionDocument(
    versions=(
        ApiVersion(id="v2.0", path="/v2/", status="SUPPORTED", minimum="", maximum=""),
        ApiVersion(id="v2.1", path="/v2.1/", minimum="2.1", maximum="2.96"),
    ),
    root_status=200,
)
CINDER = VersionDocument(
    versions=(ApiVersion(id="v3.0", path="/v3/", minimum="3.0", maximum="3.71"),), single="versions"
)
GLANCE = VersionDocument(
    versions=tuple(
        ApiVersion(id=f"v2.{n}", path="/v2/", status="CURRENT" if n == 16 else "SUPPORTED") for n in (16, 9)
    ),
    single="",
    also=("/versions",),
)
PLACEMENT = VersionDocument(
    versions=(ApiVersion(id="v1.0", path="/", minimum="1.0", maximum="1.39"),),
    maximum_key="max_version",
    root_status=200,
    single="",
)


def documented(name: str, prefix: str, document: VersionDocument) -> Service:
    api = Service(name, prefix)
    document.declare(api)
    return api


def catalogue() -> list[Service]:
    return [
        documented("identity", "/identity", KEYSTONE),
        documented("compute", "/compute", NOVA_DOCUMENT),
        documented("volume", "/volume", CINDER),
        documented("image", "/image", GLANCE),
        documented("placement", "/placement", PLACEMENT),
    ]


async def test_each_service_writes_its_versions_in_its_own_shape(world: World) -> None:
    v3 = {
        "id": "v3.14",
        "status": "stable",
        "links": [{"rel": "self", "href": "http://cloud.test/identity/v3/"}],
        "updated": "2020-04-07T00:00:00Z",
    }
    async with served(world, *catalogue()) as client:
        for path in ("/identity", "/identity/"):
            root = await client.get(path)
            assert (root.status_code, root.json()) == (300, {"versions": {"values": [v3]}})
        for path in ("/identity/v3", "/identity/v3/"):
            own = await client.get(path)
            assert (own.status_code, own.json()) == (200, {"version": v3})
        compute = await client.get("/compute/")
        assert (compute.status_code, [v["id"] for v in compute.json()["versions"]]) == (200, ["v2.0", "v2.1"])
        shown = (await client.get("/compute/v2.1/")).json()["version"]
        assert (shown["min_version"], shown["version"]) == ("2.1", "2.96")
        assert [v["id"] for v in (await client.get("/volume/v3/")).json()["versions"]] == ["v3.0"]
        image, named = await client.get("/image"), await client.get("/image/versions")
        assert (image.status_code, named.status_code) == (300, 200)
        assert image.json() == named.json()
        assert (await client.get("/image/v2/")).status_code == 404
        assert (await client.get("/placement/")).json()["versions"][0]["max_version"] == "1.39"


class InProcess(BaseAdapter):
    """Lets the stock client read documents that were fetched before."""

    def __init__(self, documents: dict[str, httpx.Response]) -> None:
        super().__init__()
        self.documents = documents

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        fetched = self.documents[urlsplit(request.url).path]
        answer = Response()
        answer.status_code, answer.url, answer._content = fetched.status_code, request.url, fetched.content
        answer.headers.update(fetched.headers)
        answer.request = request
        return answer

    def close(self) -> None: ...


async def test_the_stock_clients_discovery_reads_them_all(world: World) -> None:
    paths = ("/identity", "/identity/v3/", "/compute", "/compute/v2.1/", "/volume/v3/", "/image", "/placement")
    async with served(world, *catalogue()) as client:
        documents = {path: await client.get(path) for path in paths}
    session = Session()
    session.mount("http://", InProcess(documents))
    for path, version, url, microversion in [
        ("/identity", (3, 14), "/identity/v3/", None),
        ("/identity/v3/", (3, 14), "/identity/v3/", None),
        ("/compute", (2, 1), "/compute/v2.1/", (2, 96)),
        ("/compute/v2.1/", (2, 1), "/compute/v2.1/", (2, 96)),
        ("/volume/v3/", (3, 0), "/volume/v3/", (3, 71)),
        ("/image", (2, 16), "/image/v2/", None),
        ("/placement", (1, 0), "/placement/", (1, 39)),
    ]:
        found = discover.Discover(session, f"http://cloud.test{path}").version_data()[-1]
        assert (found["version"], found["url"]) == (version, f"http://cloud.test{url}")
        assert found["max_microversion"] == microversion


# links

LINK = Service("links", "/links")


@LINK.get("/{name}", anonymous=True)
async def show_link(ctx: Ctx, name: str, here: Here) -> dict[str, Any]:
    return {"url": here.url(here.path), "again": here.again(page="2")}


@pytest.mark.parametrize(
    ("headers", "root"),
    [
        ({}, "http://cloud.test"),
        ({"host": "c:99"}, "http://c:99"),
        ({"host": "[::1]:99"}, "http://[::1]:99"),
        ({"host": "evil/<script>"}, "http://cloud.test"),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "front.example, inner"}, "https://front.example"),
        ({"x-forwarded-proto": "javascript"}, "http://cloud.test"),
        (
            {"forwarded": 'for=10.0.0.1;host="front.example:8443";proto=https, for=x;host=inner'},
            "https://front.example:8443",
        ),
        ({"forwarded": "for=10.0.0.1"}, "http://cloud.test"),
    ],
)
async def test_links_follow_the_way_the_request_came(world: World, headers: dict[str, str], root: str) -> None:
    async with served(world, LINK) as client:
        said = (await client.get("/links/%C3%A4?a=1&a=2&page=1", headers=headers)).json()
        assert said == {"url": f"{root}/links/%C3%A4", "again": "/%C3%A4?a=1&a=2&page=2"}


async def test_links_name_what_the_operator_calls_the_cloud(world: World) -> None:
    world.config = Config(api=Api(public_url="https://cloud.example/"))
    async with served(world, LINK) as client:
        said = (await client.get("/links/a", headers={"host": "inner", "x-forwarded-host": "x"})).json()
        assert said == {"url": "https://cloud.example/links/a", "again": "/a?page=2"}


async def test_links_name_the_address_when_there_is_no_host(world: World) -> None:
    app = build_app(world, [LINK], authenticate)
    for server, root in [
        (("::1", 80), "http://[::1]:80"),
        (("/run/x.sock", None), "http://localhost"),
        (None, "http://localhost"),
    ]:
        _, body = await spoken(app, http_scope("GET", "/links/a", server=server), [])
        assert f'"{root}/links/a"'.encode() in body["body"]
