"""Every route of Compute: importing this module declares them on `api`."""

from pileus.services.compute.flavors import api as flavors
from pileus.services.compute.http import api
from pileus.services.compute.keypairs import api as keypairs
from pileus.services.compute.servers import api as servers

NOUNS = (
    flavors,
    keypairs,
    servers,
)

__all__ = ["NOUNS", "api"]
