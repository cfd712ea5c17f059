"""Lists of images, and their bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.load.cloud import Unexpected, tag
from bench.load.loops import counted_loop
from bench.load.samples import MIB
from bench.peer.clones import images
from bench.peer.operations import Desk, Figures, Operation, Scene, timed
from conformance.installed import Failure

RESULTS = Path(__file__).parents[2] / "results"  # the disk of both clouds
IMAGES = 1000
BYTES = 1000 * MIB
RECORD = {"disk_format": "raw", "container_format": "bare"}
PIECE = random.Random(1).randbytes(MIB)  # neither constant nor compressible


async def make_images(desk: Desk) -> None:
    """A thousand records without bytes; beside the peer all but one are copies of rows."""

    async def make(n: int) -> None:
        body = {"name": f"bench-{n}", **RECORD}
        await desk.cloud.call("POST", "image", "/images", want=(201,), parse=False, json_body=body)

    one_by_one = 1 if desk.peer else IMAGES
    sample = await counted_loop(make, range(one_by_one), 4, desk.args.limit_s)
    if sample.errors:
        raise Failure(f"{desk.side.name}: {dict(sample.errors)}")
    if desk.peer:
        images(desk.peer, IMAGES - 1)


async def list_1000(desk: Desk, _: int) -> None:
    await listed(desk, IMAGES)


async def list_25(desk: Desk, _: int) -> None:
    await listed(desk, 25)


async def listed(desk: Desk, limit: int) -> None:
    found = await desk.cloud.call("GET", "image", f"/images?limit={limit}")
    if len(found["images"]) != limit:
        raise Unexpected(f"{len(found['images'])} images, not {limit}")


async def upload(desk: Desk) -> Figures:
    """A gigabyte by one stream, into an image made for it, which is the one that is downloaded then."""
    body = {"name": tag(), **RECORD}
    image = await desk.cloud.call("POST", "image", "/images", want=(201,), json_body=body)
    old, desk.left["image"] = desk.left.get("image"), image["id"]
    await asyncio.to_thread(settle)
    with desk.watched() as use:
        began = time.perf_counter()
        await asyncio.to_thread(put, *place(desk))
        took = time.perf_counter() - began
    if old:
        await desk.cloud.call("DELETE", "image", f"/images/{old}", want=(204,))
    found = await desk.cloud.call("GET", "image", f"/images/{image['id']}")
    if (found["status"], found["size"]) != ("active", BYTES):
        raise Failure(f"{desk.side.name}: an uploaded image is {found['status']} with {found['size']} bytes")
    return {"cpu_ms": 1000 * use.cpu_s, "mb_per_s": BYTES / 1e6 / took}


def settle() -> None:
    """Let the disk end with what came before, of whichever side, and have memory for an image that the machine has used.

    The first touch of memory that a virtual machine never used costs it more than all else an upload does: up to 2 s for
    1 GB, and who is charged for it is chance. What is freed last is used first.
    """
    with tempfile.TemporaryFile(dir=RESULTS) as file:
        for _ in range(BYTES // MIB):
            file.write(PIECE)
        file.flush()
        os.sync()


async def download(desk: Desk) -> Figures:
    with desk.watched() as use:
        began = time.perf_counter()
        await asyncio.to_thread(get, *place(desk))
        took = time.perf_counter() - began
    return {"cpu_ms": 1000 * use.cpu_s, "mb_per_s": BYTES / 1e6 / took}


def place(desk: Desk) -> tuple[str, str]:
    """Where the bytes of the image are, and a token."""
    return f"{desk.cloud.endpoint('image')}/images/{desk.left['image']}/file", desk.cloud.token


def put(url: str, token: str) -> None:
    """By a socket of its own: the client must not be what is slow."""
    with connected(url) as stream:
        head = f"Content-Type: application/octet-stream\r\nContent-Length: {BYTES}\r\n"
        stream.sendall(request("PUT", url, token, head))
        for _ in range(BYTES // MIB):
            stream.sendall(PIECE)
        answer = stream.recv(65536)
    if b" 204 " not in answer.partition(b"\r\n")[0]:
        raise Failure(f"PUT {url}: {answer[:300]!r}")


def get(url: str, token: str) -> None:
    """Read and thrown away."""
    room = bytearray(MIB)
    with connected(url) as stream:
        stream.sendall(request("GET", url, token, ""))
        head = b""
        while b"\r\n\r\n" not in head:
            piece = stream.recv(65536)
            if not piece:
                raise Failure(f"GET {url}: {head[:300]!r}")
            head += piece
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise Failure(f"GET {url}: {head[:300]!r}")
        left = BYTES - len(head.partition(b"\r\n\r\n")[2])
        while left > 0:
            got = stream.recv_into(room)
            if not got:
                raise Failure(f"GET {url}: {left} bytes are missing")
            left -= got


def connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    stream = socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=120)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
    return stream


def request(verb: str, url: str, token: str, more: str) -> bytes:
    parts = urlsplit(url)
    return (
        f"{verb} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Auth-Token: {token}\r\n{more}Connection: close\r\n\r\n"
    ).encode()


def hashes_mb_per_s() -> float:
    """What md5 and sha512 allow, one after the other on one core: the middle of three."""
    took = []
    for _ in range(3):
        each = hashlib.md5(usedforsecurity=False), hashlib.sha512()
        began = time.perf_counter()
        for _ in range(256):
            for one in each:
                one.update(PIECE)
        took.append(time.perf_counter() - began)
    return 256 * MIB / 1e6 / statistics.median(took)


async def clear(desk: Desk) -> None:
    await desk.cloud.call("DELETE", "image", f"/images/{desk.left.pop('image')}", want=(204,))


LISTS = (
    Operation("images_1000", "list of 1,000 images", timed(list_1000)),
    Operation("images_25", "list of 25 images", timed(list_25)),
)
BYTES_OF_ONE = (
    Operation("upload", "upload of an image of 1 GB", upload),
    Operation("download", "download of an image of 1 GB", download),
)
SCENES = [Scene(LISTS, make_images), Scene(BYTES_OF_ONE, clear=clear)]
