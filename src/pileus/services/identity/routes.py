"""Every route of Identity: importing this module declares them on `api`."""

from pileus.services.identity.application_credentials import api as application_credentials
from pileus.services.identity.assignments import api as assignments
from pileus.services.identity.auth import api as auth
from pileus.services.identity.credentials import api as credentials
from pileus.services.identity.domain_configs import api as domain_configs
from pileus.services.identity.domains import api as domains
from pileus.services.identity.ec2 import api as ec2
from pileus.services.identity.endpoint_filters import api as endpoint_filters
from pileus.services.identity.endpoints import api as endpoints
from pileus.services.identity.groups import api as groups
from pileus.services.identity.http import api
from pileus.services.identity.identity_providers import api as identity_providers
from pileus.services.identity.limits import api as limits
from pileus.services.identity.mappings import api as mappings
from pileus.services.identity.oauth1 import api as oauth1
from pileus.services.identity.policies import api as policies
from pileus.services.identity.projects import api as projects
from pileus.services.identity.regions import api as regions
from pileus.services.identity.registered_limits import api as registered_limits
from pileus.services.identity.revocations import api as revocations
from pileus.services.identity.roles import api as roles
from pileus.services.identity.service_providers import api as service_providers
from pileus.services.identity.services import api as services
from pileus.services.identity.tokens import api as tokens
from pileus.services.identity.totp import methods as totp
from pileus.services.identity.trusts import api as trusts
from pileus.services.identity.users import api as users
from pileus.services.identity.v2 import api as v2

NOUNS = (
    application_credentials,
    assignments,
    auth,
    credentials,
    domain_configs,
    domains,
    ec2,
    endpoint_filters,
    endpoints,
    groups,
    identity_providers,
    mappings,
    limits,
    oauth1,
    policies,
    projects,
    regions,
    registered_limits,
    revocations,
    roles,
    service_providers,
    services,
    tokens,
    totp,
    trusts,
    users,
    v2,
)

__all__ = ["NOUNS", "api"]
