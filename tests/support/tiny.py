"""The image of a small guest, for tests with real engines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.source import ROOT


def tiny_image() -> Path:
    """Built once, in the checkout."""
    image = ROOT / "build" / "tiny.qcow2"
    if not image.exists():
        image.parent.mkdir(exist_ok=True)
        command = Path(sys.executable).with_name("pileus")
        subprocess.run([command, "image", "build-tiny", "--out", image], check=True, timeout=300)
    return image
