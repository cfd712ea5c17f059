"""What an image, a member and a task may be, as JSON Schema: shown under /v2/schemas, and what bodies are checked by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pileus.kernel.errors import BadRequest
from pileus.kernel.facts import facts

Schema = Mapping[str, Any]

WORDS = facts("image", "vocabulary")
UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
DESCRIBED = {"rel": "describedby", "href": "{schema}"}


def text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def told(description: str, **more: Any) -> dict[str, Any]:
    """Text that nobody but we write."""
    return text(description, readOnly=True, **more)


def maybe(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": ["null", kind], "description": description, **more}


LOCATION = {
    "type": "object",
    "properties": {"url": {"type": "string", "maxLength": 255}, "metadata": {"type": "object"}},
    "required": ["url", "metadata"],
}
IMAGE: dict[str, Any] = {
    "id": text("The image's id", pattern=UUID),
    "name": maybe("string", "What people call it", maxLength=255),
    "status": told("Whether it has data, and may be used", enum=WORDS["statuses"]),
    "visibility": text("Who sees it", enum=["community", "public", "private", "shared"]),
    "protected": {"type": "boolean", "description": "While true, it is not deleted"},
    "os_hidden": {"type": "boolean", "description": "While true, lists leave it out unless asked for it"},
    "checksum": maybe("string", "MD5 of the data", readOnly=True, maxLength=32),
    "os_hash_algo": maybe("string", "What os_hash_value was computed by", readOnly=True, maxLength=64),
    "os_hash_value": maybe("string", "Digest of the data, hexadecimal", readOnly=True, maxLength=128),
    "owner": maybe("string", "The project that it belongs to", maxLength=255),
    "size": maybe("integer", "Bytes of data", readOnly=True),
    "virtual_size": maybe("integer", "Bytes of the disk that the data unpacks to", readOnly=True),
    "container_format": maybe("string", "What the disk is wrapped in", enum=[None, *WORDS["container_formats"]]),
    "disk_format": maybe("string", "How the disk is written down", enum=[None, *WORDS["disk_formats"]]),
    "created_at": told("When it was registered"),
    "updated_at": told("When it was last changed"),
    "tags": {"type": "array", "description": "Its tags", "items": {"type": "string", "maxLength": 255}},
    "direct_url": told("Where the store keeps it"),
    "min_ram": {"type": "integer", "description": "MiB of memory that it needs to boot"},
    "min_disk": {"type": "integer", "description": "GiB of disk that it needs to boot"},
    "self": told("Its path"),
    "file": told("The path of its data"),
    "stores": told("The stores that hold its data, separated by commas"),
    "schema": told("The path of this schema"),
    "locations": {"type": "array", "items": LOCATION, "description": "Where stores keep it"},
}
MEMBER: dict[str, Any] = {
    "member_id": text("The project that it is shared with"),
    "image_id": text("The image", pattern=UUID),
    "created_at": text("Since when it is shared"),
    "updated_at": text("When that was last changed"),
    "status": text("What the member says to it", enum=["pending", "accepted", "rejected"]),
    "schema": {"type": "string", "readOnly": True},
}
STUB: dict[str, Any] = {
    "id": text("The task's id", pattern=UUID),
    "type": text("What it does", enum=["import", "api_image_import", "location_import"]),
    "status": text("How far it is", enum=["pending", "processing", "success", "failure"]),
    "owner": text("The project that it works for"),
    "expires_at": maybe("string", "When it is forgotten"),
    "created_at": text("When it was asked for"),
    "updated_at": text("When it was last changed"),
    "self": told("Its path"),
    "schema": told("The path of this schema"),
}
TASK: dict[str, Any] = {
    **STUB,
    "input": maybe("object", "What was asked for"),
    "result": maybe("object", "What came of it"),
    "message": text("Why it failed"),
    "image_id": text("The image it is about"),
    "request_id": text("The request that asked for it"),
    "user_id": text("Who asked for it"),
}


def image_schema() -> dict[str, Any]:
    """Whatever else is said of an image is text."""
    links = [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, DESCRIBED]
    return {"name": "image", "properties": IMAGE, "additionalProperties": {"type": "string"}, "links": links}


def item(name: str, properties: Schema) -> dict[str, Any]:
    return {"name": name, "properties": properties}


def collection(name: str, each: Schema) -> dict[str, Any]:
    """The schema of a list."""
    path = {"type": "string"}
    properties = {name: {"type": "array", "items": each}, "first": path, "next": path, "schema": path}
    links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, DESCRIBED]
    return {"name": name, "properties": properties, "links": links}


def short(name: str, each: Schema) -> dict[str, Any]:
    """The schema of a list without pages."""
    properties = {name: {"type": "array", "items": each}, "schema": {"type": "string"}}
    return {"name": name, "properties": properties, "links": [DESCRIBED]}


KINDS: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def check_image(document: Mapping[str, Any]) -> None:
    """Raises BadRequest for what is said of an image and cannot be."""
    for name, value in document.items():
        if (wrong := fault_of(IMAGE.get(name, {"type": "string"}), value)) is not None:
            raise BadRequest(f"Provided object does not match schema 'image': {name[:255]}: {wrong}", field=name)


def fault_of(schema: Schema, value: Any) -> str | None:
    """Why the value is not what the schema says; None when it is. Knows what the schemas of this page use."""
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    said = repr(value)[:80]
    if not any(KINDS[kind](value) for kind in kinds):
        return f"{said} is not of type {', '.join(map(repr, kinds))}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{said} is not one of {schema['enum']}"
    if isinstance(value, str):
        return fault_of_text(schema, value, said)
    if isinstance(value, dict):
        return fault_of_object(schema, value)
    return fault_of_items(schema, value) if isinstance(value, list) else None


def fault_of_text(schema: Schema, value: str, said: str) -> str | None:
    if len(value) > schema.get("maxLength", len(value)):
        return f"{said} is too long"
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        return f"{said} does not match {schema['pattern']!r}"
    return None


def fault_of_items(schema: Schema, value: list[Any]) -> str | None:
    return next((wrong for each in value if (wrong := fault_of(schema["items"], each))), None)


def fault_of_object(schema: Schema, value: dict[str, Any]) -> str | None:
    absent = [name for name in schema.get("required", ()) if name not in value]
    if absent:
        return f"{absent[0]!r} is a required property"
    known = schema.get("properties", {})
    return next(
        (wrong for name, each in value.items() if name in known and (wrong := fault_of(known[name], each))), None
    )
