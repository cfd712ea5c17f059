"""Bytes from elsewhere, by a URL that somebody gave whom we do not trust: nothing inside is reached by it.

A name is resolved once, every address it has is looked at, and the connection goes to that address, whatever the name means
by then. Each redirect is a new URL. Inside is whatever the internet does not route, and this machine.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, closing
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from pileus.kernel.config import Image as Options
from pileus.kernel.errors import BadRequest

if TYPE_CHECKING:
    import httpx  # costs a start 0.1 s, which only who downloads need pay

REDIRECTS = 5
CONNECT_S, READ_S = 10.0, 30.0
PORTS = {"http": 80, "https": 443}
NAT64 = ip_network("64:ff9b::/96")
PLAIN = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "pileus"}

Address = IPv4Address | IPv6Address


class DownloadFailed(BadRequest):
    """The bytes cannot be had: the message says why."""


class Place(NamedTuple):
    """Where a URL leads: `address` is the one that is asked."""

    url: SplitResult
    host: str
    port: int
    address: Address


def check_url(text: str, options: Options) -> tuple[SplitResult, str, int]:
    """The URL, its host and port, if it may be asked at all. Raises DownloadFailed."""
    refused = DownloadFailed(f"URI for web-download does not pass filtering: {text[:1024]}")
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port or PORTS.get(url.scheme, 0)
    except ValueError:
        raise refused from None
    if url.scheme not in PORTS or not host or port not in options.download_ports or "@" in url.netloc:
        raise refused
    if not text.isprintable() or " " in text:
        raise refused
    literal = read_address(host)
    if literal is not None and not may_reach(literal, options):
        raise refused
    return url, host, port


def read_address(text: str) -> Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def may_reach(address: Address, options: Options) -> bool:
    """Whether it is outside, or the operator has opened its network."""
    if any(address in ip_network(network) for network in options.download_networks):
        return True
    return all(each.is_global and not each.is_multicast and not is_own(each) for each in meant(address))


def meant(address: Address) -> Iterable[Address]:
    """The address, and the one of IPv4 that it stands for."""
    yield address
    if isinstance(address, IPv6Address):
        if address in NAT64:
            yield IPv4Address(int(address) & 0xFFFF_FFFF)
        teredo = address.teredo or ()
        yield from (each for each in (address.ipv4_mapped, address.sixtofour, *teredo) if each is not None)


def is_own(address: Address) -> bool:
    """Whether this machine has it: who may listen there has it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


async def find(text: str, options: Options) -> Place:
    """Where the URL leads now. Raises DownloadFailed when any of its addresses is inside."""
    url, host, port = check_url(text, options)
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise DownloadFailed(f"The host of {text[:1024]} has no address that is known here.") from None
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not addresses or not all(may_reach(address, options) for address in addresses):
        raise DownloadFailed(f"URI for web-download does not pass filtering: {text[:1024]} leads inside.")
    return Place(url, host, port, addresses[0])


def pinned(place: Place) -> httpx.Request:
    """The request, to the address, in the name of the host."""
    import httpx

    host = f"[{place.address}]" if place.address.version == 6 else str(place.address)
    name = f"[{place.host}]" if ":" in place.host else place.host.encode("idna").decode()
    path = place.url.path or "/"
    target = f"{place.url.scheme}://{host}:{place.port}{path}{f'?{place.url.query}' if place.url.query else ''}"
    headers = {**PLAIN, "Host": name if place.port == PORTS[place.url.scheme] else f"{name}:{place.port}"}
    return httpx.Request("GET", target, headers=headers, extensions={"sni_hostname": name, "timeout": TIMES})


TIMES = {"connect": CONNECT_S, "read": READ_S, "write": READ_S, "pool": READ_S}


async def download(text: str, options: Options) -> AsyncGenerator[bytes, None]:
    """The bytes at a URL, within the time that the options leave. Raises DownloadFailed."""
    import httpx

    async with patience(text, options), httpx.AsyncClient(trust_env=False) as client:
        async with aclosing(answered(client, text, options)) as pieces:
            async for piece in pieces:
                yield piece


@asynccontextmanager
async def patience(text: str, options: Options) -> AsyncIterator[None]:
    """A block that ends in time, and says in our words what went wrong."""
    import httpx

    try:
        async with asyncio.timeout(options.download_timeout_s):
            yield
    except TimeoutError:
        raise DownloadFailed(f"{text[:1024]} did not come within {options.download_timeout_s:g} s.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        raise DownloadFailed(f"{text[:1024]} could not be read: {type(e).__name__} {e}".strip()) from e


async def answered(client: httpx.AsyncClient, text: str, options: Options) -> AsyncGenerator[bytes, None]:
    """What is answered in the end."""
    for _ in range(1 + REDIRECTS):
        answer = await client.send(pinned(await find(text, options)), stream=True, follow_redirects=False)
        try:
            if answer.is_redirect:
                text = urljoin(text, answer.headers["location"])
                continue
            if answer.status_code != 200 or answer.headers.get("content-encoding", "identity") != "identity":
                raise DownloadFailed(f"{text[:1024]} answers {answer.status_code} {answer.reason_phrase}.")
            async for piece in answer.aiter_raw():
                yield piece
            return
        finally:
            await answer.aclose()
    raise DownloadFailed(f"It leads on and on, more than {REDIRECTS} times.")
