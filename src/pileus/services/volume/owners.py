"""What Block Storage tells Identity: which of its things belong to a project, and how they go.

Importing this declares them; snapshots stand on volumes, and come after them.
"""

from __future__ import annotations

from pileus.services.identity.projects import service as projects
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.volumes import service as volumes

projects.owned_by("volume.volume", volumes.count_of, volumes.delete_of)
projects.owned_by("volume.snapshot", snapshots.count_of, snapshots.delete_of)
