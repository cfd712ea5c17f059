"""Roles and what they imply: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed, changed_each
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from pileus.kernel.facts import facts as facts_of
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision
from pileus.services.identity.roles import rules, store
from pileus.services.identity.roles.store import Role

__all__ = [
    "Graph",
    "Role",
    "by_ids",
    "change",
    "create",
    "delete",
    "ensure_implied",
    "expanded",
    "get",
    "graph",
    "implication",
    "implied_by",
    "imply",
    "imply_no_longer",
    "inferences",
    "named",
    "page",
    "shown",
]

ROLE = "identity.role"
NEVER_IMPLIED = frozenset(facts_of("identity", "roles")["never_implied"])
"""Names of roles that none may imply: who has them has been given them."""


class Graph(msgspec.Struct, frozen=True):
    """All roles and implications, as they were at one revision."""

    revision: Revision
    roles: dict[str, Role]
    implied: dict[str, list[str]]

    def counting(self, role_ids: Iterable[str]) -> list[Role]:
        """Those of the roles that count, by name: a domain's own do not, they only pass on what they imply."""
        found = (self.roles[role_id] for role_id in role_ids if self._counts(role_id))
        return sorted(found, key=lambda role: role.name)

    def reached(self, role_ids: Iterable[str]) -> set[str]:
        """The ids of these roles and of all that they imply, a domain's own too."""
        return rules.reached(self.implied, role_ids)

    def expanded(self, role_ids: Iterable[str]) -> list[Role]:
        """These roles and all that they imply, those that count, by name."""
        return self.counting(self.reached(role_ids))

    def counting_of(self, role_ids: Iterable[str]) -> list[tuple[str, str]]:
        """The ids of these roles (with ""), and of all that they imply (with the id of each that implies it), as above."""
        role_ids = list(role_ids)
        pairs = [*((role_id, "") for role_id in role_ids), *rules.steps(self.implied, role_ids)]
        return [pair for pair in pairs if self._counts(pair[0])]

    def idle(self) -> list[str]:
        """The ids of the roles that bring nothing: a domain's own that pass nothing on."""
        return [role_id for role_id, role in self.roles.items() if role.domain_id and not self.expanded([role_id])]

    def _counts(self, role_id: str) -> bool:
        return role_id in self.roles and self.roles[role_id].domain_id is None

    def leading_to(self, role_id: str) -> set[str]:
        """The ids of this role and of all that imply it."""
        return rules.leading_to(self.implied, role_id)


async def get(ctx: Ctx, role_id: str) -> Role:
    """The role of that id. Raises NotFound."""
    found = await store.list_(ctx, {"id": role_id})
    if not found:
        raise NotFound(f"Could not find role: {role_id}.")
    return found[0]


async def by_ids(ctx: Ctx, ids: Collection[str]) -> list[Role]:
    """Those of them that are there, by id."""
    return await store.by_ids(ctx, sorted(ids))


async def named(ctx: Ctx, name: str, *, domain_id: str | None = None) -> Role | None:
    """The role of that name in the domain; without one, the role of that name that every domain knows."""
    found = await store.list_(ctx, {"name": name, "domain_id": domain_id})
    return found[0] if found else None


async def id_named(ctx: Ctx, name: str) -> str:
    """The id of the role of that name that every domain knows. Raises NotFound."""
    found = await named(ctx, name)
    if found is None:
        raise NotFound(f"Could not find role: {name}.")
    return found.id


async def page(ctx: Ctx, query: Query, *, domain_id: str | None) -> Found[Role]:
    """The roles of a domain that the query string asks for; without one, those that every domain knows. Raises BadRequest."""
    return await store.page(ctx, query, domain_id)


def shown(role: Role) -> dict[str, Any]:
    """The role as the API shows it, but for its links."""
    return {**role.extra, **shown_bare(role)}


def shown_bare(role: Role) -> dict[str, Any]:
    """The role as it is shown by what lends it: without what callers keep in it."""
    return {
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain_id,
        "description": role.description,
        "options": role.options,
    }


async def expanded(ctx: Ctx, role_ids: Iterable[str], at: Revision) -> list[Role]:
    """These roles and all that they imply, by name; a domain's own roles only pass on what they imply."""
    return (await graph(ctx, at)).expanded(role_ids)


async def graph(ctx: Ctx, at: Revision) -> Graph:
    """All roles and implications. Kept in this process as long as the revision stands."""
    kept: Graph | None = ctx.world.memory.get(Graph)
    if kept is None or kept.revision != at:
        kept = ctx.world.memory[Graph] = await _graph(ctx, at)
    return kept


async def _graph(ctx: Ctx, at: Revision) -> Graph:
    async with ctx.read() as ctx:
        found = {role.id: role for role in await store.list_(ctx, {})}
        implied: dict[str, list[str]] = {}
        for prior, role in await store.implied(ctx):
            implied.setdefault(prior, []).append(role)
    return Graph(at, found, implied)


async def create(
    ctx: Ctx, name: str, *, role_id: str | None = None, domain_id: str | None = None, facts: Mapping[str, Any]
) -> Role:
    """A role. `facts`: description, options, extra. Raises BadRequest, Conflict."""
    role = Role(
        id=role_id or ctx.world.ids.hex(),
        name=name,
        domain_id=domain_id,
        description=facts.get("description"),
        options=facts.get("options") or {},
        extra=facts.get("extra") or {},
    )
    async with revision.change(ctx) as ctx:
        if domain_id is not None and not await _is_domain(ctx, domain_id):
            raise BadRequest(f"Could not find domain: {domain_id}.")
        await _check_name(ctx, role)
        await store.add(ctx, role)
        await changed(ctx, ROLE, "created", role.id, project_id=None)
    return role


async def _is_domain(ctx: Ctx, domain_id: str) -> bool:
    found = await projects.find(ctx, domain_id)
    return found is not None and found.is_domain


async def _check_name(ctx: Ctx, role: Role) -> None:
    same = await named(ctx, role.name, domain_id=role.domain_id)
    if same is not None and same.id != role.id:
        where = f" at domain ID {role.domain_id}" if role.domain_id else ""
        raise Conflict(
            f"Conflict occurred attempting to store role - Duplicate entry found with name {role.name}{where}."
        )


async def change(ctx: Ctx, role_id: str, wanted: Mapping[str, Any]) -> Role:
    """Write these columns. Raises NotFound, BadRequest, Forbidden, Conflict."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, role_id)
        if before.options.get("immutable") and not _only_unlocks(wanted):
            raise _immutable("update", role_id)
        after = msgspec.structs.replace(before, **wanted)
        if after.domain_id != before.domain_id:
            raise BadRequest("Update of `domain_id` is not allowed.")
        await _check_name(ctx, after)
        if wanted:
            await store.change(ctx, role_id, **wanted)
        await changed(ctx, ROLE, "updated", role_id, project_id=None)
    return after


def _only_unlocks(wanted: Mapping[str, Any]) -> bool:
    return set(wanted) == {"options"} and not wanted["options"].get("immutable")


def _immutable(verb: str, role_id: str) -> Forbidden:
    return Forbidden(
        f'Unable to {verb} immutable role resource: `{role_id}`. Set resource option "immutable" to false first.'
    )


async def delete(ctx: Ctx, role_id: str) -> None:
    """Delete a role with its assignments; nobody has it from the next request on. Raises NotFound, Forbidden."""
    async with revision.change(ctx) as ctx:
        role = await get(ctx, role_id)
        if role.options.get("immutable"):
            raise _immutable("delete", role_id)
        await store.delete(ctx, role_id)
        await changed(ctx, ROLE, "deleted", role_id, project_id=None)


async def inferences(ctx: Ctx) -> list[tuple[Role, list[Role]]]:
    """Each role that implies others, and those, by id."""
    known = await graph(ctx, await revision.current(ctx))
    return [(known.roles[prior], [known.roles[each] for each in implied]) for prior, implied in known.implied.items()]


async def implied_by(ctx: Ctx, prior_id: str) -> list[Role]:
    """What a role implies by itself, by id."""
    known = await graph(ctx, await revision.current(ctx))
    return [known.roles[each] for each in known.implied.get(prior_id, ())]


async def implication(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    """Raises NotFound when the one role does not imply the other by itself."""
    if not await store.implies(ctx, prior_id, implied_id):
        raise _implies_not(prior_id, implied_id)


def _implies_not(prior_id: str, implied_id: str) -> NotFound:
    return NotFound(f"{prior_id} does not imply {implied_id}.")


async def imply(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    """Whoever has the one role has the other too. Raises NotFound, Forbidden, and Conflict where that is so already."""
    async with revision.change(ctx) as ctx:
        prior, implied = await get(ctx, prior_id), await get(ctx, implied_id)
        if implied.name in NEVER_IMPLIED:
            raise Forbidden(f"{implied_id} cannot be an implied roles.")
        if prior.domain_id is None and implied.domain_id is not None:
            raise Forbidden("Global role cannot imply a domain-specific role")
        if await store.implies(ctx, prior_id, implied_id):
            raise Conflict("Conflict occurred attempting to store implied_role - Duplicate entry.")
        await store.imply(ctx, prior_id, implied_id)
        await changed(ctx, ROLE, "updated", prior_id, project_id=None, facts={"implies": implied_id})


async def ensure_implied(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    """As `imply`. May be said twice."""
    async with revision.change(ctx) as ctx:
        if not await store.implies(ctx, prior_id, implied_id):
            await imply(ctx, prior_id, implied_id)


async def imply_no_longer(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    """Whoever has the one role has the other no longer by that. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        if not await store.imply_no_longer(ctx, prior_id, implied_id):
            raise _implies_not(prior_id, implied_id)
        await changed(ctx, ROLE, "updated", prior_id, project_id=None, facts={"implies_no_longer": implied_id})


@projects.on_delete_domain
async def forget_domain(ctx: Ctx, domain_id: str) -> None:
    ids = [role.id for role in await store.list_(ctx, {"domain_id": domain_id})]
    await store.delete_of(ctx, domain_id)
    await changed_each(ctx, ROLE, "deleted", dict.fromkeys(ids))
