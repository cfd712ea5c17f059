"""/allocation_candidates, and the list of /resource_providers: what the API accepts and shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Here, Query
from pileus.services.placement.allocation_candidates import service
from pileus.services.placement.allocation_candidates.asked import narrowed, request_of
from pileus.services.placement.allocation_candidates.service import Candidate, Found, Level, Offer, alone
from pileus.services.placement.http import PROVIDERS, api, dated, latest, shown_provider

Shown = Callable[[Candidate], Any]

ID = "@"  # where the id of a provider goes; no resource class has this in its name


class Amounts(msgspec.Struct, gc=False):
    """How much is taken of a provider, by class. (There are many: the garbage collector need not look at each.)"""

    resources: Mapping[str, int]


class Way(msgspec.Struct, gc=False):
    """A candidate."""

    allocations: dict[str, Amounts]


class MappedWay(Way, gc=False):
    mappings: Mapping[str, Sequence[str]]


class Summary(msgspec.Struct, gc=False):
    """What is known of a provider."""

    resources: Mapping[str, Level]


class SummaryWithTraits(Summary, gc=False):
    traits: Sequence[str]


def listed(candidate: Candidate) -> dict[str, Any]:
    """As before 1.12."""
    places = candidate.resources.items()
    return {"allocations": [{"resource_provider": {"uuid": each}, "resources": amounts} for each, amounts in places]}


def keyed(candidate: Candidate) -> Way:
    return Way({each: Amounts(amounts) for each, amounts in candidate.resources.items()})


def mapped(candidate: Candidate) -> MappedWay:
    return MappedWay({each: Amounts(amounts) for each, amounts in candidate.resources.items()}, candidate.mappings)


def summary_of(ctx: Ctx, offer: Offer, asked: frozenset[str]) -> Summary:
    """Before 1.29; before 1.27 of the classes that were asked for alone."""
    everything = ctx.at("1.27")
    levels = {name: level for name, level in offer.levels.items() if everything or name in asked}
    return SummaryWithTraits(levels, offer.trait_names) if ctx.at("1.17") else Summary(levels)


def ways_of(ctx: Ctx, found: Found) -> Any:
    form: Shown = mapped if ctx.at("1.34") else keyed if ctx.at("1.12") else listed
    if found.chosen is not None:
        return [form(each) for each in found.chosen]
    one = msgspec.json.encode(form(alone(ID, found.request.groups[""].resources))).decode()
    return msgspec.Raw("[" + ",".join([one.replace(ID, each.id) for each in found.offers]) + "]")


def summaries_of(ctx: Ctx, found: Found) -> Any:
    if ctx.at("1.29"):
        return msgspec.Raw(b"{" + b",".join([each.summary for each in found.offers]) + b"}")
    asked = frozenset(name for group in found.request.groups.values() for name in group.resources)
    return {offer.id: summary_of(ctx, offer, asked) for offer in found.offers}


@api.get("/allocation_candidates", rule="placement:allocation_candidates:list", since="1.10")
async def list_allocation_candidates(ctx: Ctx, query: Query) -> Answer:
    found = await service.find(ctx, request_of(ctx, query))
    return dated(ctx, {"allocation_requests": ways_of(ctx, found), "provider_summaries": summaries_of(ctx, found)})


@api.get(PROVIDERS, rule="placement:resource_providers:list")
async def list_providers(ctx: Ctx, query: Query, here: Here) -> Answer:
    found = await service.those_with(ctx, *narrowed(ctx, query))
    document = {"resource_providers": [shown_provider(ctx, here, each) for each in found]}
    return dated(ctx, document, latest([each.updated_at for each in found]))
