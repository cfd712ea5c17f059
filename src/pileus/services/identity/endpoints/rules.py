"""The URLs of endpoints: templates in Keystone's language. Pure.

`$(public_endpoint)s` (or with a `%`) is how this cloud is reached, by configuration or by the request itself, so that
a change of the port changes no row. `$(project_id)s`, `$(tenant_id)s` and `$(user_id)s` are of the token. A `%` of the URL
itself is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PLACE = re.compile(r"%%|[$%]\((\w+)\)s")
PUBLIC = "$(public_endpoint)s"
ABSOLUTE = re.compile(r"(?:[$%]\(public_endpoint\)s|[a-zA-Z0-9+.-]+:).+")
KNOWN = frozenset({"tenant_id", "project_id", "user_id", "compute_host", "public_endpoint"})


def is_template(url: str) -> bool:
    """Whether it can be rendered, given values."""
    left = PLACE.sub("/", url)
    names = {name for name in PLACE.findall(url) if name}
    return ABSOLUTE.match(url) is not None and names <= KNOWN and "%" not in left and "$(" not in left


def rendered(url: str, values: Mapping[str, str]) -> str | None:
    """The URL, or None when it asks for what there is no value for: then the endpoint is left out."""
    if any(name and name not in values for name in PLACE.findall(url)):
        return None
    return PLACE.sub(lambda place: values[place[1]] if place[1] else "%", url)


def shown(url: str, cloud: str) -> str:
    """The URL for who looks after it: what is of a token stays a template."""
    return PLACE.sub(lambda place: cloud if place[1] == "public_endpoint" else place[0], url)


def template(path: str) -> str:
    """The template for a path below this cloud's own address; a whole URL stays as it is."""
    return path if "://" in path else PUBLIC + path
