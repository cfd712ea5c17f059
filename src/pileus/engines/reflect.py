"""An engine protocol as data: its verbs, and the shape of what travels for each.

A verb is an async method of the Protocol. One with a `fence` is a write: its first parameter names the subject, by id or
as a Struct that has one. One without a `fence` is a question.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec


@dataclass(frozen=True)
class Verb:
    """One verb of a protocol. `body` holds its arguments by name, the fence among them."""

    name: str
    signature: inspect.Signature
    body: type[msgspec.Struct]
    answer: Any
    writes: bool

    def bind(self, *args: Any, **kwargs: Any) -> msgspec.Struct:
        """The arguments of a call. Raises TypeError like the call itself would."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return self.body(**bound.arguments)

    def subject(self, body: msgspec.Struct) -> str:
        """Whom the call is about."""
        first = getattr(body, body.__struct_fields__[0])
        return str(getattr(first, "id", first))

    def decode(self, data: bytes) -> msgspec.Struct:
        """Raises msgspec.DecodeError (a ValueError) with the cause."""
        return msgspec.json.decode(data, type=self.body)


@functools.cache
def verbs_of(protocol: type) -> Mapping[str, Verb]:
    """The verbs of an engine protocol, by name."""
    methods = inspect.getmembers(protocol, inspect.iscoroutinefunction)
    return MappingProxyType({name: verb(name, method) for name, method in methods if not name.startswith("_")})


def verb(name: str, method: Callable[..., Any]) -> Verb:
    hints = typing.get_type_hints(method)
    signature = inspect.signature(method)
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])  # without self
    fields = [(parameter, hints[parameter]) for parameter in signature.parameters]
    body = msgspec.defstruct(name, fields, frozen=True, forbid_unknown_fields=True)
    return Verb(name, signature, body, hints["return"], writes="fence" in signature.parameters)


def arguments(body: msgspec.Struct) -> dict[str, Any]:
    """The arguments of a call by name, as the engine takes them."""
    return {field: getattr(body, field) for field in body.__struct_fields__}


def facade(protocol: type, say: Callable[[Verb, msgspec.Struct], Awaitable[Any]]) -> Any:
    """An object with the methods of the protocol, each of which calls `say` with its arguments in one Struct."""
    return Facade(protocol, say)


class Facade:
    """What `facade` makes."""

    def __init__(self, protocol: type, say: Callable[[Verb, msgspec.Struct], Awaitable[Any]]) -> None:
        self._say = say
        for name, each in verbs_of(protocol).items():
            setattr(self, name, functools.partial(self._call, each))

    async def _call(self, verb: Verb, /, *args: Any, **kwargs: Any) -> Any:
        return await self._say(verb, verb.bind(*args, **kwargs))
