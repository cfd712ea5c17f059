"""Token keys: rotated without one refused token, and useless without the site key."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from pileus.kernel.errors import Conflict, Unavailable
from pileus.kernel.seal import Seal
from pileus.services.identity.keys import service as keys
from pileus.services.identity.revision import service as revision
from support.identity import Session, World


async def works(session: Session) -> bool:
    return (await session.get("/v3/auth/projects")).status_code == 200


async def states(identity: World) -> list[str]:
    async with identity.database.transaction() as connection:
        rows = await connection.execute(sa.text("SELECT state FROM identity_fernet_key ORDER BY state"))
        return [row[0] for row in rows]


async def test_tokens_of_before_and_after_a_rotation_are_good_everywhere(identity: World) -> None:
    other = await identity.process()
    before = await identity.admin()
    await keys.rotate(identity.ctx)
    assert await states(identity) == ["primary", "secondary", "staged"]
    after = await identity.admin()
    for token in (before.token, after.token):
        assert await works(Session(identity.clients[0], token))
        assert await works(Session(other.http, token))


async def test_a_key_is_kept_until_its_last_token_has_expired(identity: World) -> None:
    old = await identity.admin()
    await keys.rotate(identity.ctx)
    with pytest.raises(Conflict, match="fernet_keys"):
        await keys.rotate(identity.ctx)
    assert await works(old)
    identity.clock.advance(3600 + keys.SLACK_S + 1)
    young = await identity.admin()
    await keys.rotate(identity.ctx)
    assert await states(identity) == ["primary", "secondary", "staged"]
    assert await works(young)


async def test_the_keys_in_the_database_are_sealed_each_for_its_row(identity: World) -> None:
    async with identity.database.transaction() as connection:
        rows = list(await connection.execute(sa.text("SELECT id, sealed FROM identity_fernet_key")))
    seal = identity.processes[0].seal
    for id_, sealed in rows:
        key = seal.open(bytes(sealed), place=keys.place(id_))
        assert key not in bytes(sealed)


async def test_another_site_key_is_said_so(identity: World) -> None:
    session = await identity.process()
    identity.processes[1].seal = Seal(b"x" * 32)
    session.token = (await identity.admin()).token
    answer = await session.get("/v3/auth/projects")
    assert answer.status_code == 503
    assert "site key" in answer.json()["error"]["message"]


async def test_before_the_beginning_nobody_can_be_known(empty: World) -> None:
    answer = await empty.nobody.get("/v3/auth/projects", X_Auth_Token="x")
    assert answer.status_code == 503
    assert "pileus up" in answer.json()["error"]["message"]
    async with empty.ctx.transaction() as ctx:
        await revision.begin(ctx)
    with pytest.raises(Unavailable, match="no token keys"):
        await keys.ring(empty.ctx)
