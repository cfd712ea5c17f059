"""Facts about OpenStack that are data: policies, microversions, quotas, flavors, vocabularies.

They lie as TOML beside the service they are about (`services/compute/quotas.toml`) and come with the package.
`script/facts-check` compares them with a collection of the real services' facts.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

SERVICES = files("pileus") / "services"


@cache
def facts(service: str, name: str) -> dict[str, Any]:
    """The document `services/<service>/<name>.toml`. Shared: whoever wants to change it takes a copy.

    Raises FileNotFoundError.
    """
    return tomllib.loads((SERVICES / service / f"{name}.toml").read_text(encoding="utf-8"))


def services_with(name: str) -> list[str]:
    """The services (names of folders) that have facts of this name, sorted."""
    return sorted(
        folder.name for folder in SERVICES.iterdir() if folder.is_dir() and (folder / f"{name}.toml").is_file()
    )


def versions(service: str) -> tuple[str, str]:
    """The lowest and the highest microversion we speak."""
    document = facts(service, "microversions")
    return document["minimum"], document["maximum"]
