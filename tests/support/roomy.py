"""A cloud in which nothing is limited, for tests that make many of everything."""

from __future__ import annotations

from pathlib import Path

from pileus import services as folder
from pileus.kernel.facts import facts
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.services import service as services
from support.cloud import RunningCloud


async def unlimited(cloud: RunningCloud) -> None:
    """Register no limit for whatever each service of this cloud limits, as its operator would."""
    ctx = cloud.ctx()
    known = {service.type: service.id for service in await services.list_(ctx, {})}
    wanted = []
    for path in sorted(Path(*folder.__path__).glob("*/quotas.toml")):
        quotas = facts(path.parent.name, "quotas")
        types = quotas.get("service_types", [path.parent.name.replace("_", "-")])
        for service_id in [known[each] for each in types if each in known][:1]:
            place = {"service_id": service_id, "region_id": None, "description": None, "default_limit": -1}
            wanted += [{**place, "resource_name": each} for each in quotas.get("limits", ())]
    await registered_limits.create(ctx, wanted)
