"""The tables behind images. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata, narrowed, one_of
from pileus.kernel.db.given import Given, apart, gathered
from pileus.kernel.paging import Condition, Listing, Sort
from pileus.services.image.images.rules import BUSY, Image
from pileus.services.image.quotas import MIB

images = sa.Table(
    "image_image",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("owner", Text),
    sa.Column("name", Text),
    sa.Column("status", Text, nullable=False),  # rules.STATUSES; `deleted` until its bytes are gone
    sa.Column("visibility", Text, nullable=False),
    sa.Column("disk_format", Text),
    sa.Column("container_format", Text),
    sa.Column("size", sa.BigInteger),  # bytes; of what is staged, while nothing else is there
    sa.Column("virtual_size", sa.BigInteger),
    sa.Column("min_disk", sa.BigInteger, nullable=False),  # GiB
    sa.Column("min_ram", sa.BigInteger, nullable=False),  # MiB
    sa.Column("protected", sa.Boolean, nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
    sa.Column("checksum", Text),
    sa.Column("hash_algo", Text),
    sa.Column("hash_value", Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("blob_id", sa.Uuid),  # its bytes, whole and inspected
    sa.Column("staged_id", sa.Uuid),  # bytes that wait for their import
    sa.Column("import_failed", sa.Boolean),  # the last import; None: there was none
    sa.Column("writer_id", sa.Uuid),  # bytes that somebody is writing just now
    sa.Column("beat", sa.BigInteger, nullable=False),  # moves while that one lives
    sa.Index("image_image_owner_ix", "owner", "created_at", "id"),
    sa.Index("image_image_visibility_ix", "visibility", "created_at", "id"),
    sa.Index("image_image_created_ix", "created_at", "id"),
)
properties = sa.Table(
    "image_property",
    metadata,
    sa.Column("image_id", sa.Uuid, primary_key=True),
    sa.Column("name", Text, primary_key=True),
    sa.Column("value", Text, nullable=False),
)
tags = sa.Table(
    "image_tag",
    metadata,
    sa.Column("image_id", sa.Uuid, primary_key=True),
    sa.Column("tag", Text, primary_key=True),
)
members = sa.Table(
    "image_member",
    metadata,
    sa.Column("image_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", Text, primary_key=True),
    sa.Column("status", Text, nullable=False),  # pending | accepted | rejected
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("image_member_member_ix", "member_id", "status"),
)

COLUMNS = [name for name in Image.__struct_fields__ if name in images.c]
ALL = sa.select(*(images.c[name] for name in COLUMNS))
BY_ID = ALL.where(images.c.id == sa.bindparam("id_"))
PROPERTIES = sa.select(properties).where(among(properties.c.image_id, "ids_")).order_by(properties.c.name)
TAGS = sa.select(tags).where(among(tags.c.image_id, "ids_")).order_by(tags.c.tag)
UNSEEN = ("staged_id", "writer_id", "beat")  # by nobody who lists images
_GIVEN = Given(*(images.c[name] for name in COLUMNS if name not in UNSEEN))
_NAMED = sa.cast(sa.func.length(properties.c.name), sa.Text) + ":" + properties.c.name
GIVEN = sa.select(
    *_GIVEN.columns,
    gathered(_NAMED + properties.c.value, properties.c.image_id == images.c.id),
    gathered(tags.c.tag, tags.c.image_id == images.c.id),
)
SORTS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
LISTING = Listing(
    images.c.id,
    {name: images.c[name] for name in SORTS},
    default=(Sort("created_at", descending=True),),
    max_limit=1000,
)
THERE = images.c.status != "deleted"


# who sees what


@lru_cache(256)
def seen_by(project_id: str | None, member_status: str = "all") -> Condition:
    """What a project sees: its own, what is for everybody, and what is shared with it in that way."""
    open_ = images.c.visibility.in_(["public", "community"])
    if project_id is None:
        return sa.and_(THERE, open_)
    shared = sa.and_(images.c.visibility == "shared", images.c.id.in_(shared_with(project_id, member_status)))
    return sa.and_(THERE, sa.or_(images.c.owner == project_id, open_, shared))


def shared_with(project_id: str, member_status: str) -> sa.Select[Any]:
    found = sa.select(members.c.image_id).where(members.c.member_id == project_id)
    return found if member_status == "all" else found.where(members.c.status == member_status)


def not_others_community(project_id: str | None) -> Condition:
    """What is listed unless another visibility is asked for: of the community's images only one's own."""
    return sa.or_(images.c.visibility != "community", images.c.owner == project_id)


def tagged(tag: str) -> Condition:
    return images.c.id.in_(sa.select(tags.c.image_id).where(tags.c.tag == tag))


def has_property(name: str, value: str) -> Condition:
    found = sa.select(properties.c.image_id).where(properties.c.name == name, properties.c.value == value)
    return images.c.id.in_(found)


# reading


async def find(ctx: Ctx, image_id: UUID, *seen: Condition) -> Image | None:
    found = await complete(ctx, await ctx.execute(narrowed(BY_ID, *seen), {"id_": image_id}))
    return found[0] if found else None


async def by_ids(ctx: Ctx, image_ids: Collection[UUID], *seen: Condition) -> dict[UUID, Image]:
    rows = await ctx.execute(ALL.where(one_of(images.c.id, image_ids), *seen))
    return {image.id: image for image in await complete(ctx, rows)}


def read_row(row: Sequence[Any]) -> Image:
    """The image that a row of `GIVEN` is, but for what nobody sees."""
    *_, own, named = row
    lengths = [each.partition(":") for each in apart(own)]
    pairs = sorted((rest[: int(length)], rest[int(length) :]) for length, _, rest in lengths)
    return Image(**_GIVEN.read(row), properties=dict(pairs), tags=tuple(apart(named)))


async def complete(ctx: Ctx, rows: Iterable[Any]) -> list[Image]:
    """The images of these rows with their properties and tags: two statements, however many there are."""
    found = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}
    if not found:
        return []
    own: dict[UUID, dict[str, str]] = {}
    named: dict[UUID, list[str]] = {}
    for image_id, name, value in await ctx.execute(PROPERTIES, {"ids_": found}):
        own.setdefault(image_id, {})[name] = value
    for image_id, tag in await ctx.execute(TAGS, {"ids_": found}):
        named.setdefault(image_id, []).append(tag)
    for id_, row in found.items():
        row["properties"], row["tags"] = own.get(id_, {}), tuple(named.get(id_, ()))
    return [Image(**row) for row in found.values()]


# writing


async def add(ctx: Ctx, image: Image) -> None:
    """Raises IntegrityError when the id is taken."""
    row = {name: value for name, value in msgspec.structs.asdict(image).items() if name in images.c}
    await ctx.execute(images.insert(), row)
    await set_properties(ctx, image.id, image.properties)
    await set_tags(ctx, image.id, image.tags)


async def change(ctx: Ctx, image_id: UUID, *still: Condition, **columns: Any) -> int:
    """How many rows that changed: 1, or 0 when it is not as `still` says."""
    return (await ctx.execute(images.update().where(images.c.id == image_id, *still).values(**columns))).rowcount


def written_by(writer_id: UUID) -> Condition:
    return sa.and_(THERE, images.c.writer_id == writer_id)


async def set_properties(ctx: Ctx, image_id: UUID, wanted: Mapping[str, str]) -> None:
    await ctx.execute(properties.delete().where(properties.c.image_id == image_id))
    if wanted:
        await ctx.execute(
            properties.insert(), [{"image_id": image_id, "name": n, "value": v} for n, v in wanted.items()]
        )


async def set_tags(ctx: Ctx, image_id: UUID, wanted: Iterable[str]) -> None:
    await ctx.execute(tags.delete().where(tags.c.image_id == image_id))
    if rows := [{"image_id": image_id, "tag": tag} for tag in dict.fromkeys(wanted)]:
        await ctx.execute(tags.insert(), rows)


async def forget(ctx: Ctx, image_id: UUID) -> None:
    """Nothing of it is left in any table."""
    for table in (properties, tags, members):
        await ctx.execute(table.delete().where(table.c.image_id == image_id))
    await ctx.execute(images.delete().where(images.c.id == image_id))


# what belongs to projects


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many images these projects have, and what a few are called. Bytes that are being removed are nobody's."""
    called = sa.func.coalesce(images.c.name, sa.cast(images.c.id, sa.Text))
    mine = sa.select(called, sa.func.count().over()).where(images.c.owner.in_(project_ids), THERE)
    rows = (await ctx.execute(mine.order_by(images.c.id).limit(5))).all()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


async def undeleted_of(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[UUID]:
    left = sa.select(images.c.id).where(images.c.owner.in_(project_ids), THERE)
    return list((await ctx.execute(left.order_by(images.c.id).limit(most))).scalars())


# what is counted


def owned(owners: Any, *which: Condition) -> Condition:
    return sa.and_(images.c.owner.in_(owners), THERE, *which)


def count(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(images).where(owned(owners))


def uploading(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(images).where(owned(owners, images.c.status.in_(BUSY)))


def total_bytes(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.cast(sa.func.sum(images.c.size), sa.BigInteger)).where(
        owned(owners, images.c.staged_id.is_(None))
    )


def staged_bytes(owners: Any) -> sa.Select[Any]:
    staged = images.c.staged_id.is_not(None)
    return sa.select(sa.cast(sa.func.sum(images.c.size), sa.BigInteger)).where(owned(owners, staged))


def in_mib(total: sa.Select[Any]) -> sa.Select[Any]:
    return sa.select(sa.func.coalesce(total.scalar_subquery(), 0) / sa.literal(MIB, sa.BigInteger()))


async def usage(ctx: Ctx, project_id: str) -> dict[str, int]:
    own = [project_id]
    counted = {
        "image_size_total": in_mib(total_bytes(own)),
        "image_stage_total": in_mib(staged_bytes(own)),
        "image_count_total": count(own),
        "image_count_uploading": uploading(own),
    }
    row = (await ctx.execute(sa.select(*(each.scalar_subquery().label(name) for name, each in counted.items())))).one()
    return {name: int(value) for name, value in row._mapping.items()}


# bytes


async def named_blobs(ctx: Ctx) -> set[UUID]:
    """Every blob that some row knows of."""
    columns = (images.c.blob_id, images.c.staged_id, images.c.writer_id)
    known = sa.union(*(sa.select(column).where(column.is_not(None)) for column in columns))
    return set((await ctx.execute(known)).scalars())


async def with_bytes(ctx: Ctx) -> list[Any]:
    """(image, blob, size) of all that are whole."""
    found = sa.select(images.c.id, images.c.blob_id, images.c.size).where(images.c.blob_id.is_not(None), THERE)
    return list((await ctx.execute(found)).all())


async def writers(ctx: Ctx) -> list[Any]:
    """(image, writer, beat) of all that are being written."""
    found = sa.select(images.c.id, images.c.writer_id, images.c.beat).where(images.c.writer_id.is_not(None), THERE)
    return list((await ctx.execute(found)).all())
