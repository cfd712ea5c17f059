"""What every block storage promises, in files; and what only bytes can show."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from engines.blocks_contract import BlocksContract, Rig
from pileus.agent import certificates
from pileus.engines.blocks import Blocks, Connection, Export, Snapshot, Source, Volume
from pileus.engines.blocks.files import FilesBlocks
from pileus.engines.blocks.files.exports import Exports, Site
from pileus.engines.rim import Rim
from pileus.engines.verbs import Done, Failed
from pileus.kernel import tls
from pileus.kernel.clock import SystemClock
from pileus.kernel.errors import NotFound, Unavailable
from support.imagery import HOSTILE
from support.waiting import pause

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]
MIB = 1 << 20


class Kept:
    """The control plane's bytes: what waits at a path, and what was put there."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}

    @asynccontextmanager
    async def get(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if path not in self.bytes:
            raise NotFound("spent")

        async def given() -> AsyncIterator[bytes]:
            data = self.bytes[path]
            for at in range(0, len(data), MIB):
                yield data[at : at + MIB]

        yield given()

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        self.bytes[path] = b"".join([piece async for piece in pieces])


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def files(tmp_path: Path, kept: Kept) -> AsyncIterator[FilesBlocks]:
    engine = FilesBlocks(tmp_path / "blocks", kept, Site("h1"))
    await engine.resume()
    yield engine
    for attachment_id in engine.exports.all():
        await engine.ensure_unexported(UUID(attachment_id), fence=1 << 40)


@pytest.fixture
async def rig(files: FilesBlocks, tmp_path: Path) -> AsyncIterator[Rig]:
    async def elapse(seconds: float) -> None:
        await pause(0.02)

    rim = Rim(Blocks, files, tmp_path / "rim", SystemClock())
    yield Rig(rim.engine, elapse)
    await rim.stop()


class TestFiles(BlocksContract):
    """The engine behind its rim."""


class TestFilesElsewhere(BlocksContract):
    """The same, used by a host elsewhere: by NBD."""

    @pytest.fixture
    async def rig(self, files: FilesBlocks, tmp_path: Path) -> AsyncIterator[Rig]:
        async def elapse(seconds: float) -> None:
            await pause(0.02)

        rim = Rim(Blocks, files, tmp_path / "rim", SystemClock())
        yield Rig(rim.engine, elapse, host="h2")
        await rim.stop()


def path_of(files: FilesBlocks, volume_id: UUID) -> Path:
    return files._volumes / str(volume_id)


def write(path: Path, data: bytes, at: int = 0) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


async def a_volume(files: FilesBlocks, **more: object) -> UUID:
    volume = Volume(**{"id": uuid4(), "size_gib": 1, **more})  # type: ignore[arg-type]
    assert await files.ensure_volume(volume, fence=1) == Done()
    return volume.id


async def test_a_snapshot_keeps_the_bytes_of_its_moment_and_a_copy_goes_its_own_way(files: FilesBlocks) -> None:
    volume_id, snapshot = await a_volume(files), uuid4()
    write(path_of(files, volume_id), b"one", 700 * MIB)
    assert await files.ensure_snapshot(Snapshot(id=snapshot, volume_id=volume_id), fence=1) == Done()
    write(path_of(files, volume_id), b"two", 700 * MIB)
    copy_id = await a_volume(files, size_gib=2, source=Source(snapshot_id=snapshot))
    with open(path_of(files, copy_id), "rb") as file:
        file.seek(700 * MIB)
        assert file.read(3) == b"one"
    used = os.stat(path_of(files, copy_id))
    assert (used.st_size, used.st_blocks * 512 < 10 * MIB) == (2048 * MIB, True)


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[Path]:
    """A file system on which files can share blocks."""
    disk, folder = tmp_path / "xfs", tmp_path / "sharing"
    folder.mkdir()
    disk.touch()
    os.truncate(disk, 512 * MIB)
    subprocess.run(["mkfs.xfs", "-q", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_where_the_file_system_can_a_copy_shares_blocks_and_nobody_stands_still(
    sharing: Path, kept: Kept
) -> None:
    files, snapshot_id, data = FilesBlocks(sharing / "blocks", kept, Site("h1")), uuid4(), os.urandom(32 * MIB)
    await files.resume()
    volume_id = await a_volume(files)
    write(path_of(files, volume_id), data)
    used = used_bytes(sharing)
    async with holder(path_of(files, volume_id)) as stood_still:
        assert await files.ensure_snapshot(Snapshot(id=snapshot_id, volume_id=volume_id), fence=1) == Done()
        sources = Source(snapshot_id=snapshot_id), Source(volume_id=volume_id)
        copies = [await a_volume(files, source=source) for source in sources]
        assert not await stood_still()
    assert used_bytes(sharing) - used < 4 * MIB
    write(path_of(files, copies[0]), b"other")
    write(path_of(files, volume_id), b"later")
    found = [path_of(files, each).read_bytes()[: len(data)] for each in copies]
    assert found == [b"other" + data[5:], data]


@asynccontextmanager
async def holder(path: Path) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """A process that has the file open, and ends when it is asked whether it was ever told to go on."""
    script = (
        "import signal, sys\nfile, told = open(sys.argv[1]), []\nsignal.signal(signal.SIGCONT, lambda *_: told.append(1))\n"
        "print('open', flush=True)\nsys.stdin.read()\nprint(len(told))"
    )
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, path, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"

    async def stood_still() -> bool:
        told, _ = await process.communicate(b"")
        return told != b"0\n"

    try:
        yield stood_still
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def used_bytes(folder: Path) -> int:
    """Of its file system, when all is written."""
    subprocess.run(["sync", "--file-system", folder], check=True)
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


async def test_whoever_writes_stands_still_while_a_snapshot_is_taken(files: FilesBlocks) -> None:
    """Two counters, the second written after the first: a copy of one moment never has the second ahead."""
    volume_id, snapshot_id = await a_volume(files), uuid4()
    path = path_of(files, volume_id)
    write(path, os.urandom(64 * MIB), 10 * MIB)
    script = (
        "import os,sys,itertools\nf=os.open(sys.argv[1],os.O_RDWR)\n"
        "for n in itertools.count(1):\n"
        " d=n.to_bytes(8,'big'); os.pwrite(f,d,900<<20); os.pwrite(f,d,0)\n"
    )
    writer = await asyncio.create_subprocess_exec("python3", "-c", script, str(path))
    try:
        for _ in range(100):
            await pause(0.02)
            if path.read_bytes()[:8] != bytes(8):
                break
        assert await files.ensure_snapshot(Snapshot(id=snapshot_id, volume_id=volume_id), fence=1) == Done()
        assert writer.returncode is None
    finally:
        writer.kill()
        await writer.wait()
    [taken] = files._snapshots.glob(f"{snapshot_id}.*")
    with open(taken, "rb") as file:
        second = int.from_bytes(file.read(8), "big")
        file.seek(900 * MIB)
        first = int.from_bytes(file.read(8), "big")
    assert 0 < second <= first <= second + 1


def image(folder: Path, form: str, *more: str) -> bytes:
    made = folder / f"image.{form}"
    subprocess.run(["qemu-img", "create", "-q", "-f", form, *more, made, "16M"], check=True)
    subprocess.run(["qemu-io", "-f", form, "-c", "write -P 0x5a 1M 64k", str(made)], check=True, capture_output=True)
    return made.read_bytes()


@pytest.mark.parametrize("form", ["raw", "qcow2", "vmdk"])
async def test_a_volume_begins_with_an_image(files: FilesBlocks, kept: Kept, tmp_path: Path, form: str) -> None:
    kept.bytes["/image"] = image(tmp_path, form)
    volume_id = await a_volume(files, source=Source(url="/image", format=form))
    with open(path_of(files, volume_id), "rb") as file:
        file.seek(MIB)
        assert file.read(65536) == b"\x5a" * 65536
    assert path_of(files, volume_id).stat().st_size == 1024 * MIB


async def test_an_image_that_is_none_is_refused_and_leaves_nothing(
    files: FilesBlocks, kept: Kept, tmp_path: Path
) -> None:
    kept.bytes["/lying"] = image(tmp_path, "qcow2")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", tmp_path / "b"], check=True
    )
    kept.bytes["/backing"] = (tmp_path / "b").read_bytes()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "large", "2G"], check=True)
    kept.bytes["/large"] = (tmp_path / "large").read_bytes()
    for url, form in (("/lying", "raw"), ("/backing", "qcow2"), ("/large", "qcow2"), ("/gone", "raw")):
        volume = Volume(id=uuid4(), size_gib=1, source=Source(url=url, format=form))
        assert isinstance(await files.ensure_volume(volume, fence=1), Failed), url
    assert os.listdir(files._volumes) == []


async def test_no_volume_is_made_of_a_hostile_image(files: FilesBlocks, kept: Kept) -> None:
    """Looked at when it came, and once more here: bytes may have reached the store by another way."""
    for name, (declared, make, why) in HOSTILE.items():
        kept.bytes["/hostile"] = make()
        volume = Volume(id=uuid4(), size_gib=1, source=Source(url="/hostile", format=declared))
        answer = await files.ensure_volume(volume, fence=1)
        assert isinstance(answer, Failed), name
        assert re.search(f"cannot be used: .*({why})", answer.cause), (name, answer.cause)
    assert os.listdir(files._volumes) == []


async def test_a_volume_is_sent_in_the_format_that_was_asked_for(
    files: FilesBlocks, kept: Kept, tmp_path: Path
) -> None:
    volume_id = await a_volume(files)
    write(path_of(files, volume_id), b"bytes")
    assert await files.ensure_uploaded(volume_id, "/sent", "qcow2", fence=1) == Done()
    assert kept.bytes.pop("/sent")[:4] == b"QFI\xfb"
    assert await files.ensure_uploaded(volume_id, "/sent", "qcow2", fence=1) == Done()
    assert "/sent" not in kept.bytes


# by NBD


def url_of(connection: Connection) -> str:
    return f"nbd://{connection.address}:{connection.port}/{connection.export}"


async def run(*words: object) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def exported(files: FilesBlocks, export: Export) -> Connection:
    answer = await files.ensure_exported(export, fence=1)
    assert isinstance(answer, Done)
    return msgspec.convert(answer.facts, Connection)


async def test_another_host_reads_and_writes_until_it_may_no_more(files: FilesBlocks) -> None:
    volume_id = await a_volume(files)
    export = Export(id=uuid4(), volume_id=volume_id, host="h2")
    url = url_of(await exported(files, export))
    assert (await run("qemu-io", "-f", "raw", "-c", "write -P 0x11 4M 4k", url))[0] == 0
    with open(path_of(files, volume_id), "rb") as file:
        file.seek(4 * MIB)
        assert file.read(4096) == b"\x11" * 4096
    assert await files.ensure_volume(Volume(id=volume_id, size_gib=2), fence=1) == Done()
    assert (await run("qemu-io", "-f", "raw", "-c", "write -P 0x22 1500M 4k", url))[0] == 0
    await files.ensure_unexported(export.id, fence=1)
    assert (await run("qemu-io", "-f", "raw", "-c", "read 0 4k", url))[0] != 0


async def test_an_export_of_a_volume_that_grew_is_as_large(files: FilesBlocks) -> None:
    """Also when the agent was stopped before it could tell the daemons, and for who may only read."""
    volume_id = await a_volume(files)
    exports = [Export(id=uuid4(), volume_id=volume_id, host=host, read_only=host == "h3") for host in ("h2", "h3")]
    urls = [url_of(await exported(files, export)) for export in exports]
    os.truncate(path_of(files, volume_id), 2048 * MIB)
    assert await files.ensure_volume(Volume(id=volume_id, size_gib=2), fence=1) == Done()
    pids = [files.exports._pid(held) for held in files.exports.of(volume_id)]
    for url in urls:
        assert (await run("qemu-io", "-r", "-f", "raw", "-c", "read 2047M 4k", url))[0] == 0
    assert await files.ensure_volume(Volume(id=volume_id, size_gib=2), fence=1) == Done()
    assert [files.exports._pid(held) for held in files.exports.of(volume_id)] == pids


async def test_an_export_outlives_the_agent_and_comes_back_at_the_same_port(
    files: FilesBlocks, kept: Kept, tmp_path: Path
) -> None:
    export = Export(id=uuid4(), volume_id=await a_volume(files), host="h2", read_only=True)
    connection = await exported(files, export)
    again = FilesBlocks(tmp_path / "blocks", kept, Site("h1"))
    await again.resume()
    assert await exported(again, export) == connection
    [held] = again.exports.all().values()
    pid = again.exports._pid(held)
    assert pid is not None
    os.kill(pid, 9)
    while again.exports.serves(held):
        await pause(0.02)
    await again.resume()
    assert (await run("qemu-io", "-r", "-f", "raw", "-c", "read 0 4k", url_of(connection)))[0] == 0
    code, said = await run("qemu-io", "-f", "raw", "-c", "write 0 4k", url_of(connection))
    assert code != 0 or "Permission" in said or "read-only" in said.lower()


async def test_only_the_host_it_is_for_may_open_an_export(tmp_path: Path, kept: Kept) -> None:
    authority = tls.ensure_ca(tmp_path / "ca")
    homes = {
        name: certificates.ensure(tmp_path / name, name, None, authority.path.parent) for name in ("h1", "h2", "h3")
    }
    files = FilesBlocks(tmp_path / "blocks", kept, Site("h1", certificates=lambda: homes["h1"]))
    export = Export(id=uuid4(), volume_id=await a_volume(files), host="h2")
    connection = await exported(files, export)
    assert (connection.tls, connection.tls_hostname) == (True, "h1")

    async def opened(by: str) -> int:
        where = f"server.type=inet,server.host={connection.address},server.port={connection.port}"
        options = f"driver=nbd,{where},export={connection.export},tls-creds=t,tls-hostname={connection.tls_hostname}"
        credentials = f"tls-creds-x509,id=t,endpoint=client,dir={homes[by]}"
        return (await run("qemu-io", "--object", credentials, "--image-opts", options, "-c", "read 0 4k"))[0]

    try:
        assert await opened("h2") == 0
        assert await opened("h3") != 0
        assert (await run("qemu-io", "-f", "raw", "-c", "read 0 4k", url_of(connection)))[0] != 0
    finally:
        await files.ensure_unexported(export.id, fence=1)


async def test_without_an_authority_nothing_is_exported(tmp_path: Path, kept: Kept) -> None:
    def none() -> Path:
        return certificates.ensure(tmp_path / "h1", "h1", None, tmp_path / "ca")

    files = FilesBlocks(tmp_path / "blocks", kept, Site("h1", certificates=none))
    export = Export(id=uuid4(), volume_id=await a_volume(files), host="h2")
    with pytest.raises(Unavailable, match="certificate"):
        await files.ensure_exported(export, fence=1)


async def test_an_attachment_that_goes_while_its_volume_grows_is_gone(tmp_path: Path) -> None:
    """Else the host that it was open to could still write."""
    exports, attachment_id, volume_id = Exports(tmp_path / "exports", tmp_path, Site("here")), uuid4(), uuid4()
    volume = tmp_path / str(volume_id)
    volume.write_bytes(bytes(1 << 20))
    await exports.ensure(Export(id=attachment_id, volume_id=volume_id, host="there"))
    volume.write_bytes(bytes(2 << 20))
    await asyncio.gather(exports.grown(volume_id), exports.ensure_gone(attachment_id))
    assert exports.all() == {}
    assert list((tmp_path / "exports").glob("*.pid")) == []
