"""/pileus/v1/keys: which token keys there are, and a rotation by hand."""

from __future__ import annotations

from support.cloud import RunningCloud

URL = "/pileus/v1/keys"


async def test_keys_are_listed_without_what_they_are(cloud: RunningCloud) -> None:
    found = (await cloud.get("/pileus/v1/keys")).json()["keys"]
    assert {key["state"] for key in found} == {"primary", "staged"}
    for key in found:
        assert key.keys() == {"id", "state", "made_at", "retired_at"}
        assert (key["made_at"][-1], key["retired_at"]) == ("Z", None)


async def test_a_rotation_by_hand_makes_the_staged_key_primary(cloud: RunningCloud) -> None:
    of = {key["state"]: key["id"] for key in (await cloud.get(URL)).json()["keys"]}
    assert (await cloud.post("/pileus/v1/keys/action", json={"rotate": None})).status_code == 204
    after = {key["state"]: key for key in (await cloud.get(URL)).json()["keys"]}
    assert (after["primary"]["id"], after["secondary"]["id"]) == (of["staged"], of["primary"])
    assert after["secondary"]["retired_at"] is not None
    early = await cloud.post("/pileus/v1/keys/action", json={"rotate": None})
    assert early.status_code == 409
    assert "identity.fernet_keys" in early.text
