"""Placing servers on hosts: what the rest of Compute may ask for.

A host is a resource provider of Placement, of the host's own id. What a server uses is written there in the transaction that
gives it its host, under the provider's lock: however many boot at once, no host is promised twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, Unavailable
from pileus.services.compute.aggregates import service as aggregates
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.scheduler import neighbours, rules
from pileus.services.compute.scheduler.rules import Group, Host, Verdict, Wish
from pileus.services.placement.allocation_candidates import service as candidates
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.allocations.service import Claim

__all__ = ["Asked", "NoHost", "Verdict", "judge", "judge_in_turn", "keep", "place", "release", "uuid"]

CONSUMER_TYPE = "INSTANCE"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a server asks of a host. `beside`: what it keeps of those that it leaves."""

    server_id: UUID
    project_id: str
    user_id: str
    resources: Mapping[str, int]
    zone: str | None = None
    host: str | None = None
    forced: bool = False
    same_host: Sequence[str] | None = None
    different_host: Sequence[str] = ()
    group_id: UUID | None = None
    group_hosts: Sequence[str] = ()
    flavor: str = ""
    extra_specs: Mapping[str, str] = {}
    image: Mapping[str, Any] = {}
    beside: Mapping[str, Mapping[str, int]] = {}


class NoHost(Conflict):
    """No host can take the server. The message is for its owner; `verdict` has the hosts by their names."""

    def __init__(self, verdict: Verdict, wanted: Mapping[str, int]) -> None:
        super().__init__(verdict.message(wanted), **verdict.details())
        self.verdict = verdict


def uuid(text: str) -> UUID:
    return UUID(text)


async def judge(ctx: Ctx, asked: Asked) -> Verdict:
    """Which hosts could take it now, and why the others could not."""
    return rules.choose(await seen(ctx), await _wish(ctx, asked))


async def judge_in_turn(ctx: Ctx, those: Sequence[Asked]) -> list[Verdict]:
    """The same of several, each after those before it have taken their room. Nothing is promised."""
    hosts = await seen(ctx) if those else []
    verdicts = []
    for asked in those:
        verdict = rules.choose(hosts, await _wish(ctx, asked))
        hosts = [rules.promised(host, asked.resources) if host.name in verdict.hosts[:1] else host for host in hosts]
        verdicts.append(verdict)
    return verdicts


async def place(ctx: Ctx, asked: Asked) -> tuple[str, str]:
    """Promise it room on the best host, in the open transaction. Returns the host's name, and for administrators why it is it.

    Raises NoHost; Unavailable when another was faster: ask again in another transaction.
    """
    if asked.group_id is not None:
        await ctx.lock("subject", asked.group_id)  # two of a group do not decide at once
    known = {host.name: host for host in await seen(ctx)}
    wish = await _wish(ctx, asked)
    verdict = rules.choose(list(known.values()), wish)
    if not verdict.hosts:
        raise NoHost(verdict, asked.resources)
    best = verdict.hosts[0]
    offer = known[best].offer
    assert offer is not None
    try:
        await _allocate(ctx, asked, offer.id)
    except Conflict as e:  # the next host would be locked out of order: look again in another transaction
        raise Unavailable("The room on a host was taken just now; another is looked for.", host=best) from e
    return best, rules.won(known[best], wish, verdict)


async def keep(ctx: Ctx, asked: Asked) -> None:
    """Promise it so much on the host where it is, in the open transaction, instead of what it had. Raises NoHost."""
    known = {host.name: host for host in await seen(ctx)}
    host = known.get(asked.host or "")
    if host is None or host.offer is None:
        raise NoHost(await judge(ctx, asked), asked.resources)
    try:
        await _allocate(ctx, asked, host.offer.id)
    except Conflict:
        raise NoHost(await judge(ctx, asked), asked.resources) from None


async def release(ctx: Ctx, server_id: UUID) -> None:
    """Free what it was promised. May be repeated."""
    await allocations.release(ctx, [str(server_id)])


async def _allocate(ctx: Ctx, asked: Asked, provider_id: str) -> None:
    left = await hypervisors.named(ctx, asked.beside)
    claim = Claim(
        resources={**{host.id: dict(asked.beside[name]) for name, host in left.items()}, provider_id: asked.resources},
        project_id=asked.project_id,
        user_id=asked.user_id,
        consumer_type=CONSUMER_TYPE,
    )
    await allocations.replace(ctx, {str(asked.server_id): claim})


async def _wish(ctx: Ctx, asked: Asked) -> Wish:
    group = None
    if asked.group_id is not None:
        found = await neighbours.group(ctx, asked.group_id)
        if found is not None:
            group = Group(id=str(asked.group_id), policy=found[0], most_per_host=found[1], hosts=asked.group_hosts)
    return Wish(
        resources=asked.resources,
        project_id=asked.project_id,
        zone=asked.zone,
        host=asked.host,
        forced=asked.forced,
        leaves=frozenset(asked.beside),
        same_host=asked.same_host,
        different_host=asked.different_host,
        group=group,
        flavor=asked.flavor,
        extra_specs=asked.extra_specs,
        image=asked.image,
    )


async def seen(ctx: Ctx) -> list[Host]:
    """The hosts as they are now."""
    async with ctx.read() as ctx:
        found = await hypervisors.states(ctx)
        offers = await candidates.offers(ctx)
        within = await aggregates.of_all_hosts(ctx)
    return [
        Host(
            name=host.name,
            offer=offers.get(host.id),
            usable=host.up,
            disabled=None if host.enabled else host.disabled_reason or "",
            zone=aggregates.zone_of(ctx, within.get(host.name, ())),
            aggregates=[each.metadata for each in within.get(host.name, ())],
            architecture=host.architecture,
        )
        for host in found
    ]
