"""Networks that are shared: their flags and their policies say the same, and who has ports on one keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import TYPE, Network
from pileus.services.network.ports import store
from pileus.services.network.rbac_policies import service as rbac


@rbac.shares(TYPE)
async def owner(ctx: Ctx, network_id: UUID) -> str | None:
    found = (await networks.by_ids(ctx, [network_id])).get(network_id)
    return None if found is None else found.project_id


@owner.users
async def users(ctx: Ctx, network_id: UUID) -> set[str]:
    """Who has ports on it; those without a project are the network's own."""
    return await store.projects_on(ctx, network_id) - {""}


@owner.touched
async def follow(ctx: Ctx, network_id: UUID) -> None:
    """The flags say whether there are policies for everybody."""
    found = await rbac.policies_of(ctx, TYPE, [network_id])
    actions = {each.action for each in found if each.target_project == rbac.EVERYBODY}
    await networks.lend(ctx, network_id, shared=rbac.SHARED in actions, external=rbac.EXTERNAL in actions)


@networks.made
async def say_so(ctx: Ctx, made: Sequence[Network]) -> None:
    """A network that is made with a flag gets the policy."""
    for network in made:
        for action, wanted in flags(network).items():
            if wanted:
                await rbac.share(ctx, TYPE, network.id, network.project_id, action, new=True)


@networks.changing
async def change_policies(ctx: Ctx, before: Network, after: Network) -> None:
    """Raises Conflict when somebody would lose a network that they use."""
    for action, wanted in flags(after).items():
        if wanted and not flags(before)[action]:
            await rbac.share(ctx, TYPE, after.id, after.project_id, action)
        elif flags(before)[action] and not wanted:
            await rbac.unshare(ctx, TYPE, after.id, action)


@networks.going
async def forget(ctx: Ctx, network: Network) -> None:
    await rbac.remove_of(ctx, TYPE, network.id)


def flags(network: Network) -> dict[str, bool]:
    return {rbac.SHARED: network.shared, rbac.EXTERNAL: network.external}
