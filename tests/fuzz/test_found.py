"""What was found by sending anything: each a request that once got a 5xx."""

from __future__ import annotations

import pytest

from support.cloud import RunningCloud
from support.sample import REAL

FOUND = [
    ("PATCH", "/identity/v3/domains/{domain_id}", {"domain": {}}, 400),
    ("PATCH", "/identity/v3/projects/{project_id}", {"project": {}}, 400),
    ("PATCH", "/identity/v3/roles/{role_id}", {"role": {}}, 400),
    ("PATCH", "/identity/v3/users/{user_id}", {"user": {}}, 400),
    ("POST", "/pileus/v1/operations/{operation_id}/action", {"retry": 10**40}, 202),
    ("POST", "/pileus/v1/operations/{operation_id}/action", {"nothing": 10**40}, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), FOUND)
async def test_it_is_answered(cloud: RunningCloud, method: str, path: str, body: object, status: int) -> None:
    for name, make in REAL.items():
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", await make(cloud))
    assert (await cloud.request(method, path, json=body)).status_code == status
