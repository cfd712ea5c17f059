"""What cannot be done, and what a program said that could not do it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress

LIMITS = ("prlimit", "--as=2147483648", "--cpu=600", "--")  # a crafted image shall not eat the host
CAUSE_LENGTH = 500


class Refusal(Exception):
    """It cannot be done, for this cause; trying again will not help."""


async def run(*words: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> bytes:
    """What a program writes to its standard output. Raises Refusal with its last words. Cancelled, it is killed."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**(environment or {}), "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin", "LC_ALL": "C"},
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        said = err.decode(errors="replace").strip()[-CAUSE_LENGTH:] or f"exit status {process.returncode}"
        raise Refusal(f"{os.path.basename(words[0])}: {said}")
    return out


async def qemu_img(*words: str | os.PathLike[str]) -> bytes:
    """qemu-img, on bytes that may be anybody's. Raises Refusal."""
    return await run(*LIMITS, "qemu-img", *words)
