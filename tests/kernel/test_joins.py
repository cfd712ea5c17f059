"""Who may become a host, and by whom it is signed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from demo.world import DemoWorld
from pileus.kernel import hosts, joins, tls
from pileus.kernel.clock import SteppingClock
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database
from pileus.kernel.errors import BadRequest, Unauthorized
from pileus.kernel.join_token import JoinToken
from pileus.kernel.seal import Seal, SealError

ADDRESS = "10.0.0.1:8790"


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def ctx(database: Database, tmp_path: Path, clock: SteppingClock) -> Ctx:
    return DemoWorld(database, tmp_path, clock=clock).ctx(PILEUS)


async def token_for(ctx: Ctx, host: str) -> str:
    """The secret of a new token."""
    return (await joins.create_token(ctx, host))[0].secret


async def join(ctx: Ctx, secret: str, request: bytes | None = None) -> tuple[str, bytes]:
    asked = tls.request("whatever it calls itself")[0] if request is None else request
    return await joins.join(ctx, await joins.open_authority(ctx), secret, asked.decode(), address=ADDRESS)


async def test_a_token_makes_a_host_of_the_name_it_is_bound_to(ctx: Ctx) -> None:
    secret = await token_for(ctx, "one")
    name, pem = await join(ctx, secret)
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert (name, names.get_values_for_type(x509.DNSName)) == ("one", ["one"])
    certificate.verify_directly_issued_by((await joins.open_authority(ctx)).certificate)
    host = await hosts.by_serial(ctx, joins.serial_of(certificate))
    assert host is not None
    assert (host.name, host.address, host.usable) == ("one", ADDRESS, False)


async def test_a_token_is_good_once(ctx: Ctx) -> None:
    secret = await token_for(ctx, "one")
    await join(ctx, secret)
    with pytest.raises(Unauthorized):
        await join(ctx, secret)


async def test_of_many_who_come_at_once_one_joins(ctx: Ctx) -> None:
    secret = await token_for(ctx, "one")
    answers = await asyncio.gather(*(join(ctx, secret) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, tuple) for answer in answers) == 1
    assert sum(isinstance(answer, Unauthorized) for answer in answers) == 7


async def test_who_did_not_get_the_answer_may_ask_again_with_the_same_request(ctx: Ctx) -> None:
    secret, request = await token_for(ctx, "one"), tls.request("one")[0]
    first = await join(ctx, secret, request)
    again = await join(ctx, secret, request)
    assert again[0] == first[0] == "one"
    serials = [joins.serial_of(x509.load_pem_x509_certificate(pem)) for _, pem in (first, again)]
    assert [await hosts.by_serial(ctx, serial) is not None for serial in serials] == [False, True]


async def test_a_token_is_good_for_15_minutes(ctx: Ctx, clock: SteppingClock) -> None:
    secret, late = await token_for(ctx, "one"), await token_for(ctx, "two")
    clock.advance(joins.GOOD_FOR_S - 1)
    assert (await join(ctx, secret))[0] == "one"
    clock.advance(2)
    with pytest.raises(Unauthorized):
        await join(ctx, late)


async def test_a_request_that_cannot_be_signed_does_not_use_the_token_up(ctx: Ctx) -> None:
    secret = await token_for(ctx, "one")
    with pytest.raises(BadRequest):
        await join(ctx, secret, b"no request")
    assert (await join(ctx, secret))[0] == "one"


async def test_a_made_up_token_is_refused(ctx: Ctx) -> None:
    with pytest.raises(Unauthorized):
        await join(ctx, "made up")


@pytest.mark.parametrize("name", ["", "One", "1", "-a", "a-", "a b", "a/b", "a\n", "é", "a" * 64, "control.pileus"])
async def test_not_everything_is_a_name(ctx: Ctx, name: str) -> None:
    with pytest.raises(BadRequest):
        await token_for(ctx, name)


async def test_the_database_holds_neither_the_secret_nor_the_key(ctx: Ctx, database: Database) -> None:
    secret = await token_for(ctx, "one")
    authority = await joins.open_authority(ctx)
    async with database.read() as read:
        stored = [(await read.execute(table.select())).all() for table in (joins.tokens, joins.authorities)]
    assert secret not in str(stored)
    assert tls.pem_of(authority.key) not in stored[1][0].sealed_key


async def test_there_is_one_authority_and_only_the_site_key_opens_it(
    ctx: Ctx, database: Database, tmp_path: Path
) -> None:
    made = await asyncio.gather(*(joins.open_authority(ctx) for _ in range(4)))
    assert len({authority.pem for authority in made}) == 1
    chain = joins.control_chain(made[0], "control.pileus")
    assert name_in(chain) == "control.pileus"
    stranger = DemoWorld(database, tmp_path, seal=Seal(b"x" * 32)).ctx(PILEUS)
    with pytest.raises(SealError):
        await joins.open_authority(stranger)


def name_in(chain: bytes) -> str:
    return tls.peer_name(x509.load_pem_x509_certificate(chain).public_bytes(serialization.Encoding.DER))


async def test_a_token_is_carried_as_text_and_says_whom_to_trust(ctx: Ctx) -> None:
    token, expires_at = await joins.create_token(ctx, "one")
    assert JoinToken.parse(f"{token}\n") == token
    assert token.ca == (await joins.open_authority(ctx)).certificate.fingerprint(hashes.SHA256()).hex()
    assert 0 < expires_at - ctx.now() <= joins.GOOD_FOR_S
    with pytest.raises(ValueError, match="begins with"):
        JoinToken.parse("nothing")
