"""Every route of Compute: importing this module declares them on `api`."""

from pileus.services.compute.aggregates import api as aggregates
from pileus.services.compute.availability_zones import api as availability_zones
from pileus.services.compute.flavors import api as flavors
from pileus.services.compute.hosts import api as hosts
from pileus.services.compute.http import api
from pileus.services.compute.hypervisors import api as hypervisors
from pileus.services.compute.keypairs import api as keypairs
from pileus.services.compute.servers import api as servers
from pileus.services.compute.services import api as services

NOUNS = (
    aggregates,
    availability_zones,
    flavors,
    hosts,
    hypervisors,
    keypairs,
    servers,
    services,
)

__all__ = ["NOUNS", "api"]
