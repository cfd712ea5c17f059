"""Every route of Image: importing this module declares them on `api`."""

from pileus.services.image import owners
from pileus.services.image.http import api
from pileus.services.image.image_data import api as image_data
from pileus.services.image.images import api as images
from pileus.services.image.info import api as info
from pileus.services.image.members import api as members
from pileus.services.image.schemas import api as schemas

NOUNS = (
    image_data,
    images,
    info,
    members,
    schemas,
)

__all__ = ["NOUNS", "api", "owners"]
