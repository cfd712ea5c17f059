"""Every route of Block Storage: importing this module declares them on `api`."""

from pileus.services.volume import owners, verification
from pileus.services.volume.attachments import actions as attaching
from pileus.services.volume.attachments import api as attachments
from pileus.services.volume.discovery import api as discovery
from pileus.services.volume.http import api
from pileus.services.volume.messages import api as messages
from pileus.services.volume.pools import api as pools
from pileus.services.volume.qos_specs import api as qos_specs
from pileus.services.volume.quota_sets import api as quota_sets
from pileus.services.volume.snapshots import api as snapshots
from pileus.services.volume.snapshots import metadata as snapshot_metadata
from pileus.services.volume.transfers import api as transfers
from pileus.services.volume.types import api as types
from pileus.services.volume.types import specs
from pileus.services.volume.volumes import actions, metadata
from pileus.services.volume.volumes import api as volumes

NOUNS = (
    actions,
    attaching,
    attachments,
    discovery,
    messages,
    metadata,
    pools,
    qos_specs,
    quota_sets,
    snapshot_metadata,
    snapshots,
    specs,
    transfers,
    types,
    volumes,
)

__all__ = ["NOUNS", "api", "owners", "verification"]
