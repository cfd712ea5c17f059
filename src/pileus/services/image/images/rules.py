"""What an image may be, and what may be changed of it when. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from pileus.kernel.errors import BadRequest, Conflict, Forbidden
from pileus.services.image.schema import check_image

BUSY = ("saving", "uploading", "importing")
WHOLE = ("active", "deactivated")
NUMBER_MAX = 2**31 - 1
NAME_CHARACTERS = 255

READ_ONLY = frozenset(
    {"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema"}
    | {"id", "os_hash_algo", "os_hash_value", "stores"}
)
RESERVED = frozenset({"location", "deleted", "deleted_at"})
RESERVED_SPACE = "os_glance"
INVISIBLE = "It's not allowed to update locations if locations are invisible."
OPERATIONS = ("add", "remove", "replace")
DRAFTS = {"application/openstack-images-v2.0-json-patch": 4, "application/openstack-images-v2.1-json-patch": 10}

FIELDS = {
    **{name: name for name in ("name", "visibility", "protected", "owner", "tags", "disk_format", "container_format")},
    **{"min_disk": "min_disk", "min_ram": "min_ram", "os_hidden": "hidden"},
}
"""What can be written of an image: its name in the API and in the row. Whatever else is said is a property."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A row, with its properties and tags. Times are seconds since the epoch."""

    id: UUID
    owner: str | None
    name: str | None = None
    status: str = "queued"
    visibility: str = "shared"
    disk_format: str | None = None
    container_format: str | None = None
    size: int | None = None  # bytes
    virtual_size: int | None = None  # bytes
    min_disk: int = 0  # GiB
    min_ram: int = 0  # MiB
    protected: bool = False
    hidden: bool = False
    checksum: str | None = None
    hash_algo: str | None = None
    hash_value: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    blob_id: UUID | None = None
    staged_id: UUID | None = None
    import_failed: bool | None = None
    writer_id: UUID | None = None
    beat: int = 0
    properties: dict[str, str] = {}
    tags: tuple[str, ...] = ()


class Change(NamedTuple):
    """One operation of a patch. `strict`: as of draft 4, in which `add` is for what is not there."""

    op: str
    name: str
    value: Any
    strict: bool


def read_only(name: str) -> Forbidden:
    return Forbidden(f"Attribute '{name}' is read-only.")


def reserved(name: str) -> Forbidden:
    return Forbidden(f"Attribute '{name[:NAME_CHARACTERS]}' is reserved.")


def created(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a new image, by the fields of its row. Raises BadRequest, Forbidden."""
    check_image(document)
    fields: dict[str, Any] = {"properties": {}}
    for name, value in document.items():
        if name in FIELDS:
            fields[FIELDS[name]] = checked(name, value)
        elif name == "id":
            fields["id"] = UUID(value)
        else:
            fields["properties"][free(name)] = value
    return fields


def free(name: str) -> str:
    """The name, if it may be one of a property. Raises BadRequest, Forbidden."""
    if name in READ_ONLY:
        raise read_only(name)
    if name in RESERVED or name.startswith(RESERVED_SPACE):
        raise reserved(name)
    if name == "locations":
        raise Forbidden(INVISIBLE)
    if not 0 < len(name) <= NAME_CHARACTERS:
        raise BadRequest("Custom property should not be greater than 255 characters.")
    return name


def checked(name: str, value: Any) -> Any:
    """The value as the row holds it; what its schema does not say of it. Raises BadRequest."""
    if name in {"min_disk", "min_ram"} and not 0 <= value <= NUMBER_MAX:
        raise BadRequest(f"Invalid value '{value}' for parameter '{name}': it is a number from 0 to {NUMBER_MAX}.")
    return tuple(sorted(set(value))) if name == "tags" else value


def checked_tag(tag: str) -> str:
    """Raises BadRequest."""
    check_image({"tags": [tag]})
    return tag


# patches


def changes_of(body: Any, media: str) -> list[Change]:
    """The operations of a patch. Raises BadRequest, Forbidden."""
    if not isinstance(body, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    return [change_of(each, DRAFTS[media]) for each in body]


def change_of(raw: Any, draft: int) -> Change:
    if not isinstance(raw, dict):
        raise BadRequest("Operations must be JSON objects.")
    op, pointer = operation_of(raw) if draft == 10 else older_operation_of(raw)
    path = path_of(pointer)
    name = path[0]
    if len(path) != (2 if name == "locations" and op != "replace" else 1):
        raise BadRequest(f"Invalid JSON pointer for this resource: '/{'/'.join(path)}'")
    if op != "remove" and "value" not in raw:
        raise BadRequest(f'Operation "{op}" requires a member named "value".')
    if name not in FIELDS:
        free(name)
    value = raw.get("value")
    if op != "remove":
        check_image({name: value})
        value = checked(name, value)
    return Change(op, name, value, draft == 4)


def changes_to(had: Mapping[str, str], wanted: Mapping[str, str]) -> list[Change]:
    """What makes properties others. Raises BadRequest, Forbidden."""
    if fields := sorted(FIELDS.keys() & wanted.keys()):
        raise reserved(fields[0])
    gone = [Change("remove", name, None, strict=False) for name in had if name not in wanted]
    return gone + [change_of({"op": "add", "path": pointer_to(name), "value": wanted[name]}, 10) for name in wanted]


def pointer_to(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def operation_of(raw: Mapping[str, Any]) -> tuple[str, Any]:
    op = raw.get("op")
    if op not in OPERATIONS:
        raise BadRequest(
            f"Invalid operation: `{str(op)[:80]}`. It must be one of the following: {', '.join(OPERATIONS)}."
        )
    if "path" not in raw:
        raise BadRequest("Unable to find 'path' in JSON Schema change")
    return op, raw["path"]


def older_operation_of(raw: Mapping[str, Any]) -> tuple[str, Any]:
    """{"replace": "/name", "value": …}."""
    named = [op for op in OPERATIONS if op in raw]
    if len(named) != 1:
        raise BadRequest('Operation objects must contain exactly one member named "add", "remove", or "replace".')
    return named[0], raw[named[0]]


def path_of(pointer: Any) -> list[str]:
    """The names in a JSON pointer. Raises BadRequest."""
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise BadRequest(f'Pointer `{str(pointer)[:300]}` does not start with "/".')
    path = [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer[1:].split("/")]
    if re.search("~(?![01])", pointer) or not all(path):
        raise BadRequest(f"Pointer `{pointer[:300]}` names nothing.")
    return path


def changed(image: Image, changes: Sequence[Change], *, admin: bool) -> Image:
    """The image after these changes. Raises Forbidden, Conflict."""
    fields: dict[str, Any] = {}
    own = dict(image.properties)
    for change in changes:
        if change.name in FIELDS:
            check_field(image, change, admin=admin)
            fields[FIELDS[change.name]] = change.value
        elif change.op == "remove":
            if own.pop(change.name, None) is None:
                raise absent(change.name)
        elif change.op == "replace" and change.name not in own:
            raise absent(change.name)
        elif change.op == "add" and change.strict and change.name in own:
            raise Conflict(f"Property {change.name} already present.")
        else:
            own[change.name] = change.value
    return msgspec.structs.replace(image, **fields, properties=own)


def absent(name: str) -> Conflict:
    return Conflict(f"Property {name} does not exist.")


def check_field(image: Image, change: Change, *, admin: bool) -> None:
    """Raises Forbidden, Conflict."""
    name = change.name
    if change.op == "remove":
        raise Forbidden(f"Property {name} may not be removed.")
    if change.op == "add" and change.strict:
        raise Conflict(f"Property {name} already present.")
    if name == "owner" and not admin:
        raise Forbidden("Owner can't be updated by non admin.")
    if name in {"disk_format", "container_format"} and image.status not in {"queued", "importing"}:
        raise Forbidden(f"Attribute {name} can be only replaced for a queued image.")


def check_described(image: Image) -> None:
    """Raises BadRequest unless it is said what its data are."""
    lacking = [name for name in ("disk_format", "container_format") if not getattr(image, name)]
    if lacking:
        noun = "Property" if len(lacking) == 1 else "Properties"
        raise BadRequest(f"{noun} {', '.join(lacking)} must be set prior to saving data.")
