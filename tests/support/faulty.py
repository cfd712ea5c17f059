"""Faults of a simulated cloud."""

from __future__ import annotations

from typing import Any

from support.cloud import RunningCloud


async def fault(cloud: RunningCloud, **wanted: Any) -> str:
    answer = await cloud.post("/faults", json={"fault": wanted})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["fault"]["id"])
