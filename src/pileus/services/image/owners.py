"""What Image tells Identity: which of its things belong to a project, and how they go. Importing this declares it."""

from __future__ import annotations

from pileus.services.identity.projects import service as projects
from pileus.services.image.images import service as images

projects.owned_by("image.image", images.count_of, images.delete_of)
