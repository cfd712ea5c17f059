"""/os-instance_usage_audit_log/{before}: usage is derived from the rows of servers, so no host is ever behind with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Query
from pileus.services.compute.http import api, asked
from pileus.services.compute.hypervisors import service as hypervisors

LIST = "/v2.1/os-instance_usage_audit_log"
RULES = "os_compute_api:os-instance-usage-audit-log"
FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")


def moment(text: str) -> datetime:
    """Raises BadRequest."""
    for form in FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise BadRequest(f"Invalid timestamp for date {text[:80]}")


async def shown(ctx: Ctx, before: datetime) -> dict[str, Any]:
    """Of the last whole month before."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if end.year == 1:
        raise BadRequest(f"Invalid timestamp for date {before:%Y-%m-%d}")
    begin = (end - timedelta(days=1)).replace(day=1)
    count = len(await hypervisors.list_(ctx))
    return {
        "period_beginning": str(begin),
        "period_ending": str(end),
        "num_hosts": count,
        "num_hosts_done": count,
        "num_hosts_running": 0,
        "num_hosts_not_run": 0,
        "hosts_not_run": [],
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": "ALL hosts done. 0 errors.",
        "log": {},
    }


@api.get(LIST, rule=f"{RULES}:list", wrap="instance_usage_audit_logs")
async def show_last_log(ctx: Ctx, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return await shown(ctx, datetime.fromtimestamp(ctx.now(), UTC))


@api.get(f"{LIST}/{{before}}", rule=f"{RULES}:show", wrap="instance_usage_audit_log")
async def show_log(ctx: Ctx, before: str, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return await shown(ctx, moment(before))
