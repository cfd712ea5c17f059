"""What of Networking belongs to a project, and what no longer does."""

from __future__ import annotations

from support.cloud import RunningCloud
from support.networks import ROOT, made, network, port, router

PROJECTS = "/identity/v3/projects"


async def test_what_was_deleted_keeps_no_project(cloud: RunningCloud) -> None:
    """Also as long as the overlay has not heard of it."""
    project = (await cloud.post(PROJECTS, json={"project": {"name": "shop"}})).json()["project"]["id"]
    inside, _ = await network(cloud, project_id=project)
    things = {
        "ports": (await port(cloud, inside, project_id=project))["id"],
        "routers": (await router(cloud, project_id=project))["id"],
        "networks": inside,
        "security-groups": (
            await made(cloud, f"{ROOT}/security-groups", "security_group", {"name": "web", "project_id": project})
        )["id"],
    }
    await cloud.settle()
    kinds = {"network.port", "network.router", "network.network", "network.security_group"}
    plan = (await cloud.delete(f"{PROJECTS}/{project}")).json()["error"]["plan"]["deletes"]
    assert kinds <= {line["kind"] for line in plan}
    for kind, id_ in things.items():
        assert (await cloud.delete(f"{ROOT}/{kind}/{id_}")).status_code == 204
    assert (await cloud.delete(f"{PROJECTS}/{project}")).status_code == 204
