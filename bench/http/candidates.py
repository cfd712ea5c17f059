"""`python candidates.py NAME`: serve app.py by one of the servers compared; prints the port, then serves until killed."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import gated
import uvloop
from app import app


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def uvicorn_server(**options: Any) -> None:
    import uvicorn

    options = {"access_log": False, "log_level": "error", "lifespan": "off", "loop": "uvloop"} | options
    uvicorn.run("app:app", port=announced(), **options)


def announced() -> int:
    free = port()
    print(free, flush=True)
    return free


def granian_server() -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian("app:app", port=announced(), interface=Interfaces.ASGI, loop=Loops.uvloop, log_enabled=False).serve()


async def ours() -> None:
    from pileus.kernel.config import Http
    from pileus.kernel.http.server import Listener, Server

    [address] = await Server(app, Http(), [Listener()]).start()
    print(address[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    name = sys.argv[1]
    if name == "uvicorn":
        uvicorn_server(http="httptools")
    elif name == "uvicorn-subclass":
        uvicorn_server(http=gated.Gated)
    elif name == "granian":
        granian_server()
    elif name == "ours":
        uvloop.run(ours())
    elif name == "ours-asyncio":
        asyncio.run(ours())
    else:
        raise SystemExit(f"no candidate {name}")
