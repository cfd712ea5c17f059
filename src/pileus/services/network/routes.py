"""Every route of Networking: importing this module declares them on `api`, and what belongs to projects."""

from pileus.services.network import owners, verification
from pileus.services.network.address_groups import api as address_groups
from pileus.services.network.address_scopes import api as address_scopes
from pileus.services.network.agents import api as agents
from pileus.services.network.default_group_rules import api as default_group_rules
from pileus.services.network.extensions import api as extensions
from pileus.services.network.floating_ips import api as floating_ips
from pileus.services.network.floating_ips.service import TAGGED as TAGGED_FLOATING_IPS
from pileus.services.network.http import api
from pileus.services.network.ip_availability import api as ip_availability
from pileus.services.network.networks import api as networks
from pileus.services.network.networks.service import TAGGED as TAGGED_NETWORKS
from pileus.services.network.ports import api as ports
from pileus.services.network.ports.service import TAGGED as TAGGED_PORTS
from pileus.services.network.quota_sets import api as quota_sets
from pileus.services.network.rbac_policies import api as rbac_policies
from pileus.services.network.routers import api as routers
from pileus.services.network.routers.service import TAGGED as TAGGED_ROUTERS
from pileus.services.network.security_group_rules import api as security_group_rules
from pileus.services.network.security_groups import api as security_groups
from pileus.services.network.security_groups.service import TAGGED as TAGGED_GROUPS
from pileus.services.network.subnets import api as subnets
from pileus.services.network.subnets.service import TAGGED as TAGGED_SUBNETS
from pileus.services.network.tags import api as tags

NOUNS = (
    address_groups,
    address_scopes,
    default_group_rules,
    floating_ips,
    agents,
    extensions,
    ip_availability,
    networks,
    ports,
    quota_sets,
    rbac_policies,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)

__all__ = ["NOUNS", "api", "owners", "verification"]

for tagged in (
    TAGGED_NETWORKS,
    TAGGED_SUBNETS,
    TAGGED_PORTS,
    TAGGED_ROUTERS,
    TAGGED_FLOATING_IPS,
    TAGGED_GROUPS,
):
    tags.declare(tagged)
