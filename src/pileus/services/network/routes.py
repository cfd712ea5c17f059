"""Every route of Networking: importing this module declares them on `api`, and what belongs to projects."""

from pileus.services.network import owners
from pileus.services.network.http import api
from pileus.services.network.networks import api as networks
from pileus.services.network.networks.service import TAGGED as TAGGED_NETWORKS
from pileus.services.network.ports import api as ports
from pileus.services.network.ports.service import TAGGED as TAGGED_PORTS
from pileus.services.network.subnets import api as subnets
from pileus.services.network.subnets.service import TAGGED as TAGGED_SUBNETS
from pileus.services.network.tags import api as tags

NOUNS = (
    networks,
    ports,
    subnets,
)

__all__ = ["NOUNS", "api", "owners"]

for tagged in (TAGGED_NETWORKS, TAGGED_SUBNETS, TAGGED_PORTS):
    tags.declare(tagged)
