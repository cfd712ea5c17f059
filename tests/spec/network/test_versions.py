"""What Networking says of itself."""

from __future__ import annotations

from support.cloud import RunningCloud
from support.networks import error


async def test_the_root_tells_the_version_to_anybody(cloud: RunningCloud) -> None:
    answer = await cloud.get("/network", headers={"X-Auth-Token": None})
    assert answer.status_code == 200
    links = [{"rel": "self", "href": "http://cloud.test/network/v2.0/"}]
    assert answer.json() == {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}


async def test_what_is_not_there_reads_as_neutron_says_it(cloud: RunningCloud) -> None:
    assert error(await cloud.get("/network/v2.0/nonsense")) == (
        404,
        "HTTPNotFound",
        "The resource could not be found.",
    )
    assert error(await cloud.get("/network/v2.0/networks/nonsense")) == (
        404,
        "NetworkNotFound",
        "Network nonsense could not be found.",
    )
    assert (await cloud.get("/network/v2.0/networks", headers={"X-Auth-Token": None})).json()["error"]["code"] == 401
    assert error(await cloud.delete("/network/v2.0/networks"))[0] == 405
