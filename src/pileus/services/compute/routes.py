"""Every route of Compute: importing this module declares them on `api`."""

from pileus.services.compute.aggregates import api as aggregates
from pileus.services.compute.audit_log import api as audit_log
from pileus.services.compute.availability_zones import api as availability_zones
from pileus.services.compute.extensions import api as extensions
from pileus.services.compute.external_events import api as external_events
from pileus.services.compute.flavors import api as flavors
from pileus.services.compute.floating_ips import api as floating_ips
from pileus.services.compute.gone import api as gone
from pileus.services.compute.hosts import api as hosts
from pileus.services.compute.http import api
from pileus.services.compute.hypervisors import api as hypervisors
from pileus.services.compute.images import api as images
from pileus.services.compute.keypairs import api as keypairs
from pileus.services.compute.limits import api as limits
from pileus.services.compute.migrations import api as migrations
from pileus.services.compute.networks import api as networks
from pileus.services.compute.quota_class_sets import api as quota_class_sets
from pileus.services.compute.quota_sets import api as quota_sets
from pileus.services.compute.security_groups import api as security_groups
from pileus.services.compute.server_groups import api as server_groups
from pileus.services.compute.servers import api as servers
from pileus.services.compute.servers import api_actions as server_actions
from pileus.services.compute.servers import api_attach as server_attachments
from pileus.services.compute.servers import api_consoles as server_consoles
from pileus.services.compute.servers import api_history as server_history
from pileus.services.compute.servers import api_live as server_live
from pileus.services.compute.servers import api_moves as server_moves
from pileus.services.compute.servers import api_parts as server_parts
from pileus.services.compute.servers import guest_pages
from pileus.services.compute.servers import hearing as servers_hearing
from pileus.services.compute.servers import reports as servers_reports
from pileus.services.compute.servers import verification as verification_of_servers
from pileus.services.compute.services import api as services
from pileus.services.compute.usages import api as usages
from pileus.services.compute.volumes import api as volumes

NOUNS = (
    aggregates,
    audit_log,
    availability_zones,
    extensions,
    external_events,
    flavors,
    floating_ips,
    gone,
    hosts,
    hypervisors,
    images,
    keypairs,
    limits,
    migrations,
    networks,
    quota_class_sets,
    quota_sets,
    security_groups,
    server_groups,
    servers,
    servers_hearing,
    servers_reports,
    guest_pages,
    server_consoles,
    services,
    usages,
    volumes,
    server_actions,
    server_attachments,
    server_history,
    server_live,
    server_moves,
    server_parts,
)

__all__ = ["NOUNS", "api", "verification_of_servers"]
