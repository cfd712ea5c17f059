"""The configuration of domains: kept and shown. The users of every domain of this cloud are in its own database."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.events import Verb
from pileus.services.identity.domain_configs import rules, store
from pileus.services.identity.domain_configs.rules import Config
from pileus.services.identity.domain_configs.store import Option
from pileus.services.identity.domains import service as domains
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.revision import service as revision

__all__ = ["change", "compliance", "create", "defaults", "delete", "get"]


async def get(ctx: Ctx, domain_id: str, group: str | None = None, option: str | None = None) -> dict[str, Any]:
    """What is configured: all, a group, or an option; never a secret. Raises NotFound, Forbidden."""
    rules.check_names(group, option)
    found = rules.part(await _shown(ctx, domain_id), group, option)
    if not found:
        raise rules.missing(domain_id, group, option)
    return found


async def _shown(ctx: Ctx, domain_id: str) -> Config:
    config: Config = {}
    for each in await store.list_(ctx, domain_id):
        if each.sealed is None:
            config.setdefault(each.group, {})[each.option] = each.value
    return config


async def create(ctx: Ctx, domain_id: str, config: dict[str, Any]) -> tuple[Config, bool]:
    """Configure the domain by this and nothing else. Returns what is shown of it, and whether there was nothing before.

    Raises NotFound, Forbidden.
    """
    config = rules.checked(config)
    async with revision.change(ctx) as ctx:  # so that the domain stays there
        await domains.get(ctx, domain_id)
        first = not await store.list_(ctx, domain_id)
        await store.delete(ctx, domain_id)
        await _write(ctx, domain_id, config, "created" if first else "updated")
        return await _shown(ctx, domain_id), first


async def change(
    ctx: Ctx, domain_id: str, config: dict[str, Any], group: str | None = None, option: str | None = None
) -> Config:
    """Write what this says, all of it in the group or the option that is named. Returns all that is shown then.

    A group or an option that is named must be configured already. Raises NotFound, Forbidden.
    """
    config = rules.checked(config) if group is None else rules.checked_part(config, group, option)
    async with revision.change(ctx) as ctx:
        await domains.get(ctx, domain_id)
        await _check_there(ctx, domain_id, group, option)
        await _write(ctx, domain_id, config, "updated")
        return await _shown(ctx, domain_id)


async def _write(ctx: Ctx, domain_id: str, config: Config, verb: Verb) -> None:
    written = [_option(ctx, domain_id, group, name, config[group][name]) for group in config for name in config[group]]
    await store.put(ctx, domain_id, written)
    await changed(ctx, "identity.domain_config", verb, domain_id, project_id=None)


def _option(ctx: Ctx, domain_id: str, group: str, name: str, value: Any) -> Option:
    if not rules.is_secret(group, name):
        return Option(group, name, value, None)
    place = f"identity_domain_config/{domain_id}/{group}/{name}".encode()
    return Option(group, name, None, ctx.world.seal.seal(msgspec.json.encode(value), place=place))


async def _check_there(ctx: Ctx, domain_id: str, group: str | None, option: str | None) -> None:
    """Raises NotFound when a named group or option is not configured, not even as a secret."""
    found = await store.list_(ctx, domain_id)
    if group is not None and not any(each.group == group and option in (None, each.option) for each in found):
        raise rules.missing(domain_id, group, option)


async def delete(ctx: Ctx, domain_id: str, group: str | None = None, option: str | None = None) -> None:
    """Forget all of it, a group, or an option. Raises NotFound, Forbidden."""
    rules.check_names(group, option)
    async with revision.change(ctx) as ctx:
        await domains.get(ctx, domain_id)
        await _check_there(ctx, domain_id, group, option)
        await store.delete(ctx, domain_id, group, option)
        await changed(ctx, "identity.domain_config", "deleted", domain_id, project_id=None)


def defaults(ctx: Ctx, group: str | None = None, option: str | None = None) -> dict[str, Any]:
    """What counts for a domain that says nothing. Raises Forbidden."""
    rules.check_names(group, option)
    if group is not None and option is not None and rules.is_secret(group, option):
        raise rules.invalid(f"Reading the default for option {option} in group {group} is not supported")
    own = {**rules.DEFAULTS["identity"], "list_limit": ctx.world.config.identity.list_limit}
    return rules.part({**rules.DEFAULTS, "identity": own}, group, option)


def compliance(ctx: Ctx, domain_id: str, option: str | None = None) -> dict[str, Any]:
    """What a password must be like: for everybody to read who must choose one. Raises Forbidden."""
    if domain_id != DEFAULT:
        raise rules.invalid(
            "Reading security compliance information for any domain other than the default domain is not allowed or supported"
        )
    if option is not None and option not in rules.READABLE:
        raise rules.invalid(
            "Reading security compliance values other than password_regex and password_regex_description is not allowed"
        )
    config = ctx.world.config.identity
    said = {name: getattr(config, name) or None for name in rules.READABLE}
    return rules.part({rules.COMPLIANCE: said}, rules.COMPLIANCE, option)
