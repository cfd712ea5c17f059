"""What Identity says of itself before anybody has logged in, as Keystone says it and keystoneauth reads it."""

from __future__ import annotations

import httpx
import pytest
from keystoneauth1 import discover
from keystoneauth1.discover import Status

from support.identity import World

AT = "http://cloud.example:8775/identity/v3/"
V3 = {
    "id": "v3.14",
    "status": "stable",
    "updated": "2020-04-07T00:00:00Z",
    "links": [{"rel": "self", "href": AT}],
    "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
}


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_root_offers_a_choice_and_proposes_v3(identity: World, path: str) -> None:
    answer = await identity.nobody.get(path)
    first, *others = answer.json()["versions"]["values"]
    assert (answer.status_code, first) == (300, V3)
    assert [(other["id"], other["status"]) for other in others] == [("v2.0", "deprecated")]
    assert answer.headers["Location"] == AT


@pytest.mark.parametrize("path", ["/v3", "/v3/"])
async def test_the_version_speaks_for_itself(identity: World, path: str) -> None:
    answer = await identity.nobody.get(path)
    assert (answer.status_code, answer.json()) == (200, {"version": V3})
    assert (await identity.nobody.head(path)).status_code == 200


async def test_keystoneauth_finds_it_from_the_root_and_from_the_version(identity: World) -> None:
    for path in ("", "/v3"):
        document = (await identity.nobody.get(path)).json()
        found = discover.Discover(Offline(document), "http://cloud.example:8775/identity").version_data()[-1]  # type: ignore[arg-type]
        assert (found["version"], found["status"], found["url"]) == ((3, 14), Status.CURRENT, AT)


class Offline:
    """As much of a keystoneauth session as discovery asks, with the answer that is there."""

    def __init__(self, document: object) -> None:
        self._answer = httpx.Response(200, json=document)

    def get(self, url: str, **asked: object) -> httpx.Response:
        return self._answer
