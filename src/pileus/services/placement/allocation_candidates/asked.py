"""What a query string asks for: of candidates, and of the list of providers, at each microversion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Query
from pileus.kernel.http.queries import integer
from pileus.services.placement.allocation_candidates.rules import NO_NAMES, Group, Request
from pileus.services.placement.http import UNDEFINED, canonical

BAD_VALUE, MISSING_VALUE = "placement.query.bad_value", "placement.query.missing_value"
DUPLICATE_KEY = "placement.query.duplicate_key"
MOST_GROUPS = 64

PLAIN = {
    "resources": "1.10",
    "limit": "1.16",
    "required": "1.17",
    "member_of": "1.21",
    "group_policy": "1.25",
    "in_tree": "1.31",
    "root_required": "1.35",
    "same_subtree": "1.36",
}
SUFFIXED = {"resources": "1.25", "required": "1.25", "member_of": "1.25", "in_tree": "1.31"}
NUMBERED = re.compile(r"(resources|required|member_of|in_tree)([1-9][0-9]*)")
LETTERED = re.compile(r"(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})")
OF_LIST = {"name": "1.0", "uuid": "1.0", "member_of": "1.3", "resources": "1.4", "in_tree": "1.14", "required": "1.18"}
TRAITS_FORM = "Invalid query string parameters: Expected 'required' parameter value of the form:"

Traits = tuple[tuple[frozenset[str], ...], frozenset[str]]
"""Of each of the first one is wanted, of the last none."""


def bad(message: str, code: str = UNDEFINED) -> BadRequest:
    return BadRequest(message, code=code)


# the words of a value


def resources_of(text: str) -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:1024`. Raises BadRequest."""
    resources = {}
    for part in text.split(","):
        name, colon, amount = part.partition(":")
        if not colon or not name or ":" in amount:
            raise bad(
                "Badly formed resources parameter. Expected resources query string parameter in form: "
                f"?resources=VCPU:2,MEMORY_MB:1024. Got: {part[:255] if text.strip() else 'empty string'}."
            )
        try:
            number = integer("resources", amount.strip())
        except BadRequest:
            raise bad(
                f"Requested resource {name[:255]} expected positive integer amount. Got: {amount[:40]}."
            ) from None
        if number < 1:
            raise bad(f"Requested resource {name[:255]} requires amount >= 1. Got: {number}.")
        resources[name] = number
    return resources


def traits_of(ctx: Ctx, values: Sequence[str]) -> Traits:
    """`A,!B` and, from 1.39 on, `in:A,B` and several of them; before, the last counts. Raises BadRequest."""
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values if ctx.at("1.39") else values[-1:]:
        if value.startswith("in:"):
            required.append(any_of(ctx, value))
            continue
        words = [word.strip() for word in value.split(",")]
        banned = {word.lstrip("!") for word in words if word.startswith("!")}
        form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC" if ctx.at("1.22") else "HW_CPU_X86_VMX,CUSTOM_MAGIC"
        if not all([*words, *banned]):
            raise bad(f"{TRAITS_FORM} {form}. Got an empty trait in: {value[:255]}")
        if banned and not ctx.at("1.22"):
            raise bad(f"{TRAITS_FORM} {form}. Got: {value[:255]}")
        required += [frozenset({word}) for word in words if not word.startswith("!")]
        forbidden |= banned
    return tuple(required), frozenset(forbidden)


def any_of(ctx: Ctx, value: str) -> frozenset[str]:
    """`in:A,B`."""
    start = "Invalid query string parameters: "
    words = {word.strip() for word in value.removeprefix("in:").split(",")}
    if not ctx.at("1.39"):
        raise bad(
            f"{start}The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. "
            f"Got: {value[:255]}"
        )
    if not all(words):
        raise bad(
            f"{start}Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. "
            f"Got an empty trait in: {value[:255]}"
        )
    if any(word.startswith("!") for word in words):
        raise bad(
            f"{start}The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: {value[:255]}"
        )
    return frozenset(words)


def members_of(ctx: Ctx, key: str, values: Sequence[str]) -> Traits:
    """`ID`, `in:ID,ID`, and from 1.32 on `!ID` and `!in:ID,ID`; several from 1.24 on. Raises BadRequest."""
    if len(values) > 1 and not ctx.at("1.24"):
        raise bad(f"Multiple {key} parameters are not supported")
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        is_banned, rest = value.startswith("!"), value.removeprefix("!")
        if "," in rest and not rest.startswith("in:"):
            raise bad(
                "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid "
                f"microversion. Got: {value[:255]}"
            )
        if is_banned and not ctx.at("1.32"):
            raise bad(f"Forbidden {key} parameters are not supported in the specified microversion")
        ids = frozenset(
            uuid_of("member_of", each, "to contain valid UUID(s)") for each in rest.removeprefix("in:").split(",")
        )
        if is_banned:
            forbidden |= ids
        else:
            required.append(ids)
    return tuple(required), frozenset(forbidden)


def uuid_of(key: str, text: str, form: str = "to be a format of uuid") -> str:
    """Raises BadRequest."""
    uuid = canonical(text.strip())
    if uuid is None:
        raise bad(f"Invalid query string parameters: Expected '{key}' parameter {form}. Got: {text[:255]}")
    return uuid


# the list of providers


def narrowed(ctx: Ctx, query: Query) -> tuple[dict[str, Any], Group]:
    """The columns that the list of providers is narrowed by, and what each of them must have. Raises BadRequest."""
    refuse_unknown(key for key in query if key not in OF_LIST or not ctx.at(OF_LIST[key]))
    columns: dict[str, Any] = {}
    if query.get("name", [""])[-1]:
        columns["name"] = query["name"][-1]
    if "uuid" in query:
        columns["id"] = uuid_of("uuid", query["uuid"][-1])
    return columns, group_of(ctx, query, "")


def group_of(ctx: Ctx, query: Query, suffix: str) -> Group:
    """What is asked for under this suffix. Raises BadRequest."""
    resources, trees = query.get(f"resources{suffix}"), query.get(f"in_tree{suffix}")
    required, forbidden = traits_of(ctx, query.get(f"required{suffix}", ()))
    member_of, not_member_of = members_of(ctx, f"member_of{suffix}", query.get(f"member_of{suffix}", ()))
    return Group(
        resources=resources_of(resources[-1]) if resources else {},
        required=required,
        forbidden=forbidden,
        member_of=member_of,
        not_member_of=not_member_of,
        in_tree=uuid_of("in_tree", trees[-1]) if trees else None,
    )


def refuse_unknown(keys: Iterable[str]) -> None:
    if unknown := sorted(keys):
        raise bad(
            "Invalid query string parameters: Additional properties are not allowed "
            f"({', '.join(repr(key[:80]) for key in unknown[:8])})"
        )


# candidates


def request_of(ctx: Ctx, query: Query) -> Request:
    """Raises BadRequest."""
    groups = {suffix: group_of(ctx, query, suffix) for suffix in suffixes_of(ctx, query)}
    limit = limit_of(query)
    policy = query.get("group_policy", [""])[0]
    if policy not in ("", "none", "isolate"):
        raise bad(f"Invalid query string parameters: group_policy is none or isolate, not {policy[:80]!r}")
    same_subtree = tuple(subtree_of(value) for value in query.get("same_subtree", ()))
    check_groups(ctx, groups, NO_NAMES.union(*same_subtree))
    check_conflicts(groups)
    required, forbidden = root_of(ctx, query.get("root_required", ()))
    if not policy and len(groups.keys() - {""}) > 1:
        raise bad('The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.')
    most = ctx.world.config.placement.candidates
    return Request(
        groups=groups,
        limit=most if limit is None else min(limit, most),
        isolate=policy == "isolate",
        root_required=required,
        root_forbidden=forbidden,
        same_subtree=same_subtree,
        trees=ctx.at("1.29"),
    )


def suffixes_of(ctx: Ctx, query: Query) -> list[str]:
    """Of the groups that are asked for, in the order of the query. Raises BadRequest."""
    form = LETTERED if ctx.at("1.33") else NUMBERED
    suffixes, unknown = {}, []
    for key in query:
        found = form.fullmatch(key)
        if key in PLAIN and ctx.at(PLAIN[key]):
            if key in SUFFIXED:
                suffixes[""] = True
        elif found is not None and ctx.at(SUFFIXED[found[1]]):
            suffixes[found[2]] = True
        else:
            unknown.append(key)
    refuse_unknown(unknown)
    if len(suffixes) > MOST_GROUPS:
        raise bad(f"Invalid query string parameters: more than {MOST_GROUPS} groups are asked for")
    return list(suffixes)


def limit_of(query: Query) -> int | None:
    if "limit" not in query:
        return None
    text = query["limit"][0]
    if not re.fullmatch("[1-9][0-9]{0,17}", text):
        raise bad(f"Invalid query string parameters: limit is a positive integer, not {text[:80]!r}")
    return int(text)


def subtree_of(value: str) -> frozenset[str]:
    suffixes = frozenset(each.strip() for each in value.split(","))
    if "" in suffixes:
        raise bad("Empty string (unsuffixed group) can not be specified in `same_subtree` ", BAD_VALUE)
    return suffixes


def root_of(ctx: Ctx, values: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """What roots must have, and must not. Raises BadRequest."""
    if len(values) > 1:
        raise bad("Query parameter 'root_required' may be specified only once.", DUPLICATE_KEY)
    if values and values[0].startswith("in:"):
        raise bad(f"Invalid query string parameters: root_required takes no 'in:'. Got: {values[0][:255]}")
    required, forbidden = traits_of(ctx, values)
    needed = NO_NAMES.union(*required)
    if needed & forbidden:
        raise bad(
            f"Conflicting required and forbidden traits found in root_required: {', '.join(sorted(needed & forbidden))}",
            BAD_VALUE,
        )
    return needed, forbidden


def check_groups(ctx: Ctx, groups: dict[str, Group], together: frozenset[str]) -> None:
    """Each group asks for resources; from 1.36 on, or is in a `same_subtree`. Raises BadRequest."""
    empty = [suffix for suffix, group in groups.items() if not group.resources]
    if not ctx.at("1.36"):
        check_orphans(groups, empty)
    if len(empty) == len(groups):
        raise bad("There must be at least one resources or resources[$S] parameter.", MISSING_VALUE)
    if alone := [suffix for suffix in empty if suffix not in together]:
        raise bad(
            "Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - "
            f"{alone}.",
            BAD_VALUE,
        )
    if none := sorted(together - groups.keys()):
        raise bad(
            f"Real suffixes should be specified in `same_subtree`: {none} not found in {list(groups)}.", BAD_VALUE
        )


def check_orphans(groups: dict[str, Group], empty: Sequence[str]) -> None:
    """Before 1.36. Raises BadRequest."""
    if orphans := [f"required{suffix}" for suffix in empty if groups[suffix].required]:
        raise bad(
            "All traits parameters must be associated with resources.  Found the following orphaned traits keys: "
            f"{', '.join(orphans)}"
        )
    if orphans := [f"member_of{each}" for each in empty if groups[each].member_of or groups[each].not_member_of]:
        raise bad(
            "All member_of parameters must be associated with resources. Found the following orphaned member_of keys: "
            f"{', '.join(orphans)}"
        )
    if empty:
        raise bad("All request groups must specify resources.")
    if not groups:
        raise bad("At least one request group (`resources` or `resources{$S}`) is required.", MISSING_VALUE)


def check_conflicts(groups: dict[str, Group]) -> None:
    """Raises BadRequest when what is required is forbidden, too."""
    conflicts = [
        f"required{suffix}: ({', '.join(sorted(wanted))})"
        for suffix, group in groups.items()
        for wanted in group.required
        if wanted <= group.forbidden
    ]
    if conflicts:
        raise bad(
            "Conflicting required and forbidden traits found in the following traits keys: "
            f"{', '.join(sorted(conflicts))}"
        )
