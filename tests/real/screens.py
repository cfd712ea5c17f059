"""What a browser without a window shows: Chromium, told by its DevTools protocol."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from websockets.asyncio.client import ClientConnection, connect

from support.waiting import pause

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")
STARTS_WITHIN_S, SHOWS_WITHIN_S = 60.0, 60.0
COLOURS = """
(() => {
    const canvas = document.querySelector('canvas');
    if (!canvas || !canvas.width || !canvas.height) return 0;
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
})()
"""


async def colours(url: str, home: Path) -> int:
    """How many colours the first canvas of the page has, once it has more than one; else what it has at last."""
    async with page(url, home) as socket:
        found, until = 0, time.monotonic() + SHOWS_WITHIN_S
        while found < 2 and time.monotonic() < until:
            found = await evaluated(socket, COLOURS)
            await pause(0.5)
        return found


@asynccontextmanager
async def page(url: str, home: Path) -> AsyncIterator[ClientConnection]:
    """The page in a browser of its own, and the way to speak to it."""
    words = ("chromium", *FLAGS, f"--user-data-dir={home / 'chromium'}", url)
    with (home / "chromium.log").open("wb") as log:
        browser = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(STARTS_WITHIN_S):
            target = await page_of(home / "chromium")
        async with connect(target, max_size=None) as socket:
            yield socket
    finally:
        browser.kill()
        await browser.wait()


async def page_of(home: Path) -> str:
    """Where the browser's page is spoken to, once there is one."""
    file = home / "DevToolsActivePort"
    while not file.exists() or not file.read_text():
        await pause(0.2)
    port, _ = file.read_text().split()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while not (found := [each for each in (await client.get("/json/list")).json() if each["type"] == "page"]):
            await pause(0.2)
    return str(found[0]["webSocketDebuggerUrl"])


async def evaluated(socket: ClientConnection, expression: str) -> int:
    """What the page says to that."""
    await socket.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": expression}}))
    while (answer := json.loads(await socket.recv())).get("id") != 1:
        continue
    return int(answer["result"]["result"].get("value", 0))
