"""How Block Storage speaks HTTP: its versions, its faults, its links, its times, and who sees what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from msgspec import Meta

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError, NotFound
from pileus.kernel.facts import facts, versions
from pileus.kernel.http import ApiVersion, Here, Service, VersionDocument
from pileus.kernel.http.faults import plain_fault
from pileus.kernel.http.queries import boolean

CODES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    501: "notImplemented",
    503: "serviceUnavailable",
}
OTHERWISE = "computeFault"
ADMIN = "volume_extension:volume_host_attribute"

Name = Annotated[str, Meta(max_length=255)] | None
Key = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_:. /]{1,255}$")]
Value = Annotated[str, Meta(max_length=255)]
Pairs = dict[Key, Value]
Flag = bool | str
"""Yes or no, as clients of Block Storage may write it: see `flag`."""


def fault(error: CloudError) -> dict[str, Any]:
    """{"badRequest": {"code", "message"}}; a missing token is told by what stands before the service, in its own way."""
    if error.status == 401:
        return plain_fault(error)
    said: dict[str, Any] = {"code": error.status, "message": error.message}
    if error.status == 413 and "Retry-After" in error.headers:
        said["retryAfter"] = error.headers["Retry-After"]
    return {CODES.get(error.status, OTHERWISE): said}


MISSING = {
    "attachment_id": "Volume attachment could not be found with filter: attachment_id = {}.",
    "type_id": "Volume type {} could not be found.",
    "encryption_id": "Volume type encryption for type {} does not exist.",
    "transfer_id": "Transfer {} could not be found.",
    "message_id": "Message {} could not be found.",
    "qos_id": "No such qos_specs {}.",
    "group_type_id": "Group type {} could not be found.",
}


def missing(name: str, value: object) -> CloudError:
    """A thing that is not there, by the name of its parameter."""
    noun = name.removesuffix("_id").replace("_", " ").capitalize()
    return NotFound(MISSING.get(name, f"{noun} {{}} could not be found.").format(value))


PROJECT = re.compile(r"[0-9a-f-]{32,36}|default")


def located(segments: list[str]) -> tuple[list[str], str | None]:
    """Behind /v3 a project's id may stand. A slash at the end is part of the path here: it names what is not there."""
    if len(segments) > 2 and not segments[-1]:
        segments = [*segments, ""]
    if len(segments) < 3 or segments[0] != "v3" or not segments[2] or not PROJECT.fullmatch(segments[1]):
        return segments, None
    return ["v3", *segments[2:]], segments[1]


api = Service(
    "volume",
    "/volume",
    fault=fault,
    version_range=versions("volume"),
    missing=missing,
    request_id_headers=("x-compute-request-id",),
    ports=(8776,),
    types=tuple([*facts("volume", "quotas")["service_types"], "block-store"]),
    located=located,
)

V3 = ApiVersion(
    id="v3.0",
    path="/v3/",
    minimum=versions("volume")[0],
    maximum=versions("volume")[1],
    extra={
        "updated": "2023-08-31T00:00:00Z",
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    },
)
VersionDocument(versions=(V3,), single="versions").declare(api)


def is_admin(ctx: Ctx) -> bool:
    """Whether the caller administers the whole cloud."""
    return ctx.world.policy.allows(ADMIN, ctx.caller, {"project_id": None})


def sees_all(ctx: Ctx) -> bool:
    """Whether the route's rule lets the caller look at what belongs to others."""
    return ctx.world.policy.allows(ctx.rule, ctx.caller, {"project_id": None})


def seen(ctx: Ctx, project_id: str) -> bool:
    """Whether the caller may know of a thing of that project."""
    return project_id == ctx.caller.project_id or sees_all(ctx) or is_admin(ctx)


def visible(ctx: Ctx, project: sa.ColumnElement[Any], *, all_projects: bool) -> sa.ColumnElement[bool]:
    """What of a list the caller sees: of all projects, if it asks for that and may; else of its own."""
    if all_projects and sees_all(ctx):
        return sa.true()
    return project == ctx.caller.project_id if ctx.caller.project_id else sa.false()


def own_project(ctx: Ctx) -> Mapping[str, str | None]:
    """What a rule is asked about that makes things for the caller's own project."""
    return {"project_id": ctx.caller.project_id}


def flag(name: str, sent: Flag) -> bool:
    """Raises BadRequest."""
    return sent if isinstance(sent, bool) else boolean(name, sent)


def only_item(key: str, body: Mapping[str, str]) -> None:
    """Raises BadRequest unless the body is of that key and of no other."""
    if key not in body:
        raise BadRequest("Request body and URI mismatch")
    if len(body) > 1:
        raise BadRequest("Request body contains too many items")


def time(at: float | None) -> str | None:
    """As Block Storage writes it: six decimals, no zone."""
    return None if at is None else iso(at, microseconds=True).removesuffix("Z")


def below(here: Here, path: str) -> str:
    """The path of another thing of this API, with the project in it if this request had it."""
    project_id = located(here.path.split("/")[1:])[1]
    return f"/v3/{project_id}{path}" if project_id else f"/v3{path}"


def links(here: Here, collection: str, id_: UUID | str) -> list[dict[str, str]]:
    path = below(here, f"/{collection}/{id_}")
    return [
        {"rel": "self", "href": here.url(path)},
        {"rel": "bookmark", "href": here.url(path.removeprefix("/v3"))},
    ]
