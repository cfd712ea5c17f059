"""Every route of Placement: importing this module declares them on `api`."""

from pileus.services.placement.aggregates import api as aggregates
from pileus.services.placement.allocation_candidates import api as allocation_candidates
from pileus.services.placement.allocations import api as allocations
from pileus.services.placement.http import api
from pileus.services.placement.inventories import api as inventories
from pileus.services.placement.reshaper import api as reshaper
from pileus.services.placement.resource_classes import api as resource_classes
from pileus.services.placement.resource_providers import api as resource_providers
from pileus.services.placement.traits import api as traits
from pileus.services.placement.usages import api as usages

NOUNS = (
    aggregates,
    allocation_candidates,
    allocations,
    inventories,
    reshaper,
    resource_classes,
    resource_providers,
    traits,
    usages,
)

__all__ = ["NOUNS", "api"]
