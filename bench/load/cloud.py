"""A session with one cloud: a token, its catalog, and requests against it."""

from __future__ import annotations

import json
import uuid
from urllib.parse import urlsplit

import aiohttp

from bench.load.samples import MIB

TYPES = {
    "identity": ("identity",),
    "image": ("image",),
    "compute": ("compute",),
    "placement": ("placement",),
    "network": ("network",),
    "object-store": ("object-store",),
    "volume": ("block-storage", "volumev3", "block-store"),
    "orchestration": ("orchestration",),
}

VERSION_PATH = {"identity": "v3", "image": "v2", "network": "v2.0"}


class Unexpected(Exception):
    """A response that is not what the workload asked for."""


class Cloud:
    """A session with one cloud: a token, its catalog, and requests against it."""

    def __init__(self, args):
        self.args = args
        base = args.auth_url.rstrip("/")
        self.auth_url = base if base.endswith("/v3") else base + "/v3"
        self.token = None
        self.token_body = None
        self.project_id = None
        self.http = None

    async def __aenter__(self):
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=self.args.timeout_s),
            auto_decompress=True,
            read_bufsize=MIB,
        )
        await self.login()
        return self

    async def __aexit__(self, *_):
        await self.http.close()

    def auth_request(self):
        a = self.args
        return {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {"name": a.username, "password": a.password, "domain": {"name": a.user_domain}}
                    },
                },
                "scope": {"project": {"name": a.project, "domain": {"name": a.project_domain}}},
            }
        }

    async def issue_token(self):
        async with self.http.post(self.auth_url + "/auth/tokens", json=self.auth_request()) as r:
            text = await r.read()
            if r.status != 201:
                raise Unexpected(f"HTTP {r.status}: {text[:200]!r}")
            return r.headers["X-Subject-Token"], json.loads(text)["token"]

    async def login(self):
        self.token, self.token_body = await self.issue_token()
        self.project_id = self.token_body["project"]["id"]

    def endpoint(self, service):
        """The URL under which the catalog has this service. Raises Unexpected when it has not."""
        for kind in TYPES[service]:
            for url in self.endpoints_of_type(kind):
                want = VERSION_PATH.get(service)
                return f"{url}/{want}" if want and want not in urlsplit(url).path.split("/") else url
        raise Unexpected(f"no {service} endpoint (interface {self.args.interface}) in the catalog")

    def endpoints_of_type(self, kind):
        a = self.args
        for entry in self.token_body.get("catalog", []):
            for ep in entry["endpoints"] if entry["type"] == kind else []:
                if ep["interface"] == a.interface and a.region in (None, ep.get("region_id"), ep.get("region")):
                    yield ep["url"].rstrip("/")

    def has(self, service):
        try:
            return bool(self.endpoint(service))
        except Unexpected:
            return False

    async def call(self, method, service, path, *, want=(200,), parse=True, json_body=None, **request):
        """One request (data, headers, params); its body is read in full.  Raises Unexpected on any status but `want`."""
        url = path if path.startswith("http") else self.endpoint(service) + path
        request["headers"] = {"X-Auth-Token": self.token, "Accept": "application/json", **request.get("headers", {})}
        async with self.http.request(method, url, json=json_body, **request) as r:
            body = await r.read()
            if r.status not in want:
                raise Unexpected(f"HTTP {r.status} {method} {urlsplit(url).path.split('/')[1:3]}: {body[:160]!r}")
            if parse and body and "json" in r.headers.get("Content-Type", ""):
                return json.loads(body)
            return body

    async def nova(self, method, path, body=None, want=(200,), parse=True, version=None):
        return await self.call(
            method,
            "compute",
            path,
            json_body=body,
            want=want,
            parse=parse,
            headers={"OpenStack-API-Version": "compute " + (version or self.args.compute_version)},
        )

    async def rp(self, method, path, body=None, want=(200,), parse=True):
        return await self.call(
            method,
            "placement",
            path,
            json_body=body,
            want=want,
            parse=parse,
            headers={"OpenStack-API-Version": "placement " + self.args.placement_version},
        )


def tag():
    return "lp-" + uuid.uuid4().hex[:8]
