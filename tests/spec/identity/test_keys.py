"""Token keys: rotated without one refused token, and useless without the site key."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from pileus.kernel.config import Config, Identity
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, Unavailable
from pileus.kernel.housekeeping import Housekeeping
from pileus.kernel.seal import Seal
from pileus.services.identity.keys import service as keys
from pileus.services.identity.revision import service as revision
from support.identity import Session, World, by_password

HOURLY = Config(identity=Identity(bcrypt_rounds=4, token_ttl_s=3600, fernet_rotate_s=3600))


async def works(session: Session) -> bool:
    return (await session.get("/v3/auth/projects")).status_code == 200


async def primary(identity: World) -> str:
    """The id of the key that tokens are made with."""
    return next(key.id for key in await keys.list_(identity.ctx) if key.state == "primary")


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


async def test_keys_rotate_by_themselves_and_no_token_is_refused(identity: World) -> None:
    """Six hours of logins, ten minutes apart, of tokens that last an hour."""
    await identity.process(HOURLY)
    admin = await identity.admin()
    housekeeping = Housekeeping(Ctx(identity.processes[1]), (), (keys.rotate_when_due,))
    rotations, alive = 0, []
    for _ in range(36):
        before = await primary(identity)
        await housekeeping.once()
        rotations += await primary(identity) != before
        admin = await identity.admin()
        alive = [*alive, (identity.clock.now(), admin.token)]
        alive = [(made, token) for made, token in alive if made + 3600 - 1 > identity.clock.now()]
        assert len(await states(identity)) <= HOURLY.identity.fernet_keys
        for _, token in alive:
            for client in identity.clients:
                assert await works(Session(client, token))
        identity.clock.advance(600)
    assert len(alive) == 6
    assert rotations == 5  # after an hour, then one in 70 minutes: when the oldest key is worn


async def test_of_many_who_find_a_rotation_due_one_does_it(identity: World) -> None:
    await identity.process(HOURLY)
    identity.clock.advance(3600 + 1)
    ctx = Ctx(identity.processes[1])
    await asyncio.gather(*(keys.rotate_when_due(ctx) for _ in range(16)))
    assert await states(identity) == ["primary", "secondary", "staged"]
    await keys.rotate_when_due(ctx)
    assert await states(identity) == ["primary", "secondary", "staged"]


async def test_a_rotation_that_is_cut_off_leaves_nothing(identity: World) -> None:
    await identity.process(HOURLY)
    identity.clock.advance(3600 + 1)
    ctx, before = Ctx(identity.processes[1]), await primary(identity)
    with pytest.raises(KeyboardInterrupt):
        async with ctx.transaction() as writing:
            await keys.rotate_when_due(writing)
            raise KeyboardInterrupt
    assert (await states(identity), await primary(identity)) == (["primary", "staged"], before)
    await keys.rotate_when_due(ctx)
    assert await primary(identity) != before


async def test_keys_rotate_by_hand_only_if_the_operator_says_so(identity: World) -> None:
    await identity.process(Config(identity=Identity(bcrypt_rounds=4, fernet_rotate_s=0)))
    identity.clock.advance(10 * 86_400)
    await keys.rotate_when_due(Ctx(identity.processes[1]))
    assert await states(identity) == ["primary", "staged"]


async def test_a_key_outlives_the_tokens_of_a_longer_time_to_live(identity: World) -> None:
    """Whoever shortens the time to live does not end the tokens that were made before."""
    await identity.process(Config(identity=Identity(bcrypt_rounds=4, token_ttl_s=7200)))
    await identity.process(HOURLY)
    long, short = Ctx(identity.processes[1]), Ctx(identity.processes[2])
    await keys.rotate(long)
    identity.clock.advance(7200 + keys.SLACK_S + 1)
    old = await identity.session("admin", process=1, scope="admin")
    token = (await Session(identity.clients[1]).post("/v3/auth/tokens", by_password("admin", scope="admin"))).headers
    old.token = token["X-Subject-Token"]
    await keys.rotate(short)
    identity.clock.advance(3600 + keys.SLACK_S + 1)
    with pytest.raises(Conflict):
        await keys.rotate(short)
    await keys.rotate_when_due(short)
    assert await works(old)


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
        await keys.ring(empty.ctx, await revision.current(empty.ctx))
