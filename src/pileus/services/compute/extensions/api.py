"""/extensions/{extension_alias}: clients of old ask by this whether something is there."""

from __future__ import annotations

import re
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.facts import facts
from pileus.kernel.http import Query
from pileus.services.compute.http import api, asked

RULE = "os_compute_api:extensions"
KNOWN = facts("compute", "extensions")
NAMES: dict[str, str] = KNOWN["names"]
WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def shown(alias: str) -> dict[str, Any]:
    words = WORDS.sub(" ", NAMES[alias])
    said = {"name": NAMES[alias], "description": f"{words}.", "links": []}
    return {"alias": alias, **said, "namespace": KNOWN["namespace"], "updated": KNOWN["updated"]}


@api.get("/v2.1/extensions", rule=RULE, wrap="extensions")
async def list_extensions(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    asked(ctx, query, strict_from="2.102")
    return [shown(alias) for alias in NAMES]


@api.get("/v2.1/extensions/{extension_alias}", rule=RULE, wrap="extension")
async def show_extension(ctx: Ctx, extension_alias: str, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    if extension_alias not in NAMES:
        raise NotFound(f"There is no extension {extension_alias[:80]}.")
    return shown(extension_alias)
