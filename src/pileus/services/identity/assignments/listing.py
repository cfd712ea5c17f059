"""/v3/role_assignments: what was granted, or what of it counts for whom, a page at a time.

An assignment has no id. Pages go by holdings (see rules.py) in the order of their keys; a marker says where in a holding
to go on, so that a page is no longer when a group has many members or a domain many projects. What is asked of the
database for a page does not grow with the page.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.paging import Ask, Page
from pileus.services.identity.assignments import rules, store
from pileus.services.identity.assignments.rules import Entry, Expansion, Holding, Mark
from pileus.services.identity.groups import service as groups
from pileus.services.identity.lists import Condition, Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.roles.service import Graph
from pileus.services.identity.users import service as users

MARK = msgspec.msgpack.Decoder(Mark)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which assignments are listed. What is None narrows nothing."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool | None = None
    subtree: bool = False  # also on what is below the project
    within: str | None = None  # on this domain and its projects alone
    effective: bool = (
        False  # as they count: of groups for their members, of targets for what is below, implied roles too
    )


async def page(ctx: Ctx, wanted: Wanted, ask: Ask) -> Found[Entry]:
    """Those that are wanted, in a stable order. Raises NotFound for what is counted for and is not there, BadRequest."""
    since = read_mark(ask.marker) if ask.marker else None
    assert ask.limit is not None
    found: list[Entry] = []
    async with ctx.read() as ctx:
        known = await roles.graph(ctx, await revision.current(ctx))
        where = await _conditions(ctx, wanted, known)
        at, strictly, chunk = since.key if since else None, False, ask.limit + 1
        while len(found) < chunk:
            holdings = await store.holdings(ctx, where, since=at, strictly=strictly, limit=chunk)
            entries = await _entries(ctx, wanted, holdings, known, since)
            found += islice(entries, chunk - len(found))
            if len(holdings) < chunk:
                break
            at, strictly = holdings[-1].key, True
    shown = found[: ask.limit]
    return Found(shown, Page((), ask, len(found) > len(shown), [written_mark(each.mark) for each in shown[-1:]]))


def read_mark(text: str) -> Mark:
    """Raises BadRequest."""
    try:
        return MARK.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError):
        raise BadRequest(f"marker [{text[:80]}] not found") from None


def written_mark(mark: Mark) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(mark)).rstrip(b"=").decode()


async def _conditions(ctx: Ctx, wanted: Wanted, known: Graph) -> list[Condition]:
    """What of the rows can come to an entry that is wanted."""
    of = store.assignments.c
    where: list[Condition] = []
    if wanted.user_id is not None:
        where.append(await _of_user(ctx, wanted, wanted.user_id))
    if wanted.group_id is not None:
        where += [of.actor == "group", of.actor_id == wanted.group_id]
    if wanted.role_id is not None:
        where.append(of.role_id.in_(known.leading_to(wanted.role_id) if wanted.effective else [wanted.role_id]))
    if wanted.inherited is not None:
        where.append(of.inherited.is_(wanted.inherited))
    if wanted.within is not None:
        where.append(store.on(wanted.within, projects.ids_in(wanted.within)))
    if wanted.domain_id is not None:
        where += [of.target == "domain", of.target_id == wanted.domain_id]
        where += [of.inherited.is_(False)] if wanted.effective else []
    if wanted.project_id is not None:
        where.append(await _on_project(ctx, wanted, wanted.project_id))
    if wanted.system or wanted.effective:
        where.append(of.target == "system" if wanted.system else of.target != "system")
    return where


async def _of_user(ctx: Ctx, wanted: Wanted, user_id: str) -> Condition:
    of = store.assignments.c
    if not wanted.effective:
        return of.actor_id == user_id
    if wanted.within is None:
        await users.get(ctx, user_id)
    return of.actor_id.in_(groups.ids_of(user_id)) | (of.actor_id == user_id)


async def _on_project(ctx: Ctx, wanted: Wanted, project_id: str) -> Condition:
    of = store.assignments.c
    if wanted.within is None and (wanted.effective or wanted.subtree):
        await projects.get(ctx, project_id)
    here = of.target_id.in_(projects.subtree_ids(project_id)) if wanted.subtree else of.target_id == project_id
    if not wanted.effective:
        return here & (of.target == "project")
    above = of.target_id.in_(await projects.ancestor_ids(ctx, project_id))
    passing_on = above | here if wanted.subtree else above
    return (here & (of.target == "project") & of.inherited.is_(False)) | (passing_on & of.inherited.is_(True))


async def _entries(
    ctx: Ctx, wanted: Wanted, holdings: Sequence[Holding], known: Graph, since: Mark | None
) -> Iterator[Entry]:
    if not wanted.effective:
        found = rules.granted(holdings)
    else:
        counting = {
            role_ids: [pair for pair in known.counting_of(role_ids) if wanted.role_id in (None, pair[0])]
            for role_ids in {each.role_ids for each in holdings}
        }
        by = Expansion(await _members(ctx, wanted, holdings), await _below(ctx, wanted, holdings), counting)
        found = rules.effective(holdings, by, since)
    return found if since is None else rules.after(found, since)


async def _members(ctx: Ctx, wanted: Wanted, holdings: Iterable[Holding]) -> dict[str, list[str]]:
    """The users for whom what each group holds counts."""
    ids = {each.actor_id for each in holdings if each.actor == "group"}
    if wanted.user_id is not None:
        return {group_id: [wanted.user_id] for group_id in ids}
    return await groups.members_of(ctx, ids) if ids else {}


async def _below(ctx: Ctx, wanted: Wanted, holdings: Iterable[Holding]) -> dict[str, list[str]]:
    """The projects on which what is inherited from each target counts."""
    ids = {each.target_id for each in holdings if each.inherited}
    if not ids:
        return {}
    if wanted.project_id is None:
        return await projects.below_each(ctx, ids)
    if not wanted.subtree:
        return {target_id: [wanted.project_id] for target_id in ids}
    tree = [wanted.project_id, *await projects.ids_below(ctx, [wanted.project_id])]
    within = await projects.below_each(ctx, ids.intersection(tree))
    return {target_id: within.get(target_id, []) if target_id in tree else tree for target_id in ids}


async def names(ctx: Ctx, entries: Sequence[Entry]) -> dict[tuple[str, str], dict[str, Any]]:
    """What users, groups, projects, domains and roles are called, and in which domain that is: by kind and id."""
    ids: dict[str, set[str]] = {kind: set() for kind in ("user", "group", "project", "domain", "system", "role")}
    for each in entries:
        ids[each.actor].add(each.actor_id)
        ids[each.target].add(each.target_id)
        ids["role"].add(each.role_id)
    async with ctx.read() as ctx:
        found: dict[tuple[str, str], Any] = {
            ("user", id_): it for id_, it in (await users.by_ids(ctx, ids["user"])).items()
        }
        found |= {("group", id_): it for id_, it in (await groups.by_ids(ctx, ids["group"])).items()}
        found |= {("role", it.id): it for it in await roles.by_ids(ctx, ids["role"])}
        places = await projects.by_ids(ctx, ids["project"] | ids["domain"])
        found |= {("domain" if id_ in ids["domain"] else "project", id_): it for id_, it in places.items()}
        domains = await projects.by_ids(ctx, {it.domain_id for it in found.values() if it.domain_id})
    return {key: _named(it, domains.get(it.domain_id)) for key, it in found.items()}


def _named(item: Any, domain: Any) -> dict[str, Any]:
    said = {"id": item.id, "name": item.name}
    return said if domain is None else {**said, "domain": {"id": domain.id, "name": domain.name}}
