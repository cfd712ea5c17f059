"""Who uses a cloud by HTTP: how they log in, and how a tenant is made."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx

from support.cloud import Asks


def password_login(user: str, password: str, project: str) -> dict[str, Any]:
    """The body that asks for a token of a project; all of it is in the default domain."""
    default = {"id": "default"}
    known = {"name": user, "password": password, "domain": default}
    scope = {"project": {"name": project, "domain": default}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": known}}, "scope": scope}}


class Login(httpx.Auth):
    """Sends a token, and gets another one when it has expired: as clients do."""

    def __init__(self, user: str, password: str, project: str) -> None:
        self._body, self._token = password_login(user, password, project), ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Auth-Token"] = self._token
        if self._token and (yield request).status_code != httpx.codes.UNAUTHORIZED:
            return
        where = request.url.copy_with(raw_path=b"/identity/v3/auth/tokens")
        answer = yield httpx.Request("POST", where, json=self._body)
        if answer.status_code == httpx.codes.CREATED:
            self._token = request.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
            yield request


async def client(
    url: str, user: str, password: str, project: str, *, versions: str, timeout: float
) -> httpx.AsyncClient:
    """Somebody who is logged in, and asks for these versions of the APIs."""
    headers = {"OpenStack-API-Version": versions}
    return httpx.AsyncClient(base_url=url, timeout=timeout, headers=headers, auth=Login(user, password, project))


async def add_tenant(admin: httpx.AsyncClient | Asks, name: str, password: str) -> str:
    """The id of a project of that name, of which a user of that name is a member."""
    project = (await admin.post("/identity/v3/projects", json={"project": {"name": name}})).json()["project"]["id"]
    user = {"name": name, "password": password}
    user_id = (await admin.post("/identity/v3/users", json={"user": user})).json()["user"]["id"]
    (role,) = (await admin.get("/identity/v3/roles?name=member")).json()["roles"]
    path = f"/identity/v3/projects/{project}/users/{user_id}/roles/{role['id']}"
    assert (await admin.put(path)).status_code == 204
    return str(project)
