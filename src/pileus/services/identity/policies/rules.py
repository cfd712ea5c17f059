"""What a policy may be for, and what is for an endpoint. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pileus.services.identity.endpoints.service import Endpoint


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy is for: an endpoint, a service, or a service in a region and those below."""

    endpoint_id: str | None = None
    service_id: str | None = None
    region_id: str | None = None

    @property
    def key(self) -> str:
        """The three as one."""
        return msgspec.json.encode(msgspec.structs.astuple(self)).decode()


def places_of(endpoint: Endpoint, parents: Mapping[str, str | None]) -> list[Place]:
    """The places that an endpoint is in, the nearest first, given the parent of each region."""
    places = [Place(endpoint_id=endpoint.id)]
    region_id = endpoint.region_id
    while region_id is not None:
        places.append(Place(service_id=endpoint.service_id, region_id=region_id))
        region_id = parents[region_id]
    return [*places, Place(service_id=endpoint.service_id)]
