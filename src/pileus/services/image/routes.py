"""Every route of Image: importing this module declares them on `api`."""

from pileus.services.image import owners
from pileus.services.image.http import api
from pileus.services.image.image_data import api as image_data
from pileus.services.image.images import api as images
from pileus.services.image.imports import api as imports
from pileus.services.image.info import api as info
from pileus.services.image.members import api as members
from pileus.services.image.schemas import api as schemas
from pileus.services.image.tasks import api as tasks

NOUNS = (
    image_data,
    images,
    imports,
    info,
    members,
    schemas,
    tasks,
)

__all__ = ["NOUNS", "api", "owners"]
