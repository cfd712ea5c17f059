"""What `pileus doctor` has found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was looked at. With `why` and `mend` something is wrong; `serious`: the cloud will not work."""

    about: str
    seen: str
    why: str = ""
    mend: str = ""
    serious: bool = False
