"""A deleted user takes along whatever is its own, in every noun."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pileus.kernel.db import metadata
from support.identity import Session, World

KEPT = {
    "audit": "who did what stays known",
    "event": "what was told stays told",
    "identity_revocation_event": "refuses tokens until the last of them has expired",
}


async def test_a_deleted_user_leaves_nothing_behind(identity: World) -> None:
    project_id = await identity.project("own")
    user_id = await identity.user("ada", "member", project_id)
    ada, admin = await identity.session("ada", scope="own"), await identity.admin()
    await everything(identity, admin, ada, user_id)
    before = await mentions(identity, user_id)
    assert len(before) >= 7
    assert (await admin.delete(f"/v3/users/{user_id}")).status_code == 204
    left = await mentions(identity, user_id)
    assert left <= KEPT.keys()


async def everything(identity: World, admin: Session, ada: Session, user_id: str) -> None:
    """Of each thing that a user may have one."""
    project_id = (await ada.get("/v3/auth/projects")).json()["projects"][0]["id"]
    group = (await admin.post("/v3/groups", {"group": {"name": "all"}})).json()["group"]["id"]
    await identity.grant(user_id, "reader", "system")
    rule = {"service": "identity", "path": "/v3/x", "method": "GET"}
    sent: list[tuple[Session, str, str, Any]] = [
        (admin, "PUT", f"/v3/groups/{group}/users/{user_id}", None),
        (admin, "POST", "/v3/credentials", {"credential": {"type": "cert", "blob": "x", "user_id": user_id}}),
        (ada, "POST", f"/v3/users/{user_id}/credentials/OS-EC2", {"tenant_id": project_id}),
        (ada, "POST", f"/v3/users/{user_id}/application_credentials", named("own", access_rules=[rule])),
    ]
    for who, method, path, body in sent:
        answer = await who.request(method, path, body)
        assert answer.is_success, (path, answer.text)


def named(name: str, **facts: Any) -> dict[str, Any]:
    return {"application_credential": {"name": name, **facts}}


async def mentions(identity: World, id_: str) -> set[str]:
    """The tables in which the id stands alone in a column."""
    found = set()
    async with identity.database.read() as connection:
        for table in metadata.tables.values():
            texts = [c == id_ for c in table.columns if isinstance(c.type, sa.Text)]
            if (
                texts
                and (
                    await connection.execute(sa.select(sa.literal(1)).select_from(table).where(sa.or_(*texts)))
                ).first()
            ):
                found.add(table.name)
    return found
