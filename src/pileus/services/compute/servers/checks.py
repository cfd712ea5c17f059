"""Values in bodies of servers, read and checked: each says what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http.plan import parse_uuid
from pileus.kernel.http.queries import FALSE, TRUE
from pileus.services.compute.http import check_printable

HOSTNAME = re.compile(r"[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+")
FQDN = re.compile(r"[a-zA-Z0-9._-]{1,255}")
MOST_COUNT = 2**31 - 1

Flag = bool | str
Count = int | str


def said(value: Any, default: Any = None) -> Any:
    """The value, or the default of what was left out."""
    return default if value is UNSET else value


def flag(name: str, value: Flag | UnsetType, default: bool = False) -> bool:
    """Raises BadRequest for what is no truth value."""
    if isinstance(value, bool):
        return value
    if value is UNSET:
        return default
    word = str(value).lower()
    if word not in TRUE and word not in FALSE:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {value!s:.80}. It is no boolean.", field=name
        )
    return word in TRUE


def count(name: str, value: Count | UnsetType | None, default: int = 1, *, least: int = 1) -> int:
    """Raises BadRequest for what is no number from `least` on."""
    if value is UNSET or value is None:
        return default
    text = str(value)
    if re.fullmatch(r"-?[0-9]{1,10}", text) is None or isinstance(value, bool) or not least <= int(text) <= MOST_COUNT:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {text[:80]}. It is no number from {least} on."
        )
    return int(text)


def uuid(name: str, text: str) -> UUID:
    """Raises BadRequest."""
    try:
        return parse_uuid(text)
    except ValueError:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {text[:80]}. '{text[:80]}' is not a 'uuid'"
        ) from None


def address(name: str, value: str | UnsetType, version: int) -> str | None:
    """An address of that version; none, for the empty one. Raises BadRequest."""
    if value is UNSET or not value:
        return None
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {value[:80]}. '{value[:80]}' is not a 'ipv{version}'"
        )
    return str(found)


def any_address(name: str, value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:80]}. It is no address.") from None


def base64_text(name: str, text: str, most: int) -> str:
    """Raises BadRequest for what is not base64, or too long."""
    if len(text) > most:
        raise BadRequest(f"Invalid input for field/attribute {name}. It has more than {most} characters.")
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"Invalid input for field/attribute {name}. It is no base64.") from None
    return text


def checked_hostname(ctx: Ctx, text: str) -> str:
    """From 2.94 on also a name with dots. Raises BadRequest."""
    good = FQDN.fullmatch(text) if ctx.at("2.94") else HOSTNAME.fullmatch(text) and len(text) <= 63
    if not good:
        raise BadRequest(f"Invalid input for field/attribute hostname. Value: {text[:80]}. It is no host name.")
    return text


def printable(ctx: Ctx, name: str, text: str) -> str:
    """A name; the old compatible API's spaces at its ends go."""
    return check_printable(name, text)


def said_columns(ctx: Ctx, body: Any) -> dict[str, Any]:
    """What a change and a rebuild may say alike: addresses, who partitions the disk, description, host name.

    Raises BadRequest.
    """
    columns: dict[str, Any] = {}
    for name, column, version in (("accessIPv4", "access_ipv4", 4), ("accessIPv6", "access_ipv6", 6)):
        if getattr(body, name) is not UNSET:
            columns[column] = address(name, getattr(body, name), version)
    for name in ("disk_config", "description"):
        if getattr(body, name) is not UNSET:
            columns[name] = getattr(body, name)
    if body.hostname is not UNSET:
        columns["hostname"] = checked_hostname(ctx, body.hostname)
    return columns
