"""What guests ask of the cloud by themselves, at 169.254.169.254.

A guest is told apart by the network that its question came in from and the address that it came from, which the overlay
vouches for; nothing that it says counts, so no header of it goes further than the process that it speaks to. The question
reaches the control plane by the host's own, authenticated channel, and with the host's name.

    @answers_guests
    async def answer(ctx: Ctx, host: str, asked: Asked) -> Told: ...

stands in the service that knows guests. It believes a host only about ports that are bound to that host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from pileus.kernel.context import Ctx  # the process that guests speak to needs no database

BODY_BYTES = 64 * 1024  # a guest says no more at once


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question. `path` is as the guest sent it, query and all."""

    network_id: UUID
    address: str
    path: str
    method: str = "GET"
    body: bytes = b""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, for the guest as it is."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=UTF-8"


NOT_FOUND = Told(status=404, body=b"Not Found\n")
Answer = Callable[["Ctx", str, Asked], Awaitable[Told]]
_answers: list[Answer] = []


def answers_guests(answer: Answer) -> Answer:
    """Declare who answers. There is one."""
    assert not _answers, "somebody answers guests already"
    _answers.append(answer)
    return answer


async def tell_guest(ctx: Ctx, host: str, asked: Asked) -> Told:
    """The answer to a guest of this host; that there is nothing, where no service knows guests."""
    return await _answers[0](ctx, host, asked) if _answers else NOT_FOUND
