"""Identity, and the root document of every service."""

from __future__ import annotations

from urllib.parse import urlsplit

from bench.load.cloud import Unexpected


async def token_issue(cloud, rec, args):
    """POST /v3/auth/tokens, password method, project scope."""

    async def op(_):
        await cloud.issue_token()

    await rec.timed("identity: token issue", op)


async def token_validate(cloud, rec, args):
    """GET /v3/auth/tokens of one valid token by itself (the catalog is in the answer)."""
    subject, _ = await cloud.issue_token()

    async def op(_):
        b = await cloud.call("GET", "identity", "/auth/tokens", headers={"X-Subject-Token": subject})
        if "token" not in b:
            raise Unexpected("no token in the body")

    await rec.timed("identity: token validate", op)


async def project_list(cloud, rec, args):
    """GET /v3/projects."""

    async def op(_):
        if not (await cloud.call("GET", "identity", "/projects"))["projects"]:
            raise Unexpected("empty")

    await rec.timed("identity: project list", op)


async def nothing(cloud, rec, args):
    """GET of each service's root document: what the HTTP stack costs before any work is done."""
    for service in ("identity", "image", "compute", "placement", "network"):
        if not cloud.has(service):
            continue
        parts = urlsplit(cloud.endpoint(service))
        prefix = parts.path.split("/v")[0]
        url = f"{parts.scheme}://{parts.netloc}{prefix}/"

        async def op(_, url=url):
            async with cloud.http.get(url) as r:
                await r.read()
                if r.status not in (200, 300):
                    raise Unexpected(f"HTTP {r.status}")

        await rec.timed("root document", op, {"service": service}, concurrency=[16])
