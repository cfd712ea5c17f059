"""Every change of Identity, by whichever route, is one line of the audit, which names what was changed, and is told."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from house.test_keys_everywhere import asking, writing
from house.test_routes import title
from pileus.kernel.audit import audits
from pileus.kernel.events import events
from support.cloud import RunningCloud

CHANGES_NOTHING = {
    "POST /identity/v3/ec2tokens": "it looks at a signature, and gives a token, of which there are no rows",
    "POST /identity/v3/s3tokens": "it looks at a signature",
}


@pytest.mark.database("sqlite", long="postgresql")
async def test_every_change_of_identity_is_audited_once_and_told(cloud: RunningCloud) -> None:
    wrong = {}
    for route in (r for r in writing(cloud) if r.service == "identity" and title(r) not in CHANGES_NOTHING):
        ask = await asking(cloud, route, {})
        before = await latest(cloud)
        answer = await ask()
        assert answer.is_success, (str(route), answer.text)
        lines = await audited(cloud, answer.headers["x-openstack-request-id"])
        told = await since(cloud, before)
        right = [(route.rule, route.method, answer.request.url.path)]
        if [line[:3] for line in lines] != right or None in lines[0] or lines[0][3:] not in told:
            wrong[str(route)] = lines, told
    assert not wrong


async def audited(cloud: RunningCloud, request_id: str) -> list[tuple[Any, ...]]:
    """What the audit says of a request: action, method, path, and of what kind and which its target is."""
    said = (audits.c.action, audits.c.method, audits.c.path, audits.c.target_type, audits.c.target_id)
    return [tuple(row) for row in await cloud.ctx().execute(sa.select(*said).where(audits.c.request_id == request_id))]


async def latest(cloud: RunningCloud) -> int:
    return int((await cloud.ctx().execute(sa.select(sa.func.max(events.c.seq)))).scalar_one() or 0)


async def since(cloud: RunningCloud, place: int) -> list[tuple[str, str]]:
    """What was told of after that: kind and id."""
    told = sa.select(events.c.kind, events.c.subject_id).where(events.c.seq > place)
    return [(row.kind, row.subject_id) for row in await cloud.ctx().execute(told)]
