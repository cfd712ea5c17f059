"""How Identity speaks HTTP: its versions, its faults, its links, and what it tells to whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Answer, ApiVersion, Here, Query, Service, VersionDocument, converted
from pileus.kernel.paging import Page, identity_links
from pileus.services.identity.lists import Found

T = TypeVar("T")
Target = Mapping[str, Any]

api = Service("identity", "/identity", vary=("X-Auth-Token",), ports=(5000, 35357))

MEDIA_TYPES = [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]
MEDIA_TYPE_V2 = "application/vnd.openstack.identity-v2.0+json"
V3 = ApiVersion(
    id="v3.14",
    path="/v3/",
    status="stable",
    extra={"updated": "2020-04-07T00:00:00Z", "media-types": MEDIA_TYPES},
)
V2 = ApiVersion(
    id="v2.0",
    path="/v2.0/",
    status="deprecated",
    extra={"updated": "2014-04-17T00:00:00Z", "media-types": [{**MEDIA_TYPES[0], "type": MEDIA_TYPE_V2}]},
)
VersionDocument(versions=(V3, V2), values=True).declare(api)

TRUTH = {"true": True, "1": True, "": True, "yes": True, "false": False, "0": False, "no": False}
OWN = frozenset({"id", "links"})
LONGEST_ID = 64


def cloud(here: Here) -> str:
    """The address of this cloud as the caller reached it: what the catalogue's URLs begin with."""
    return here.base.removesuffix(api.prefix)


def require(ctx: Ctx, target: Target, *, rule: str = "") -> None:
    """The part of the route's rule (or of that rule, on a `late` route) that needs a target.

    Raises Forbidden, in words that tell nothing of the target.
    """
    rule = rule or ctx.rule
    if not ctx.world.policy.allows(rule, ctx.caller, target):
        raise ctx.world.policy.refusal(rule, ctx.caller, {})


async def sought(ctx: Ctx, found: Awaitable[T], target: Callable[[T], Target]) -> T:
    """The item, for who may see it. Who may not gets the same 403 whether it is there or not; who may, the 404."""
    try:
        item = await found
    except NotFound:
        require(ctx, {})
        raise
    require(ctx, target(item))
    return item


def about(kind: str, item: Any) -> dict[str, Any]:
    """What a policy rule may ask of a user, group, project, domain or role: `target.user.domain_id` and the like."""
    return {f"target.{kind}.{name}": getattr(item, name) for name in ("id", "name", "domain_id")}


def by_id(**ids: str) -> Target:
    """What a policy rule may ask of things of which it is told the id alone: `target.endpoint.id` and the like."""
    return {f"target.{kind}.id": id_ for kind, id_ in ids.items()}


async def sought_all(ctx: Ctx, *named: tuple[str, Callable[[Ctx, str], Awaitable[Any]], str]) -> list[Any]:
    """As `sought`, for a rule that is about several things, each said as (kind, how it is got, id).

    Who may not gets the same 403 whichever of them is there; who may, the 404 of the first that is not.
    """
    found: list[Any] = []
    target: dict[str, Any] = {}
    missing: NotFound | None = None
    async with ctx.read() as reading:
        for kind, get, id_ in named:
            try:
                item = await get(reading, id_)
            except NotFound as e:
                missing = missing or e
            else:
                found.append(item)
                target |= about(kind, item)
    require(ctx, target)
    if missing is not None:
        raise missing
    return found


def member(here: Here, path: str, document: dict[str, Any], by: str = "id") -> dict[str, Any]:
    """An item as it is shown: with a link to itself at `path`/id, or what else it is named `by`."""
    return {**document, "links": {"self": here.url(f"/v3/{path}/{document[by]}")}}


def collection(here: Here, path: str, documents: Iterable[dict[str, Any]], key: str = "") -> dict[str, Any]:
    """A list as it is shown, under `key` (or the last part of `path`)."""
    links = {"next": None, "self": here.base + here.again(), "previous": None}
    return {key or path.rpartition("/")[2]: [member(here, path, each) for each in documents], "links": links}


def listed(
    here: Here, path: str, shown: Callable[[T], dict[str, Any]], found: Found[T], key: str = "", by: str = "id"
) -> Answer:
    """A page of a list as it is shown, under `key` (or the last part of `path`), each item with its link."""
    items = [member(here, path, shown(each), by) for each in found.items]
    return Answer({key or path.rpartition("/")[2]: items, **onward(here, found.page)})


def onward(here: Here, page: Page) -> dict[str, Any]:
    """The links of a page of a list.

    The way on stands in `links.next`, where Keystone's own clients and gophercloud look, and as `next` beside it, where
    openstacksdk looks. Not in a Link header: the SDK (4.22) dies of one that names a next page.
    """
    links = identity_links(here, page)
    following = links["links"]["next"]
    return {**links, "next": following} if following else links


class Cascade(msgspec.Struct, frozen=True):
    """Of a DELETE: `?cascade=plan` says what would go, `?cascade=execute` deletes it too."""

    cascade: Literal["plan", "execute"] | msgspec.UnsetType = msgspec.UNSET


class Removal(Protocol):
    """The service of a noun whose things may be deleted with all that they own."""

    async def plan(self, ctx: Ctx, id_: str, /) -> msgspec.Struct: ...
    async def delete(self, ctx: Ctx, id_: str, /) -> None: ...
    async def delete_all(self, ctx: Ctx, id_: str, /) -> tuple[msgspec.Struct, UUID | None]: ...


async def removed(ctx: Ctx, noun: Removal, id_: str, asked: Cascade) -> Answer:
    """Do what a DELETE asks for. What goes by an operation is told with it: 202."""
    if asked.cascade == "plan":
        return Answer({"plan": await noun.plan(ctx, id_)}, 200)
    if asked.cascade == "execute":
        plan, operation_id = await noun.delete_all(ctx, id_)
        return Answer() if operation_id is None else Answer({"plan": plan, "operation_id": operation_id}, 202)
    await noun.delete(ctx, id_)
    return Answer()


def divided(body: dict[str, Any], kind: type[T], under: str) -> tuple[T, dict[str, Any]]:
    """What Identity knows of a body, and what callers keep in it beside: any other key. Raises BadRequest."""
    known = set(kind.__struct_encode_fields__)  # type: ignore[attr-defined]
    return converted(body, kind, under), {k: v for k, v in body.items() if k not in known and k not in OWN}


def changes(body: dict[str, Any], kind: type[T], under: str, item_id: str) -> tuple[T, dict[str, Any]]:
    """What a PATCH of that item says, as `divided`. Raises BadRequest, also when it says nothing, or another id."""
    if not body:
        raise BadRequest(f"Invalid input for {under}: it names nothing that shall change.")
    if body.get("id", item_id) != item_id:
        raise BadRequest("Cannot change ID")
    return divided(body, kind, under)


def chosen_id(text: str) -> str:
    """An id that a caller chose in a path. Raises BadRequest for one that is too long to be kept."""
    if len(text) > LONGEST_ID:
        raise BadRequest(f"Invalid input: an id of {len(text)} characters is longer than {LONGEST_ID}.")
    return text


class Options(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The options of a project, a domain or a role, as sent."""

    immutable: bool | UnsetType | None = UNSET


def merged(before: dict[str, Any], sent: Options | UnsetType) -> dict[str, Any]:
    """The options after a change: null takes one away."""
    after = before if sent is UNSET else {**before, **given(sent)}
    return {name: value for name, value in after.items() if value is not None}


def given(struct: msgspec.Struct) -> dict[str, Any]:
    """The fields of a body that the caller sent."""
    return {name: value for name, value in msgspec.structs.asdict(struct).items() if value is not UNSET}


def truth(query: Query, name: str) -> bool:
    """What a parameter says that is true or false; false, if it is not there. Raises BadRequest."""
    word = query[name][-1].lower() if name in query else "false"
    if word not in TRUTH:
        raise BadRequest(f"Invalid input for {name}: {word[:80]!r} is no boolean.")
    return TRUTH[word]
