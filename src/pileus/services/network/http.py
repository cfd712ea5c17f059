"""How Networking speaks HTTP: its faults, its lists, its bodies, and what a policy is asked of each attribute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError, NotFound
from pileus.kernel.http import Answer, ApiVersion, Here, Query, Service, VersionDocument
from pileus.kernel.http.faults import plain_fault
from pileus.kernel.policy.defaults import default_rules
from pileus.services.network.lists import Found
from pileus.services.network.standard import Standard

T = TypeVar("T")
Target = Mapping[str, Any]

TYPES = {
    400: "HTTPBadRequest",
    403: "PolicyNotAuthorized",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    409: "HTTPConflict",
    412: "HTTPPreconditionFailed",
    413: "HTTPRequestEntityTooLarge",
    415: "HTTPUnsupportedMediaType",
    500: "HTTPInternalServerError",
    501: "HTTPNotImplemented",
    503: "HTTPServiceUnavailable",
}
SPELLED = {
    "floatingip": ("FloatingIPNotFound", "Floating IP {} could not be found"),
    "rbac_policy": ("RbacPolicyNotFound", "RBAC policy of type unknown with ID {} not found"),
    "router": ("RouterNotFound", "Router {} could not be found"),
    "default_security_group_rule": (
        "DefaultSecurityGroupRuleNotFound",
        "Default Security Group rule {} does not exist",
    ),
    "security_group": ("SecurityGroupNotFound", "Security group {} does not exist"),
    "security_group_rule": ("SecurityGroupRuleNotFound", "Security group rule {} does not exist"),
}
"""How Neutron says that these are not there; the others it says alike."""

NOT_FOUND = "The resource could not be found."


def fault(error: CloudError) -> dict[str, Any]:
    """{"NeutronError": {"type", "message", "detail"}}; `type` is a fact of the error, where Neutron has an own one."""
    if error.status == 401:
        return plain_fault(error)
    kind = error.facts.get("type") or (error.code if error.code[:1].isupper() else TYPES.get(error.status, "HTTPError"))
    return {"NeutronError": {"type": kind, "message": error.message, "detail": error.facts.get("detail", "")}}


def unknown(accept: str) -> Answer:
    """A path that is no route."""
    return Answer({"NeutronError": {"type": "HTTPNotFound", "message": NOT_FOUND, "detail": ""}}, 404)


def no_such(noun: str, id_: object) -> NotFound:
    """`port`, 1234 -> "Port 1234 could not be found.", a PortNotFound."""
    if noun in SPELLED:
        kind, text = SPELLED[noun]
        return NotFound(text.format(id_), type=kind)
    words = noun.replace("_", " ")
    kind = words.title().replace(" ", "")
    return NotFound(f"{words.capitalize()} {id_} could not be found.", type=f"{kind}NotFound")


def missing(name: str, value: str) -> CloudError:
    """What no id can be reads as what is not there."""
    return no_such(name.removesuffix("_id"), value)


api = Service("network", "/network", fault=fault, unknown=unknown, missing=missing, ports=(9696,))
VersionDocument(
    versions=(ApiVersion(id="v2.0", path="/v2.0/"),),
    root_status=200,
    single="",
).declare(api)


# Bodies


def given(body: msgspec.Struct) -> dict[str, Any]:
    """The fields of a body that the caller sent, by their names here."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}


def sent(body: msgspec.Struct) -> frozenset[str]:
    """The attributes that a body names, by their names in the API."""
    pairs = zip(body.__struct_fields__, body.__struct_encode_fields__, strict=True)
    return frozenset(shown for name, shown in pairs if getattr(body, name) is not UNSET)


def wanted(one: T | UnsetType, many: list[T] | UnsetType, name: str) -> list[T]:
    """What a body asks for, that has one thing or several. Raises BadRequest for neither or both."""
    if (one is UNSET) == (many is UNSET):
        raise BadRequest(f"Unable to find '{name}' in request body")
    if not isinstance(many, UnsetType):
        if not many:
            raise BadRequest("Resources required")
        return many
    assert not isinstance(one, UnsetType)
    return [one]


def made(one: Any, singular: str, plural: str, shown: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The answer to a create, in the form in which it was asked."""
    return {plural: list(shown)} if one is UNSET else {singular: shown[0]}


def project_of(ctx: Ctx, project_id: str | UnsetType, tenant_id: str | UnsetType) -> str:
    """Whose a new thing is: as said under either name, or the caller's. Raises BadRequest for two that differ."""
    named = {each for each in (project_id, tenant_id) if isinstance(each, str)}
    if len(named) > 1:
        raise BadRequest("'project_id' and 'tenant_id' do not match")
    return named.pop() if named else ctx.caller.project_id or ""


# Policies


def require(ctx: Ctx, rule: str, target: Target, attributes: Iterable[str] = ()) -> None:
    """The rule, and its own rule for each attribute that has one. Raises Forbidden."""
    known = default_rules().checks
    for each in (rule, *(name for one in sorted(attributes) if f"network/{(name := f'{rule}:{one}')}" in known)):
        if not ctx.world.policy.allows(each, ctx.caller, target):
            raise ctx.world.policy.refusal(each, ctx.caller, {})


def hidden(ctx: Ctx, rule: str, target: Target, attributes: Iterable[str]) -> list[str]:
    """Those of these attributes that the caller may not see."""
    return [each for each in attributes if not ctx.world.policy.allows(f"{rule}:{each}", ctx.caller, target)]


# Answers


def stamped(at: float) -> str:
    """A time as it is shown."""
    return iso(at)


def owned(project_id: str) -> dict[str, str]:
    """The owner, under both names."""
    return {"project_id": project_id, "tenant_id": project_id}


def ending(item: Standard, tags: Iterable[str]) -> dict[str, Any]:
    """What every document ends with."""
    return {
        "description": item.description,
        "tags": sorted(tags),
        "created_at": stamped(item.created_at),
        "updated_at": stamped(item.updated_at),
        "revision_number": item.revision,
        **owned(item.project_id),
    }


def only(query: Query, document: dict[str, Any]) -> dict[str, Any]:
    """The document with the `fields` that were asked for; all, if none were."""
    fields = [each for each in query.get("fields", ()) if each]
    return {name: document[name] for name in document if name in fields} if fields else document


def only_each(query: Query, documents: Sequence[msgspec.Raw]) -> Sequence[msgspec.Raw | dict[str, Any]]:
    """The same of documents that are rendered."""
    return [only(query, msgspec.json.decode(each)) for each in documents] if "fields" in query else documents


def listed(here: Here, query: Query, key: str, found: Found[T], shown: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """A page of a list as it is shown."""
    return {key: [only(query, shown(each)) for each in found.items], **links(here, key, found)}


def links(here: Here, key: str, found: Found[Any]) -> dict[str, Any]:
    """The ways on, as Neutron offers them: of a full page both, whether or not there is more; none, if no limit was asked for.

    A page that we cut short says how to go on, whatever was asked for.
    """
    page = found.page
    if not found.limited and page.next_marker is None:
        return {}
    ways, full = [], page.ask.limit is not None and len(page.rows) >= page.ask.limit
    first, last = (page.ids[0], page.ids[-1]) if page.ids else (None, None)
    if full or page.ask.reverse:
        ways.append({"rel": "next", "href": here.base + here.again(marker=last, page_reverse=None)})
    if found.limited and (full or not page.ask.reverse):
        ways.append({"rel": "previous", "href": here.base + here.again(marker=first, page_reverse="True")})
    return {f"{key}_links": ways} if ways else {}
