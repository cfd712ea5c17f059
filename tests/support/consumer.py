"""Consumers of OAuth who sign by oauthlib's client, as OpenStack's own clients do, and what an administrator lends them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import httpx
from oauthlib.oauth1 import Client

from support.identity import World, by_password

ROOT = "http://cloud.example:8775/identity/v3"
REQUEST = "/v3/OS-OAUTH1/request_token"
ACCESS = "/v3/OS-OAUTH1/access_token"
LOGIN = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}


class Consumer:
    """Who signs requests."""

    def __init__(self, identity: World, keys: dict[str, Any]) -> None:
        self.identity, self.id, self.secret = identity, keys["id"], keys["secret"]

    def signed(self, path: str, **said: Any) -> dict[str, str]:
        """The header of a request."""
        said.setdefault("timestamp", str(int(self.identity.clock.now())))
        said.setdefault("nonce", self.identity.ctx.world.ids.hex())
        client = Client(self.id, client_secret=said.pop("secret", self.secret), **said)
        _, headers, _ = client.sign(f"{ROOT}{path.removeprefix('/v3')}", http_method="POST")
        return {"Authorization": headers["Authorization"]}

    async def post(self, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **said: Any) -> Any:
        sent = {**self.signed(path, **said), **(headers or {})}
        return await self.identity.clients[0].post(path, json=body, headers=sent)

    async def request(self, project_id: str, **said: Any) -> Any:
        return await self.post(REQUEST, headers={"Requested-Project-Id": project_id}, callback_uri="oob", **said)

    async def exchange(self, token: dict[str, str], verifier: str, **said: Any) -> Any:
        keys = {"resource_owner_key": token["oauth_token"], "resource_owner_secret": token["oauth_token_secret"]}
        return await self.post(ACCESS, **{**keys, "verifier": verifier, **said})

    async def login(self, token: dict[str, str], query: str = "", **said: Any) -> Any:
        keys = {"resource_owner_key": token["oauth_token"], "resource_owner_secret": token["oauth_token_secret"]}
        headers = self.signed("/v3/auth/tokens", **{**keys, **said})
        return await self.identity.clients[0].post(f"/v3/auth/tokens{query}", json=LOGIN, headers=headers)


def read(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(answer.text))


async def consumer(identity: World, **facts: Any) -> Consumer:
    made = await (await identity.admin()).post("/v3/OS-OAUTH1/consumers", {"consumer": facts})
    assert made.status_code == 201, made.text
    return Consumer(identity, made.json()["consumer"])


async def authorized(identity: World, asker: Consumer, *names: str) -> tuple[dict[str, str], str]:
    """A request token that the administrator has authorized for these roles in their project, and its verifier."""
    admin = await identity.admin()
    token = read(await asker.request(await admin_project(identity)))
    sent = {"roles": [{"name": name} for name in names]}
    answer = await admin.put(f"/v3/OS-OAUTH1/authorize/{token['oauth_token']}", sent)
    assert answer.status_code == 200, answer.text
    return token, answer.json()["token"]["oauth_verifier"]


async def lent(identity: World, asker: Consumer, *names: str) -> dict[str, str]:
    """An access token for these roles of the administrator in their project."""
    return read(await asker.exchange(*await authorized(identity, asker, *names)))


async def admin_project(identity: World) -> str:
    token = (await identity.login(by_password("admin", scope="admin"))).json()["token"]
    return str(token["project"]["id"])


async def admin_id(identity: World) -> str:
    return str((await identity.login(by_password("admin"))).json()["token"]["user"]["id"])
