"""What other nouns and services do with ports, whoever asks: no policy is asked here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.filters import contains
from pileus.services.network.hooks import Hook
from pileus.services.network.http import no_such
from pileus.services.network.ports import allocations, sagas, store
from pileus.services.network.ports.allocations import HELD
from pileus.services.network.ports.allocations import allocations as held_addresses
from pileus.services.network.ports.sagas import KIND
from pileus.services.network.ports.store import Port
from pileus.services.network.tags import service as tags

going: Hook[[Ctx, Sequence[Port]]] = Hook()
"""In the transaction in which ports go: takes along what stands on them."""

changing: Hook[[Ctx, Port, Port]] = Hook()
"""In the transaction that changes one: (as it was, as it shall be). May refuse."""

Given = dict[str, Any]


async def by_ids(ctx: Ctx, port_ids: Collection[UUID]) -> dict[UUID, Port]:
    """Those that are there."""
    return {port.id: port for port in await store.by_ids(ctx, port_ids)} if port_ids else {}


async def of_devices(ctx: Ctx, device_ids: Collection[str]) -> dict[str, list[Port]]:
    """The ports of each device, the oldest first; no entry for one without."""
    found: dict[str, list[Port]] = {}
    if device_ids:
        for port in await store.found_by(ctx, store.OF_DEVICES, {"devices_": device_ids}):
            found.setdefault(port.device_id, []).append(port)
    return found


async def of_owners(ctx: Ctx, network_ids: Collection[UUID], device_owners: Collection[str]) -> list[Port]:
    """The ports of these networks with these owners."""
    return await store.found_by(ctx, store.OF_OWNERS, {"networks_": network_ids, "owners_": device_owners})


def ids_with_address(version: int, match: Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """A SELECT of the ids of ports with an address of that version of IP that matches."""
    held = held_addresses.c
    is_six = contains(held.address, ":")
    return sa.select(held.port_id).where(HELD, is_six if version == 6 else ~is_six, match(held.address))


def is_of(device_owner: str) -> sa.ColumnElement[bool]:
    """For `in_pages`: the ports of such devices."""
    return store.ports.c.device_owner == device_owner


async def in_groups(ctx: Ctx, group_ids: Collection[UUID], most: int | None = None) -> list[Port]:
    """The ports that are in one of these security groups."""
    return await store.listed(ctx, store.in_groups(group_ids), most=most)


async def held(ctx: Ctx, port_id: UUID) -> Port:
    """In the open transaction: the port, which nobody else changes until it ends. Raises NotFound."""
    await store.hold_rows(ctx, [port_id])
    found = await store.find(ctx, port_id)
    if found is None:
        raise no_such("port", port_id)
    return found


async def bind(
    ctx: Ctx, port_id: UUID, *, host: str, device_id: str | None = None, device_owner: str | None = None
) -> Port:
    """In the open transaction: its device is (to be) plugged on that host. Raises NotFound."""
    before = await held(ctx, port_id)
    changes: Given = {"host": host}
    if before.host != host:
        changes["up"] = False
    if device_id is not None:
        changes["device_id"] = device_id
    if device_owner is not None:
        changes["device_owner"] = device_owner
    return await _set(ctx, before, changes)


async def unbind(ctx: Ctx, port_id: UUID, *, keep_device: bool = False) -> Port:
    """In the open transaction: it has no device any more (`keep_device`: but is still of one). Raises NotFound."""
    before = await held(ctx, port_id)
    changes: Given = {"host": None, "profile": {}, "up": False}
    if not keep_device:
        changes |= {"device_id": "", "device_owner": ""}
    return await _set(ctx, before, changes)


async def become(ctx: Ctx, port_id: UUID, *, device_id: str, device_owner: str) -> Port:
    """In the open transaction: the port is a part of that device, which is the network's own. Raises NotFound."""
    return await _set(ctx, await held(ctx, port_id), {"device_id": device_id, "device_owner": device_owner})


async def _set(ctx: Ctx, before: Port, changes: Given) -> Port:
    if all(getattr(before, name) == value for name, value in changes.items()):
        return before
    await store.change(ctx, [before.id], **changes)
    await touch(ctx, before.id)
    await want(ctx, [before.id])
    return await held(ctx, before.id)


async def remove(ctx: Ctx, ports: Sequence[Port]) -> None:
    """In the open transaction: they are gone for everybody; their addresses are free once the overlay has none of them."""
    if not ports:
        return
    await going.run(ctx, ports)
    ids = [port.id for port in ports]
    await store.hold_rows(ctx, ids)
    await store.leave(ctx, ids)
    await store.change(ctx, ids, deleted=True, up=False)
    await allocations.release(ctx, ids)
    await tags.forget(ctx, ids)
    await want(ctx, ids)
    for port in ports:
        await changed(ctx, KIND, "deleted", port.id, project_id=port.project_id or None)


async def touch(ctx: Ctx, port_id: UUID) -> None:
    """In the open transaction: its revision goes up, and it is told of."""
    await store.touch(ctx, port_id)
    found = await store.find(ctx, port_id)
    if found is not None:
        await changed(ctx, KIND, "updated", port_id, project_id=found.project_id or None)


async def want(ctx: Ctx, port_ids: Collection[UUID]) -> None:
    """In the open transaction: what these ports are in the overlay has changed."""
    await sagas.converge_port.want_each(ctx, list(port_ids))
