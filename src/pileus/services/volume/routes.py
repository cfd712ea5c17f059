"""Every route of Block Storage: importing this module declares them on `api`."""

from pileus.services.volume.attachments import actions as attaching
from pileus.services.volume.attachments import api as attachments
from pileus.services.volume.http import api
from pileus.services.volume.messages import api as messages
from pileus.services.volume.snapshots import api as snapshots
from pileus.services.volume.snapshots import metadata as snapshot_metadata
from pileus.services.volume.types import api as types
from pileus.services.volume.types import specs
from pileus.services.volume.volumes import actions, metadata
from pileus.services.volume.volumes import api as volumes

NOUNS = (
    actions,
    attaching,
    attachments,
    messages,
    metadata,
    snapshot_metadata,
    snapshots,
    specs,
    types,
    volumes,
)

__all__ = ["NOUNS", "api"]
