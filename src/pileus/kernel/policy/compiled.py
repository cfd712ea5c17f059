"""Rules as closures: what a request pays for.

Each check becomes two functions. `allows(caller, target)` says yes or no; `early(caller)` says what is known before there
is a target: yes, no, or None when the target decides. What is absent (a token without a project, an attribute that is null)
equals nothing but the literal `None`: an unscoped caller never matches a thing that belongs to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from pileus.kernel.context import Caller
from pileus.kernel.policy.language import Always, And, Attribute, Field, Match, Node, Not, Reference, Role, Template

Target = Mapping[str, Any]
Allows = Callable[[Caller, Target], bool]
Early = Callable[[Caller], bool | None]


class Check(NamedTuple):
    allows: Allows
    early: Early


class _Absent:
    """Not even null."""


ABSENT = _Absent()
SCOPES = ("project", "domain", "system")
ALLOW = Check(lambda caller, target: True, lambda caller: True)
DENY = Check(lambda caller, target: False, lambda caller: False)


@lru_cache(maxsize=4096)
def folded(roles: frozenset[str]) -> frozenset[str]:
    """Role names as they are compared."""
    return frozenset(role.lower() for role in roles)


SCALARS: dict[str, Callable[[Caller], str | None]] = {
    "user_id": attrgetter("user_id"),
    "user": attrgetter("user_id"),
    "user_domain_id": attrgetter("user_domain_id"),
    "project_id": attrgetter("project_id"),
    "tenant_id": attrgetter("project_id"),
    "tenant": attrgetter("project_id"),
    "project_domain_id": attrgetter("project_domain_id"),
    "domain_id": attrgetter("domain_id"),
    "system_scope": lambda caller: "all" if caller.system else None,
    "is_admin": lambda caller: str("admin" in folded(caller.roles)),
    "is_admin_project": lambda caller: "True",
    "token.user.id": attrgetter("user_id"),
    "token.user.domain.id": attrgetter("user_domain_id"),
    "token.project.id": attrgetter("project_id"),
    "token.project.domain.id": attrgetter("project_domain_id"),
    "token.domain.id": attrgetter("domain_id"),
}
LISTS: dict[str, Callable[[Caller], Any]] = {
    "roles": lambda caller: sorted(caller.roles),
    "service_roles": lambda caller: caller.facts.get("service_roles"),
    "service_user_id": lambda caller: caller.facts.get("service_user_id"),
}
CREDENTIALS = frozenset([*SCALARS, *LISTS])
"""What a rule may ask of the caller; any other path leads into `Caller.facts`."""


def texts(value: Any, steps: tuple[str, ...] = ()) -> Iterator[str]:
    """What a credential may be equal to: itself, or each member of a list, at the end of the path. Nothing when absent."""
    if isinstance(value, (list, tuple, set, frozenset)):
        for member in value:
            yield from texts(member, steps)
    elif steps:
        if isinstance(value, Mapping):
            yield from texts(value.get(steps[0]), steps[1:])
    elif value is not None:
        yield str(value)


def credential(kind: str) -> Callable[[Caller], tuple[str, ...]]:
    """The texts of a credential; none when the caller lacks it."""
    if kind in SCALARS:
        scalar = SCALARS[kind]
        return lambda caller: (text,) if (text := scalar(caller)) else ()
    if kind in LISTS:
        known = LISTS[kind]
        return lambda caller: tuple(texts(known(caller)))
    steps = tuple(kind.split("."))
    return lambda caller: tuple(texts(caller.facts, steps))


def scope_of(caller: Caller) -> str:
    """What the caller's token is for; an unscoped one counts as one for a project."""
    return "system" if caller.system else "domain" if caller.domain_id else "project"


def scoped(check: Check, scopes: Container[str]) -> Check:
    """The check, for these scopes only."""
    allows, early = check
    return Check(
        lambda caller, target: scope_of(caller) in scopes and allows(caller, target),
        lambda caller: early(caller) if scope_of(caller) in scopes else False,
    )


def attribute(name: str) -> Callable[[Target], Any]:
    """An attribute of the target, ABSENT when it has none of that name: the key itself, or a path into nested ones."""
    steps = name.split(".")
    if len(steps) == 1:
        return lambda target: target.get(name, ABSENT)

    def walk(target: Target) -> Any:
        if name in target:
            return target[name]
        value: Any = target
        for step in steps:
            if not isinstance(value, Mapping) or step not in value:
                return ABSENT
            value = value[step]
        return value

    return walk


def filled(template: Template) -> Callable[[Target], str | None]:
    """The text of a template; None when the target lacks an attribute of it."""
    places = [attribute(part.name) if isinstance(part, Attribute) else part for part in template.parts]

    def fill(target: Target) -> str | None:
        values = [place if isinstance(place, str) else place(target) for place in places]
        return None if any(value is ABSENT for value in values) else "".join(map(str, values))

    return fill


def compiled(node: Node, reference: Callable[[str], Check]) -> Check:
    """The closures of a rule. `reference` gives those of the rules it names."""
    match node:
        case Always(value):
            return ALLOW if value else DENY
        case Reference(name):
            return reference(name)
        case Role(name):
            return _role(name)
        case Field():
            return _field(node)
        case Match():
            return _literal(node) if node.literal is not None else _credential(node)
        case Not(part):
            return _not(compiled(part, reference))
        case And(parts):
            return _and([compiled(part, reference) for part in parts])
    return _or([compiled(part, reference) for part in node.parts])


def _role(name: Template) -> Check:
    if name.attributes:
        fill = filled(name)
        return Check(lambda caller, target: (fill(target) or "").lower() in folded(caller.roles), lambda caller: None)
    wanted = "".join(map(str, name.parts)).lower()
    return Check(lambda caller, target: wanted in folded(caller.roles), lambda caller: wanted in folded(caller.roles))


def _field(node: Field) -> Check:
    read, wanted = attribute(node.name), node.value
    begins = re.compile(node.pattern, re.DOTALL).match if node.pattern is not None else None

    def allows(caller: Caller, target: Target) -> bool:
        value = read(target)
        if value is ABSENT or value is None:
            return False
        text = str(value)
        if isinstance(value, bool):  # written True, true or TRUE in the files that are about
            return text.lower() == wanted.lower()
        return begins(text) is not None if begins else text == wanted

    return Check(allows, lambda caller: None)


def _literal(node: Match) -> Check:
    fill, literal = filled(node.wanted), node.literal
    if not node.wanted.attributes:
        return ALLOW if fill({}) == literal else DENY
    return Check(lambda caller, target: fill(target) == literal, lambda caller: None)


def _credential(node: Match) -> Check:
    have, parts = credential(node.kind), node.wanted.parts
    if not node.wanted.attributes:
        return _constant(node, have)
    if len(parts) > 1:
        return _composed(node, have)
    read = attribute(node.wanted.attributes[0])

    def allows(caller: Caller, target: Target) -> bool:
        value = read(target)
        return value is not None and value is not ABSENT and str(value) in have(caller)

    return Check(allows, lambda caller: None if have(caller) else False)


def _constant(node: Match, have: Callable[[Caller], tuple[str, ...]]) -> Check:
    """`system_scope:all`, `domain_id:None`: known without a target."""
    wanted = "".join(map(str, node.wanted.parts))
    if wanted == "None" and node.kind in SCALARS:
        return Check(lambda caller, target: not have(caller), lambda caller: not have(caller))
    return Check(lambda caller, target: wanted in have(caller), lambda caller: wanted in have(caller))


def _composed(node: Match, have: Callable[[Caller], tuple[str, ...]]) -> Check:
    """`user_id:%(prefix)s-%(name)s`: text and attributes."""
    fill, reads = filled(node.wanted), [attribute(name) for name in node.wanted.attributes]

    def allows(caller: Caller, target: Target) -> bool:
        return fill(target) in have(caller) and all(read(target) is not None for read in reads)

    return Check(allows, lambda caller: None if have(caller) else False)


def _not(part: Check) -> Check:
    allows, early = part

    def early_not(caller: Caller) -> bool | None:
        known = early(caller)
        return None if known is None else not known

    return Check(lambda caller, target: not allows(caller, target), early_not)


def _and(parts: list[Check]) -> Check:
    checks, earlies = [part.allows for part in parts], [part.early for part in parts]

    def allows(caller: Caller, target: Target) -> bool:
        for check in checks:  # noqa: SIM110 (a generator costs half a microsecond more)
            if not check(caller, target):
                return False
        return True

    def early(caller: Caller) -> bool | None:
        sure: bool | None = True
        for each in earlies:
            known = each(caller)
            if known is False:
                return False
            sure = sure and known
        return sure

    return Check(allows, early)


def _or(parts: list[Check]) -> Check:
    checks, earlies = [part.allows for part in parts], [part.early for part in parts]

    def allows(caller: Caller, target: Target) -> bool:
        for check in checks:  # noqa: SIM110 (a generator costs half a microsecond more)
            if check(caller, target):
                return True
        return False

    def early(caller: Caller) -> bool | None:
        sure: bool | None = False
        for each in earlies:
            known = each(caller)
            if known:
                return True
            sure = sure if known is False else None
        return sure

    return Check(allows, early)
