"""Query strings, as Structs.

A field of a list type takes every value of a repeated key, any other the last one. Booleans are spelled as OpenStack's
services read them; integers are decimal and inside 64 bits. A Struct that forbids unknown fields answers them with 400,
another ignores them; a field `others: dict[str, list[str]]` gets them instead (filters). A handler may also name the
whole query: `query: dict[str, list[str]]`.
"""

from __future__ import annotations

import re
import types
import typing
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pileus.kernel.errors import BadRequest
from pileus.kernel.http.bodies import INT_MAX, INT_MIN, explained

TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
QUERY_KEYS = 1000
OTHERS = "others"

Query = dict[str, list[str]]


def parsed(raw: bytes) -> Query:
    """The query string as what each key was given, in order. Raises BadRequest for what is no text."""
    if not raw:
        return {}
    query: Query = {}
    try:
        for key, value in parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=QUERY_KEYS):
            query.setdefault(key, []).append(value)
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The query string has more than {QUERY_KEYS} parameters.") from None
    if b"%00" in raw or b"\0" in raw:
        raise BadRequest("The query string holds a NUL character.")
    return query


def boolean(name: str, text: str) -> bool:
    """What this spelling of a truth value means. Raises BadRequest naming the parameter."""
    word = text.strip().lower()
    if word not in TRUE and word not in FALSE:
        raise BadRequest(f"Invalid input for {name}: {text[:80]!r} is no boolean.", field=name)
    return word in TRUE


def integer(name: str, text: str) -> int:
    """The decimal number, inside 64 bits. Raises BadRequest naming the parameter."""
    if INTEGER.fullmatch(text) is None or not INT_MIN <= (number := int(text)) <= INT_MAX:
        raise BadRequest(f"Invalid input for {name}: {text[:80]!r} is no integer of 64 bits.", field=name)
    return number


READERS: dict[Any, typing.Callable[[str, str], Any]] = {bool: boolean, int: integer}


class QueryPlan:
    """How a route reads its query string into `kind`: a Struct, or Query for the whole."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self._fields: dict[str, tuple[bool, typing.Callable[[str, str], Any] | None]] = {}
        self._others = False
        if kind == Query:
            return
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            raise TypeError(f"query is a Struct or dict[str, list[str]], not {kind}")
        for item in msgspec.structs.fields(kind):
            if item.name == OTHERS:
                self._others = True
            else:
                plain = without_options(item.type)
                many = typing.get_origin(plain) in {list, tuple, set, frozenset}
                element = without_options(typing.get_args(plain)[0]) if many else plain
                self._fields[item.encode_name] = (many, READERS.get(element))

    def read(self, raw: bytes) -> Any:
        """The handler's `query`. Raises BadRequest that names the parameter."""
        query = parsed(raw)
        if self.kind == Query:
            return query
        document: dict[str, Any] = {}
        others: Query = {}
        for name, values in query.items():
            if name in self._fields:
                many, reader = self._fields[name]
                read = [reader(name, v) for v in values] if reader else values
                document[name] = read if many else read[-1]
            elif self._others:
                others[name] = values
            else:
                document[name] = None  # unknown: the Struct knows whether that matters
        if self._others:
            document[OTHERS] = others
        try:
            return msgspec.convert(document, self.kind, strict=False)
        except msgspec.ValidationError as e:
            raise explained(e) from None


def without_options(kind: Any) -> Any:
    """The type that is left without Annotated, None and UNSET."""
    if typing.get_origin(kind) is typing.Annotated:
        return without_options(typing.get_args(kind)[0])
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        left = [t for t in typing.get_args(kind) if t not in (type(None), msgspec.UnsetType)]
        return without_options(left[0]) if len(left) == 1 else kind
    return kind
