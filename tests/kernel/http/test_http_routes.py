"""Which handler answers: path, method, action, microversion; and what is said when none does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import httpx
import pytest
from msgspec import Meta

from pileus.kernel.context import Caller, Ctx
from pileus.kernel.errors import Gone, NotFound
from pileus.kernel.http import Answer, Body, Here, Query, Service, build_app
from support.http_demo import MEMBER, World, authenticate, client_of, served, widget_service

pytestmark = pytest.mark.database("sqlite")
READER = {"x-auth-token": "reader"}


async def created(api: httpx.AsyncClient, name: str = "web") -> str:
    answer = await api.post("/compute/v2.1/widgets", json={"widget": {"name": name}}, headers=MEMBER)
    assert answer.status_code == 202
    return f"/compute/v2.1/widgets/{answer.json()['widget']['id']}"


async def test_a_row_is_made_shown_and_gone(api: httpx.AsyncClient) -> None:
    url = await created(api)
    assert (await api.get(url, headers=READER)).json()["widget"]["name"] == "web"
    gone = await api.delete(url, headers=MEMBER)
    assert (gone.status_code, gone.content) == (204, b"")
    assert "content-length" not in gone.headers
    assert (await api.get(url, headers=READER)).status_code == 404


async def test_a_late_route_tells_of_what_is_missing_before_it_asks_its_rule(world: World) -> None:
    service = Service("compute", "/compute")

    @service.get("/{name}", rule="widgets:admin", late=True)
    async def show(ctx: Ctx, name: str) -> dict[str, Any]:
        if name != "there":
            raise NotFound(f"There is no {name}.")
        ctx.require({})
        return {}

    async with served(world, service) as client:
        for name, status in (("there", 403), ("gone", 404)):
            answer = await client.get(f"/compute/{name}", headers=READER)
            assert answer.status_code == status


async def test_a_path_that_is_no_route_is_told_from_a_missing_item(api: httpx.AsyncClient) -> None:
    missing = await api.get(f"/compute/v2.1/widgets/{uuid4()}", headers=MEMBER)
    assert (missing.status_code, missing.json()["itemNotFound"]["code"]) == (404, 404)
    for path in ("/compute/v2.1/gadgets", "/nothing", "/compute/v2.1/widgets/x/y/z", "/compute/v2.1/widgets//action"):
        page = await api.get(path, headers=MEMBER)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=UTF-8")
        assert "<h1>404 Not Found</h1>" in page.text
        document = (await api.get(path, headers={"accept": "application/json"})).json()
        assert (document["code"], document["title"]) == ("404 Not Found", "Not Found")


async def test_an_id_that_can_be_none_reads_like_a_missing_item(api: httpx.AsyncClient) -> None:
    for bad in ("x", "1" * 32, "{" + str(uuid4()) + "}", str(uuid4()) + "0"):
        answer = await api.get(f"/compute/v2.1/widgets/{bad}", headers=MEMBER)
        assert answer.status_code == 404
        assert answer.json()["itemNotFound"]["message"] == f"Widget {bad} could not be found."


async def test_a_wrong_method_says_which_would_do(api: httpx.AsyncClient) -> None:
    answer = await api.put(f"/compute/v2.1/widgets/{uuid4()}", headers=MEMBER)
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
    assert answer.json()["badMethod"]["code"] == 405
    asked = await api.options("/compute/v2.1/widgets")
    assert (asked.status_code, asked.headers["allow"], asked.content) == (200, "OPTIONS, POST", b"")


async def test_head_is_get_without_its_body(api: httpx.AsyncClient) -> None:
    url = await created(api)
    get, head = await api.get(url, headers=MEMBER), await api.head(url, headers=MEMBER)
    own = {"x-openstack-request-id", "x-compute-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in get.headers.items() if k not in own
    }
    assert (head.status_code, head.content) == (200, b"")


async def test_the_key_of_the_body_chooses_the_action(api: httpx.AsyncClient) -> None:
    url = f"/compute/v2.1/widgets/{uuid4()}/action"
    done = await api.post(url, json={"reboot": {"type": "SOFT"}}, headers=MEMBER)
    assert (done.status_code, done.json()["type"]) == (202, "SOFT")
    for document, message in [
        ({"explode": None}, "There is no such action: explode"),
        ({"reboot": {}, "pause": None}, "The body must name exactly one action, not 2."),
        ({}, "The body must name exactly one action, not 0."),
        ({"reboot": {"type": 1}}, "Invalid input for reboot.type: expected 'str', got 'int'."),
        ({"reboot": None}, "Invalid input for reboot: expected 'object', got 'null'."),
        (["reboot"], "Invalid input: expected 'object', got 'array'."),
    ]:
        refused = await api.post(url, json=document, headers=MEMBER)
        assert (refused.status_code, refused.json()["badRequest"]["message"]) == (400, message)
    nothing = await api.post(url, headers=MEMBER)
    assert nothing.json()["badRequest"]["message"] == "This request needs a body that names one action."
    form = await api.post(url, data={"reboot": "x"}, headers=MEMBER)
    assert form.status_code == 415


async def test_an_action_may_have_a_body_or_none(api: httpx.AsyncClient) -> None:
    newer = {**MEMBER, "openstack-api-version": "compute 2.73"}
    for body in (None, {"reason": "x"}):
        answer = await api.post("/compute/v2.1/widgets/any/action", json={"lock": body}, headers=newer)
        assert answer.json() == {"locked": "any", "body": body}


async def test_a_route_of_another_microversion_says_which_it_needs(api: httpx.AsyncClient) -> None:
    answer = await api.post("/compute/v2.1/widgets/x/action", json={"lock": None}, headers=MEMBER)
    message = "This is not there at microversion 2.1: it needs 2.73 or later."
    assert (answer.status_code, answer.json()["itemNotFound"]["message"]) == (404, message)


async def test_each_microversion_has_its_own_handler(world: World) -> None:
    api = Service("compute", "/compute", version_range=("2.1", "2.96"))

    def says(word: str) -> Any:
        async def say(ctx: Ctx) -> dict[str, str]:
            return {"word": word}

        return say

    api.get("/word", rule="widgets:show", until="2.10")(says("old"))
    api.get("/word", rule="widgets:show", since="2.20", until="2.29")(says("new"))
    async with served(world, api) as client:
        for asked, word in [("2.1", "old"), ("2.10", "old"), ("2.20", "new"), ("2.29", "new")]:
            headers = {**MEMBER, "openstack-api-version": f"compute {asked}"}
            assert (await client.get("/compute/word", headers=headers)).json() == {"word": word}
        between = await client.get("/compute/word", headers={**MEMBER, "openstack-api-version": "compute 2.15"})
    assert "it needs 2.1 to 2.10 or 2.20 to 2.29." in between.json()["error"]["message"]


async def test_fixed_segments_win_and_the_rest_is_found_by_going_back(world: World) -> None:
    api = Service("object-store", "/o")

    def says(word: str) -> Any:
        async def say(ctx: Ctx, here: Here) -> dict[str, Any]:
            return {"word": word, "path": here.path}

        return say

    for path in (
        "/a/detail",
        "/a/{id}",
        "/a/detail/more/deep",
        "/a/{id}/more",
        "/c/{c}",
        "/c/{c}/{o:path}",
        "/c/{c}/{z:path}",
    ):
        if not path.endswith("{z:path}"):
            api.get(path, anonymous=True)(says(path))
    async with served(world, api) as client:
        for asked, path in [
            ("/o/a/detail", "/a/detail"),
            ("/o/a/other", "/a/{id}"),
            ("/o/a/other/", "/a/{id}"),
            ("/o/a/detail/more/deep", "/a/detail/more/deep"),
            ("/o/a/detail/more", "/a/{id}/more"),
            ("/o/c/box", "/c/{c}"),
            ("/o/c/box/", "/c/{c}"),
            ("/o/c/box/a/b/", "/c/{c}/{o:path}"),
            ("/o/c/box//a", "/c/{c}/{o:path}"),
        ]:
            assert (await client.get(asked)).json()["word"] == path
        for unknown in ("/o/a", "/o/a/x/y", "/o/a//", "/o/c"):
            assert (await client.get(unknown)).status_code == 404


async def test_path_parameters_are_decoded_once_and_typed(world: World) -> None:
    api = Service("things")

    @api.get("/n/{number}", anonymous=True)
    async def number(ctx: Ctx, number: int) -> dict[str, Any]:
        return {"number": number}

    @api.get("/t/{text}/{id}", anonymous=True)
    async def text(ctx: Ctx, id: UUID, text: str) -> dict[str, Any]:
        return {"text": text, "id": str(id)}

    @api.get("/o/{name:path}", anonymous=True)
    async def name(ctx: Ctx, name: str) -> dict[str, Any]:
        return {"name": name}

    some = uuid4()
    async with served(world, api) as client:
        assert (await client.get("/n/17")).json() == {"number": 17}
        for bad in ("-1", "x", "1" * 19, "%D9%A1"):
            missing = await client.get(f"/n/{bad}")
            assert (missing.status_code, missing.json()["error"]["code"]) == (404, 404)
        said = (await client.get(f"/t/a%2Fb%20%C3%A4%2541/{some}")).json()
        assert said == {"text": "a/b ä%41", "id": str(some)}
        assert (await client.get("/o/a%2Fb/c")).json() == {"name": "a/b/c"}
        for bad in ("/t/%FF/x", "/o/a%00b", "/o/%ED%A0%80"):
            refused = await client.get(bad)
            assert (refused.status_code, refused.json()["error"]["title"]) == (400, "Bad Request")


async def test_a_service_has_its_own_words_for_what_is_not_there(world: World) -> None:
    api = Service(
        "odd", "/odd", unknown=lambda accept: Answer("nope", 404), missing=lambda name, value: Gone(f"{name}={value}")
    )

    @api.get("/{thing_id}", anonymous=True)
    async def show(ctx: Ctx, thing_id: UUID) -> None:
        return None

    async with served(world, api) as client:
        unknown = await client.get("/odd/a/b")
        assert (unknown.text, unknown.headers["content-type"]) == ("nope", "text/plain; charset=utf-8")
        gone = await client.get("/odd/x")
        assert (gone.status_code, gone.json()["error"]["message"]) == (410, "thing_id=x")
        assert (await client.get(f"/odd/{uuid4()}")).content == b""


async def test_the_root_of_a_cloud_lists_its_services(world: World, api: httpx.AsyncClient) -> None:
    root = await api.get("/")
    entry = {"name": "compute", "links": [{"rel": "self", "href": "http://cloud.test/compute/"}]}
    assert (root.status_code, root.json()) == (300, {"services": [entry]})
    own = Service("dashboard")

    @own.get("/", anonymous=True)
    async def page(ctx: Ctx) -> Answer:
        return Answer(b"<html>", media_type="text/html")

    async with served(world, own, widget_service()) as client:
        answer = await client.get("/")
        assert (answer.content, answer.headers["content-type"]) == (b"<html>", "text/html")


async def test_a_service_is_at_the_root_of_its_own_port_too(world: World) -> None:
    api = widget_service()

    @api.get("/where", anonymous=True)
    async def where(ctx: Ctx, here: Here) -> dict[str, Any]:
        return {"url": here.url("/where")}

    app = build_app(world, [api], authenticate)
    async with client_of(app) as client:
        for url, said in [
            ("http://cloud.test:8774/where", "http://cloud.test:8774/where"),
            ("http://cloud.test:8774/compute/where", "http://cloud.test:8774/compute/where"),
            ("http://cloud.test:8775/compute/where", "http://cloud.test:8775/compute/where"),
        ]:
            assert (await client.get(url)).json() == {"url": said}
        assert (await client.get("http://cloud.test:8775/where")).status_code == 404


async def test_a_token_reaches_no_further_than_it_says(world: World) -> None:
    """What it reaches is told by the service's names in the catalogue, the method and the path below the prefix."""
    asked = []

    def reach(types: Collection[str], method: str, segments: Sequence[str]) -> bool:
        asked.append((set(types), method, list(segments)))
        return method == "GET"

    async def narrowed(ctx: Ctx, token: str, service: str) -> Caller:
        return replace(await authenticate(ctx, token, service), reach=reach)

    api = Service("volume", "/volume", types=("volumev3", "block-storage"))
    api.get("/v3/{volume_id}", rule="widgets:show")(nothing)
    api.delete("/v3/{volume_id}", rule="widgets:show")(nothing)
    async with client_of(build_app(world, [api], narrowed)) as client:
        assert (await client.get("/volume/v3/a%2Fb", headers=MEMBER)).status_code == 200
        assert (await client.delete("/volume/v3/x", headers=MEMBER)).status_code == 401
    types = {"volumev3", "block-storage"}
    assert asked == [(types, "GET", ["v3", "a/b"]), (types, "DELETE", ["v3", "x"])]


async def nothing(ctx: Ctx) -> None:
    return None


class Open(Body, forbid_unknown_fields=False):
    """It would let unknown fields through."""


async def test_two_services_at_one_prefix_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="two services"):
        build_app(world, [Service("a", "/same"), Service("b", "/same")], authenticate)


def test_what_could_not_work_is_refused_when_declared() -> None:
    api = Service("compute", "/compute", version_range=("2.1", "2.9"))
    plain = Service("plain", "/plain")
    api.get("/a", rule="r", until="2.4")(nothing)
    api.get("/a", rule="r", since="2.5")(nothing)

    async def no_ctx(request: Any) -> None: ...
    async def odd(ctx: Ctx, wish: str) -> None: ...
    async def untyped(ctx: Ctx, query) -> None: ...  # type: ignore[no-untyped-def]
    async def bad_id(ctx: Ctx, id: float) -> None: ...
    async def open_body(ctx: Ctx, body: Open) -> None: ...
    async def bad_query(ctx: Ctx, query: int) -> None: ...

    for declare, error, words in [
        (lambda: api.get("/a", rule="r", since="2.4", until="2.4")(nothing), ValueError, "answers the same request"),
        (lambda: api.get("/a", anonymous=True)(nothing), ValueError, "either needs a token or does not"),
        (lambda: api.get("/b", rule="r", since="2.10")(nothing), ValueError, "no microversion"),
        (lambda: api.get("/b", rule="r", until="2.0")(nothing), ValueError, "no microversion"),
        (lambda: api.get("/b", rule="r", since="2.3", until="2.2")(nothing), ValueError, "no microversion"),
        (lambda: plain.get("/b", rule="r", since="2.3")(nothing), ValueError, "has no microversions"),
        (lambda: plain.get("/b")(nothing), ValueError, "either a rule or anonymous"),
        (lambda: plain.get("/b", rule="r", anonymous=True)(nothing), ValueError, "either a rule or anonymous"),
        (lambda: plain.get("b", rule="r")(nothing), ValueError, "begins with a slash"),
        (lambda: plain.get("/b//c", rule="r")(nothing), ValueError, "no empty segment"),
        (lambda: plain.get("/b", rule="r")(no_ctx), TypeError, "the first argument is ctx"),
        (lambda: plain.get("/b", rule="r")(odd), TypeError, "nothing can be given for wish"),
        (lambda: plain.get("/b", rule="r")(untyped), TypeError, "query has no type"),
        (lambda: plain.get("/b/{id}", rule="r")(bad_id), TypeError, "str, UUID or int"),
        (lambda: plain.post("/b", rule="r")(open_body), TypeError, "unknown fields"),
        (lambda: plain.get("/b", rule="r")(bad_query), TypeError, "query is a Struct"),
        (lambda: Service("x", "/x/y"), ValueError, "one segment"),
        (lambda: Service("x", "/"), ValueError, "one segment"),
    ]:
        with pytest.raises(error, match=words):
            declare()


class Kind(Body, tag="a"):
    size: int


class Whole(Body):
    name: str
    kinds: list[Kind]
    one: Kind
    either: int | None
    word: Literal["up", "down"]
    least: Annotated[int, Meta(ge=7, description="documented")]
    long: Annotated[str, Meta(min_length=3)]
    anything: Any
    extra: str = ""


async def test_routes_can_be_walked(world: World) -> None:
    api = widget_service()

    @api.put("/raw/{name:path}", rule="widgets:write", status=201)
    async def put(ctx: Ctx, name: str, body: bytes) -> None: ...

    @api.patch("/whole/{n}", rule="widgets:write", wrap="whole", wrap_body="")
    async def patch(ctx: Ctx, n: int, body: Whole) -> None: ...

    @api.head("/raw/{name:path}", rule="widgets:write")
    async def head(ctx: Ctx, query: Query) -> None: ...

    app = build_app(world, [api], authenticate)
    assert [*api.routes, app.routes[-1]] == app.routes
    shown = {str(r): (r.sample_path(), r.rule, r.status, r.sample_body()) for r in api.routes}
    nil = "00000000-0000-4000-8000-000000000000"
    assert shown["GET /compute/v2.1/widgets/{widget_id} 2.1-"][0] == f"/compute/v2.1/widgets/{nil}"
    whole = {
        "name": "x", "kinds": [], "one": {"type": "a", "size": 1}, "either": 1, "word": "down", "least": 7,
        "long": "xxx", "anything": {},
    }  # fmt: skip
    routes = {(r.method, r.action, r.path): r for r in api.routes}
    assert routes["PATCH", None, "/whole/{n}"].sample_body() == whole
    assert routes["PATCH", None, "/whole/{n}"].sample_path() == "/compute/whole/999999999999"
    assert routes["PATCH", None, "/whole/{n}"].body_type is Whole
    raw = routes["PUT", None, "/raw/{name:path}"]
    assert (raw.sample_path(), raw.sample_body(), raw.status) == ("/compute/raw/x", None, 201)
    assert routes["POST", None, "/v2.1/widgets"].sample_body() == {"widget": {"name": "x"}}
    assert routes["POST", "reboot", "/v2.1/widgets/{widget_id}/action"].sample_body() == {"reboot": {"type": "x"}}
    paused = routes["POST", "pause", "/v2.1/widgets/{widget_id}/action"]
    assert (paused.sample_body(), paused.body_type, paused.anonymous) == ({"pause": None}, None, False)
    assert str(app.routes[-1]) == "GET "
    assert app.routes[-1].sample_path() == "/"
