"""What a guest finds at 169.254.169.254: the same documents as on its config drive, by their paths. And who asks."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from pileus.engines.guests import NOT_FOUND, Asked, Told, answers_guests
from pileus.kernel.context import Ctx
from pileus.services.compute.servers import guest_data, store
from pileus.services.compute.servers.guest_data import EC2, OPENSTACK, About
from pileus.services.network.ports import service as ports

LONGEST_PATH = 1024
JSON, OCTETS, TEXT = "application/json", "application/octet-stream", "text/plain; charset=UTF-8"


class Page(NamedTuple):
    """A document, or a list of names."""

    body: bytes
    kind: str = TEXT


def listing(names: Sequence[str]) -> Page:
    return Page("\n".join(names).encode())


def page(about: About, path: str) -> Page | None:
    """What is at that path; None: nothing. Doubled slashes and one at the end are nothing, as cloud-init likes it."""
    parts = [part for part in unquote(path.partition("?")[0]).split("/") if part]
    if not parts:
        return listing([*EC2, "latest"])
    if parts[0] == "openstack":
        return _openstack(about, parts[1:])
    return _ec2(about, parts[1:]) if parts[0] in (*EC2, "latest") else None


def _openstack(about: About, parts: Sequence[str]) -> Page | None:
    if not parts:
        return listing([*OPENSTACK, "latest"])
    if parts[0] == "content":
        files = {f"{n:04d}": contents for n, (_, contents) in enumerate(about.vault.files)}
        found = files.get(parts[1]) if len(parts) == 2 else None
        return None if found is None else Page(guest_data.decoded(found), OCTETS)
    if parts[0] not in (*OPENSTACK, "latest") or len(parts) > 2:
        return None
    files_of_version = guest_data.openstack(about, parts[0])
    if len(parts) == 1:
        return listing(list(files_of_version))
    data = files_of_version.get(parts[1])
    return None if data is None else Page(data, JSON if parts[1].endswith(".json") else OCTETS)


def _ec2(about: About, parts: Sequence[str]) -> Page | None:
    has_data = about.user_data is not None
    if not parts:
        return listing(["meta-data/", *(["user-data"] if has_data else [])])
    if parts == ["user-data"]:
        return Page(guest_data.decoded(about.user_data or ""), OCTETS) if has_data else None
    if parts[0] != "meta-data":
        return None
    found = guest_data.ec2_page(guest_data.ec2_tree(about), parts[1:])
    return None if found is None else Page(found.encode())


@answers_guests
async def answer(ctx: Ctx, host: str, asked: Asked) -> Told:
    """To the guest whose port has that address in that network, if the port is bound to that host; to nobody else."""
    if asked.method != "GET" or len(asked.path) > LONGEST_PATH:
        return NOT_FOUND
    about = await _who(ctx, host, asked)
    found = None if about is None else page(about, asked.path)
    return NOT_FOUND if found is None else Told(status=200, body=found.body, content_type=found.kind)


async def _who(ctx: Ctx, host: str, asked: Asked) -> About | None:
    try:
        address = ipaddress.ip_address(asked.address)
    except ValueError:
        return None
    async with ctx.read() as ctx:
        same = ports.ids_with_address(address.version, lambda column: column == str(address))
        there = await ports.by_ids(ctx, list((await ctx.execute(same)).scalars()))
        own = [each.id for each in there.values() if each.network_id == asked.network_id and each.host == host]
        server_id = await store.owner_of_port(ctx, own[0]) if len(own) == 1 else None
        server = None if server_id is None else await store.find(ctx, server_id)
        return None if server is None else await guest_data.about(ctx, server)
