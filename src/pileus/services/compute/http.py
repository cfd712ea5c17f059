"""How Compute speaks HTTP: its versions, its faults, its links, its query strings and its times."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import Annotated, Any

from msgspec import Meta

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError, NotFound
from pileus.kernel.facts import versions
from pileus.kernel.http import Here, Query, Service
from pileus.kernel.http.faults import plain_fault
from pileus.kernel.paging import Page

FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
OTHER_FAULT = "computeFault"
ROOTS = frozenset({"v2.1", "v2"})
PROJECT = re.compile(r"[0-9a-f-]{1,64}")
MISSING = {
    "server_id": "Instance {} could not be found.",
    "image_id": "Image not found.",
    "network_id": "Network not found.",
    "floatingip_id": "Floating IP not found for ID {}",
    "security_group_id": "Security group not found.",
    "security_group_rule_id": "Security group rule not found.",
    "flavor_id": "Flavor {} could not be found.",
    "server_group_id": "Instance group {} could not be found.",
}

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def fault(error: CloudError) -> dict[str, Any]:
    """{"itemNotFound": {"code": 404, "message": …}}; who cannot prove to be somebody hears it as from all services."""
    if error.status == 401:
        return plain_fault(error)
    said: dict[str, Any] = {"code": error.status, "message": error.message}
    if error.status in {413, 429}:
        said["retryAfter"] = error.headers.get("Retry-After", "0")
    return {FAULTS.get(error.status, OTHER_FAULT): {**said, **error.details}}


def missing(name: str, value: str) -> CloudError:
    """What no id can be reads as a thing that is not there."""
    noun = name.removesuffix("_id").replace("_", " ").capitalize()
    return NotFound(MISSING.get(name, f"{noun} {{}} could not be found.").format(value))


def located(segments: list[str]) -> tuple[list[str], str | None]:
    """`/v2/…` means `/v2.1/…`, and a project's id may stand behind either. A slash at the end leads nowhere, as in Nova."""
    if len(segments) < 2 or segments[0] not in ROOTS or not segments[1]:
        return segments, None
    if not segments[-1]:
        return [*segments, ""], None
    if len(segments) > 2 and segments[2] and PROJECT.fullmatch(segments[1]):
        return ["v2.1", *segments[2:]], segments[1]
    return ["v2.1", *segments[1:]], None


api = Service(
    "compute",
    "/compute",
    fault=fault,
    version_range=versions("compute"),
    microversion_headers=("OpenStack-API-Version: compute", "X-OpenStack-Nova-API-Version"),
    missing=missing,
    ports=(8774,),
    types=("compute", "compute_legacy"),
    request_id_headers=("x-compute-request-id",),
    located=located,
)


# versions


def entry(here: Here, name: str) -> dict[str, Any]:
    """A version as the list of versions shows it."""
    low, high = versions("compute")
    links = [{"rel": "self", "href": here.url(f"/{name}/")}]
    if name == "v2":
        old = {"id": "v2.0", "status": "DEPRECATED", "version": "", "min_version": ""}
        return {**old, "updated": "2025-07-04T12:00:00Z", "links": links}
    now = {"id": "v2.1", "status": "CURRENT", "version": high, "min_version": low}
    return {**now, "updated": "2013-07-23T11:33:21Z", "links": links}


def whole(here: Here, name: str) -> dict[str, Any]:
    """A version as its own document shows it."""
    shown = entry(here, name)
    shown["links"].append({"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"})
    kind = f"application/vnd.openstack.compute+json;version={name.removeprefix('v')}"
    return {**shown, "media-types": [{"base": "application/json", "type": kind}]}


@api.get("", anonymous=True)
async def list_versions(ctx: Ctx, here: Here) -> dict[str, Any]:
    return {"versions": [entry(here, "v2"), entry(here, "v2.1")]}


@api.get("/v2", anonymous=True, wrap="version")
async def show_version_2(ctx: Ctx, here: Here) -> dict[str, Any]:
    return whole(here, "v2")


@api.get("/v2.1", anonymous=True, wrap="version")
async def show_version_2_1(ctx: Ctx, here: Here) -> dict[str, Any]:
    return whole(here, "v2.1")


# links


def root(here: Here) -> str:
    """What stands before the noun in this request's path: `/v2.1`, and the project if it was named there."""
    return _root(here.path)


@lru_cache(256)
def _root(path: str) -> str:
    first, *rest = path.strip("/").split("/")
    named = located([first, *rest])[1]
    return f"/{first}/{named}" if named else f"/{first}"


def links(here: Here, noun: str, id_: str) -> list[dict[str, str]]:
    """Where a thing is: in the version that was asked, and in whatever version."""
    return [{"rel": "self", "href": here.url(f"{root(here)}/{noun}/{id_}")}, *bookmark(here, noun, id_)]


def bookmark(here: Here, noun: str, id_: str) -> list[dict[str, str]]:
    """Where it is in whatever version."""
    project = root(here)[1:].partition("/")[2]
    return [{"rel": "bookmark", "href": here.url(f"{f'/{project}' if project else ''}/{noun}/{id_}")}]


def next_link(here: Here, noun: str, page: Page, marker: str | None = None) -> dict[str, Any]:
    """{"servers_links": [{"rel": "next", …}]}; {} behind the last page. `marker`: where that is not the row's id."""
    if page.next_marker is None:
        return {}
    return {f"{noun}_links": [{"rel": "next", "href": here.base + here.again(marker=marker or page.next_marker)}]}


# what is asked, and how it is said


def asked(ctx: Ctx, query: Query, known: Collection[str] = (), *, strict_from: str = "2.75") -> dict[str, str]:
    """What each parameter was given last. From a microversion on, one that is not `known` is refused."""
    if ctx.at(strict_from) and (unknown := sorted(query.keys() - set(known))):
        names = ", ".join(f"'{name[:80]}'" for name in unknown)
        verb = "was" if len(unknown) == 1 else "were"
        raise BadRequest(f"Invalid query parameters. Additional properties are not allowed ({names} {verb} unexpected)")
    return {name: values[-1] for name, values in query.items() if name in known}


def limit(given: dict[str, str]) -> int | None:
    """How many are asked for at most. Raises BadRequest."""
    text = given.get("limit")
    if text is None:
        return None
    if re.fullmatch("[0-9]{1,18}", text) is None:
        raise BadRequest(f"Invalid input for query parameters limit. Value: {text[:80]}. It is no number from 0 on.")
    return int(text)


def check_printable(field: str, text: str, *, trimmed: bool = True) -> str:
    """The text, if it can be read: without control characters, and (`trimmed`) no space at either end. Raises BadRequest."""
    odd = [c for c in text if unicodedata.category(c)[0] in "CZ" and unicodedata.category(c) != "Zs"]
    if odd or (trimmed and text != text.strip()) or not text.strip():
        raise BadRequest(
            f"Invalid input for field/attribute {field}. Value: {text[:80]}. It must be printable, with no space at its ends."
        )
    return text


def is_admin(ctx: Ctx) -> bool:
    """Whether the caller sees what is nobody's: Compute's `context_is_admin`."""
    return ctx.world.policy.allows("compute/context_is_admin", ctx.caller, {})


def own(ctx: Ctx) -> dict[str, Any]:
    """The target of a rule that looks at what is the caller's."""
    return {"project_id": ctx.caller.project_id, "user_id": ctx.caller.user_id}


def stamp(at: float | None) -> str | None:
    """2026-11-28T13:30:00Z, as servers and actions have it."""
    return None if at is None else iso(at)


def long_stamp(at: float | None) -> str | None:
    """2026-11-28T13:30:00.000000, as most else has it."""
    return None if at is None else iso(at, microseconds=True)[:-1]
