"""What a mapping is made of, in each of its versions. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, converted

OLDEST = "1.0"


class Domain(Body, frozen=True):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class User(Body, frozen=True):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET
    type: Literal["ephemeral", "local"] | UnsetType = UNSET


class Group(Body, frozen=True):
    """By its id alone, or by name and domain."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET

    def __post_init__(self) -> None:
        named = self.name is not UNSET, self.domain is not UNSET
        if named != ((False, False) if self.id is not UNSET else (True, True)):
            raise ValueError("A group is named by `id` alone, or by `name` and `domain`")


class Role(Body, frozen=True):
    name: str


class Project(Body, frozen=True):
    name: str
    roles: list[Role]


class PlacedProject(Project, frozen=True):
    domain: Domain | UnsetType = UNSET


P = TypeVar("P", bound=Project)


class Local(Body, Generic[P], frozen=True):
    """What somebody is here."""

    user: User | UnsetType = UNSET
    projects: list[P] | UnsetType = UNSET
    group: Group | UnsetType = UNSET
    groups: str | UnsetType = UNSET
    group_ids: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET


class LocalWithJson(Local[PlacedProject], frozen=True):
    projects_json: str | UnsetType = UNSET


class Remote(Body, frozen=True):
    """What is said of somebody: that there is such an attribute, or what it must or must not be."""

    type: str
    any_one_of: list[Any] | UnsetType = UNSET
    not_any_of: list[Any] | UnsetType = UNSET
    blacklist: list[Any] | UnsetType = UNSET
    whitelist: list[Any] | UnsetType = UNSET
    regex: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        lists = sum(each is not UNSET for each in (self.any_one_of, self.not_any_of, self.blacklist, self.whitelist))
        if lists > 1 or (self.regex is not UNSET and not lists):
            raise ValueError(
                "Of `any_one_of`, `not_any_of`, `blacklist` and `whitelist` one may be there, and `regex` with it"
            )


L = TypeVar("L")


class Rule(Body, Generic[L], frozen=True):
    local: list[L]
    remote: Annotated[list[Remote], Meta(min_length=1)]


class Document(msgspec.Struct, Generic[L], frozen=True):
    rules: Annotated[list[Rule[L]], Meta(min_length=1)]


VERSIONS: dict[str, Any] = {
    OLDEST: Document[Local[Project]],
    "2.0": Document[Local[PlacedProject]],
    "3.0": Document[LocalWithJson],
}


def check(rules: Any, version: str) -> None:
    """Raises BadRequest, which names the place, for what are no rules of that version."""
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise BadRequest(f"Invalid input for mapping.schema_version: {version[:40]!r} is none of {known}.")
    converted({"rules": rules}, VERSIONS[version], "mapping")
