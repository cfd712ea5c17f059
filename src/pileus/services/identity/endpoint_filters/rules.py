"""Which endpoints belong to a group. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pileus.services.identity.endpoints.service import Endpoint


def matches(filters: Mapping[str, Any], endpoint: Endpoint) -> bool:
    """Whether the endpoint is as the filters say, each of them: `service_id`, `region_id`, `interface`, `enabled`."""
    return all(getattr(endpoint, name) == value for name, value in filters.items())
