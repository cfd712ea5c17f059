"""Bodies and query strings: what is read, what is refused, and in which words."""

from __future__ import annotations

import json
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType, field
from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, ClientGone, TooLarge
from pileus.kernel.http import Body, Query, Service, converted
from pileus.kernel.http.bodies import JSON_DEPTH, deeper_than, read_body
from support.http_demo import MEMBER, World, authenticate, build_app, http_scope, served, spoken, widget_service

pytestmark = pytest.mark.database("sqlite")
WIDGETS = "/compute/v2.1/widgets"
JSON = {**MEMBER, "content-type": "application/json"}


def nested(levels: int) -> bytes:
    return b'{"widget":{"name":"x","tags":{"a":' + b"[" * levels + b"]" * levels + b"}}}"


async def message_of(api: httpx.AsyncClient, raw: bytes, status: int = 400, **headers: str) -> str:
    answer = await api.post(WIDGETS, content=raw, headers={**JSON, **headers})
    assert answer.status_code == status, answer.text
    [fault] = answer.json().values()
    return str(fault["message"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "This request needs a body."),
        (b"{", "The body cannot be read as JSON: Input data was truncated."),
        (b"[]", "Invalid input: expected 'object', got 'array'."),
        (b'{"widget":{}}', "Invalid input for widget: object missing required field 'name'."),
        (b'{"widget":{"name":1}}', "Invalid input for widget.name: expected 'str', got 'int'."),
        (b'{"widget":{"name":"x","sise":1}}', "Invalid input for widget: object contains unknown field 'sise'."),
        (b'{"widget":{"name":"x"},"more":1}', "Invalid input: object contains unknown field 'more'."),
        (b'{"widget":{"name":"x","size":"1"}}', "Invalid input for widget.size: expected 'int', got 'str'."),
        (b'{"widget":{"name":"a\\u0000b"}}', "The body holds a NUL character (\\u0000), which no text may."),
        (b'{"widget":{"name":"\\\\\\u0000"}}', "The body holds a NUL character (\\u0000), which no text may."),
        (b'{"widget":{"name":"\xff"}}', "The body is not UTF-8."),
        (b'{"widget":{"name":"\xed\xa0\x80"}}', "The body is not UTF-8."),
        (nested(JSON_DEPTH), "The body is nested more than 64 levels deep."),
        (nested(200_000), "The body is nested more than 64 levels deep."),
        (b"[[]," * 100, "The body is nested more than 64 levels deep."),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_bad_body_is_told_by_its_field(api: httpx.AsyncClient, raw: bytes, message: str) -> None:
    assert await message_of(api, raw) == message


@pytest.mark.parametrize("raw", [rb'"\ud800"', rb'"\udc00x"', rb'"\ud800\ud800"', b'"a\nb"', b'"a\x00b"', b"NaN"])
async def test_text_that_is_none_is_refused(api: httpx.AsyncClient, raw: bytes) -> None:
    told = await message_of(api, b'{"widget":{"name":' + raw + b"}}")
    assert told.startswith("The body cannot be read as JSON:")


@pytest.mark.parametrize("wide", [2**63, -(2**63) - 1, 10**400])
async def test_integers_have_64_bits(api: httpx.AsyncClient, wide: int) -> None:
    for document in ({"name": "x", "size": wide}, {"name": "x", "tags": {"a": [{"b": wide}]}}):
        told = await message_of(api, json.dumps({"widget": document}).encode())
        assert "needs more than 64 bits" in told


async def test_what_only_looks_hostile_is_let_in(api: httpx.AsyncClient) -> None:
    for document in (
        {"name": "x", "size": 2**63 - 1},
        {"name": "9" * 40, "tags": {"n": -(2**63), "f": 12345678901234567890.5}},
        {"name": "\\u0000 is not NUL", "tags": {"list": [[1], [2]] * 400, "text": '[[[{{{"' * 40}},
        {"name": "ä\U0001f600", "note": None},
    ):
        answer = await api.post(WIDGETS, json={"widget": document}, headers=MEMBER)
        assert answer.status_code == 202, answer.text
    assert (await api.post(WIDGETS, content=nested(JSON_DEPTH - 3), headers=JSON)).status_code == 202


async def test_absent_and_null_are_told_apart(api: httpx.AsyncClient) -> None:
    for document, note in [({}, "absent"), ({"note": None}, None), ({"note": "n"}, "n")]:
        answer = await api.post(WIDGETS, json={"widget": {"name": "x", **document}}, headers=MEMBER)
        assert answer.json()["widget"]["note"] == note


async def test_the_kind_of_a_body_is_checked(api: httpx.AsyncClient) -> None:
    raw = b'{"widget":{"name":"x"}}'
    for kind in ("application/json", "Application/JSON; charset=utf-8", ""):
        assert (await api.post(WIDGETS, content=raw, headers={**MEMBER, "content-type": kind})).status_code == 202
    refused = await api.post(WIDGETS, content=raw, headers={**MEMBER, "content-type": "text/xml"})
    assert refused.status_code == 415
    assert (
        refused.json()["badMediaType"]["message"] == "Unsupported Content-Type 'text/xml'; this takes application/json."
    )


@given(st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_depth_is_counted_as_python_counts_it(document: Any) -> None:
    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    raw, levels = json.dumps(document).encode(), depth(document)
    assert not deeper_than(raw, levels)
    assert levels == 0 or deeper_than(raw, levels - 1)


# how much is read


class Wire:
    """Receives these messages, and counts how many were taken."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.left = list(messages)

    async def __call__(self) -> dict[str, Any]:
        return self.left.pop(0)


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_comes_in_any_number_of_pieces() -> None:
    assert await read_body(Wire(part(b"abc", False)), b"3", 3) == b"abc"
    assert await read_body(Wire(part(b"a"), part(b""), part(b"bc", False)), None, 3) == b"abc"
    assert await read_body(Wire({"type": "http.request"}), None, 3) == b""


@pytest.mark.parametrize(
    ("declared", "messages", "left"),
    [
        (b"4", [part(b"abcd", False)], 1),  # refused unread
        (b"9" * 400, [part(b"abcd", False)], 1),
        (b"2", [part(b"abcd", False)], 0),  # Content-Length lies
        (b"\xb2", [part(b"abcd", False)], 0),
        (None, [part(b"abcd", False)], 0),
        (None, [part(b"ab"), part(b"cd"), part(b"ef"), part(b"", False)], 2),  # no more is read than shows it
        (None, [part(b"ab"), part(b"cd", False)], 0),
    ],
)
async def test_no_more_than_the_limit_is_read(
    declared: bytes | None, messages: list[dict[str, Any]], left: int
) -> None:
    wire = Wire(*messages)
    with pytest.raises(TooLarge, match="larger than the 3 bytes"):
        await read_body(wire, declared, 3)
    assert len(wire.left) == left


async def test_a_client_that_leaves_has_sent_no_body() -> None:
    for messages in ([{"type": "http.disconnect"}], [part(b"a"), {"type": "http.disconnect", "reason": "x"}]):
        with pytest.raises(ClientGone):
            await read_body(Wire(*messages), None, 3)


async def test_a_body_over_the_limit_is_a_413(api: httpx.AsyncClient) -> None:
    assert "larger than the 1048576 bytes" in await message_of(api, b" " * 1_048_577, 413)


async def test_nobody_is_answered_who_has_left(world: World) -> None:
    app = build_app(world, [widget_service()], authenticate)
    scope = http_scope("POST", WIDGETS, (b"x-auth-token", b"member"))
    assert await spoken(app, scope, [part(b"{"), {"type": "http.disconnect"}]) == []


# other bodies


class Patch(Body):
    n: int
    flag: bool = False


async def test_bodies_of_other_kinds(world: World) -> None:
    api = Service("image", "/image")
    patch_type = "application/openstack-images-v2.1-json-patch"

    @api.put("/raw", anonymous=True, media=("*/*",))
    async def raw(ctx: Ctx, body: bytes) -> dict[str, Any]:
        return {"got": body.decode("latin-1")}

    @api.patch("/patch", anonymous=True, media=(patch_type,))
    async def patch(ctx: Ctx, body: list[dict[str, Any]], request: Request) -> dict[str, Any]:
        return {"got": body, "as": request.headers["content-type"]}

    @api.post("/lax", anonymous=True, lax=True, wrap="n", wrap_body="")
    async def lax(ctx: Ctx, body: Patch) -> dict[str, Any]:
        return {"n": body.n, "flag": body.flag}

    @api.post("/optional", anonymous=True)
    async def optional(ctx: Ctx, body: Patch | None = None) -> dict[str, Any]:
        return {"none": body is None}

    @api.post("/closer", anonymous=True)
    async def closer(ctx: Ctx, body: dict[str, Any]) -> dict[str, Any]:
        return {"n": converted(body["patch"], Patch, "patch").n}

    async with served(world, api) as client:
        answer = await client.put("/image/raw", content=b"\x00\xff", headers={"content-type": "image/x"})
        assert answer.json() == {"got": "\x00\xff"}
        sent = [{"op": "add", "path": "/a", "value": 1}]
        answer = await client.patch("/image/patch", content=json.dumps(sent), headers={"content-type": patch_type})
        assert answer.json() == {"got": sent, "as": patch_type}
        assert (await client.patch("/image/patch", json=sent)).status_code == 415
        answer = await client.post("/image/lax", json={"n": "7", "flag": "true"})
        assert answer.json() == {"n": {"n": 7, "flag": True}}
        for bad in ("99999999999999999999", "9223372036854775808", "x"):
            assert (await client.post("/image/lax", json={"n": bad})).status_code == 400
        assert (await client.post("/image/optional")).json() == {"none": True}
        assert (await client.post("/image/optional", json={"n": 1})).json() == {"none": False}
        assert (await client.post("/image/closer", json={"patch": {"n": 1}})).json() == {"n": 1}
        refused = await client.post("/image/closer", json={"patch": {"n": "x"}})
        assert refused.json()["error"]["message"] == "Invalid input for patch.n: expected 'int', got 'str'."


def test_a_place_in_a_list_reads_well() -> None:
    with pytest.raises(BadRequest, match=r"Invalid input for servers\[0\]\.n: expected 'int'"):
        converted([{"n": "x"}], list[Patch], "servers")


# query strings


class Listing(msgspec.Struct):
    limit: int | None = None
    detailed: bool = False
    name: str | UnsetType = UNSET
    tags: list[str] = field(default_factory=list)
    sizes: tuple[int, ...] = ()
    least: Annotated[int, Meta(ge=3)] = 3
    either: int | str = 0
    sort_key: str = field(name="sort-key", default="")


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    limit: int | None = None
    needed: str = ""


class Filtered(msgspec.Struct, forbid_unknown_fields=True):
    limit: int | None = None
    others: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture
def listing() -> Service:
    api = Service("lists")

    @api.get("/open", anonymous=True)
    async def open_query(ctx: Ctx, query: Listing) -> Any:
        return query

    @api.get("/closed", anonymous=True)
    async def closed_query(ctx: Ctx, query: Closed) -> Any:
        return query

    @api.get("/filtered", anonymous=True)
    async def filtered_query(ctx: Ctx, query: Filtered) -> Any:
        return query

    @api.get("/whole", anonymous=True)
    async def whole_query(ctx: Ctx, query: Query) -> Any:
        return query

    return api


async def test_query_strings_are_read_into_structs(world: World, listing: Service) -> None:
    async with served(world, listing) as client:
        for asked, said in [
            ("", {}),
            ("limit=5&name=%C3%A4+b&unknown=1", {"limit": 5, "name": "ä b"}),
            ("limit=5&limit=-6", {"limit": -6}),
            ("tags=a&tags=b,c&sizes=1&sizes=2", {"tags": ["a", "b,c"], "sizes": [1, 2]}),
            ("detailed=True&sort-key=x&either=7", {"detailed": True, "sort-key": "x", "either": "7"}),
            ("name=", {"name": ""}),
        ]:
            shown = (await client.get(f"/open?{asked}")).json()
            plain = {"limit": None, "detailed": False, "tags": [], "sizes": [], "least": 3, "either": 0, "sort-key": ""}
            assert shown == {**plain, **said}, asked
        filtered = (await client.get("/filtered?limit=1&name=a&name=b&others=c")).json()
        assert filtered == {"limit": 1, "others": {"name": ["a", "b"], "others": ["c"]}}
        assert (await client.get("/whole?a=1&b=&a=2")).json() == {"a": ["1", "2"], "b": [""]}


@pytest.mark.parametrize("word", ["1", "t", "TRUE", "on", "y", "Yes", "0", "f", "False", "off", "n", "no"])
async def test_truth_is_spelled_as_openstack_spells_it(world: World, listing: Service, word: str) -> None:
    async with served(world, listing) as client:
        shown = (await client.get("/open", params={"detailed": word})).json()
        assert shown["detailed"] == (word.lower() in {"1", "t", "true", "on", "y", "yes"})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("/open?limit=x", "Invalid input for limit: 'x' is no integer of 64 bits."),
        ("/open?limit=", "Invalid input for limit: '' is no integer of 64 bits."),
        ("/open?limit=1.0", "Invalid input for limit: '1.0' is no integer of 64 bits."),
        (f"/open?sizes=1&sizes={2**63}", f"Invalid input for sizes: '{2**63}' is no integer of 64 bits."),
        ("/open?limit=%D9%A1", "Invalid input for limit: '\u0661' is no integer of 64 bits."),
        ("/open?detailed=maybe", "Invalid input for detailed: 'maybe' is no boolean."),
        ("/open?least=1", "Invalid input for least: expected 'int' >= 3."),
        ("/closed?nmae=x", "Invalid input: object contains unknown field 'nmae'."),
        ("/open?name=%00", "The query string holds a NUL character."),
        ("/whole?a%00=1", "The query string holds a NUL character."),
        ("/whole?a=%FF", "The query string is not UTF-8."),
        ("/whole?a=%ED%A0%80", "The query string is not UTF-8."),
        ("/whole?" + "a&" * 1001, "The query string has more than 1000 parameters."),
    ],
    ids=lambda value: value[:40],
)
async def test_a_bad_query_is_told_by_its_parameter(world: World, listing: Service, asked: str, message: str) -> None:
    async with served(world, listing) as client:
        answer = await client.get(asked)
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)
