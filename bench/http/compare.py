"""`python compare.py [NAME ...]`: a line of figures for each server: CPU of the server's processes, MB/s, behaviour.

Loopback only. The client is raw sockets in this process. Needs 1 GiB at BENCH_FILE (made as a sparse file if missing).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from statistics import median

import psutil

GIB = 1 << 30
BIG = Path(os.environ.get("BENCH_FILE", "/tmp/pileus-bench.bin"))
HEAD = b" HTTP/1.1\r\nHost: bench\r\n"
NAMES = ["uvicorn", "uvicorn-subclass", "granian", "ours", "ours-asyncio"]


@contextmanager
def served(name: str) -> Iterator[tuple[int, psutil.Process]]:
    here = Path(__file__).parent
    child = subprocess.Popen([sys.executable, here / "candidates.py", name], stdout=subprocess.PIPE, cwd=here)
    assert child.stdout
    try:
        port = int(child.stdout.readline())
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield port, psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(10)


def cpu(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def rss(process: psutil.Process) -> int:
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))


def download(port: int, path: str) -> int:
    """Bytes of the body that came. A response cut short is no figure."""
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(f"GET {path}/{GIB}".encode() + HEAD + b"Connection: close\r\n\r\n")
        buffer, total = memoryview(bytearray(1 << 20)), 0
        while n := peer.recv_into(buffer):
            total += n
    assert GIB < total < GIB + 1024, f"{total} bytes came with their head"
    return GIB


def upload(port: int) -> int:
    piece = b"%x\r\n" % 65_536 + b"\0" * 65_536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(b"POST /upload" + HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for _ in range(GIB // 65_536):
            peer.sendall(piece)
        peer.sendall(b"0\r\n\r\n")
        peer.settimeout(60)
        answer = b""
        while data := peer.recv(4096):
            answer += data
    assert answer.endswith(str(GIB).encode()), answer[-100:]
    return GIB


def small(port: int) -> int:
    request = b"GET /hello" + HEAD + b"User-Agent: bench\r\nAccept: */*\r\nX-Auth-Token: " + b"x" * 180 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as peer:
        for _ in range(10_000):
            peer.sendall(request)
            while not peer.recv(4096).endswith(b"}"):
                pass
    return 10_000


def hostile_head(port: int, process: psutil.Process) -> str:
    """How many MB of one header are taken, and what memory grows by."""
    before, sent, peak = rss(process), 0, 0
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.settimeout(5)
        try:
            peer.sendall(b"GET /" + HEAD + b"X-Large: ")
            while sent < 100 << 20:
                peer.sendall(b"a" * 65_536)
                sent += 65_536
                peak = max(peak, rss(process) - before) if sent % (1 << 20) == 0 else peak
        except OSError:
            pass
    return f"takes {sent / (1 << 20):.0f} MB, +{peak >> 20} MB"


def ask(port: int, data: bytes, wait_s: float = 1.0) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.settimeout(wait_s)
        peer.sendall(data)
        answer = b""
        try:
            while more := peer.recv(65_536):
                answer += more
        except OSError:
            pass
    return answer


def behaviour(port: int) -> str:
    close = b"Connection: close\r\n\r\n"
    path = b"/path/a%2Fb//c/../d"
    raw = ask(port, b"GET " + path + HEAD + close).partition(b"\r\n\r\n")[2]
    lazy = ask(port, b"POST /early" + HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    eager = ask(port, b"POST /upload" + HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    shapes = {
        "TE+CL": b"POST /upload" + HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" + close + b"0\r\n\r\n",
        "2xCL": b"POST /upload" + HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n" + close + b"abc",
        "fold": b"GET /hello" + HEAD + b"X-A: b\r\n c\r\n" + close,
        "bareCR": b"GET /hello" + HEAD + b"X-A: b\rc\r\n" + close,
        "NUL": b"GET /hello" + HEAD + b"X-A: b\0c\r\n" + close,
        "LF": b"GET /hello HTTP/1.1\nHost: x\nConnection: close\n\n",
        "noHost": b"GET /hello HTTP/1.1\r\n" + close,
    }
    taken = [name for name, data in shapes.items() if ask(port, data)[9:12] == b"200"]
    facts = [
        "raw" if raw == path else f"path {raw[:40]!r}",
        "lazy-100" if b"100 Continue" not in lazy and b"100 Continue" in eager else "EAGER-100",
        f"accepts {'+'.join(taken) or 'none'}",
    ]
    return ", ".join(facts)


LOADS = {
    "GET": small,
    "1 GiB by app": lambda port: download(port, "/download"),
    "1 GiB file": lambda port: download(port, "/download-file"),
    "1 GiB chunked up": upload,
}
ROUNDS = 7


def measured(process: psutil.Process, load: Callable[[int], int], port: int) -> tuple[float, float]:
    """(CPU of the server: us a request or s a GiB, rate: requests or MB a second)"""
    used, began = cpu(process), time.perf_counter()
    amount = load(port)
    took, used = time.perf_counter() - began, cpu(process) - used
    return (used / amount * 1e6, amount / took) if load is small else (used, amount / took / 1e6)


def shown(rounds: list[tuple[float, float]]) -> str:
    """Median and range of both, each by itself."""
    used, rate = sorted(u for u, _ in rounds), sorted(r for _, r in rounds)
    digits = 0 if used[-1] > 10 else 2
    cost = f"{median(used):.{digits}f} ({used[0]:.{digits}f}-{used[-1]:.{digits}f})"
    return f"{cost}; {median(rate):.0f} ({rate[0]:.0f}-{rate[-1]:.0f})"


def main() -> None:
    """The rounds of all servers are interleaved, for others use this machine too, and every round counts."""
    if not BIG.exists():
        with BIG.open("wb") as file:
            file.truncate(GIB)
    names = sys.argv[1:] or NAMES
    with ExitStack() as stack:
        servers = {name: stack.enter_context(served(name)) for name in names}
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            for title, name in product(LOADS, servers):
                port, process = servers[name]
                found.setdefault((name, title), []).append(measured(process, LOADS[title], port))
        print("|", " | ".join(["server", *LOADS, "RSS", "behaviour", "100 MB header"]), "|")
        for name, (port, process) in servers.items():
            row = [name, *(shown(found[name, title]) for title in LOADS), f"{rss(process) >> 20} MB"]
            print("|", " | ".join([*row, behaviour(port), hostile_head(port, process)]), "|", flush=True)


if __name__ == "__main__":
    main()
