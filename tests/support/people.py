"""Who uses a cloud by HTTP: how they log in, and how a tenant is made."""

from __future__ import annotations

from typing import Any

import httpx

from support.cloud import Asks


def password_login(user: str, password: str, project: str) -> dict[str, Any]:
    """The body that asks for a token of a project; all of it is in the default domain."""
    default = {"id": "default"}
    known = {"name": user, "password": password, "domain": default}
    scope = {"project": {"name": project, "domain": default}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": known}}, "scope": scope}}


async def logged_in(http: httpx.AsyncClient, user: str, password: str, project: str) -> dict[str, str]:
    """The header with a token."""
    answer = await http.post("/identity/v3/auth/tokens", json=password_login(user, password, project))
    assert answer.status_code == 201, answer.text
    return {"X-Auth-Token": answer.headers["X-Subject-Token"]}


async def client(
    url: str, user: str, password: str, project: str, *, versions: str, timeout: float
) -> httpx.AsyncClient:
    """Somebody who is logged in, and asks for these versions of the APIs."""
    async with httpx.AsyncClient(base_url=url, timeout=timeout) as http:
        token = await logged_in(http, user, password, project)
    return httpx.AsyncClient(base_url=url, timeout=timeout, headers={**token, "OpenStack-API-Version": versions})


async def add_tenant(admin: httpx.AsyncClient | Asks, name: str, password: str) -> str:
    """The id of a project of that name, of which a user of that name is a member."""
    project = (await admin.post("/identity/v3/projects", json={"project": {"name": name}})).json()["project"]["id"]
    user = {"name": name, "password": password}
    user_id = (await admin.post("/identity/v3/users", json={"user": user})).json()["user"]["id"]
    (role,) = (await admin.get("/identity/v3/roles?name=member")).json()["roles"]
    path = f"/identity/v3/projects/{project}/users/{user_id}/roles/{role['id']}"
    assert (await admin.put(path)).status_code == 204
    return str(project)
