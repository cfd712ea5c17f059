"""/os-simple-tenant-usage/{usage_project}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Here, Query
from pileus.services.compute.http import api, asked, limit, long_stamp
from pileus.services.compute.usages import service
from pileus.services.compute.usages.service import Asked, Span, Total

LIST = "/v2.1/os-simple-tenant-usage"
ONE = "/v2.1/os-simple-tenant-usage/{usage_project}"
RULES = "os_compute_api:os-simple-tenant-usage"
MOST = 1000
FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")


def moment(text: str | None, now: float) -> float:
    """Seconds since the epoch; without a text it is now. Raises BadRequest."""
    if not text:
        return now
    for form in FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            continue
    raise BadRequest("Datetime is in invalid format")


def wanted(ctx: Ctx, given: dict[str, str], project_id: str | None) -> Asked:
    """Who names no time asks for this moment, in which nothing was used. Raises BadRequest."""
    now = ctx.now()
    start, stop = moment(given.get("start"), now), moment(given.get("end"), now)
    if start >= stop and (given.get("start") or given.get("end")):
        raise BadRequest("Invalid start time. The start time cannot occur after the end time.")
    most = limit(given) if ctx.at("2.40") else None
    marker = given.get("marker") if ctx.at("2.40") else None
    most = MOST if most is None else min(most, MOST)
    return Asked(start=start, stop=min(stop, now), project_id=project_id, limit=most, marker=marker)


def shown(ctx: Ctx, span: Span, about: Asked) -> dict[str, Any]:
    """A server's part."""
    return {
        "instance_id": span.server_id,
        "name": span.name,
        "tenant_id": span.project_id,
        "flavor": span.flavor,
        "memory_mb": span.memory_mib,
        "vcpus": span.vcpus,
        "local_gb": span.disk_gib,
        "hours": span.hours(about.start, about.stop),
        "started_at": long_stamp(span.launched_at),
        "ended_at": long_stamp(span.ended_at),
        "state": span.state if span.ended_at is None else "terminated",
        "uptime": int((ctx.now() if span.ended_at is None else span.ended_at) - span.launched_at),
    }


def summed(ctx: Ctx, spans: Sequence[Span], about: Asked, *, whole: bool) -> list[dict[str, Any]]:
    """For each project what it used, and (`whole`) by which servers."""
    totals: dict[str, Total] = {}
    for span in spans:
        before = totals.get(span.project_id, Total())
        totals[span.project_id] = before.plus(span, span.hours(about.start, about.stop))
    documents = []
    for project_id, total in totals.items():
        document: dict[str, Any] = {
            "tenant_id": project_id,
            "total_hours": total.hours,
            "total_memory_mb_usage": total.memory_mib_hours,
            "total_vcpus_usage": total.vcpu_hours,
            "total_local_gb_usage": total.disk_gib_hours,
            "start": long_stamp(about.start),
            "stop": long_stamp(about.stop),
        }
        if whole:
            document["server_usages"] = [shown(ctx, span, about) for span in spans if span.project_id == project_id]
        documents.append(document)
    return documents


def following(ctx: Ctx, here: Here, noun: str, spans: Sequence[Span], about: Asked) -> dict[str, Any]:
    """The link behind a full page."""
    if not ctx.at("2.40") or not spans or len(spans) < about.limit:
        return {}
    href = here.base + here.again(marker=spans[-1].server_id)
    return {f"{noun}_links": [{"rel": "next", "href": href}]}


@api.get(LIST, rule=f"{RULES}:list")
async def list_usages(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    given = asked(ctx, query, ("start", "end", "detailed", "limit", "marker"))
    about = wanted(ctx, given, None)
    spans = await service.list_(ctx, about)
    usages = summed(ctx, spans, about, whole=given.get("detailed") == "1")
    return {"tenant_usages": usages, **following(ctx, here, "tenant_usages", spans, about)}


@api.get(ONE, rule=f"{RULES}:show")
async def show_usage(ctx: Ctx, usage_project: str, query: Query, here: Here) -> dict[str, Any]:
    given = asked(ctx, query, ("start", "end", "limit", "marker"))
    ctx.require({"project_id": usage_project})
    about = wanted(ctx, given, usage_project)
    spans = await service.list_(ctx, about)
    usage = next(iter(summed(ctx, spans, about, whole=True)), {})
    return {"tenant_usage": usage, **following(ctx, here, "tenant_usage", spans, about)}
