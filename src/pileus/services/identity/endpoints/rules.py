"""The URLs of endpoints: templates in Keystone's language. Pure.

`$(public_endpoint)s` (or with a `%`) is how this cloud is reached, by configuration or by the request itself, so that
a change of the port changes no row. `$(project_id)s`, `$(tenant_id)s` and `$(user_id)s` are of the token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PLACE = re.compile(r"[$%]\((\w+)\)s")
PUBLIC = "$(public_endpoint)s"


def rendered(url: str, values: Mapping[str, str]) -> str | None:
    """The URL, or None when it asks for what there is no value for: then the endpoint is left out."""
    if any(name not in values for name in PLACE.findall(url)):
        return None
    return PLACE.sub(lambda place: values[place[1]], url)


def template(path: str) -> str:
    """The template for a path below this cloud's own address; a whole URL stays as it is."""
    return path if "://" in path else PUBLIC + path
