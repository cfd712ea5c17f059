"""What a query string asks of the list of images, as conditions on its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.facts import facts
from pileus.kernel.filters import Condition, Field, compared, split
from pileus.kernel.http import Query
from pileus.kernel.http.queries import integer
from pileus.kernel.paging import Ask, Sort
from pileus.kernel.recent import Recent
from pileus.services.image.images import store
from pileus.services.image.images.store import images

USUAL: int = facts("image", "quotas")["sizes"]["limit_param_default"]
VISIBILITIES = ("community", "public", "private", "shared", "all")
MEMBER_STATUSES = ("pending", "accepted", "rejected", "all")
NO_FILTERS = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "tag", "visibility", "os_hidden", "protected"}
)
LISTED = {"name": "text", "id": "uuid", "status": "text", "container_format": "text", "disk_format": "text"}
TIMES = ("created_at", "updated_at")
NUMBERS = ("size", "virtual_size", "min_disk", "min_ram")
BOUNDS = {"_min": "gte", "_max": "lte"}
TEXTS = {"owner": "owner", "checksum": "checksum", "os_hash_algo": "hash_algo", "os_hash_value": "hash_value"}


@dataclass(frozen=True, slots=True)
class Asked:
    """`visibility` None: what one has, without what the community offers."""

    narrowed: list[Condition]
    sorts: list[Sort]
    visibility: str | None
    member_status: str
    limit: int | None
    marker: str | None


KEPT: Recent[tuple[Any, ...], tuple[sa.Select[Any], Ask]] = Recent(64)
"""Statements of first pages, by who asks for what: to make one costs more than to run it."""


async def statement(ctx: Ctx, query: Query, everything: bool, project_id: str | None) -> tuple[sa.Select[Any], Ask]:
    """What gives the page that a project asks for, or somebody who sees everything. Raises BadRequest."""
    if "marker" in query:  # who goes through the pages asks for each once
        return await _statement(ctx, asked(query), everything, project_id)
    key = (everything, project_id, *((name, *values) for name, values in query.items()))
    kept = KEPT.get(key)
    if kept is None:
        kept = await _statement(ctx, asked(query), everything, project_id)
        KEPT.put(key, kept)
    return kept


async def _statement(ctx: Ctx, wanted: Asked, everything: bool, project_id: str | None) -> tuple[sa.Select[Any], Ask]:
    narrowed = list(wanted.narrowed)
    if wanted.visibility is None:
        narrowed.append(store.not_others_community(project_id))
    elif wanted.visibility != "all":
        narrowed.append(store.images.c.visibility == wanted.visibility)
    seen = store.THERE if everything else store.seen_by(project_id, wanted.member_status)
    ask = store.LISTING.ask(USUAL if wanted.limit is None else wanted.limit, wanted.marker)
    order, rows = store.LISTING.order(wanted.sorts), store.GIVEN.where(*narrowed)
    return await store.LISTING.statement(ctx, rows, visible=seen, order=order, ask=ask), ask


def asked(query: Query) -> Asked:
    """Raises BadRequest."""
    last = {name: values[-1] for name, values in query.items()}
    narrowed: list[Condition] = [images.c.hidden.is_(truth("os_hidden", last.get("os_hidden", "false").lower()))]
    if "protected" in last:
        narrowed.append(images.c.protected.is_(truth("protected", last["protected"])))
    narrowed += [store.tagged(tag.strip()) for tag in query.get("tag", ())]
    narrowed += [condition(name, value) for name, value in last.items() if name not in NO_FILTERS]
    return Asked(
        narrowed,
        sorts(query),
        one_of("visibility", last.get("visibility") or None, VISIBILITIES),
        one_of("member_status", last.get("member_status", "accepted"), MEMBER_STATUSES) or "",
        limit(last.get("limit")),
        last.get("marker"),
    )


def limit(text: str | None) -> int | None:
    number = None if text is None else integer("limit", text)
    if number is not None and number < 0:
        raise BadRequest("limit param must be positive", field="limit")
    return number


def one_of(name: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is not None and value not in known:
        raise BadRequest(f"Invalid {name} value: {value[:80]}", field=name)
    return value


def truth(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadRequest(f"Invalid value '{text[:80]}' for '{name}' filter. Valid values are 'true' or 'false'.")
    return text == "true"


def condition(name: str, value: str) -> Condition:
    """What one parameter asks of an image. A name that means nothing else is one of a property."""
    if name == "changes-since":
        raise BadRequest('The "changes-since" filter is no longer available on v2.')
    if name in LISTED:
        return listed(name, value)
    if name in TIMES:
        relation, colon, rest = value.partition(":")
        known = bool(colon) and relation in {"gt", "gte", "lt", "lte", "eq", "neq"}
        field = Field(images.c[name], "time")
        return compared(field, name, relation, [rest]) if known else compared(field, name, "eq", [value])
    if name in TEXTS:
        return images.c[TEXTS[name]] == value
    if name in NUMBERS:
        return compared(Field(images.c[name], "integer"), name, "eq", [value])
    bare, bound = name[:-4], BOUNDS.get(name[-4:])
    if bound is not None and bare in NUMBERS:
        return compared(Field(images.c[bare], "integer"), name, bound, [value])
    return store.has_property(name, value)


def listed(name: str, value: str) -> Condition:
    """`x`, `in:x,"y,z"`, `eq:x`."""
    relation, colon, rest = value.partition(":")
    kind = "uuid" if name == "id" else "text"
    if colon and relation == "in":
        return compared(Field(images.c[name], kind), name, "in", split(name, rest))  # type: ignore[arg-type]
    if colon and relation in {"neq", "gt", "gte", "lt", "lte"}:
        raise BadRequest(f"Unable to filter by unknown operator '{relation}'.", field=name)
    return compared(Field(images.c[name], kind), name, "eq", [rest if relation == "eq" and colon else value])  # type: ignore[arg-type]


def sorts(query: Query) -> list[Sort]:
    """`sort=name:asc,size`, or `sort_key` and `sort_dir` again and again; one direction counts for all."""
    if "sort" in query:
        if "sort_key" in query or "sort_dir" in query:
            raise BadRequest("Old and new sorting syntax cannot be combined")
        parts = [part.partition(":") for part in query["sort"][-1].strip().split(",")]
        return [Sort(key(name.strip()), descends(way.strip() or "desc")) for name, _, way in parts]
    keys = [key(name.strip()) for name in query.get("sort_key", ())] or ["created_at"]
    ways = [descends(way.strip()) for way in query.get("sort_dir", ())] or [True]
    if len(ways) == 1:
        ways *= len(keys)
    if len(ways) != len(keys):
        raise BadRequest("Number of sort dirs does not match the number of sort keys")
    return [Sort(name, way) for name, way in zip(keys, ways, strict=True)]


def key(name: str) -> str:
    if name not in store.SORTS:
        known = ", ".join(store.SORTS)
        raise BadRequest(f"Invalid sort key: {name[:80]}. It must be one of the following: {known}.", field="sort_key")
    return name


def descends(way: str) -> bool:
    if way not in {"asc", "desc"}:
        raise BadRequest(f"Invalid sort direction: {way[:80]}", field="sort_dir")
    return way == "desc"
