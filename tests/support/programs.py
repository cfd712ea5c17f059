"""Somebody whose programs log in by application credentials."""

from __future__ import annotations

from typing import Any

import httpx

from support.identity import Session, World


def by_credential(**named: Any) -> dict[str, Any]:
    return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": named}}}


class Ada:
    """A member and reader of the project `own`."""

    def __init__(self, world: World, user_id: str, project_id: str, session: Session) -> None:
        self.world, self.id, self.project_id, self.session = world, user_id, project_id, session
        self.path = f"/v3/users/{user_id}/application_credentials"
        self.rules = f"/v3/users/{user_id}/access_rules"

    async def post(self, name: str = "backup", **facts: Any) -> httpx.Response:
        path = f"/v3/users/{self.id}/application_credentials"
        return await self.session.post(path, {"application_credential": {"name": name, **facts}})

    async def make(self, name: str = "backup", **facts: Any) -> dict[str, Any]:
        answer = await self.post(name, **facts)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["application_credential"]
        return made

    async def login(self, made: dict[str, Any]) -> Session:
        answer = await self.world.login(by_credential(id=made["id"], secret=made["secret"]))
        assert answer.status_code == 201, answer.text
        return Session(self.world.clients[0], answer.headers["X-Subject-Token"])


async def ada_of(world: World) -> Ada:
    project_id = await world.project("own")
    user_id = await world.user("ada", "member", project_id)
    return Ada(world, user_id, project_id, await world.session("ada", scope="own"))
