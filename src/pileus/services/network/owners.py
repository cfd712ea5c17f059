"""What Networking tells Identity: which of its things belong to a project, and how they go.

Importing this declares them; what stands on other things comes after those.
"""

from __future__ import annotations

from pileus.services.identity.projects import service as projects
from pileus.services.network.address_groups import service as address_groups
from pileus.services.network.address_scopes import service as address_scopes
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.rbac_policies import service as rbac_policies
from pileus.services.network.routers import service as routers
from pileus.services.network.security_groups import service as security_groups
from pileus.services.network.subnets import service as subnets

projects.owned_by(address_scopes.KIND, address_scopes.count_of, address_scopes.delete_of, at_once=True)
projects.owned_by(address_groups.KIND, address_groups.count_of, address_groups.delete_of, at_once=True)
projects.owned_by(networks.KIND, networks.names_of, networks.delete_of)
projects.owned_by(subnets.KIND, subnets.names_of, subnets.delete_of, at_once=True)
projects.owned_by(security_groups.KIND, security_groups.count_of, security_groups.delete_of)
projects.owned_by(ports.KIND, ports.names_of, ports.delete_of)
projects.owned_by(routers.KIND, routers.names_of, routers.delete_of)
projects.owned_by(floating_ips.KIND, floating_ips.names_of, floating_ips.delete_of, at_once=True)
projects.owned_by(rbac_policies.KIND, rbac_policies.names_of, rbac_policies.delete_of, at_once=True)
