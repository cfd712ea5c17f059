from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engines.blobs_contract import MOST, BlobsContract, kept
from pileus.engines.blobs import Blobs, NoRoom
from pileus.engines.blobs.files import FileBlobs
from pileus.kernel.errors import Unavailable


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return FileBlobs(tmp_path / "blobs")


class TestFiles(BlobsContract):
    """Files of a directory."""


async def test_files_are_their_owners_alone(blobs: Blobs, tmp_path: Path) -> None:
    await kept(blobs, "one")
    assert (await blobs.path("one")).stat().st_mode & 0o077 == 0
    assert (tmp_path / "blobs").stat().st_mode & 0o077 == 0


async def test_a_full_disk_is_no_room(blobs: Blobs) -> None:
    """/dev/full is one."""
    async with blobs.writing("one", most_bytes=MOST) as writer:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, writer._file)  # type: ignore[attr-defined]
        os.close(full)
        await writer.write(b"x")
        with pytest.raises(NoRoom):
            await writer.keep()


async def test_a_directory_that_is_away_is_unavailable_not_missing(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(Unavailable, match=os.strerror(errno.ENOTDIR)):
        async with blobs.writing("one", most_bytes=MOST):
            pass
