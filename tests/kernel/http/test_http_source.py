"""Where a request came from: nobody makes that up who is no proxy of ours."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pileus.kernel.config import Config, Http
from pileus.kernel.context import Ctx
from pileus.kernel.http import Service, build_app
from pileus.kernel.http.urls import source
from support.http_demo import World, authenticate, http_scope, spoken

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("client", "said", "expected"),
    [
        ("192.0.2.7", b"", "192.0.2.7"),
        ("192.0.2.7", b"198.51.100.1", "192.0.2.7"),  # no proxy of ours
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", b"6.6.6.6, 192.0.2.7", "192.0.2.7"),  # what the client said itself comes first
        ("10.0.0.1", b"192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("fd00::1", b"2001:db8::7,fd00::2", "2001:db8::7"),
        ("10.0.0.1", b"10.0.0.3", "10.0.0.3"),  # somebody on a proxy
        ("10.0.0.1", b"unknown", "unknown"),
        ("10.0.0.1", b"192.0.2.7, ", "10.0.0.1"),
    ],
)
def test_the_source_is_who_connected_or_whom_a_trusted_proxy_names(client: str, said: bytes, expected: str) -> None:
    headers = {b"x-forwarded-for": said} if said else {}
    assert source({"client": (client, 1)}, headers, PROXIES) == expected


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert source({"client": ("10.0.0.1", 1)}, {b"x-forwarded-for": b"192.0.2.7"}, ()) == "10.0.0.1"
    assert source({"client": None}, {b"x-forwarded-for": b"192.0.2.7"}, PROXIES) == ""


@pytest.mark.database("sqlite")
async def test_handlers_are_told_the_source(world: World) -> None:
    seen: list[str] = []
    api = Service("where", "/where")

    @api.get("/asked", anonymous=True, status=204)
    async def asked(ctx: Ctx) -> None:
        seen.append(ctx.source)

    world.config = Config(http=Http(trusted_proxies=("10.0.0.1", "fd00::/8")))
    app = build_app(world, [api], authenticate)
    for client in ("10.0.0.1", "10.0.0.2"):
        scope = http_scope("GET", "/where/asked", (b"x-forwarded-for", b"192.0.2.7"), client=(client, 1))
        await spoken(app, scope, [])
    assert seen == ["192.0.2.7", "10.0.0.2"]
