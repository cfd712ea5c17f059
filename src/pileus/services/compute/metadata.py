"""What stands beside servers and images: keys and texts of the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pileus.kernel.errors import BadRequest, NotFound

KEY = re.compile(r"[a-zA-Z0-9\-_:. ]{1,255}")


def checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Raises BadRequest for a key or a value that is none."""
    for key, value in metadata.items():
        if KEY.fullmatch(key) is None or len(value) > 255:
            raise BadRequest(
                f"Invalid input for field/attribute metadata. Value: {key[:80]}. A key has 1 to 255 letters, digits or "
                "-_:. and spaces; a value at most 255 characters."
            )
    return dict(metadata)


def item(metadata: Mapping[str, str], key: str) -> str:
    """Raises NotFound."""
    if key not in metadata:
        raise NotFound("Metadata item was not found")
    return metadata[key]
