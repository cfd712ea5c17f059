"""Every route of our own API: importing this module declares them on `api`; `/metrics` and `/faults` stand beside it."""

from pileus.services.cloud.checkpoints import api as checkpoints
from pileus.services.cloud.events import api as events
from pileus.services.cloud.explanations import api as explanations
from pileus.services.cloud.faults.api import api as faults
from pileus.services.cloud.hosts import api as hosts
from pileus.services.cloud.http import api
from pileus.services.cloud.keys import api as keys
from pileus.services.cloud.metrics.api import api as metrics
from pileus.services.cloud.operations import api as operations
from pileus.services.cloud.verification import api as verification

NOUNS = (checkpoints, events, explanations, hosts, keys, operations, verification)

__all__ = ["NOUNS", "api", "faults", "metrics"]
