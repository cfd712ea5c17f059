"""Every route of Block Storage: importing this module declares them on `api`."""

from pileus.services.volume.attachments import api as attachments
from pileus.services.volume.http import api
from pileus.services.volume.messages import api as messages
from pileus.services.volume.types import api as types
from pileus.services.volume.types import specs
from pileus.services.volume.volumes import api as volumes

NOUNS = (attachments, messages, specs, types, volumes)

__all__ = ["NOUNS", "api"]
