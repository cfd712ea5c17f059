"""How Placement speaks HTTP: its versions, its faults, its links, and what it says of when a thing was changed."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError, NotFound
from pileus.kernel.facts import versions
from pileus.kernel.http import Answer, Here, Service
from pileus.services.placement.resource_providers.service import Provider

CODES_SINCE = (1, 23)
UNDEFINED = "placement.undefined_code"

PROVIDERS = "/resource_providers"
RELATED = {"inventories": "1.0", "usages": "1.0", "aggregates": "1.1", "traits": "1.6", "allocations": "1.11"}


def fault(error: CloudError) -> dict[str, Any]:
    """{"errors": [{"status", "title", "detail", "request_id"}]}, from 1.23 on with "code": the fact of that name."""
    said = {
        "status": error.status,
        "title": error.title,
        "detail": error.message,
        "request_id": error.request_id,
    }
    if error.version is not None and error.version >= CODES_SINCE:
        said["code"] = error.facts.get("code", UNDEFINED)
    for bound in ("min_version", "max_version"):
        if error.status == 406 and bound in error.facts:
            said[bound] = error.facts[bound]
    return {"errors": [said]}


def unknown(accept: str) -> Answer:
    """A path that is no route."""
    return Answer(
        {"errors": [{"status": 404, "title": "Not Found", "detail": "The resource could not be found.\n\n\n"}]}, 404
    )


def missing(name: str, value: str) -> CloudError:
    """What no id of a provider can be reads as a provider that is not there."""
    return NotFound(f"No resource provider with uuid {value} found")


api = Service(
    "placement",
    "/placement",
    fault=fault,
    version_range=versions("placement"),
    unknown=unknown,
    missing=missing,
    ports=(8778,),
)


@api.get("", anonymous=True)
async def list_versions(ctx: Ctx) -> Answer:
    low, high = versions("placement")
    version = {"id": f"v{low}", "max_version": high, "min_version": low, "status": "CURRENT"}
    return dated(ctx, {"versions": [{**version, "links": [{"rel": "self", "href": ""}]}]})


def dated(
    ctx: Ctx, body: Any = None, at: float | None = None, *, status: int | None = None, location: str = ""
) -> Answer:
    """The answer; from 1.15 on with when it was last changed (now, if nobody knows), and that it is not to be kept."""
    headers = {"Location": location} if location else {}
    if ctx.at("1.15"):
        headers |= {"Cache-Control": "no-cache", "Last-Modified": formatdate(at or ctx.now(), usegmt=True)}
    return Answer(body, status=status, headers=headers)


def link(here: Here, path: str) -> str:
    """How a document of Placement refers to a path of it: without scheme and host."""
    return urlsplit(here.url(path)).path


def shown_provider(ctx: Ctx, here: Here, provider: Provider) -> dict[str, Any]:
    """A provider as the API shows it, in a list too."""
    url = link(here, f"{PROVIDERS}/{provider.id}")
    related = [{"rel": rel, "href": f"{url}/{rel}"} for rel, since in RELATED.items() if ctx.at(since)]
    document = {
        "uuid": provider.id,
        "name": provider.name,
        "generation": provider.generation,
        "links": [{"rel": "self", "href": url}, *related],
    }
    if ctx.at("1.14"):
        document |= {"parent_provider_uuid": provider.parent_id, "root_provider_uuid": provider.root_id}
    return document


def latest(times: Mapping[Any, float] | list[float]) -> float | None:
    """The last of some times; None if there are none."""
    return max(times.values() if isinstance(times, Mapping) else times, default=None)


def canonical(text: str) -> str | None:
    """The UUID in the form that the API shows; None for what is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None
