"""Version documents: what a client that knows only a URL reads first.

The shapes differ by service; keystoneauth's discovery reads them all. A `VersionDocument` says once what there is and
declares the routes: the list at the service's root, and one entry at the path of each version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http.answers import Answer
from pileus.kernel.http.service import Service
from pileus.kernel.http.urls import Here


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiVersion:
    """One version. `path` is where it is rooted: "/v3/". `extra` are further fields of its entry, as they are."""

    id: str
    path: str
    status: str = "CURRENT"
    minimum: str | None = None
    maximum: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDocument:
    """The versions of a service, and the accent in which they are written.

    `values`: the list is {"versions": {"values": […]}}, else {"versions": […]}. `single`: the key of one version's own
    document; "versions" for a list of it alone; "" when it has none. `maximum_key`: how a microversion's end is called.
    `root_status`: 300 where OpenStack calls it a choice; the first version is then the one that is proposed. `also`: more paths for the list, with 200.
    """

    versions: tuple[ApiVersion, ...]
    values: bool = False
    single: str = "version"
    maximum_key: str = "version"
    root_status: int = 300
    also: tuple[str, ...] = ()

    def declare(self, api: Service) -> None:
        """Add the routes, all of them anonymous."""
        api.get("", anonymous=True)(self._list(self.root_status))
        for path in self.also:
            api.get(path, anonymous=True)(self._list(200))
        own = {v.path.rstrip("/"): v for v in reversed(self.versions)}  # the first of those that share a path
        for path, entry in own.items() if self.single else ():
            api.get(path, anonymous=True)(self._one(entry))

    def entry(self, version: ApiVersion, here: Here) -> dict[str, Any]:
        """One version, with a link to its root."""
        document: dict[str, Any] = {"id": version.id, "status": version.status}
        if version.minimum is not None:
            document |= {"min_version": version.minimum, self.maximum_key: version.maximum}
        return {**document, "links": [{"rel": "self", "href": here.url(version.path)}], **version.extra}

    def _list(self, status: int) -> Callable[..., Any]:
        async def list_versions(ctx: Ctx, here: Here) -> Answer:
            entries = [self.entry(v, here) for v in self.versions]
            choice = {"Location": here.url(self.versions[0].path)} if status == 300 else {}
            return Answer({"versions": {"values": entries} if self.values else entries}, status, choice)

        return list_versions

    def _one(self, version: ApiVersion) -> Callable[..., Any]:
        async def show_version(ctx: Ctx, here: Here) -> dict[str, Any]:
            entry = self.entry(version, here)
            return {self.single: [entry] if self.single == "versions" else entry}

        return show_version
