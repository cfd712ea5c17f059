"""Every route of Compute: importing this module declares them on `api`."""

from pileus.services.compute.flavors import api as flavors
from pileus.services.compute.http import api
from pileus.services.compute.keypairs import api as keypairs

NOUNS = (
    flavors,
    keypairs,
)

__all__ = ["NOUNS", "api"]
