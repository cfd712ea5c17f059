"""Bodies: read within a limit, checked at the rim, made into Structs.

What no database column and no JSON client can hold is refused here for all: NUL, lone surrogates, integers outside 64
bits, nesting beyond JSON_DEPTH. A body's Struct refuses unknown fields; `msgspec.UNSET` tells absent from null.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pileus.kernel.errors import BadRequest, ClientGone, TooLarge, UnsupportedMediaType

JSON_DEPTH = 64
JSON_TYPES = ("application/json",)
INT_MIN, INT_MAX = -(2**63), 2**63 - 1

ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
STRING = re.compile(rb'"[^"]*"')
LONG_NUMBER = re.compile(rb"[0-9]{19}")
BRACKETS = bytes.maketrans(b"{}", b"[]")
NEITHER = bytes(set(range(256)) - set(b'[]{}"'))

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
T = TypeVar("T")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body, or a part of one. Optional fields default to `msgspec.UNSET`."""


def check_json(raw: bytes) -> None:
    """Refuse what is well-formed JSON and still cannot be kept. Raises BadRequest."""
    if b"\\u0000" in raw and ESCAPED_NUL.search(raw):
        raise BadRequest("The body holds a NUL character (\\u0000), which no text may.")
    if raw.count(b"[") + raw.count(b"{") > JSON_DEPTH and deeper_than(raw, JSON_DEPTH):
        raise BadRequest(f"The body is nested more than {JSON_DEPTH} levels deep.")


def deeper_than(raw: bytes, limit: int) -> bool:
    """Whether brackets outside of strings nest deeper than that. Peels one level a round, at the speed of C."""
    left = raw.replace(rb"\\", b"").replace(rb"\"", b"").translate(BRACKETS, NEITHER)
    left = left.replace(b'""', b"")  # most strings; two that meet become one, which hides the same brackets
    left = STRING.sub(b"", left).replace(b'"', b"")
    if b"[" * (limit + 1) in left:
        return True
    for _ in range(limit):
        before, left = left, left.replace(b"[]", b"")
        if len(left) == len(before):  # nothing closes any more
            break
    return bool(left)


def refuse_wide_integers(value: Any) -> None:
    """Raises BadRequest for an integer outside 64 bits, at any depth and as a key too."""
    left = [msgspec.to_builtins(value)]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list):
            left += item
        elif isinstance(item, int) and not INT_MIN <= item <= INT_MAX:
            raise BadRequest(f"Invalid input: the integer {str(item)[:40]} needs more than 64 bits.")


def explained(error: msgspec.ValidationError, under: str = "") -> BadRequest:
    """The error in the client's words, naming the field: `Invalid input for server.name: expected str, got int.`"""
    text, _, place = str(error).partition(" - at `")
    path = place.rstrip("`").removeprefix("$").removeprefix(".")
    name = ".".join(part for part in (under, path) if part).replace(".[", "[")
    text = text.replace("`", "'")
    return BadRequest(f"Invalid input{f' for {name}' if name else ''}: {text[:1].lower()}{text[1:]}.", field=name)


def decode(decoder: msgspec.json.Decoder[T], raw: bytes, under: str = "") -> T:
    """The decoded body. Raises BadRequest that names the field; `under` is what stands before its name."""
    value = decode_any_integers(decoder, raw, under)
    if LONG_NUMBER.search(raw):
        refuse_wide_integers(value)
    return value


def decode_any_integers(decoder: msgspec.json.Decoder[T], raw: bytes, under: str = "") -> T:
    """As `decode`, but whoever decodes the rest looks at the integers: there is no looking into a `msgspec.Raw`."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as e:
        raise explained(e, under) from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except msgspec.DecodeError as e:
        raise BadRequest(f"The body cannot be read as JSON: {e}.") from None


def converted(value: Any, kind: type[T], under: str = "") -> T:
    """`value` as that type, for a handler that looks closer at a part of its body. Raises BadRequest naming the field."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        raise explained(e, under) from None


@dataclass(frozen=True, slots=True)
class BodyPlan:
    """How a route reads its body. `raw` routes get bytes; others `kind`, found under `wrap` if that is said."""

    kind: Any
    decoder: msgspec.json.Decoder[Any] | None  # None: raw
    wrap: str | None
    media: tuple[str, ...]
    default: Any  # what an absent body is; `...`: it must be there

    def read(self, raw: bytes, content_type: str) -> Any:
        """The handler's `body`. Raises BadRequest, UnsupportedMediaType."""
        if not raw:
            if self.default is ...:
                raise BadRequest("This request needs a body.")
            return self.default
        check_media(content_type, self.media)
        if self.decoder is None:
            return raw
        check_json(raw)
        document = decode(self.decoder, raw)
        return document.value if self.wrap else document

    def read_action(self, key: str, raw: bytes) -> Any:
        """The handler's `body` out of the value of an action's key, from a document that `check_json` has seen."""
        assert self.decoder is not None
        if raw == b"null" and self.default is not ...:
            return self.default
        return decode(self.decoder, raw, key)

    def sample(self) -> Any:
        """A small document of this kind, for tests that walk all routes; None for raw bodies."""
        if self.decoder is None:
            return None
        value = sample_of(msgspec.inspect.type_info(self.kind))
        return {self.wrap: value} if self.wrap else value


def body_plan(kind: Any, default: Any, *, wrap: str | None, media: tuple[str, ...], lax: bool) -> BodyPlan:
    """The plan for a body of this type. Raises TypeError for a Struct that would let unknown fields through."""
    check_closed(kind)
    if kind is bytes:
        return BodyPlan(kind, None, None, media, default)
    document = kind
    if wrap:
        document = msgspec.defstruct(
            "Document", [("value", kind, msgspec.field(name=wrap))], forbid_unknown_fields=True, frozen=True
        )
    return BodyPlan(kind, msgspec.json.Decoder(document, strict=not lax), wrap, media, default)


def check_closed(kind: Any) -> None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and not kind.__struct_config__.forbid_unknown_fields:
        raise TypeError(f"{kind.__name__} would let unknown fields through: derive it from Body")


def check_media(content_type: str, media: tuple[str, ...]) -> None:
    """Raises UnsupportedMediaType. A body without a type counts as what the route reads."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind and kind not in media and "*/*" not in media:
        raise UnsupportedMediaType(f"Unsupported Content-Type {kind[:80]!r}; this takes {' or '.join(media)}.")


ACTION = msgspec.json.Decoder(dict[str, msgspec.Raw])


def action_of(raw: bytes, content_type: str) -> tuple[str, bytes]:
    """The one key of an action's body, and its value as it came. Raises BadRequest, UnsupportedMediaType."""
    if not raw:
        raise BadRequest("This request needs a body that names one action.")
    check_media(content_type, JSON_TYPES)
    check_json(raw)
    document = decode_any_integers(ACTION, raw)
    if len(document) != 1:
        raise BadRequest(f"The body must name exactly one action, not {len(document)}.")
    [(key, value)] = document.items()
    return key, bytes(value)


async def read_body(receive: Receive, declared: bytes | None, limit: int) -> bytes:
    """The whole body, never more than `limit` bytes of it, whatever Content-Length says. Raises TooLarge, ClientGone."""
    if declared is not None and declared.isdigit() and int(declared[:20]) > limit:
        raise too_large(limit)
    first = await receive()
    if first["type"] != "http.request":
        raise ClientGone(first.get("reason", ""))
    if not first.get("more_body"):
        if len(whole := first.get("body", b"")) > limit:
            raise too_large(limit)
        return bytes(whole)
    parts = bytearray(first.get("body", b""))
    more = True
    while more:
        if len(parts) > limit:
            raise too_large(limit)
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone(message.get("reason", ""))
        parts += message.get("body", b"")
        more = message.get("more_body", False)
    if len(parts) > limit:
        raise too_large(limit)
    return bytes(parts)


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the {limit} bytes that a request may have here.", limit=limit)


SAMPLES: dict[type[msgspec.inspect.Type], Any] = {
    msgspec.inspect.StrType: "x",
    msgspec.inspect.IntType: 1,
    msgspec.inspect.FloatType: 1.0,
    msgspec.inspect.BoolType: False,
    msgspec.inspect.UUIDType: "00000000-0000-4000-8000-000000000000",
    msgspec.inspect.DictType: {},
    msgspec.inspect.ListType: [],
    msgspec.inspect.AnyType: {},
    msgspec.inspect.NoneType: None,
}


def sample_of(kind: msgspec.inspect.Type) -> Any:
    """A value of that type: required fields only, limits honoured where they are plain numbers."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return sample_of(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return sample_of(kind.types[0])
    if isinstance(kind, msgspec.inspect.StructType):
        return dict(sample_fields(kind))
    if isinstance(kind, msgspec.inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, msgspec.inspect.StrType):
        return "x" * (kind.min_length or 1)
    if isinstance(kind, msgspec.inspect.IntType):
        return kind.ge if kind.ge is not None else 1
    return SAMPLES.get(type(kind))


def sample_fields(kind: msgspec.inspect.StructType) -> Iterator[tuple[str, Any]]:
    if kind.tag_field is not None:
        yield kind.tag_field, kind.tag
    for item in kind.fields:
        if item.required:
            yield item.encode_name, sample_of(item.type)
