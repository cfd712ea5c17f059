"""Somebody who trusts somebody."""

from __future__ import annotations

from typing import Any

import httpx

from support.identity import Session, World, by_password

TRUSTS = "/v3/OS-TRUST/trusts"


class Pair:
    """Ada, a manager of the project `own`, and Bob, who has no role anywhere."""

    def __init__(self, world: World, project_id: str, ada_id: str, bob_id: str) -> None:
        self.world, self.project_id, self.ada_id, self.bob_id = world, project_id, ada_id, bob_id
        self.ada = self.bob = world.nobody

    def body(self, **facts: Any) -> dict[str, Any]:
        trust = {
            "trustor_user_id": self.ada_id,
            "trustee_user_id": self.bob_id,
            "project_id": self.project_id,
            "impersonation": False,
            "roles": [{"name": "member"}],
        }
        return {"trust": {**trust, **facts}}

    async def post(self, by: Session | None = None, **facts: Any) -> httpx.Response:
        return await (by or self.ada).post(TRUSTS, self.body(**facts))

    async def make(self, by: Session | None = None, **facts: Any) -> dict[str, Any]:
        answer = await self.post(by, **facts)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["trust"]
        return made

    async def answer(self, trust_id: str, name: str = "bob") -> httpx.Response:
        return await self.world.login(by_password(name, scope={"OS-TRUST:trust": {"id": trust_id}}))

    async def login(self, trust_id: str, name: str = "bob") -> Session:
        answer = await self.answer(trust_id, name)
        assert answer.status_code == 201, answer.text
        return Session(self.world.clients[0], answer.headers["X-Subject-Token"])

    async def takes_away(self, path: str) -> None:
        assert (await (await self.world.admin()).delete(path)).status_code == 204

    async def disables(self, path: str, kind: str) -> None:
        answer = await (await self.world.admin()).patch(path, {kind: {"enabled": False}})
        assert answer.status_code == 200, answer.text
