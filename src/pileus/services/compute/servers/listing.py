"""How servers are listed: filters, order, pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError
from pileus.kernel.filters import Condition, seconds
from pileus.kernel.http.queries import boolean, integer
from pileus.kernel.paging import Ask, Listing, Page, Sort
from pileus.services.compute.servers.patterns import matches
from pileus.services.compute.servers.rules import STATUS
from pileus.services.compute.servers.store import not_deleted, servers, tags

c = servers.c


def missing(marker: str) -> CloudError:
    return BadRequest(f"marker [{marker[:80]}] not found")


KEYS: dict[str, sa.ColumnElement[Any]] = {
    "access_ip_v4": c.access_ipv4,
    "access_ip_v6": c.access_ipv6,
    "auto_disk_config": c.disk_config,
    "availability_zone": c.zone,
    "config_drive": c.config_drive,
    "created_at": c.created_at,
    "display_description": c.description,
    "display_name": c.name,
    "host": c.host,
    "hostname": c.hostname,
    "image_ref": c.image_id,
    "instance_type_id": c.flavor_id,
    "key_name": c.key_name,
    "launch_index": c.launch_index,
    "launched_at": c.launched_at,
    "locked_by": c.locked_by,
    "locked": c.locked_by,
    "node": c.host,
    "power_state": c.power_state,
    "project_id": c.project_id,
    "task_state": c.task_state,
    "terminated_at": c.deleted_at,
    "updated_at": c.updated_at,
    "user_id": c.user_id,
    "uuid": c.id,
    "vm_state": c.vm_state,
    # what all servers have alike here orders nothing
    "kernel_id": c.id,
    "ramdisk_id": c.id,
    "progress": c.id,
    "root_device_name": c.id,
}
LISTING = Listing(c.id, KEYS, default=(Sort("created_at", descending=True),), missing=missing)

Text = Callable[[Ctx, str, str], Condition]


def pattern(column: sa.ColumnElement[Any]) -> Text:
    return lambda ctx, name, text: matches(column, name, text, ctx.world.db.dialect)


def equal(column: sa.ColumnElement[Any]) -> Text:
    return lambda ctx, name, text: column == text


def truth(column: sa.ColumnElement[Any]) -> Text:
    return lambda ctx, name, text: column.is_(boolean(name, text))


def number(column: sa.ColumnElement[Any]) -> Text:
    return lambda ctx, name, text: column == sa.literal(integer(name, text), sa.BigInteger())


def moment(column: sa.ColumnElement[Any]) -> Text:
    return lambda ctx, name, text: sa.and_(column >= (at := seconds(name, text)), column < at + 1)


def identity(column: sa.ColumnElement[Any]) -> Text:
    def condition(ctx: Ctx, name: str, text: str) -> Condition:
        try:
            return column == UUID(text)
        except ValueError:
            return sa.false()

    return condition


def has_status(status: str) -> Condition:
    """The states that the API calls by this word."""
    ways: list[Condition] = []
    for state, names in STATUS.items():
        special = [task for task in names if task != "default"]
        if names["default"] == status:
            plain = sa.or_(c.task_state.is_(None), c.task_state.not_in(special))
            ways.append(sa.and_(c.vm_state == state, plain))
        if called := [task for task in special if names[task] == status]:
            ways.append(sa.and_(c.vm_state == state, c.task_state.in_(called)))
    return sa.or_(sa.false(), *ways)


def tagged(text: str, *, every: bool) -> Condition:
    """Those that have all of these tags, or one of them."""
    names = list(dict.fromkeys(text.split(",")))
    has = sa.select(tags.c.server_id).where(tags.c.tag.in_(names))
    if every:
        has = has.group_by(tags.c.server_id).having(sa.func.count() == len(names))
    return c.id.in_(has)


def locked(ctx: Ctx, name: str, text: str) -> Condition:
    return c.locked_by.is_not(None) if boolean(name, text) else c.locked_by.is_(None)


FIELDS: dict[str, Text] = {
    "access_ip_v4": equal(c.access_ipv4),
    "access_ip_v6": equal(c.access_ipv6),
    "availability_zone": equal(c.zone),
    "config_drive": truth(c.config_drive),
    "created_at": moment(c.created_at),
    "description": pattern(c.description),
    "display_description": pattern(c.description),
    "display_name": pattern(c.name),
    "flavor": equal(c.flavor_id),
    "host": equal(c.host),
    "hostname": pattern(c.hostname),
    "image": identity(c.image_id),
    "image_ref": identity(c.image_id),
    "key_name": equal(c.key_name),
    "launch_index": number(c.launch_index),
    "launched_at": moment(c.launched_at),
    "locked": locked,
    "locked_by": equal(c.locked_by),
    "name": pattern(c.name),
    "node": equal(c.host),
    "not-tags": lambda ctx, name, text: ~tagged(text, every=True),
    "not-tags-any": lambda ctx, name, text: ~tagged(text, every=False),
    "power_state": number(c.power_state),
    "project_id": equal(c.project_id),
    "reservation_id": equal(c.reservation_id),
    "tags": lambda ctx, name, text: tagged(text, every=True),
    "tags-any": lambda ctx, name, text: tagged(text, every=False),
    "task_state": equal(c.task_state),
    "tenant_id": equal(c.project_id),
    "terminated_at": moment(c.deleted_at),
    "user_id": equal(c.user_id),
    "uuid": identity(c.id),
    "vm_state": equal(c.vm_state),
    "changes-since": lambda ctx, name, text: c.updated_at >= seconds(name, text),
    "changes-before": lambda ctx, name, text: c.updated_at <= seconds(name, text),
}


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a list. `given`: parameters of FIELDS; `addresses`: patterns by version of IP; `deleted` None: both."""

    given: Mapping[str, str] = {}
    statuses: Sequence[str] = ()
    everywhere: bool = False
    deleted: bool | None = False
    addresses: Mapping[int, str] = {}
    sorts: Sequence[Sort] = ()
    limit: int | None = None
    marker: str | None = None


async def page(ctx: Ctx, rows: sa.Select[Any], search: Search, *more: Condition) -> Page:
    """Of the caller's project, or of all (`everywhere`), as they are given. Raises BadRequest."""
    narrowed = [*more, *(FIELDS[name](ctx, name, text) for name, text in search.given.items())]
    if search.statuses:
        narrowed.append(sa.or_(*(has_status(status) for status in search.statuses)))
    project_id = None if search.everywhere else ctx.caller.project_id or ""
    ask, sorts = LISTING.ask(search.limit, search.marker), tuple(search.sorts)
    async with ctx.read() as ctx:
        if narrowed or search.marker:
            visible, there = seen_by(project_id), rows.where(*narrowed, being(search.deleted))
            order = LISTING.order(sorts)
            statement = await LISTING.statement(ctx, there, visible=visible, order=order, ask=ask)
        else:
            statement = first(rows, project_id, search.deleted, sorts, ask)
        return await LISTING.given(ctx, statement, ask)


@lru_cache(64)
def first(
    rows: sa.Select[Any], project_id: str | None, deleted: bool | None, sorts: tuple[Sort, ...], ask: Ask
) -> sa.Select[Any]:
    """The statement of a first page without filters, kept: to make it costs more than to run it."""
    return LISTING.first(rows.where(seen_by(project_id), being(deleted)), order=LISTING.order(sorts), ask=ask)


def seen_by(project_id: str | None) -> Condition:
    """Its own; without one all."""
    return sa.true() if project_id is None else c.project_id == project_id


def being(deleted: bool | None) -> Condition:
    return sa.true() if deleted is None else ~not_deleted if deleted else not_deleted
