"""The handshake of a simulated guest's screen."""

from __future__ import annotations

import struct

import pytest

from pileus.engines.consoles import SimConsole

VERSION = b"RFB 003.008\n"
CHOICE, SHARED = b"\1", b"\1"


async def opened(console: SimConsole, *said: bytes) -> list[bytes]:
    """What the screen says to that, its version first."""
    heard = [await console.receive()]
    for piece in said:
        await console.send(piece)
    await console.close()
    while heard[-1]:
        heard.append(await console.receive())
    return heard[:-1]


def check_init(init: bytes) -> None:
    """The size, true colours of 32 bits, and a name as long as it says."""
    assert struct.unpack(">2H4B3H3B", init[:17]) == (720, 400, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    (length,) = struct.unpack(">I", init[20:24])
    assert init[24:] == b"QEMU (simulated)"
    assert length == len(init) - 24


async def test_a_screen_opens_without_a_password() -> None:
    heard = await opened(SimConsole("vnc", ""), VERSION, CHOICE, SHARED, bytes(70_000), bytes(10))
    assert heard[:3] == [VERSION, b"\1\1", bytes(4)]
    check_init(heard[3])
    assert len(heard) == 4


async def test_bytes_may_be_cut_and_joined_as_they_like() -> None:
    whole = VERSION + CHOICE + SHARED + b"\3" + bytes(9)
    apart = await opened(SimConsole("vnc", ""), *(bytes([byte]) for byte in whole))
    assert apart == await opened(SimConsole("vnc", ""), b"", whole)
    assert len(apart) == 4


@pytest.mark.parametrize(
    ("minor", "said", "answers"),
    [(3, SHARED, [bytes((0, 0, 0, 1))]), (5, SHARED, [bytes((0, 0, 0, 1))]), (7, CHOICE + SHARED, [b"\1\1"])],
)
async def test_older_versions_are_spoken(minor: int, said: bytes, answers: list[bytes]) -> None:
    heard = await opened(SimConsole("vnc", ""), b"RFB 003.00%d\n" % minor, said)
    assert heard[1:-1] == answers
    check_init(heard[-1])


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        (b"GET / HTTP/1", []),
        (b"RFB 003.889\n", []),
        (b"RFB 004.008\n", []),
        (VERSION + b"\2", [b"\1\1", struct.pack(">2I", 1, 31) + b"There is no such security here."]),
        (b"RFB 003.007\n\2", [b"\1\1"]),
    ],
)
async def test_who_speaks_otherwise_is_hung_up_on(said: bytes, answers: list[bytes]) -> None:
    console = SimConsole("vnc", "")
    await console.send(said)
    assert [await console.receive() for _ in range(len(answers) + 2)] == [VERSION, *answers, b""]
    await console.send(VERSION + SHARED)
    await console.close()
    assert await console.receive() == b""
