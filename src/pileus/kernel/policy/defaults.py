"""The default rules: `policies.toml` beside each service.

scope = ["project"]                  the tokens these rules take, whatever their check says
[other_scopes]                       "system project" = [rules that take others]
[left_out]                           rules of OpenStack that are not here, and why
[helpers]                            what other rules refer to: rule = check
[rules.servers]                      rule = [check, operation, ...]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pileus.kernel.facts import facts, services_with


@dataclass(frozen=True, slots=True)
class DefaultRules:
    """By full name (`service/rule`): check strings, the scopes that a rule takes, the operations it guards."""

    checks: dict[str, str]
    scopes: dict[str, frozenset[str]]
    operations: dict[str, tuple[str, ...]]


@cache
def default_rules() -> DefaultRules:
    """The rules of every service. Shared: not to be changed."""
    rules = DefaultRules({}, {}, {})
    for service in services_with("policies"):
        _add(service, rules)
    return rules


def _add(service: str, rules: DefaultRules) -> None:
    document = facts(service, "policies")
    others = {
        name: frozenset(scopes.split()) for scopes, names in document.get("other_scopes", {}).items() for name in names
    }
    rules.checks.update((f"{service}/{name}", check) for name, check in document.get("helpers", {}).items())
    for group in document.get("rules", {}).values():
        for name, (check, *operations) in group.items():
            full = f"{service}/{name}"
            rules.checks[full] = check
            rules.scopes[full] = others.get(name, frozenset(document["scope"]))
            rules.operations[full] = tuple(operations)
