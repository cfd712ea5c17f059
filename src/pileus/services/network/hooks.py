"""What a noun lets the nouns above it do in its transactions: it declares a hook, they add to it at import.

going: Hook[[Ctx, Network]] = Hook()          # in the noun

@networks.going                                # in a noun above it
async def refuse(ctx: Ctx, network: Network) -> None: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec

P = ParamSpec("P")


class Hook(Generic[P]):
    """Calls that are made one after the other, those of who was imported last first."""

    def __init__(self) -> None:
        self._calls: list[Callable[P, Awaitable[Any]]] = []

    def __call__(self, call: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Any]]:
        self._calls.append(call)
        return call

    async def run(self, *args: P.args, **kwargs: P.kwargs) -> list[Any]:
        """What each of them returned. Raises what one of them raises."""
        return [await call(*args, **kwargs) for call in reversed(self._calls)]
