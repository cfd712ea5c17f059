"""`pileus image build-tiny`."""

from __future__ import annotations

import gzip
import os
import re
import struct
import sys
from pathlib import Path

import pytest

from cli.conftest import Up
from cli.conftest import up as up
from pileus.cli import Failure, main
from pileus.cli.parser import parser
from pileus.cli.tiny import disk, elf, packages, refuse_without_tools, tree
from pileus.engines.disk_formats import check
from support.pages import block_of


def test_it_says_what_it_makes(capsys: pytest.CaptureFixture[str]) -> None:
    asked = parser().parse_args(["image", "build-tiny", "--out", "x"])
    assert (asked.run, asked.out, asked.size, asked.root_hash) == ("tiny:run", Path("x"), 64, "*")
    with pytest.raises(SystemExit):
        main(["image", "build-tiny"])
    assert "--out" in capsys.readouterr().err


def test_an_archive_is_as_the_kernel_reads_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/x").write_text("text")
    (root / "bin/y").symlink_to("x")
    disk.archive(root, tmp_path / "out.gz")
    data = gzip.decompress((tmp_path / "out.gz").read_bytes())
    assert data.startswith(b"070701")
    assert [name in data for name in (b"bin/x\0", b"bin/y\0", b"dev/console\0", b"TRAILER!!!\0")] == [True] * 4
    assert len(data) % 4 == 0


def test_what_a_program_needs_is_read_from_it() -> None:
    """Of the interpreter that runs this: it wants the C library, and somebody to load it."""
    names, interpreter = elf.needed(Path(sys.executable).resolve())
    assert any(name.startswith("libc.so") for name in names)
    assert interpreter is not None
    assert Path(interpreter).exists()
    assert elf.needed(Path(__file__)) == ([], None)


def test_a_library_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"libnone\.so"):
        elf.library(tmp_path, "libnone.so")


def test_the_table_of_partitions_names_them(tmp_path: Path) -> None:
    if not disk.MBR.exists():
        pytest.skip("no syslinux here")
    image = tmp_path / "part"
    image.write_bytes(bytes(4096))
    sector = disk.partition_table([(0x80, 0x0E, 2048, image)])
    assert struct.unpack_from("<B3xB3xII", sector, 446) == (0x80, 0x0E, 2048, 8)
    assert sector[510:] == b"\x55\xaa"


def test_modules_come_with_what_they_need(tmp_path: Path) -> None:
    folder = tmp_path / "lib/modules/6.1/kernel"
    folder.mkdir(parents=True)
    (folder / "virtio-net.ko").write_bytes(b"\0depends=virtio,net_failover\0")
    (folder / "virtio.ko").write_bytes(b"\0depends=\0")
    (folder / "net_failover.ko").write_bytes(b"\0depends=virtio\0")
    modules = tree.Modules(tmp_path)
    modules.take(["virtio_net", "builtin"], tmp_path / "one")
    assert (tmp_path / "one/order").read_text().split() == ["virtio.ko", "net_failover.ko", "virtio-net.ko"]
    modules.take(["virtio"], tmp_path / "two")
    assert (tmp_path / "two/order").read_text() == ""


def test_packages_that_are_kept_are_not_downloaded(tmp_path: Path) -> None:
    (tmp_path / "one_1_amd64.deb").touch()
    (tmp_path / "one_2_amd64.deb").touch()
    assert packages.fetched(["one"], tmp_path) == [tmp_path / "one_2_amd64.deb"]


@pytest.mark.real
def test_a_guest_is_made_and_is_an_image(up: Up, tmp_path: Path) -> None:
    """By the commands of the user guide, from this machine's package mirror."""
    refuse_without_tools()
    cloud, place = up(), tmp_path / "place"
    place.mkdir()
    here = {"OS_CLOUD": "pileus", "OS_CLIENT_CONFIG_FILE": str(cloud.state / "clouds.yaml"), "HOME": str(tmp_path)}
    said = block_of("docs/user-guide.md", "build-tiny").said(place, within_s=300, **here)
    assert re.search(r"status +\| active", said)
    out = place / "guest.qcow2"
    file = os.open(out, os.O_RDONLY)
    size = out.stat().st_size
    found = check(lambda at, count: os.pread(file, count, at), size, declared="qcow2", most_virtual_bytes=1 << 30)
    os.close(file)
    assert found.format == "qcow2"
    assert size < 32 << 20
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []
