"""A disk that is there for Tempest: an empty one of 1 MiB as qcow2, on the web and described in a manifest of images."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

NAME = "empty.qcow2"
MANIFEST = f"images:\n- name: qcow2\n  filename: {NAME}\n  format: qcow2\n  usable: true\n"
CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
SIZE = 1 << 20


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Who asked for what is in the log of the cloud."""


def empty_qcow2() -> bytes:
    """A header, the table of references, one block of them for the four clusters, and a table of no data."""
    table, block, data = CLUSTER, 2 * CLUSTER, 3 * CLUSTER
    header = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", 2, 0, 0, CLUSTER_BITS, SIZE, 0, 1, data, table, 1, 0, 0)
    references = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(each.ljust(CLUSTER, b"\0") for each in (header, struct.pack(">Q", block), references, b""))


@dataclass(frozen=True)
class Disk:
    """Where it is, and the port that it is served from."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{NAME}"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.yaml"


@contextmanager
def disk_on_the_web(folder: Path) -> Iterator[Disk]:
    """Laid in that new folder, and served while the block runs."""
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever).start()
        try:
            disk = Disk(folder, server.server_port)
            (folder / NAME).write_bytes(empty_qcow2())
            disk.manifest.write_text(MANIFEST)
            yield disk
        finally:
            server.shutdown()
